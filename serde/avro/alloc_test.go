package avro_test

import (
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

func noAllocs(t *testing.T, name string, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = f() }); n != 0 {
		t.Errorf("%s allocates %v times", name, n)
	}
}

func noneFor[T any](t *testing.T, s *avro.Schema, v T) {
	c, err := avro.NewCodec[T](s)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 1<<16)
	text := make([]byte, 0, 1<<17)
	data := mustMarshal(s, &v)
	noAllocs(t, "Codec.Append", func() error { _, err := c.Append(buf, &v); return err })
	noAllocs(t, "Append", func() error { _, err := avro.Append(buf, s, &v); return err })
	noAllocs(t, "Validate", func() error { return avro.Validate(s, data, avro.ValidateOptions{}) })
	noAllocs(t, "AppendJSON", func() error { _, err := avro.AppendJSON(text, s, data); return err })
}

func TestNothingIsAllocatedIntoALargeBuffer(t *testing.T) {
	t.Run("small", func(t *testing.T) { noneFor(t, smallSchema, newSmall()) })
	t.Run("order", func(t *testing.T) { noneFor(t, orderSchema, newOrder()) })
	t.Run("batch", func(t *testing.T) { noneFor(t, batchSchema, newBatch()) })
}

func TestMarshalAllocatesTheResult(t *testing.T) {
	o := newOrder()
	if n := testing.AllocsPerRun(100, func() { _, _ = avro.Marshal(orderSchema, &o) }); n > 1 {
		t.Errorf("Marshal allocates %v times", n)
	}
}
