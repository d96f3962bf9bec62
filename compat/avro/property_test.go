package avro_test

import (
	"math/rand/v2"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
)

const randomSchemas = 600

// forRandom runs f with one source of randomness per seed.
func forRandom(t *testing.T, f func(t *testing.T, seed uint64, r *rand.Rand)) {
	for seed := range uint64(randomSchemas) {
		f(t, seed, rand.New(rand.NewPCG(seed, 4)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestCanonicalTextIsAFixpoint: what is printed reads as the same schema and
// prints the same, in each of the forms.
func TestCanonicalTextIsAFixpoint(t *testing.T) {
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		s := strict(t, avrotest.Schema(r, avrotest.Options{}))
		again := strict(t, s.Canonical())
		if again.Canonical() != s.Canonical() || again.Normalized() != s.Normalized() {
			t.Errorf("canonical text\n%s\nprints as\n%s", s.Canonical(), again.Canonical())
		}
		if again.ParsingCanonicalForm() != s.ParsingCanonicalForm() || again.Fingerprint64() != s.Fingerprint64() ||
			again.FingerprintMD5() != s.FingerprintMD5() || again.FingerprintSHA256() != s.FingerprintSHA256() {
			t.Errorf("another parsing canonical form: %s", again.ParsingCanonicalForm())
		}
	})
}

func TestNormalFormIsAFixpoint(t *testing.T) {
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		s := strict(t, avrotest.Schema(r, avrotest.Options{}))
		normal := strict(t, s.Normalized())
		if normal.Canonical() != s.Normalized() || normal.Normalized() != s.Normalized() {
			t.Errorf("normal form\n%s\nprints as\n%s\nand normalizes to\n%s", s.Normalized(), normal.Canonical(), normal.Normalized())
		}
		if len(findings(normal, s)) > 0 || len(findings(s, normal)) > 0 {
			t.Error("the normal form is another schema")
		}
	})
}

// TestParsingCanonicalFormIsAFixpoint holds as long as no type without
// namespace is defined inside one: the specification writes full names only,
// and such a name is read as one of the namespace around it.
func TestParsingCanonicalFormIsAFixpoint(t *testing.T) {
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		s := strict(t, avrotest.Schema(r, avrotest.Options{NoNamespaces: true}))
		again := strict(t, s.ParsingCanonicalForm())
		if again.ParsingCanonicalForm() != s.ParsingCanonicalForm() {
			t.Errorf("%s\nhas the form\n%s", s.ParsingCanonicalForm(), again.ParsingCanonicalForm())
		}
	})
}

// TestEverySchemaReadsItself, also in a second copy that shares no node.
func TestEverySchemaReadsItself(t *testing.T) {
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		text := avrotest.Schema(r, avrotest.Options{})
		s := strict(t, text)
		if got := append(findings(s, s), findings(strict(t, text), s)...); len(got) > 0 {
			t.Errorf("%s: %q", text, got)
		}
	})
}

// TestEveryFindingHasAPlace: paths of differences lead somewhere in the text.
func TestEveryFindingHasAPlace(t *testing.T) {
	found := 0
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		writer, reader := avrotest.Pair(r, avrotest.Options{})
		s := strict(t, reader)
		for _, d := range s.Differences(strict(t, writer), compat.Options{}) {
			found++
			if p, ok := s.Position(d.Path); (!ok || p.Line < 1 || p.Column < 1) && d.Path == firstPath(s, writer) {
				t.Errorf("reader %s\nwriter %s\n%v: %v %v", reader, writer, d, p, ok)
			}
		}
	})
	if found < 100 {
		t.Fatalf("only %d findings", found)
	}
}

// firstPath returns the path of the first difference: later ones of a pair
// that was met inside a union before have the paths of that place.
func firstPath(s *avro.Schema, writer string) string {
	w, err := avro.ParseText(writer)
	if err != nil {
		return ""
	}
	return s.Differences(w, compat.Options{})[0].Path
}

// TestWorkIsBounded: pairs whose comparison explodes end soon, and not as
// compatible.
func TestWorkIsBounded(t *testing.T) {
	union := func(n int, space string) string {
		text := "["
		for i := range n {
			if i > 0 {
				text += ","
			}
			text += `{"type":"record","name":"` + space + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + `.R","fields":[{"name":"x","type":"` + map[string]string{"r": "int", "w": "string"}[space] + `"}]}`
		}
		return text + "]"
	}
	t.Run("many records of one name", func(t *testing.T) {
		got := findings(strict(t, union(1010, "r")), strict(t, union(1010, "w")))
		if len(got) == 0 || got[len(got)-1][:len(avro.RuleTooLarge)] != avro.RuleTooLarge {
			t.Errorf("%d findings, last %q", len(got), got[max(0, len(got)-1):])
		}
	})
	t.Run("doubling findings", func(t *testing.T) {
		r, w := strict(t, doubling("int")), strict(t, doubling("string"))
		if n := len(findings(r, w)); n == 0 || n > 10_001 {
			t.Errorf("%d findings", n)
		}
	})
}

// doubling returns a record with two fields of a record with two fields … of
// a record with a leaf that differs: 2^30 findings if all were listed.
func doubling(leaf string) string {
	text := `{"type":"record","name":"R30","fields":[{"name":"x","type":"` + leaf + `"}]}`
	for i := 29; i >= 0; i-- {
		name := "R" + string(rune('0'+i/10)) + string(rune('0'+i%10))
		inner := "R" + string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		text = `{"type":"record","name":"` + name + `","fields":[{"name":"a","type":` + text + `},{"name":"b","type":"` + inner + `"}]}`
	}
	return text
}
