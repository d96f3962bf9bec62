package avro_test

import (
	"math/rand/v2"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// TestNoDifferenceMeansReadable is the promise of the registry: where the
// compatibility engine finds nothing, data of the writer is read with the
// reader. And where it finds something, either the schemas do not resolve or
// there may be data that does not.
func TestNoDifferenceMeansReadable(t *testing.T) {
	seed := rand.Uint64()
	fine, different := 0, 0
	for k := range 1500 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		m := &schemaMaker{r: r, logical: k%2 == 0}
		text := m.schema(4)
		readerText := evolve(r, text)
		if k%3 == 0 {
			text, readerText = readerText, text
		}
		w, err := avro.Parse(text)
		if err != nil {
			continue
		}
		rd, err := avro.Parse(readerText)
		if err != nil {
			continue
		}
		found := rd.Differences(w, compat.Options{})
		err = avro.Resolve(w, rd)
		if len(found) > 0 {
			different++
			continue
		}
		if err != nil {
			t.Fatalf("seed %d/%d: no difference, yet %v\nwriter %s\nreader %s", seed, k, err, text, readerText)
		}
		fine++
		for range 5 {
			value := randomValue(r, w.Root(), 0)
			data := mustMarshal(w, value)
			var got any
			if err := avro.UnmarshalResolved(w, rd, data, &got); err != nil {
				t.Fatalf("seed %d/%d: no difference, yet %v\nwriter %s\nreader %s\nvalue %#v", seed, k, err, text, readerText, value)
			}
			again := mustMarshal(rd, got)
			if err := avro.Validate(rd, again, avro.ValidateOptions{SkipUTF8: true}); err != nil {
				t.Fatalf("seed %d/%d: the resolved value is no value of the reader: %v", seed, k, err)
			}
		}
	}
	if fine < 500 || different < 50 {
		t.Fatalf("only %d pairs without and %d with differences", fine, different)
	}
	t.Logf("%d pairs without and %d with differences", fine, different)
}

// TestKnownExceptions lists where the compatibility rules, which are those of
// Avro for Java, are looser than reading: logical types are not looked at, and
// bytes may be read as a string.
func TestKnownExceptions(t *testing.T) {
	for _, c := range []struct {
		name, writer, reader string
		data                 []byte
		decodes              bool // what comes out is then no valid value of the reader
	}{
		{"bytes that are no UTF-8, read as string", `"bytes"`, `"string"`, []byte{2, 0xff}, true},
		{"a long that no time of day is, read as time-micros", `"long"`, `{"type":"long","logicalType":"time-micros"}`, zigzag(1 << 62), false},
		{"bytes that are no big-decimal, read as one", `"bytes"`, `{"type":"bytes","logicalType":"big-decimal"}`, []byte{2, 7}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := avro.MustParse(c.writer), avro.MustParse(c.reader)
			if found := r.Differences(w, compat.Options{}); len(found) != 0 {
				t.Fatalf("no exception any more: %v", found)
			}
			if err := avro.Validate(w, c.data, avro.ValidateOptions{}); err != nil {
				t.Fatal(err)
			}
			var v any
			err := avro.UnmarshalResolved(w, r, c.data, &v)
			if (err == nil) != c.decodes {
				t.Fatalf("%#v, %v", v, err)
			}
			if err == nil && avro.Validate(r, mustMarshal(r, v), avro.ValidateOptions{}) == nil {
				t.Fatal("no exception any more")
			}
		})
	}
}
