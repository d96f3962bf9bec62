package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
)

// benchSerde measures the codecs and the whole serializers.
func benchSerde(ctx context.Context, o options, r *report) error {
	small := shape[avrobench.Small]{name: "small", text: avrobench.SmallText, value: avrobench.NewSmall(), late: "score", lateDefault: "0", encode: 2.8, decode: 1.6, evolved: 2.0}
	order := shape[avrobench.Order]{name: "order", text: avrobench.OrderText, value: avrobench.NewOrder(), late: "notes", lateDefault: `""`, encode: 3.0, decode: 1.5, evolved: 1.7}
	batch := shape[avrobench.Batch]{name: "batch", text: avrobench.BatchText, value: avrobench.NewBatch(), late: "device", lateDefault: `""`, encode: 2.0, decode: 1.8, evolved: 1.9}
	for _, part := range []struct {
		name string
		run  func() error
	}{
		{"small", func() error { return benchShape(ctx, o, r, small) }},
		{"order", func() error { return benchShape(ctx, o, r, order) }},
		{"batch", func() error { return benchShape(ctx, o, r, batch) }},
		{"walk", func() error { return benchWalk(ctx, o, r) }},
		{"whole small", func() error { return benchWhole(ctx, o, r, small, wholeTargets{}) }},
		{"whole order", func() error {
			return benchWhole(ctx, o, r, order, wholeTargets{serialize: atLeast(5), deserialize: atLeast(2), evolved: atLeast(30)})
		}},
		{"whole batch", func() error { return benchWhole(ctx, o, r, batch, wholeTargets{}) }},
		{"jsonschema", func() error { return benchJSONSchema(ctx, o, r) }},
	} {
		if !strings.Contains(part.name, o.only) {
			continue
		}
		r.part(ctx, part.name, part.run)
	}
	return ctx.Err()
}

// equal says whether two decoded values are the same, by what they look like as
// JSON: pointers are followed and maps are sorted.
func equal(a, b any) error {
	x, err := json.Marshal(a)
	if err != nil {
		return err
	}
	y, err := json.Marshal(b)
	if err != nil {
		return err
	}
	if string(x) != string(y) {
		return fmt.Errorf("values differ:\n%.2000s\n%.2000s", x, y)
	}
	return nil
}

// repeat makes an op of something done once.
func repeat(name string, once func() error) op {
	return op{name, func(n int) error {
		for range n {
			if err := once(); err != nil {
				return err
			}
		}
		return nil
	}}
}
