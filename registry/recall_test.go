package registry

import (
	"fmt"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

func TestWhatIsKnownIsNotParsedAgain(t *testing.T) {
	parsed := 0
	m := &journal.Memory{}
	opts := Options{Journal: m, Parse: func(s compat.Source) (compat.Schema, error) {
		parsed++
		return formats.Parse(s)
	}}
	mustRegister(t, open(t, Options{Journal: m}), "s", avro(`{"type":"fixed","name":"F","size":4}`))
	r := open(t, opts)
	r.parsed.bound = 0
	for _, c := range []struct {
		text string
		most int
	}{
		{`{"type":"fixed","name":"F","size":4}`, 0}, // as it is stored
		{` {"size": 4, "name": "F", "type": "fixed"}`, 1},
	} {
		before := parsed
		for range 3 {
			found, err := r.Lookup("s", avro(c.text), LookupOptions{})
			if err != nil || found.Version != 1 {
				t.Fatalf("lookup: %+v, %v", found, err)
			}
			if s := mustRegister(t, r, "s", avro(c.text)); s.Version != 1 || s.ID != 1 {
				t.Fatalf("registered again: %+v", s)
			}
		}
		if n := parsed - before; n > c.most {
			t.Errorf("%s: parsed %d times, want %d", c.text, n, c.most)
		}
	}
}

func TestRecallKnowsNothingThatIsNotSo(t *testing.T) {
	r := open(t, Options{})
	spaced := ` {"type":"fixed","name":"F","size":4}`
	mustRegister(t, r, "s", avro(`{"type":"fixed","name":"F","size":4}`))
	if _, err := r.Lookup("s", avro(spaced), LookupOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteSubject(t.Context(), "s", false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Lookup("s", avro(spaced), LookupOptions{}); CodeOf(err) != CodeSubjectNotFound {
		t.Errorf("a deleted subject: %v", err)
	}
	if _, err := r.Lookup("s", avro(spaced), LookupOptions{Deleted: true}); err != nil {
		t.Errorf("a deleted version: %v", err)
	}
	mustRegister(t, r, "t", avro(`"int"`))
	if _, err := r.Lookup("t", avro(spaced), LookupOptions{}); CodeOf(err) != CodeSchemaNotFound {
		t.Errorf("known elsewhere only: %v", err)
	}
	as := avro(`"int"`)
	as.Definition.Type = schema.JSON
	if _, err := r.Lookup("t", as, LookupOptions{}); err == nil {
		t.Error("an Avro text was found as a JSON Schema")
	}
}

func TestRecallIsBounded(t *testing.T) {
	c := newRecall()
	for i := range 3 * recallBound {
		c.learn(c.key(avroFormat, false, fmt.Sprint(i)), schema.Fingerprint{byte(i)})
	}
	if n := len(c.young) + len(c.old); n > 2*recallBound {
		t.Errorf("%d texts are remembered", n)
	}
	last := c.key(avroFormat, false, fmt.Sprint(3*recallBound-1))
	if _, ok := c.get(last); !ok {
		t.Error("the last one is forgotten")
	}
	if c.key(avroFormat, true, "x") == c.key(avroFormat, false, "x") || c.key(avroFormat, false, "x") == c.key(jsonFormat, false, "x") {
		t.Error("two questions with one key")
	}
}
