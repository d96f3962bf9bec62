package avro_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"testing"

	oracle "github.com/twmb/avro"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// TestRandomDataAgreesWithOracle encodes random values of random schemas and
// lets the other implementation read and write them again.
func TestRandomDataAgreesWithOracle(t *testing.T) {
	seed := rand.Uint64()
	compared := 0
	for k := range 800 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		m := &schemaMaker{r: r, logical: k%2 == 0}
		text := m.schema(4)
		s, err := avro.Parse(text)
		if err != nil {
			t.Fatalf("seed %d/%d: %v\n%s", seed, k, err, text)
		}
		o, err := oracle.Parse(text)
		if err != nil {
			continue
		}
		value := randomValue(r, s.Root(), 0)
		data, err := avro.Marshal(s, value)
		if err != nil {
			t.Fatalf("seed %d/%d: %v\n%s\n%#v", seed, k, err, text, value)
		}
		if err := avro.Validate(s, data, avro.ValidateOptions{}); err != nil {
			t.Fatalf("seed %d/%d: %v\n%s", seed, k, err, text)
		}
		var back any
		if err := avro.Unmarshal(s, data, &back); err != nil {
			t.Fatalf("seed %d/%d: %v\n%s", seed, k, err, text)
		}
		if again := mustMarshal(s, back); !bytes.Equal(again, data) {
			t.Fatalf("seed %d/%d: decoded and encoded again differs\n%s\n%x\n%x", seed, k, text, data, again)
		}
		var theirs any
		rest, err := o.Decode(data, &theirs, oracle.TaggedUnions())
		if err != nil || len(rest) != 0 {
			t.Fatalf("seed %d/%d: oracle: %v, %d left\n%s\n%x", seed, k, err, len(rest), text, data)
		}
		written, err := o.Encode(theirs, oracle.TaggedUnions())
		if err != nil || !bytes.Equal(written, data) {
			t.Fatalf("seed %d/%d: oracle writes %v\n%x\nours\n%x\n%s", seed, k, err, written, data, text)
		}
		ours, err := avro.AppendJSON(nil, s, data)
		if err != nil {
			t.Fatalf("seed %d/%d: %v", seed, k, err)
		}
		fromJSON, err := avro.FromJSON(nil, s, ours)
		if err != nil || !bytes.Equal(fromJSON, data) {
			t.Fatalf("seed %d/%d: through JSON: %v\n%s\n%s\n%x\n%x", seed, k, err, text, ours, data, fromJSON)
		}
		if k%2 == 1 {
			js, err := o.EncodeJSON(theirs, oracle.TaggedUnions())
			if err != nil {
				t.Fatalf("seed %d/%d: oracle JSON: %v", seed, k, err)
			}
			if !sameJSON(t, js, ours) {
				t.Fatalf("seed %d/%d: JSON\n%s\n%s", seed, k, js, ours)
			}
		}
		compared++
	}
	if compared < 500 {
		t.Fatalf("only %d schemas were compared", compared)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// TestResolutionAgreesWithOracle evolves random schemas and reads random data
// of the writer as the reader.
func TestResolutionAgreesWithOracle(t *testing.T) {
	seed := rand.Uint64()
	resolved, refused := 0, 0
	for k := range 1200 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		m := &schemaMaker{r: r}
		text := m.record(4)
		readerText := evolve(r, text)
		w, err := avro.Parse(text)
		if err != nil {
			t.Fatalf("seed %d/%d: %v\n%s", seed, k, err, text)
		}
		rd, err := avro.Parse(readerText)
		if err != nil {
			continue
		}
		ow, err := oracle.Parse(text)
		if err != nil {
			continue
		}
		or, err := oracle.Parse(readerText)
		if err != nil {
			continue
		}
		ores, oerr := oracle.Resolve(ow, or)
		err = avro.Resolve(w, rd)
		if err != nil {
			refused++
			if oerr == nil {
				t.Fatalf("seed %d/%d: we refuse: %v\n%s\n%s", seed, k, err, text, readerText)
			}
			continue
		}
		data := mustMarshal(w, randomValue(r, w.Root(), 0))
		var ours any
		err = avro.UnmarshalResolved(w, rd, data, &ours)
		if oerr != nil {
			continue // the oracle refuses a whole schema for a branch that may not occur
		}
		var theirs any
		_, derr := ores.Decode(data, &theirs, oracle.TaggedUnions())
		if (err == nil) != (derr == nil) {
			t.Fatalf("seed %d/%d: ours %v, oracle %v\n%s\n%s\n%x", seed, k, err, derr, text, readerText, data)
		}
		if err != nil {
			continue
		}
		resolved++
		a := mustMarshal(rd, ours)
		b, err := or.Encode(theirs, oracle.TaggedUnions())
		if err != nil {
			t.Fatalf("seed %d/%d: oracle encode: %v", seed, k, err)
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d/%d: resolved values differ\n%s\n%s\n%#v\n%#v", seed, k, text, readerText, ours, theirs)
		}
	}
	if resolved < 200 || refused == 0 {
		t.Fatalf("only %d resolved, %d refused", resolved, refused)
	}
	t.Logf("%d resolved, %d refused", resolved, refused)
}
