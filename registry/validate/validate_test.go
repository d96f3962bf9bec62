package validate

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// table is a Lookup of a few schemas.
type table struct {
	t          *testing.T
	generation int64
	byID       map[schema.ID]entry
	hidden     map[schema.ID]entry // visible after CatchUp
	catchUps   int
	catchUpErr error
}

type entry struct {
	def      schema.Definition
	subjects []schema.Subject
}

func (l *table) Generation() int64 { return l.generation }

func (l *table) Find(_ schema.Context, ref frame.Ref) (Found, bool, error) {
	for id, e := range l.byID {
		guid := e.def.Fingerprint().GUID()
		if id == ref.ID || ref.ByGUID() && guid == ref.GUID {
			return Found{GUID: guid, ID: id, Type: e.def.Type}, true, nil
		}
	}
	return Found{}, false, nil
}

func (l *table) Under(found Found, subject schema.Subject) bool {
	for _, s := range l.byID[found.ID].subjects {
		if s == subject {
			return true
		}
	}
	return false
}

func (l *table) Schema(_ schema.Context, found Found) (compat.Schema, error) {
	e := l.byID[found.ID]
	return formats.Parse(compat.Source{Type: e.def.Type, Text: e.def.Text})
}

func (l *table) CatchUp(context.Context) error {
	l.catchUps++
	for id, e := range l.hidden {
		l.byID[id] = e
		l.generation++
	}
	l.hidden = nil
	return l.catchUpErr
}

func newTable(t *testing.T) *table {
	order := schema.Definition{Type: schema.Avro, Text: `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"int"},{"name":"note","type":"string"}]}`}
	key := schema.Definition{Type: schema.Avro, Text: `"string"`}
	event := schema.Definition{Type: schema.Protobuf, Text: "syntax = \"proto3\";\npackage shop;\nmessage A { int32 x = 1; }\nmessage B { string s = 1; }\n"}
	return &table{t: t, byID: map[schema.ID]entry{
		1: {order, []schema.Subject{"orders-value", "shop.Order", "orders-shop.Order"}},
		2: {key, []schema.Subject{"orders-key"}},
		3: {event, []schema.Subject{"events-value"}},
	}}
}

var goodOrder = []byte{0, 0, 0, 0, 1, 14, 4, 'h', 'i'} // id 7, note "hi"

func expect(t *testing.T, err error, kind Kind, words ...string) {
	t.Helper()
	if kind == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	var r *Rejection
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a rejection", err)
	}
	if r.Kind != kind {
		t.Fatalf("kind %q (%s), want %q", r.Kind, r.Reason, kind)
	}
	for _, w := range words {
		if !strings.Contains(r.Reason, w) {
			t.Errorf("reason %q does not name %q", r.Reason, w)
		}
	}
}

func TestValues(t *testing.T) {
	cut := func(b []byte, n int) []byte { return b[:len(b)-n] }
	long := append(append([]byte{}, goodOrder...), 0)
	tests := []struct {
		name  string
		level Level
		data  []byte
		kind  Kind
		words []string
	}{
		{"nothing is checked", None, []byte("hello"), "", nil},
		{"null", Payload, nil, "", nil},
		{"good", Payload, goodOrder, "", nil},
		{"good by ID", ID, goodOrder, "", nil},
		{"no magic byte", ID, []byte("hello"), NotFramed, []string{"value", "magic"}},
		{"too short", ID, []byte{0, 0, 0}, NotFramed, nil},
		{"empty", ID, []byte{}, NotFramed, nil},
		{"unknown", ID, []byte{0, 0, 0, 0, 99, 1}, UnknownID, []string{"99"}},
		{"of another subject", ID, []byte{0, 0, 0, 0, 2, 0}, WrongSubject, []string{"orders-value"}},
		{"cut short passes the ID check", ID, cut(goodOrder, 1), "", nil},
		{"cut short", Payload, cut(goodOrder, 1), BadPayload, []string{"note", "expected", "found"}},
		{"one byte too many", Payload, long, BadPayload, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := New(newTable(t), Options{}).Checker(Field{Topic: "orders", Level: tt.level})
			expect(t, c.Check(context.Background(), nil, tt.data), tt.kind, tt.words...)
		})
	}
}

func TestNullMayBeRefused(t *testing.T) {
	c := New(newTable(t), Options{}).Checker(Field{Topic: "orders", Level: ID, RejectNull: true})
	expect(t, c.Check(context.Background(), nil, nil), Null, "orders")
}

func TestKeysHaveTheirOwnSubject(t *testing.T) {
	c := New(newTable(t), Options{}).Checker(Field{Topic: "orders", Key: true, Level: Payload})
	expect(t, c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 2, 2, 'k'}), "")
	expect(t, c.Check(context.Background(), nil, goodOrder), WrongSubject, "key", "orders-key")
}

func TestStrategies(t *testing.T) {
	v := New(newTable(t), Options{})
	for strategy, topic := range map[Strategy]string{RecordName: "anything", TopicRecordName: "orders"} {
		c := v.Checker(Field{Topic: topic, Level: Payload, Strategy: strategy})
		expect(t, c.Check(context.Background(), nil, goodOrder), "")
	}
	c := v.Checker(Field{Topic: "other", Level: Payload, Strategy: TopicRecordName})
	expect(t, c.Check(context.Background(), nil, goodOrder), WrongSubject, "other-shop.Order")
}

func TestHeaderFraming(t *testing.T) {
	l := newTable(t)
	header := frame.AppendGUID(nil, l.byID[1].def.Fingerprint().GUID())
	c := New(l, Options{}).Checker(Field{Topic: "orders", Level: Payload})
	expect(t, c.Check(context.Background(), header, goodOrder[5:]), "")
	expect(t, c.Check(context.Background(), header, goodOrder), BadPayload)
	expect(t, c.Check(context.Background(), []byte{7}, goodOrder[5:]), NotFramed)

	event := frame.AppendGUID(nil, l.byID[3].def.Fingerprint().GUID())
	event = frame.AppendIndexes(event, []int{1})
	c = New(l, Options{}).Checker(Field{Topic: "events", Level: Payload})
	expect(t, c.Check(context.Background(), event, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x")), "")
}

func TestProtobufIndexes(t *testing.T) {
	text := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x")
	of := func(indexes []int, payload []byte) []byte {
		return append(frame.AppendIndexes(frame.AppendID(nil, 3), indexes), payload...)
	}
	c := New(newTable(t), Options{}).Checker(Field{Topic: "events", Level: Payload})
	expect(t, c.Check(context.Background(), nil, of([]int{1}, text)), "")
	expect(t, c.Check(context.Background(), nil, of([]int{0}, text)), BadPayload) // x is a varint there
	expect(t, c.Check(context.Background(), nil, of([]int{2}, text)), BadPayload) // no third message
	expect(t, c.Check(context.Background(), nil, frame.AppendID(nil, 3)), NotFramed, "message index")
}

func TestAnUnknownSchemaIsLookedForAgainOnce(t *testing.T) {
	l := newTable(t)
	l.hidden = map[schema.ID]entry{1: l.byID[1]}
	delete(l.byID, 1)
	v := New(l, Options{})
	c := v.Checker(Field{Topic: "orders", Level: Payload})
	expect(t, c.Check(context.Background(), nil, goodOrder), "")

	c = v.Checker(Field{Topic: "orders", Level: Payload})
	for range 5 {
		expect(t, c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 99, 0}), UnknownID)
	}
	if l.catchUps != 2 {
		t.Errorf("%d catch-ups, want one per batch", l.catchUps)
	}
}

func TestARegistryThatCannotTellIsNoRejection(t *testing.T) {
	l := newTable(t)
	l.catchUpErr = errors.New("journal is away")
	c := New(l, Options{}).Checker(Field{Topic: "orders", Level: ID})
	err := c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 99, 0})
	var r *Rejection
	if err == nil || errors.As(err, &r) {
		t.Fatalf("got %v, want an error that is no rejection", err)
	}
}

func TestADeletedVersionIsNoticedInTheMiddleOfABatch(t *testing.T) {
	l := newTable(t)
	c := New(l, Options{}).Checker(Field{Topic: "orders", Level: Payload})
	expect(t, c.Check(context.Background(), nil, goodOrder), "")
	e := l.byID[1]
	e.subjects = nil
	l.byID[1] = e
	l.generation++
	expect(t, c.Check(context.Background(), nil, goodOrder), WrongSubject)
}

func TestARootOfTypeBytesHasNoLength(t *testing.T) {
	l := newTable(t)
	l.byID[4] = entry{schema.Definition{Type: schema.Avro, Text: `"bytes"`}, []schema.Subject{"blobs-value"}}
	c := New(l, Options{}).Checker(Field{Topic: "blobs", Level: Payload})
	expect(t, c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 4, 0xff, 0xff}), "")
	expect(t, c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 4}), "")
}

func TestJSONPayloads(t *testing.T) {
	l := newTable(t)
	l.byID[4] = entry{schema.Definition{Type: schema.JSON, Text: `{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}`}, []schema.Subject{"forms-value"}}
	c := New(l, Options{}).Checker(Field{Topic: "forms", Level: Payload})
	ctx := context.Background()
	framed := func(payload string) []byte { return append([]byte{0, 0, 0, 0, 4}, payload...) }
	good := framed(`{"id":7,"more":[1,2]}`)
	expect(t, c.Check(ctx, nil, good), "")
	expect(t, c.Check(ctx, nil, framed(`{"id":"x"}`)), BadPayload, "/id (byte 6)", "want a value of type integer", `found "x"`)
	expect(t, c.Check(ctx, nil, framed(`{"no":7}`)), BadPayload, `want a member "id"`)
	expect(t, c.Check(ctx, nil, framed(`{"id":7`)), BadPayload, "not JSON")
	expect(t, c.Check(ctx, nil, framed(``)), BadPayload, "not JSON")
	if n := testing.AllocsPerRun(100, func() { _ = c.Check(ctx, nil, good) }); pooled && n != 0 {
		t.Errorf("%v allocations per check", n)
	}
}

func TestProgramsAreBounded(t *testing.T) {
	l := newTable(t)
	v := New(l, Options{Programs: 1})
	for range 3 {
		c := v.Checker(Field{Topic: "orders", Level: Payload})
		expect(t, c.Check(context.Background(), nil, goodOrder), "")
		c = v.Checker(Field{Topic: "orders", Key: true, Level: Payload})
		expect(t, c.Check(context.Background(), nil, []byte{0, 0, 0, 0, 2, 0}), "")
	}
	if len(v.programs) != 1 {
		t.Errorf("%d programs are kept, want 1", len(v.programs))
	}
}

func TestAWarmCheckDoesNotAllocate(t *testing.T) {
	c := New(newTable(t), Options{}).Checker(Field{Topic: "orders", Level: Payload})
	ctx := context.Background()
	if err := c.Check(ctx, nil, goodOrder); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _ = c.Check(ctx, nil, goodOrder) }); n != 0 {
		t.Errorf("%v allocations per check", n)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(nil), goodOrder)
	f.Add([]byte{1}, []byte{0, 0, 0, 0, 3, 4, 2, 2})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		if len(header) == 0 {
			header = nil
		}
		v := New(newTable(t), Options{})
		for _, topic := range []string{"orders", "events"} {
			c := v.Checker(Field{Topic: topic, Level: Payload})
			err := c.Check(context.Background(), header, data)
			var r *Rejection
			if err != nil && !errors.As(err, &r) {
				t.Fatalf("neither accepted nor refused: %v", err)
			}
		}
	})
}
