package avro_test

import (
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

func benchShape[T any](b *testing.B, name string, s *avro.Schema, v T) {
	arena, err := avro.NewCodec[T](s, avro.WithArena())
	if err != nil {
		b.Fatal(err)
	}
	data := mustMarshal(s, &v)
	buf := make([]byte, 0, 1<<17)
	checker, err := avro.NewValidator(s, avro.ValidateOptions{})
	if err != nil {
		b.Fatal(err)
	}
	var used T
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"append", func() error { _, err := arena.Append(buf, &v); return err }},
		{"marshal", func() error { _, err := avro.Marshal(s, &v); return err }},
		{"decode", func() error { return avro.Unmarshal(s, data, new(T)) }},
		{"decode-arena", func() error { return arena.Decode(data, new(T)) }},
		{"decode-used", func() error { return avro.Unmarshal(s, data, &used) }},
		{"decode-any", func() error { var x any; return avro.Unmarshal(s, data, &x) }},
		{"validate", func() error { return avro.Validate(s, data, avro.ValidateOptions{}) }},
		{"validator", func() error { return checker.Validate(data) }},
		{"validate-no-utf8", func() error { return avro.Validate(s, data, avro.ValidateOptions{SkipUTF8: true}) }},
		{"json", func() error { _, err := avro.AppendJSON(buf, s, data); return err }},
	} {
		b.Run(name+"/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if err := c.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCodec(b *testing.B) {
	benchShape(b, "small", smallSchema, newSmall())
	benchShape(b, "order", orderSchema, newOrder())
	benchShape(b, "batch", batchSchema, newBatch())
}
