package avrotest_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 8)) }

func parse(t *testing.T, text string) *avro.Schema {
	t.Helper()
	s, err := avro.ParseText(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func TestOneSeedGivesOneResult(t *testing.T) {
	for seed := range uint64(100) {
		make := func() (string, string, []byte) {
			r := source(seed)
			writer, reader := avrotest.Pair(r, avrotest.Options{})
			root := parse(t, writer).Root()
			return writer, reader, avrotest.Append(nil, root, avrotest.Value(r, root))
		}
		w1, r1, d1 := make()
		w2, r2, d2 := make()
		if w1 != w2 || r1 != r2 || !bytes.Equal(d1, d2) {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestGeneratedSchemasHaveVariety: a generator that lost a part of the
// specification would make every test that uses it weaker, silently.
func TestGeneratedSchemasHaveVariety(t *testing.T) {
	want := map[string]int{
		`"record"`: 0, `"enum"`: 0, `"fixed"`: 0, `"array"`: 0, `"map"`: 0, `["null"`: 0, `"default"`: 0, `"aliases"`: 0,
		`"namespace"`: 0, `"doc"`: 0, `"order"`: 0, `"logicalType"`: 0, `"decimal"`: 0, `"uuid"`: 0, `"duration"`: 0, `"x-`: 0, "/*": 0, "é": 0,
	}
	recursive, compatible, incompatible := 0, 0, 0
	for seed := range uint64(400) {
		writer, reader := avrotest.Pair(source(seed), avrotest.Options{})
		for part := range want {
			if strings.Contains(writer, part) {
				want[part]++
			}
		}
		w := parse(t, writer)
		if reaches(w.Root(), nil) {
			recursive++
		}
		if len(parse(t, reader).Differences(w, compat.Options{})) == 0 {
			compatible++
		} else {
			incompatible++
		}
	}
	for part, n := range want {
		if n < 4 {
			t.Errorf("%s occurs in %d of 400 schemas", part, n)
		}
	}
	if recursive < 4 || compatible < 100 || incompatible < 40 {
		t.Errorf("%d recursive, %d compatible, %d incompatible", recursive, compatible, incompatible)
	}
}

// reaches reports whether a record inside n is one of those around it.
func reaches(n *avro.Node, around []*avro.Node) bool {
	switch n.Kind {
	case avro.Array, avro.Map:
		return reaches(n.Items, around)
	case avro.Union:
		for _, b := range n.Branches {
			if reaches(b, around) {
				return true
			}
		}
	case avro.Record:
		for _, outer := range around {
			if outer == n {
				return true
			}
		}
		for _, f := range n.Fields {
			if reaches(f.Type, append(around, n)) {
				return true
			}
		}
	}
	return false
}

func TestOptionsLeaveOut(t *testing.T) {
	for seed := range uint64(200) {
		text := avrotest.Schema(source(seed), avrotest.Options{
			NoLogical: true, NoProps: true, NoAliases: true, NoDefaults: true, NoRecursion: true,
			NoNamespaces: true, NoSpecialText: true, RecordRoot: true,
		})
		for _, part := range []string{`"logicalType"`, `"doc"`, `"order"`, `"x-`, `"aliases"`, `"default"`, "/*", "é", "com.example"} {
			if strings.Contains(text, part) {
				t.Errorf("seed %d: %s in %s", seed, part, text)
			}
		}
		if root := parse(t, text).Root(); root.Kind != avro.Record || reaches(root, nil) {
			t.Errorf("seed %d: %s", seed, text)
		}
	}
}
