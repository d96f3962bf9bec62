package jsonschema

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

func seeds(f *testing.F, side string) []string {
	f.Helper()
	files, err := filepath.Glob("testdata/rules/*/" + side + ".json")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	var out []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

// FuzzParse: no text makes the parser panic, what it takes is JSON, and the
// canonical text is a fixed point.
func FuzzParse(f *testing.F) {
	for _, text := range seeds(f, "reader") {
		f.Add(text, "", true)
		f.Add(text, text, false)
	}
	f.Add(`{"$ref":"d#/a/0","$id":"x:","a":[{"$id":"#a"}]}`, `{"$anchor":"x","a":[1]}`, false)
	f.Fuzz(func(t *testing.T, text, dep string, strict bool) {
		src := compat.Source{Text: text, Strict: strict}
		if dep != "" {
			src.Dependencies = []compat.Dependency{{Name: "d", Text: dep}}
		}
		s, err := Parse(src)
		if err != nil {
			var syntax *compat.SyntaxError
			if s != nil || !errors.As(err, &syntax) {
				t.Fatalf("%v", err)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatal("not JSON")
		}
		for _, form := range []string{s.Canonical(), s.Normalized()} {
			src.Text = form
			again, err := Parse(src)
			if err != nil {
				t.Fatalf("%s: %v", form, err)
			}
			if again.Normalized() != s.Normalized() || form == s.Canonical() && again.Canonical() != form {
				t.Fatalf("%s is no fixed point", form)
			}
			for _, d := range again.Differences(s, compat.Options{}) {
				if !d.Compatible {
					t.Fatalf("the text differs from its form %s: %v", form, d)
				}
			}
		}
	})
}

// FuzzDifferences: no pair makes a comparison panic or hang, every finding and
// every change has a place, and lenient finds nothing worse than strict.
func FuzzDifferences(f *testing.F) {
	readers := seeds(f, "reader")
	for i, writer := range seeds(f, "writer") {
		f.Add(writer, readers[i])
	}
	f.Fuzz(func(t *testing.T, writer, reader string) {
		w, err := Parse(compat.Source{Text: writer})
		if err != nil {
			return
		}
		r, err := Parse(compat.Source{Text: reader})
		if err != nil {
			return
		}
		breaks := func(policy compat.Policy) bool {
			broken := false
			for _, d := range r.Differences(w, compat.Options{Policy: policy}) {
				broken = broken || !d.Compatible
				if !strings.HasPrefix(d.Path, "#/") {
					t.Errorf("path %q", d.Path)
				}
				r.Describe(d, compat.Forward)
				if _, ok := r.Position(d.Path); !ok {
					t.Errorf("no place for %q", d.Path)
				}
			}
			return broken
		}
		for _, c := range r.Changes(w, compat.Options{}) {
			if _, ok := r.Position(c.Path); !ok {
				t.Errorf("no place for %q", c.Path)
			}
			if _, ok := w.Position(c.OlderPath()); !ok {
				t.Errorf("no place for %q in the writer", c.OlderPath())
			}
		}
		if strict, loose := breaks(compat.PolicyStrict), breaks(compat.PolicyLenient); loose && !strict {
			t.Error("lenient breaks, strict does not")
		}
	})
}
