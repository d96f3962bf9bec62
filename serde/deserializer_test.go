package serde

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

func TestDecodeAsksOncePerID(t *testing.T) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v1"})
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v2"})
	d := mustDeserializer(t, r, notes{})
	for range 3 {
		for id, want := range map[schema.ID]string{1: "v1", 2: "v2"} {
			var n note
			if err := d.Decode(ctx, "orders", append(frame.AppendID(nil, id), "hi"...), &n); err != nil {
				t.Fatal(err)
			}
			if n.text != "hi" || n.from != want {
				t.Errorf("ID %d: %+v", id, n)
			}
		}
	}
	if r.count("id") != 2 || r.all() != 2 {
		t.Errorf("calls %v, want one for each ID", r.calls)
	}
}

func TestDecodeReadsBothFramings(t *testing.T) {
	r := newMemory()
	reg := r.add("s", schema.Definition{Type: schema.Protobuf, Text: "v1"})
	d := mustDeserializer(t, r, notes{kind: schema.Protobuf})
	path := frame.AppendIndexes(nil, []int{1, 0})
	byID := frame.AppendID(nil, reg.ID)
	for _, c := range []struct {
		name            string
		header, payload []byte
	}{
		{"prefix", nil, append(append(byID, path...), "hi"...)},
		{"header with GUID", append(frame.AppendGUID(nil, reg.GUID), path...), []byte("hi")},
		{"header with ID", append(frame.AppendID(nil, reg.ID), path...), []byte("hi")},
	} {
		var n note
		if err := d.DecodeRecord(ctx, "orders", c.header, c.payload, &n); err != nil || n.text != "hi" || n.via != string(path) {
			t.Errorf("%s: %+v, %v", c.name, n, err)
		}
		if s, err := d.Schema(ctx, "orders", c.header, c.payload); err != nil || s.Text != "v1" {
			t.Errorf("%s: schema %v, %v", c.name, s, err)
		}
	}
	if d.HeaderName() != frame.ValueHeader || mustDeserializer(t, r, notes{}, ForKey()).HeaderName() != frame.KeyHeader {
		t.Error("wrong header name")
	}
}

func TestDecodeRefuses(t *testing.T) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v1"})
	r.add("s", schema.Definition{Type: schema.Avro, Text: "broken"})
	r.add("s", schema.Definition{Type: schema.JSON, Text: "other format"})
	for _, c := range []struct {
		name    string
		payload string
		is      error
		says    string
	}{
		{"null", "", ErrNoPayload, "value of topic"},
		{"JSON text", `{"a":1}`, frame.ErrMagic, "found 7b"},
		{"half a frame", "\x00\x00\x00", frame.ErrShort, "3 bytes"},
		{"unknown ID", "\x00\x00\x00\x00\x63x", ErrNotFound, "schema ID 99"},
		{"does not compile", "\x00\x00\x00\x00\x02x", errBadSchema, "schema ID 2"},
		{"another format", "\x00\x00\x00\x00\x03x", nil, "of type JSON, this deserializer reads AVRO"},
		{"oversize", "\x00\x00\x00\x00\x01" + strings.Repeat("x", 100), ErrTooLarge, "105 bytes, at most 100"},
	} {
		d := mustDeserializer(t, r, notes{}, WithMaxPayloadBytes(100))
		var n note
		err := d.Decode(ctx, "orders", []byte(c.payload), &n)
		var typed *Error
		if !errors.As(err, &typed) || typed.Op != "deserialize" || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %v saying %q", c.name, err, c.is, c.says)
		}
	}
	d := mustDeserializer(t, r, notes{kind: schema.Protobuf})
	var n note
	if err := d.Decode(ctx, "orders", []byte("\x00\x00\x00\x00\x01\xff"), &n); !errors.Is(err, frame.ErrShort) {
		t.Errorf("broken indexes: %v", err)
	}
	if err := d.DecodeRecord(ctx, "orders", []byte{}, []byte("x"), &n); !errors.Is(err, frame.ErrShort) {
		t.Errorf("an empty header: %v", err)
	}
}

func TestUnknownIDsAreNotAskedForOverAndOver(t *testing.T) {
	r, c := newMemory(), newClock()
	d := mustDeserializer(t, r, notes{}, WithNegativeTTL(time.Second), WithClock(c.time), WithCacheSize(10))
	bad := frame.AppendID(nil, 77)
	var n note
	for range 100 {
		if err := d.Decode(ctx, "orders", bad, &n); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
	}
	if got := r.count("id"); got != 1 {
		t.Errorf("asked %d times, want once", got)
	}
	// A schema that arrives later is found after the TTL.
	for range 77 {
		r.add("s", schema.Definition{Type: schema.Avro, Text: fmt.Sprint(len(r.byID))})
	}
	c.forward(time.Second)
	if err := d.Decode(ctx, "orders", bad, &n); err != nil {
		t.Errorf("after the TTL: %v", err)
	}
	for id := range schema.ID(1000) {
		d.Decode(ctx, "orders", frame.AppendID(nil, id+100), &n)
	}
	if got := len(d.entries.failed); got > 10 {
		t.Errorf("%d failures remembered, want at most 10", got)
	}
}

func TestDecodeWhileTheRegistryIsDown(t *testing.T) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v1"})
	d := mustDeserializer(t, r, notes{})
	var n note
	if err := d.Decode(ctx, "orders", frame.AppendID(nil, 1), &n); err != nil {
		t.Fatal(err)
	}
	r.fail(ErrUnavailable)
	if err := d.Decode(ctx, "orders", frame.AppendID(nil, 1), &n); err != nil {
		t.Errorf("a known ID: %v", err)
	}
	if err := d.Decode(ctx, "orders", frame.AppendID(nil, 2), &n); !errors.Is(err, ErrUnavailable) {
		t.Errorf("an unknown ID: %v", err)
	}
}

func TestReferencesComeBeforeTheirUsers(t *testing.T) {
	r := newMemory()
	def := func(text string, refs ...schema.Reference) schema.Definition {
		return schema.Definition{Type: schema.Avro, Text: text, References: refs}
	}
	r.add(":.x:base", def("base"))
	r.add(":.x:left", def("left", schema.Reference{Name: "base", Subject: "base", Version: 1}))
	r.add("shared", def("shared"))
	r.add(":.x:right", def("right", schema.Reference{Name: "base", Subject: "base", Version: 1}, schema.Reference{Name: "shared", Subject: ":.:shared", Version: 1}))
	r.add(":.x:top", def("top", schema.Reference{Name: "left", Subject: "left", Version: 1}, schema.Reference{Name: "right", Subject: ":.x:right", Version: 1}))
	d := mustDeserializer(t, r, notes{}, WithContext(".x"))
	for range 2 {
		s, err := d.Schema(ctx, "orders", nil, frame.AppendID(nil, 5))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, dep := range s.Dependencies {
			names = append(names, dep.Name)
		}
		if got := strings.Join(names, " "); got != "base left shared right" {
			t.Errorf("dependencies %s", got)
		}
	}
	if n := r.count("version"); n != 4 {
		t.Errorf("%d versions fetched, want 4: each once", n)
	}
}

func TestUnusableReferences(t *testing.T) {
	r := newMemory()
	ref := func(s string) []schema.Reference {
		return []schema.Reference{{Name: s, Subject: schema.Subject(s), Version: 1}}
	}
	r.add("a", schema.Definition{Text: "a", References: ref("b")})
	r.add("b", schema.Definition{Text: "b", References: ref("a")})
	r.add("dangling", schema.Definition{Text: "dangling", References: ref("nowhere")})
	const depth = maxReferenceDepth + 5
	for i := range depth {
		r.add(schema.Subject(fmt.Sprint("deep", i)), schema.Definition{Text: fmt.Sprint("deep", i), References: ref(fmt.Sprint("deep", i+1))})
	}
	refs, err := NewReferences(r)
	if err != nil {
		t.Fatal(err)
	}
	for start, want := range map[string]error{"a": ErrReferences, "dangling": ErrNotFound, "deep0": ErrReferences} {
		if _, err := refs.Resolve(ctx, schema.DefaultContext, ref(start)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", start, err, want)
		}
	}
}

// TestWideReferenceGraphsEnd walks a graph that has five paths to every node of
// the layer below: a walk that follows them all takes for ever.
func TestWideReferenceGraphsEnd(t *testing.T) {
	r := newMemory()
	const layers, width = 20, 5
	for l := range layers {
		for w := range width {
			var refs []schema.Reference
			if l > 0 {
				for x := range width {
					s := fmt.Sprintf("l%dw%d", l-1, x)
					// Another name every time, so that names do not end the walk.
					refs = append(refs, schema.Reference{Name: fmt.Sprintf("%s-of-l%dw%d", s, l, w), Subject: schema.Subject(s), Version: 1})
				}
			}
			name := fmt.Sprintf("l%dw%d", l, w)
			r.add(schema.Subject(name), schema.Definition{Text: name, References: refs})
		}
	}
	refs, _ := NewReferences(r)
	top := []schema.Reference{{Name: "top", Subject: schema.Subject(fmt.Sprintf("l%dw0", layers-1)), Version: 1}}
	got, err := refs.Resolve(ctx, schema.DefaultContext, top)
	if err != nil && !errors.Is(err, ErrReferences) {
		t.Fatal(err)
	}
	if len(got) > maxReferences {
		t.Errorf("%d dependencies", len(got))
	}
}

// shout is a rule engine that turns payloads upside down, marks values, and
// migrates to the reader version.
type shout struct{ targets []RuleTarget }

func (e *shout) WriteRules(_ context.Context, t RuleTarget) (RuleProgram, error) {
	e.targets = append(e.targets, t)
	return shoutProgram{t}, nil
}

func (e *shout) ReadRules(_ context.Context, t RuleTarget) (RuleProgram, error) {
	e.targets = append(e.targets, t)
	return shoutProgram{t}, nil
}

type shoutProgram struct{ t RuleTarget }

var errRule = errors.New("rule broken")

func (p shoutProgram) Value(_ context.Context, v any) (any, error) {
	n := v.(note)
	if n.text == "bad" {
		return nil, errRule
	}
	n.text += "!"
	return n, nil
}

func (p shoutProgram) Bytes(_ context.Context, b []byte) ([]byte, error) {
	out := make([]byte, len(b))
	for i, c := range b {
		out[len(b)-1-i] = c
	}
	return out, nil
}

func (p shoutProgram) Migrate(_ context.Context, _, payload []byte) ([]byte, bool, error) {
	if p.t.Reader == nil {
		return nil, false, nil
	}
	return append([]byte("migrated "), payload...), true, nil
}

func TestRulesRunAroundTheCodec(t *testing.T) {
	r := newMemory()
	ruled := schema.Definition{Type: schema.Avro, Text: "v1", RuleSet: &schema.RuleSet{DomainRules: []schema.Rule{{Name: "x"}}}}
	local := &Local{Name: "n", Definition: ruled}
	engine := &shout{}
	s := mustSerializer(t, r, notes{}, WithRules(engine))
	got, err := s.Append(ctx, []byte("b"), "orders", note{local: local, text: "hi"})
	if err != nil || string(got) != "b\x00\x00\x00\x00\x01!ih" {
		t.Fatalf("%q, %v", got, err)
	}
	if tgt := engine.targets[0]; tgt.Subject != "orders-value" || tgt.Topic != "orders" || tgt.Schema.Text != "v1" || tgt.Registry != Registry(r) {
		t.Errorf("target %+v", tgt)
	}
	if out, err := s.Append(ctx, []byte("b"), "orders", note{local: local, text: "bad"}); !errors.Is(err, errRule) || string(out) != "b" {
		t.Errorf("a broken rule: %q, %v", out, err)
	}
	var n note
	if err := mustDeserializer(t, r, notes{}, WithRules(engine)).Decode(ctx, "orders", got[1:], &n); err != nil || n.text != "hi!!" || n.from != "v1" {
		t.Errorf("read %+v, %v", n, err)
	}
	r.add("orders-value", schema.Definition{Type: schema.Avro, Text: "v2"})
	if err := mustDeserializer(t, r, notes{}, WithRules(engine), WithLatest()).Decode(ctx, "orders", got[1:], &n); err != nil || n.text != "migrated hi!!" || n.from != "v2" {
		t.Errorf("migrated %+v, %v", n, err)
	}
	// Without an engine rule sets are ignored.
	if plain, err := mustSerializer(t, r, notes{}).Append(ctx, nil, "orders", note{local: local, text: "hi"}); err != nil || string(plain[5:]) != "hi" {
		t.Errorf("%q, %v", plain, err)
	}
	// A writer's engine is asked about schemas without a rule set too, because
	// rules may stand in the text; a reader's is not.
	asked := len(engine.targets)
	if got, err = mustSerializer(t, r, notes{}, WithRules(engine)).Append(ctx, nil, "orders", note{local: localNote("v2"), text: "hi"}); err != nil || string(got[5:]) != "!ih" {
		t.Errorf("%q, %v", got, err)
	}
	if len(engine.targets) != asked+1 {
		t.Errorf("the engine was asked %d times about a schema without a rule set", len(engine.targets)-asked)
	}
	if err := mustDeserializer(t, r, notes{}, WithRules(engine)).Decode(ctx, "orders", got, &n); err != nil || n.text != "!ih" {
		t.Errorf("read %+v, %v", n, err)
	}
	if len(engine.targets) != asked+1 {
		t.Error("a reader's engine was asked about a schema without a rule set")
	}
}

func TestWarmDecodeAllocatesOnlyTheValue(t *testing.T) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v1"})
	d := mustDeserializer(t, r, notes{})
	b := frame.AppendID(nil, 1) // an empty payload: the note needs no memory
	var n note
	if err := d.Decode(ctx, "orders", b, &n); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { d.Decode(ctx, "orders", b, &n) }); got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}

func FuzzDecode(f *testing.F) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Protobuf, Text: "v1"})
	d, err := NewDeserializer[note](r, notes{kind: schema.Protobuf})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil), []byte("\x00\x00\x00\x00\x01\x00x"))
	f.Add([]byte("\x00\x00\x00\x00\x01\x04\x02\x00"), []byte("x"))
	f.Fuzz(func(t *testing.T, header, b []byte) {
		if len(header) == 0 {
			header = nil
		}
		var n note
		if err := d.DecodeRecord(ctx, "t", header, b, &n); err == nil && !strings.HasSuffix(string(b), n.text) {
			t.Fatalf("%x, %x became %+v", header, b, n)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	r := newMemory()
	r.add("s", schema.Definition{Type: schema.Avro, Text: "v1"})
	d := mustDeserializer(b, r, notes{})
	payload := frame.AppendID(nil, 1)
	var n note
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(ctx, "orders", payload, &n); err != nil {
			b.Fatal(err)
		}
	}
}
