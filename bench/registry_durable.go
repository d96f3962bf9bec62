package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/broker"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// registering is how many clients register at once.
const registering = 32

// storeHistory puts the records of a registry into the data directory of a
// server that is not running.
func storeHistory(ctx context.Context, dir string, subjects, versions int) (err error) {
	b, err := broker.New(broker.Options{DataDir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close(context.WithoutCancel(ctx))) }()
	if err := b.Start(ctx); err != nil {
		return err
	}
	if err := b.EnsureInternalTopic("_schemas", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		return err
	}
	p, err := b.Partition("_schemas", 0)
	if err != nil {
		return err
	}
	return history(subjects, versions, func(batch []journal.Record) error {
		records := make([]broker.Record, len(batch))
		for i, r := range batch {
			records[i] = broker.Record{Key: r.Key, Value: r.Value}
		}
		_, err := p.AppendRecords(ctx, broker.AnyEnd, records...)
		return err
	})
}

// awaitSchema waits for a registry to answer for a schema.
func (d *dovetail) awaitSchema(ctx context.Context, id int) (time.Duration, error) {
	req := request(http.MethodGet, fmt.Sprintf("/schemas/ids/%d", id), "")
	return d.await(ctx, time.Minute, func() error {
		c, err := dialHTTP(d.http)
		if err != nil {
			return err
		}
		defer c.Close()
		return c.do(req, nil)
	})
}

// benchDurable measures new registrations, acknowledged after an fsync, of a
// registry with few and of one with many subjects, beside the disk.
func benchDurable(ctx context.Context, o options, r *report) error {
	binary, err := dovetailBinary(ctx, o)
	if err != nil {
		return err
	}
	disk, err := newDevice(o.work)
	if err != nil {
		return err
	}
	defer disk.close()
	defer os.Remove(disk.f.Name())
	var record []byte
	if err := history(1, 1, func(b []journal.Record) error {
		record = append(append(record, b[0].Key...), b[0].Value...)
		return nil
	}); err != nil {
		return err
	}
	limit := fmt.Sprintf("group-committed fsync of the same bytes, %d writers", registering)
	alone := "fsync of one record after the other"
	ops := []op{
		{limit, func(n int) error { return disk.run(n, registering, record) }},
		{alone, func(n int) error { return disk.run(n, 1, record) }},
	}
	echoing := "bare Echo handler that appends the body to the same file"
	bare := bareAppender(disk)
	defer bare.Close()
	bareLoad, err := newHTTPLoad(bare.Listener.Addr().String(), registering)
	if err != nil {
		return err
	}
	defer bareLoad.close()
	ops = append(ops, newSchemas(echoing, bareLoad))
	sizes := []int{1000, 100_000}
	for _, subjects := range sizes {
		dir := filepath.Join(o.work, fmt.Sprintf("registry-%d", subjects))
		if err := storeHistory(ctx, dir, subjects, 1); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		d, err := startDovetail(binary, dir)
		if err != nil {
			return err
		}
		defer d.stop()
		if _, err := d.awaitSchema(ctx, subjects); err != nil {
			return err
		}
		load, err := newHTTPLoad(d.http, registering)
		if err != nil {
			return err
		}
		defer load.close()
		ops = append(ops, newSchemas(fmt.Sprint(subjects), load))
	}
	rounds, turn := o.rounds()
	t, err := interleave(ctx, rounds, 8*turn, ops...)
	if err != nil {
		return err
	}
	small, large := fmt.Sprint(sizes[0]), fmt.Sprint(sizes[1])
	perSecond(r, "register new, durable, 1000 subjects", t, small, limit, atLeast(0.5))
	perSecond(r, "register new, durable, 1000 subjects", t, small, echoing, target{})
	perSecond(r, "register new, durable, 1000 subjects", t, small, alone, target{})
	r.add(row{Name: "register new, 100000 subjects", Unit: "1/s", Ours: ptr(1e9 / median(t[large])), Peer: ptr(1e9 / median(t[small])),
		Ratio: ptr(ratio(t[small], t[large])), Against: "the same with 1000 subjects"}, atLeast(0.9))
	return nil
}

// bareAppender answers a registration as soon as its body is on the disk: as
// little as a durable registry behind HTTP can do.
func bareAppender(disk *device) *httptest.Server {
	e := echo.New()
	e.POST("/subjects/:subject/versions", func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		if err := disk.append(body); err != nil {
			return err
		}
		return c.Blob(http.StatusOK, "application/vnd.schemaregistry.v1+json", body)
	})
	return httptest.NewServer(e)
}

// newSchemas registers schemas that nobody has registered, one subject each.
func newSchemas(name string, load httpLoad) op {
	var mu sync.Mutex
	var next atomic.Int64
	next.Store(10_000_000)
	return op{name, func(n int) error {
		mu.Lock()
		defer mu.Unlock()
		return load.run(n, func(int) []byte {
			i := next.Add(1)
			return request(http.MethodPost, fmt.Sprintf("/subjects/new-%d/versions", i), schemaBody(orderSchema(int(i))))
		})
	}}
}
