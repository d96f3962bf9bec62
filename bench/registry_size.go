package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// benchSize measures memory and restart of a registry with ten versions of each
// subject.
func benchSize(ctx context.Context, o options, r *report) error {
	binary, err := dovetailBinary(ctx, o)
	if err != nil {
		return err
	}
	for _, at := range []struct {
		subjects   int
		mb, millis target
		restarts   int
	}{
		{1000, target{}, target{}, 5},
		{10_000, oursUnder(100), oursUnder(300), 5},
		{100_000, oursUnder(1500), oursUnder(10_000), 1},
	} {
		if o.quick && at.subjects > 10_000 {
			r.missing(fmt.Sprintf("registry of %d subjects x 10 versions", at.subjects), "", at.mb, "left out of a short run")
			continue
		}
		if err := benchSizeAt(ctx, o, r, binary, at.subjects, at.restarts, at.mb, at.millis); err != nil {
			return err
		}
	}
	return nil
}

func benchSizeAt(ctx context.Context, o options, r *report, binary string, subjects, restarts int, mb, millis target) error {
	dir := filepath.Join(o.work, fmt.Sprintf("size-%d", subjects))
	defer os.RemoveAll(dir)
	if err := storeHistory(ctx, dir, subjects, 10); err != nil {
		return err
	}
	d, err := startDovetail(binary, dir)
	if err != nil {
		return err
	}
	defer func() { d.stop() }()
	var took, resident []float64
	for i := range restarts {
		if i > 0 {
			d.stop()
			if err := d.again(); err != nil {
				return err
			}
		}
		t, err := d.awaitSchema(ctx, subjects*10)
		if err != nil {
			return err
		}
		took = append(took, float64(t)/1e6)
		time.Sleep(2 * time.Second) // to see what stays
		m, err := d.residentMB()
		if err != nil {
			r.missing(fmt.Sprintf("registry of %d subjects x 10 versions, resident", subjects), "", mb, err.Error())
			continue
		}
		resident = append(resident, m)
	}
	if len(resident) > 0 {
		r.add(row{Name: fmt.Sprintf("registry of %d subjects x 10 versions, resident", subjects), Unit: "MB", Ours: ptr(median(resident))}, mb)
	}
	r.add(row{Name: fmt.Sprintf("registry of %d subjects x 10 versions, restart to first answer", subjects), Unit: "ms", Ours: ptr(median(took))}, millis)
	return nil
}
