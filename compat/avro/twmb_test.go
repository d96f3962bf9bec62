package avro_test

import (
	"math/rand/v2"
	"regexp"
	"testing"

	twmb "github.com/twmb/avro"

	"github.com/dovetail-dev/dovetail/compat/avro/avrotest"
)

// plain leaves out what twmb/avro reads differently: comments, which it does
// not know, and letters beyond ASCII in names.
var plain = avrotest.Options{NoSpecialText: true}

func TestParsingCanonicalFormAgainstTwmb(t *testing.T) {
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		text := avrotest.Schema(r, plain)
		theirs, err := twmb.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got, want := strict(t, text).ParsingCanonicalForm(), string(theirs.Canonical()); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
	})
}

// TestTwmbDecodesGeneratedValues shows that avrotest's values and encoding are
// Avro.
func TestTwmbDecodesGeneratedValues(t *testing.T) {
	opts := plain
	opts.NoLogical = true
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		text := avrotest.Schema(r, opts)
		root := strict(t, text).Root()
		data := avrotest.Append(nil, root, avrotest.Value(r, root))
		var v any
		if rest, err := twmb.MustParse(text).Decode(data, &v); err != nil || len(rest) > 0 {
			t.Errorf("%s: % x: %v, %d bytes left", text, data, err, len(rest))
		}
	})
}

// lacksNullable finds a field that the writer does not have, whose type is a
// union and that has no default.
var lacksNullable = regexp.MustCompile(`"name":"(added|renamed)\d+","type":\[`)

// TestVerdictsAgainstTwmb leaves out the two cases in which twmb/avro differs
// from Java: it fills an added field of a union with null from nothing, and it
// compares precision and scale of decimals.
func TestVerdictsAgainstTwmb(t *testing.T) {
	compared, bad := 0, 0
	opts := plain
	opts.NoLogical = true
	forRandom(t, func(t *testing.T, _ uint64, r *rand.Rand) {
		w, rd := avrotest.Pair(r, opts)
		if lacksNullable.MatchString(rd) {
			return
		}
		theirs := twmb.CheckCompatibility(twmb.MustParse(w), twmb.MustParse(rd))
		ours := findings(strict(t, rd), strict(t, w))
		compared++
		if theirs != nil {
			bad++
		}
		if (theirs == nil) != (len(ours) == 0) {
			t.Errorf("reader %s\nwriter %s\nours %q\ntheirs %v", rd, w, ours, theirs)
		}
	})
	if compared < randomSchemas/2 || bad < 20 {
		t.Fatalf("only %d pairs compared, %d of them incompatible", compared, bad)
	}
}
