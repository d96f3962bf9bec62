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
