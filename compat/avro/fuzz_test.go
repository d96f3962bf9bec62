package avro_test

import (
	"math/rand/v2"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
)

// FuzzParse: no text makes the parser panic; what it takes prints as a text
// that it takes, strict or not, and that prints the same.
func FuzzParse(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(avrotest.Schema(rand.New(rand.NewPCG(seed, 5)), avrotest.Options{MaxDepth: 3, MaxFields: 3}), "")
	}
	for _, text := range []string{
		`"int"`, `[]`, `{"type":"int","x":1e400,"y":-0}`, `// c` + "\n" + `"A"`,
		`{"type":"enum","name":"a.E","symbols":["A"],"default":"A","aliases":[".b",""]}`,
		`{"type":"record","name":"R","namespace":"n","fields":[{"name":"f","type":["null","R","X"],"default":null,"order":"Ignore"},{"name":"x","type":{"type":"fixed","name":".X","size":1}}]}`,
		`{"type":"record","name":"int","namespace":"n","fields":[{"name":"a","type":"n.int","default":"NaN"}]}`,
	} {
		f.Add(text, `{"type":"record","name":"A","fields":[]}`)
	}
	f.Fuzz(func(t *testing.T, text, dependency string) {
		for _, strict := range []bool{true, false} {
			src := compat.Source{Text: text, Strict: strict}
			if dependency != "" {
				src.Dependencies = []compat.Dependency{{Name: "d", Text: dependency}}
			}
			s, err := avro.Parse(src)
			if err != nil {
				continue
			}
			src.Text = s.Canonical()
			again, err := avro.Parse(src)
			if err != nil {
				t.Fatalf("strict %v: canonical text %s: %v", strict, s.Canonical(), err)
			}
			if again.Canonical() != s.Canonical() {
				t.Fatalf("strict %v: canonical text\n%s\nprints as\n%s", strict, s.Canonical(), again.Canonical())
			}
			if found := findings(again, s); len(found) > 0 && !hasAmbiguousAlias(found) {
				t.Fatalf("strict %v: %s is not what it was: %q", strict, s.Canonical(), found)
			}
			src.Text = s.Normalized()
			if _, err := avro.Parse(src); err != nil {
				t.Fatalf("strict %v: normal form %s: %v", strict, s.Normalized(), err)
			}
			for _, d := range again.Differences(s, compat.Options{}) {
				again.Position(d.Path)
			}
			s.Position("/fields/0/type")
			s.Fingerprint64()
			if _, err := s.Format("resolved"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// hasAmbiguousAlias: a field whose alias names another field of the same
// record does not even fit itself.
func hasAmbiguousAlias(found []string) bool {
	for _, f := range found {
		if len(f) >= len(avro.RuleFieldAmbiguous) && f[:len(avro.RuleFieldAmbiguous)] == avro.RuleFieldAmbiguous {
			return true
		}
	}
	return false
}

// FuzzDifferences: no pair of schemas makes the comparison panic, and one that
// is read by a schema is read by its copy.
func FuzzDifferences(f *testing.F) {
	for seed := range uint64(20) {
		w, r := avrotest.Pair(rand.New(rand.NewPCG(seed, 6)), avrotest.Options{MaxDepth: 3, MaxFields: 3})
		f.Add(r, w)
	}
	f.Fuzz(func(t *testing.T, reader, writer string) {
		r, err1 := avro.Parse(compat.Source{Text: reader})
		w, err2 := avro.Parse(compat.Source{Text: writer})
		if err1 != nil || err2 != nil {
			return
		}
		found := r.Differences(w, compat.Options{})
		for _, d := range found {
			if r.Describe(d, compat.Backward) == "" {
				t.Errorf("no description of %v", d)
			}
			r.Position(d.Path)
		}
		copied, err := avro.Parse(compat.Source{Text: r.Canonical()})
		if err != nil {
			t.Fatal(err)
		}
		if len(copied.Differences(w, compat.Options{})) != len(found) {
			t.Errorf("the canonical text of %s finds something else", reader)
		}
	})
}
