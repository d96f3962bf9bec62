package serde

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

var ctx = context.Background()

func TestAppendRegistersOnceAndFrames(t *testing.T) {
	r := newMemory()
	s := mustSerializer(t, r, notes{})
	local := localNote("v1")
	for i := range 3 {
		got, err := s.Append(ctx, []byte("before"), "orders", note{local: local, text: "hi"})
		if err != nil {
			t.Fatal(err)
		}
		if want := "before\x00\x00\x00\x00\x01hi"; string(got) != want {
			t.Errorf("round %d: %q, want %q", i, got, want)
		}
	}
	if r.count("register") != 1 || r.all() != 1 {
		t.Errorf("calls %v, want one registration", r.calls)
	}
	if got := r.versions["orders-value"]; len(got) != 1 || got[0].Text != "v1" {
		t.Errorf("registered %v", r.versions)
	}
}

func TestSubjectStrategies(t *testing.T) {
	own := func(_ context.Context, in SubjectInput) (schema.Subject, error) {
		return schema.Subject("own." + in.Topic), nil
	}
	for _, c := range []struct {
		name string
		opts []Option
		want schema.Subject
	}{
		{"topic", nil, "orders-value"},
		{"topic, key", []Option{ForKey()}, "orders-key"},
		{"record", []Option{WithSubjectStrategy(RecordName)}, "ns.v1"},
		{"topic and record", []Option{WithSubjectStrategy(TopicRecordName)}, "orders-ns.v1"},
		{"own", []Option{WithSubjectStrategy(own)}, "own.orders"},
		{"context", []Option{WithContext(".lab")}, ":.lab:orders-value"},
	} {
		r := newMemory()
		s := mustSerializer(t, r, notes{}, c.opts...)
		if _, err := s.Append(ctx, nil, "orders", note{local: localNote("v1")}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(r.versions[c.want]) != 1 {
			t.Errorf("%s: registered %v, want under %q", c.name, r.versions, c.want)
		}
	}
	for name, strategy := range map[string]SubjectStrategy{"topic": TopicName, "topic-record": TopicRecordName} {
		s := mustSerializer(t, newMemory(), notes{}, WithSubjectStrategy(strategy))
		if _, err := s.Append(ctx, nil, "", note{local: localNote("v1")}); err == nil {
			t.Errorf("%s without a topic: no error", name)
		}
	}
	s := mustSerializer(t, newMemory(), notes{}, WithSubjectStrategy(RecordName))
	if _, err := s.Append(ctx, nil, "orders", note{local: &Local{}}); !errors.Is(err, ErrNoRecordName) {
		t.Errorf("record without a name: %v", err)
	}
}

func TestAssociatedStrategy(t *testing.T) {
	r := newMemory()
	c := newClock()
	r.assoc[Resource{Name: "one"}] = []Association{{Subject: ":.x:s"}}
	r.assoc[Resource{Name: "two"}] = []Association{{Subject: "a"}, {Subject: "b"}}
	strategy := Associated(r, AssociatedOptions{TTL: time.Minute, Clock: c.time, Fallback: RecordName})
	ask := func(topic string) (schema.Subject, error) {
		return strategy(ctx, SubjectInput{Topic: topic, RecordName: "rec"})
	}
	for range 2 {
		if got, err := ask("one"); got != ":.x:s" || err != nil {
			t.Errorf("one association: %q, %v", got, err)
		}
	}
	if n := r.count("associations"); n != 1 {
		t.Errorf("asked %d times within the TTL, want once", n)
	}
	if got, err := ask("none"); got != "rec" || err != nil {
		t.Errorf("no association: %q, %v, want the fallback", got, err)
	}
	if _, err := ask("two"); err == nil || !strings.Contains(err.Error(), `"a" and "b"`) {
		t.Errorf("two associations: %v", err)
	}
	c.forward(2 * time.Minute)
	r.fail(ErrUnavailable)
	if got, err := ask("one"); got != ":.x:s" || err != nil {
		t.Errorf("registry down after the TTL: %q, %v, want the old answer", got, err)
	}
	if _, err := ask("new"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("registry down for a new topic: %v", err)
	}
	r.fail(ErrNotFound)
	if got, err := ask("old server"); got != "rec" || err != nil {
		t.Errorf("a registry without associations: %q, %v", got, err)
	}
}

func TestWhichSchemaIsWritten(t *testing.T) {
	v1 := schema.Definition{Type: schema.Avro, Text: "v1"}
	tagged := schema.Definition{Type: schema.Avro, Text: "tagged", Metadata: &schema.Metadata{Properties: map[string]string{"k": "v"}}}
	v3 := schema.Definition{Type: schema.Avro, Text: "v3"}
	for _, c := range []struct {
		name  string
		opts  []Option
		local *Local
		want  schema.ID // 0 for an error
		err   error
		calls string
	}{
		{"register", []Option{WithLatest(), WithAutoRegister()}, localNote("new"), 4, nil, "register"},
		{"lookup", []Option{WithLookup()}, localNote("v1"), 1, nil, "lookup"},
		{"lookup of an unknown one", []Option{WithLookup()}, localNote("new"), 0, ErrNotFound, "lookup"},
		{"refused", nil, localNote("refused"), 0, ErrRejected, "register"},
		{"pinned", []Option{WithSchemaID(2)}, localNote("new"), 2, nil, "id"},
		{"pinned, no local schema", []Option{WithSchemaID(2), WithSubjectStrategy(RecordName)}, nil, 2, nil, "id"},
		{"pinned, unknown", []Option{WithSchemaID(9)}, nil, 0, ErrNotFound, "id"},
		{"latest", []Option{WithLatest()}, localNote("new"), 3, nil, "version"},
		{"latest, no local schema", []Option{WithLatest()}, nil, 3, nil, "version"},
		{"latest, incompatible", []Option{WithLatest()}, localNote("strange"), 0, ErrNotCompatible, "version"},
		{"latest, unchecked", []Option{WithLatest(), WithStrict(false)}, localNote("strange"), 3, nil, "version"},
		{"metadata", []Option{WithLatestMetadata(map[string]string{"k": "v"})}, localNote("new"), 2, nil, "metadata"},
		{"metadata, none", []Option{WithLatestMetadata(map[string]string{"k": "x"})}, localNote("new"), 0, ErrNotFound, "metadata"},
		{"nothing to write with", nil, nil, 0, ErrNoSchema, ""},
		{"does not compile", nil, localNote("broken"), 0, errBadSchema, "register"},
	} {
		r := newMemory()
		for _, d := range []schema.Definition{v1, tagged, v3} {
			r.add("orders-value", d)
		}
		s := mustSerializer(t, r, notes{}, c.opts...)
		got, err := s.Append(ctx, nil, "orders", note{local: c.local, text: "x"})
		if !errors.Is(err, c.err) || (err == nil) != (c.want != 0) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
			continue
		}
		if c.calls != "" && r.count(c.calls) != 1 || r.all() > 1 {
			t.Errorf("%s: calls %v, want one %s", c.name, r.calls, c.calls)
		}
		var typed *Error
		if err != nil {
			if !errors.As(err, &typed) || typed.Topic != "orders" || typed.Op != "serialize" {
				t.Errorf("%s: %v does not say what failed", c.name, err)
			}
			continue
		}
		if id, _, err := frame.Split(got); err != nil || id != c.want {
			t.Errorf("%s: written with ID %d (%v), want %d", c.name, id, err, c.want)
		}
	}
}

func TestHeaderFraming(t *testing.T) {
	r := newMemory()
	indexes := frame.AppendIndexes(nil, []int{1, 0})
	s := mustSerializer(t, r, notes{kind: schema.Protobuf, indexes: indexes}, WithHeaderFraming())
	payload, header, err := s.AppendRecord(ctx, nil, "orders", note{local: localNote("v1"), text: "hi"})
	if err != nil || string(payload) != "hi" {
		t.Fatalf("%q, %v", payload, err)
	}
	if want := append(frame.AppendGUID(nil, r.byID[1].GUID), indexes...); !bytes.Equal(header, want) {
		t.Errorf("header %x, want %x", header, want)
	}
	if s.HeaderName() != "__value_schema_id" {
		t.Errorf("header name %q", s.HeaderName())
	}
	if _, err := s.Append(ctx, nil, "orders", note{local: localNote("v1")}); err == nil {
		t.Error("Append lost the header without an error")
	}
	if name := mustSerializer(t, r, notes{}).HeaderName(); name != "" {
		t.Errorf("prefix framing has header %q", name)
	}
	// A server whose registrations name no GUID is asked by ID.
	r.old = true
	s = mustSerializer(t, r, notes{}, WithHeaderFraming())
	if _, header, err = s.AppendRecord(ctx, nil, "orders", note{local: localNote("v1")}); err != nil || len(header) != frame.GUIDBytes {
		t.Errorf("GUID by ID: %x, %v", header, err)
	}
}

func TestProtobufPrefixHoldsIndexes(t *testing.T) {
	s := mustSerializer(t, newMemory(), notes{kind: schema.Protobuf, indexes: []byte{0}})
	got, err := s.Append(ctx, nil, "orders", note{local: localNote("v1"), text: "hi"})
	if err != nil || string(got) != "\x00\x00\x00\x00\x01\x00hi" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAppendErrorsLeaveTheBufferAlone(t *testing.T) {
	s := mustSerializer(t, newMemory(), notes{}, WithMaxPayloadBytes(10))
	buf := []byte("before")
	got, err := s.Append(ctx, buf, "orders", note{local: localNote("v1"), text: "unencodable"})
	if !errors.Is(err, errUnencodable) || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
	got, err = s.Append(ctx, buf, "orders", note{local: localNote("v1"), text: "too long"})
	if !errors.Is(err, ErrTooLarge) || string(got) != "before" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFailuresAreRememberedForAWhile(t *testing.T) {
	r, c := newMemory(), newClock()
	s := mustSerializer(t, r, notes{}, WithNegativeTTL(time.Minute), WithClock(c.time))
	local := localNote("refused")
	for range 5 {
		if _, err := s.Append(ctx, nil, "orders", note{local: local}); !errors.Is(err, ErrRejected) {
			t.Fatal(err)
		}
	}
	if n := r.count("register"); n != 1 {
		t.Errorf("asked %d times within the TTL, want once", n)
	}
	c.forward(2 * time.Minute)
	s.Append(ctx, nil, "orders", note{local: local})
	if n := r.count("register"); n != 2 {
		t.Errorf("asked %d times after the TTL, want twice", n)
	}
}

func TestRegistryDown(t *testing.T) {
	r := newMemory()
	s := mustSerializer(t, r, notes{})
	known := localNote("v1")
	if _, err := s.Append(ctx, nil, "orders", note{local: known}); err != nil {
		t.Fatal(err)
	}
	r.fail(ErrUnavailable)
	if _, err := s.Append(ctx, nil, "orders", note{local: known}); err != nil {
		t.Errorf("what is known must go on: %v", err)
	}
	unknown := localNote("v2")
	if _, err := s.Append(ctx, nil, "orders", note{local: unknown}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("what is not known: %v", err)
	}
	r.fail(nil)
	if _, err := s.Append(ctx, nil, "orders", note{local: unknown}); err != nil {
		t.Errorf("unavailability is not remembered: %v", err)
	}
}

func TestLatestAges(t *testing.T) {
	r, c := newMemory(), newClock()
	r.add("orders-value", schema.Definition{Type: schema.Avro, Text: "v1"})
	s := mustSerializer(t, r, notes{}, WithLatest(), WithLatestTTL(time.Minute), WithRetryAfter(10*time.Second), WithClock(c.time))
	id := func() schema.ID {
		t.Helper()
		got, err := s.Append(ctx, nil, "orders", note{})
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := frame.Split(got)
		return id
	}
	if id() != 1 {
		t.Fatal("not the first version")
	}
	r.add("orders-value", schema.Definition{Type: schema.Avro, Text: "v2"})
	if id() != 1 {
		t.Error("a fresh answer was not used")
	}
	c.forward(time.Minute)
	r.fail(ErrUnavailable)
	if first, second := id(), id(); first != 1 || second != 1 {
		t.Error("the old answer was not used on while the registry is down")
	}
	if n := r.count("version"); n != 2 {
		t.Errorf("asked %d times, want 2: once at first, once on ageing", n)
	}
	r.fail(nil)
	c.forward(10 * time.Second)
	if id() != 2 {
		t.Error("not asked again after the wait")
	}
	r.fail(ErrNotFound)
	c.forward(time.Minute)
	if _, err := s.Append(ctx, nil, "orders", note{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a subject that is gone: %v", err)
	}
}

func TestOneCallerAsks(t *testing.T) {
	r := newMemory()
	hold := make(chan struct{})
	r.holdCalls(hold)
	s := mustSerializer(t, r, notes{})
	local := localNote("v1")
	var wg sync.WaitGroup
	errs := make(chan error, 20)
	for range 20 {
		wg.Go(func() {
			_, err := s.Append(ctx, nil, "orders", note{local: local})
			errs <- err
		})
	}
	for r.count("register") == 0 {
		time.Sleep(time.Millisecond)
	}
	// Someone who waits for another's request leaves when the context ends.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Append(gone, nil, "orders", note{local: local}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
	close(hold)
	wg.Wait()
	for range 20 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := r.count("register"); n != 1 {
		t.Errorf("%d registrations of 20 callers, want 1", n)
	}
}

func TestAnotherTakesOverFromACancelledCaller(t *testing.T) {
	r := newMemory()
	hold := make(chan struct{})
	r.holdCalls(hold)
	s := mustSerializer(t, r, notes{})
	local := localNote("v1")
	first, cancel := context.WithCancel(ctx)
	firstDone, secondDone := make(chan error, 1), make(chan error, 1)
	go func() { _, err := s.Append(first, nil, "orders", note{local: local}); firstDone <- err }()
	for r.count("register") == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { _, err := s.Append(ctx, nil, "orders", note{local: local}); secondDone <- err }()
	cancel()
	if err := <-firstDone; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled caller: %v", err)
	}
	close(hold)
	if err := <-secondDone; err != nil {
		t.Errorf("the caller who took over: %v", err)
	}
}

func TestTimeoutBoundsTheRegistry(t *testing.T) {
	r := newMemory()
	r.holdCalls(make(chan struct{}))
	s := mustSerializer(t, r, notes{}, WithTimeout(time.Millisecond))
	if _, err := s.Append(ctx, nil, "orders", note{local: localNote("v1")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCachesAreBounded(t *testing.T) {
	r := newMemory()
	s := mustSerializer(t, r, notes{}, WithCacheSize(3))
	for i := range 20 {
		if _, err := s.Append(ctx, nil, "orders", note{local: localNote(strings.Repeat("x", i+1))}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(*s.entries.known.Load()); n != 3 {
		t.Errorf("%d cached, want 3", n)
	}
}

func TestLocalReferencesAreRegisteredFirst(t *testing.T) {
	r := newMemory()
	base := localNote("base")
	mid := localNote("mid")
	mid.References = []LocalReference{{Name: "base.proto", Schema: base}}
	top := localNote("top")
	top.References = []LocalReference{{Name: "base.proto", Schema: base}, {Name: "mid.proto", Subject: "mid-subject", Schema: mid}}
	for _, old := range []bool{false, true} {
		r.old = old
		s := mustSerializer(t, r, notes{}, WithContext(".x"))
		if _, err := s.Append(ctx, nil, "orders", note{local: top}); err != nil {
			t.Fatalf("old %v: %v", old, err)
		}
	}
	got := r.versions[":.x:orders-value"][0].References
	want := []schema.Reference{{Name: "base.proto", Subject: "base.proto", Version: 1}, {Name: "mid.proto", Subject: "mid-subject", Version: 1}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("references %v, want %v", got, want)
	}
	if len(r.versions[":.x:base.proto"]) != 1 || len(r.versions[":.x:mid-subject"]) != 1 {
		t.Errorf("registered %v", r.versions)
	}
}

func TestImpossibleOptionsAreAllNamed(t *testing.T) {
	_, err := NewSerializer(newMemory(), notes{}, WithSchemaID(-1), WithCacheSize(0), WithTimeout(0), WithSubjectStrategy(nil), WithMaxPayloadBytes(0), WithLatestTTL(-1))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"schema ID -1", "cache size 0", "timeout 0s", "strategy is nil", "payload of 0", "negative duration"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestWarmAppendAllocatesNothing(t *testing.T) {
	s := mustSerializer(t, newMemory(), notes{})
	n := note{local: localNote("v1"), text: "hi"}
	other := note{local: localNote("v2"), text: "hi"}
	buf := make([]byte, 0, 64)
	for _, v := range []note{n, other} { // the newest one and one that is not
		if _, err := s.Append(ctx, buf, "orders", v); err != nil {
			t.Fatal(err)
		}
	}
	for _, v := range []note{n, other} {
		if got := testing.AllocsPerRun(100, func() { s.Append(ctx, buf, "orders", v) }); got != 0 {
			t.Errorf("%v allocations, want none", got)
		}
	}
}

func TestAppendPointerIsAppend(t *testing.T) {
	s := mustSerializer(t, newMemory(), notes{}, WithMaxPayloadBytes(20))
	for _, text := range []string{"hi", "unencodable", "far too long for this"} {
		n := note{local: localNote("v1"), text: text}
		a, _, errA := s.AppendRecord(ctx, []byte("b"), "orders", n)
		b, _, errB := s.AppendPointer(ctx, []byte("b"), "orders", &n)
		if !bytes.Equal(a, b) || (errA == nil) != (errB == nil) {
			t.Errorf("%q: %q, %v by value; %q, %v by pointer", text, a, errA, b, errB)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	s := mustSerializer(b, newMemory(), notes{})
	n := note{local: localNote("v1"), text: "hi"}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Append(ctx, buf, "orders", n); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendToNothingAllocatesOnceForARecordLikeTheOnesBefore(t *testing.T) {
	s := mustSerializer(t, newMemory(), notes{}, WithAutoRegister())
	n := note{local: localNote("a"), text: strings.Repeat("long ", 200)}
	ctx := context.Background()
	if got := testing.AllocsPerRun(100, func() {
		if out, err := s.Append(ctx, nil, "topic", n); err != nil || len(out) != frame.IDBytes+len(n.text) {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
	}); got != 1 {
		t.Errorf("%v allocations", got)
	}
}
