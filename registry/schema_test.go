package registry

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

func TestTextsAreKeptAsDifferencesAndComeBackWhole(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	word := func() string {
		n := rnd.IntN(60)
		var b strings.Builder
		for range n {
			b.WriteString([]string{"a", "b", `"`, `\`, "\n", "é", "𝄞", "\x01", "/"}[rnd.IntN(9)])
		}
		return b.String()
	}
	var earlier *Content
	packed := 0
	head, tail := strings.Repeat("head", 20), strings.Repeat("tail", 20)
	for i := range 2000 {
		text := word()
		if rnd.IntN(4) > 0 {
			text = head[:rnd.IntN(len(head)+1)] + text + tail[rnd.IntN(len(tail)):]
		}
		d := schema.Definition{Text: text}
		whole := newContent(d, d.Fingerprint(), "")
		kept := whole.kept(earlier)
		quoted := string(journal.AppendQuoted(nil, text))
		if got := kept.QuotedText(); got != quoted || kept.Text() != text || string(kept.AppendQuotedText([]byte("x"))) != "x"+quoted || kept.quotedBytes() != len(quoted) {
			t.Fatalf("seed %d, %d: %q came back as %q", seed, i, quoted, got)
		}
		if !kept.hasQuoted(quoted) || kept.hasQuoted(quoted+"x") || kept.hasQuoted(strings.Repeat("x", len(quoted))) {
			t.Fatalf("seed %d, %d: %q is not told from other texts", seed, i, quoted)
		}
		if kept.base != nil {
			packed++
			if kept.base.base != nil {
				t.Fatal("a difference to a difference")
			}
		}
		if again := kept.kept(earlier); again.QuotedText() != quoted {
			t.Fatalf("seed %d, %d: kept twice it is %q", seed, i, again.QuotedText())
		}
		if rnd.IntN(3) == 0 {
			earlier = &kept
		}
	}
	if packed == 0 {
		t.Error("nothing was kept as a difference")
	}
}

func TestVersionsOfOneSubjectShareTheirText(t *testing.T) {
	r := open(t, Options{})
	const versions = 20
	fields := fieldA
	for i := range versions {
		mustRegister(t, r, "s", avro(record(fields)))
		fields += fmt.Sprintf(`,{"name":"f%d","type":"int","default":0}`, i)
	}
	kept, whole := 0, 0
	for v := range versions {
		s, err := r.Version("s", schema.Version(v+1), false)
		if err != nil {
			t.Fatal(err)
		}
		kept, whole = kept+len(s.quoted), whole+len(s.QuotedText())
	}
	if kept > whole/2 {
		t.Errorf("%d bytes are kept of %d", kept, whole)
	}
}
