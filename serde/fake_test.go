package serde

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// memory is a registry for tests: it counts calls, can be down and can be
// held.
type memory struct {
	mu       sync.Mutex
	versions map[schema.Subject][]Registered
	byID     map[schema.ID]Registered
	assoc    map[Resource][]Association
	calls    map[string]int
	err      error
	hold     chan struct{} // a call waits for it to be closed
	old      bool          // answer registrations with the ID alone
}

func newMemory() *memory {
	return &memory{
		versions: map[schema.Subject][]Registered{}, byID: map[schema.ID]Registered{},
		assoc: map[Resource][]Association{}, calls: map[string]int{},
	}
}

func (m *memory) enter(ctx context.Context, what string) (func(), error) {
	m.mu.Lock()
	m.calls[what]++
	hold, err := m.hold, m.err
	m.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	return m.mu.Unlock, nil
}

func (m *memory) count(what string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[what]
}

func (m *memory) all() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		n += c
	}
	return n
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) holdCalls(c chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hold = c
}

// add makes def the next version of subject; equal texts share an ID.
func (m *memory) add(subject schema.Subject, def schema.Definition) Registered {
	for _, r := range m.versions[subject] {
		if r.Text == def.Text {
			return r
		}
	}
	r := Registered{Subject: subject, Version: schema.Version(len(m.versions[subject]) + 1), GUID: md5.Sum([]byte(def.Text)), Definition: def}
	for id, known := range m.byID {
		if known.Text == def.Text {
			r.ID = id
		}
	}
	if r.ID == 0 {
		r.ID = schema.ID(len(m.byID) + 1)
	}
	m.versions[subject] = append(m.versions[subject], r)
	m.byID[r.ID] = r
	return r
}

func (m *memory) Register(ctx context.Context, s schema.Subject, d schema.Definition, _ RegisterOptions) (Registered, error) {
	leave, err := m.enter(ctx, "register")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	if d.Text == "refused" {
		return Registered{}, fmt.Errorf("no: %w", ErrRejected)
	}
	r := m.add(s, d)
	if m.old {
		return Registered{ID: r.ID, Subject: s}, nil
	}
	return r, nil
}

func (m *memory) Lookup(ctx context.Context, s schema.Subject, d schema.Definition, _ LookupOptions) (Registered, error) {
	leave, err := m.enter(ctx, "lookup")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	for _, r := range m.versions[s] {
		if r.Text == d.Text {
			return r, nil
		}
	}
	return Registered{}, fmt.Errorf("lookup in %q: %w", s, ErrNotFound)
}

func (m *memory) SchemaByID(ctx context.Context, id schema.ID, _ schema.Subject) (Registered, error) {
	leave, err := m.enter(ctx, "id")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	r, ok := m.byID[id]
	if !ok {
		return r, fmt.Errorf("ID %d: %w", id, ErrNotFound)
	}
	return r, nil
}

func (m *memory) SchemaByGUID(ctx context.Context, guid schema.GUID) (Registered, error) {
	leave, err := m.enter(ctx, "guid")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	for _, r := range m.byID {
		if r.GUID == guid {
			r.ID = 0
			return r, nil
		}
	}
	return Registered{}, fmt.Errorf("GUID %v: %w", guid, ErrNotFound)
}

func (m *memory) Version(ctx context.Context, s schema.Subject, v schema.Version, _ bool) (Registered, error) {
	leave, err := m.enter(ctx, "version")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	list := m.versions[s]
	if v == schema.Latest {
		v = schema.Version(len(list))
	}
	if v < 1 || int(v) > len(list) {
		return Registered{}, fmt.Errorf("subject %q version %d: %w", s, v, ErrNotFound)
	}
	return list[v-1], nil
}

func (m *memory) LatestWithMetadata(ctx context.Context, s schema.Subject, properties map[string]string) (Registered, error) {
	leave, err := m.enter(ctx, "metadata")
	if err != nil {
		return Registered{}, err
	}
	defer leave()
	list := m.versions[s]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Metadata != nil && list[i].Metadata.Properties["k"] == properties["k"] {
			return list[i], nil
		}
	}
	return Registered{}, ErrNotFound
}

func (m *memory) Associations(ctx context.Context, r Resource) ([]Association, error) {
	leave, err := m.enter(ctx, "associations")
	if err != nil {
		return nil, err
	}
	defer leave()
	return m.assoc[r], nil
}

// note is a value whose payload is its text. It carries the schema that it was
// read with.
type note struct {
	local *Local
	text  string
	from  string // text of the writer's schema
	via   string // encoded message indexes
}

// notes is a format of notes.
type notes struct {
	kind    schema.Type
	reader  *Local
	indexes []byte
}

func (f notes) Type() schema.Type {
	if f.kind == "" {
		return schema.Avro
	}
	return f.kind
}
func (f notes) Local(n note) *Local { return n.local }
func (f notes) Reader() *Local      { return f.reader }

var errBadSchema = errors.New("schema does not compile")

func (f notes) Encoder(w *Schema, _ *Local) (Encoder[note], error) {
	if w.Text == "broken" {
		return nil, errBadSchema
	}
	return noteCodec{f, w}, nil
}

func (f notes) Decoder(w *Schema, _ *Local) (Decoder[note], error) {
	if w.Text == "broken" {
		return nil, errBadSchema
	}
	return noteCodec{f, w}, nil
}

// Check lets "strange" read only itself.
func (f notes) Check(reader, writer *Schema) error {
	if reader.Text != writer.Text && (reader.Text == "strange" || writer.Text == "strange") {
		return fmt.Errorf("%q does not read %q", reader.Text, writer.Text)
	}
	return nil
}

type noteCodec struct {
	f notes
	w *Schema
}

var errUnencodable = errors.New("unencodable")

func (c noteCodec) Indexes() []byte { return c.f.indexes }

func (c noteCodec) Append(dst []byte, n note) ([]byte, error) {
	if n.text == "unencodable" {
		return append(dst, "half"...), errUnencodable
	}
	return append(dst, n.text...), nil
}

func (c noteCodec) Decode(indexes, payload []byte, n *note) error {
	*n = note{text: string(payload), from: c.w.Text, via: string(indexes)}
	return nil
}

func localNote(text string) *Local {
	return &Local{Name: "ns." + text, Definition: schema.Definition{Type: schema.Avro, Text: text}}
}

func mustSerializer(t testing.TB, r Registry, f Format[note], opts ...Option) *Serializer[note] {
	t.Helper()
	s, err := NewSerializer(r, f, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustDeserializer(t testing.TB, r Registry, f Format[note], opts ...Option) *Deserializer[note] {
	t.Helper()
	d, err := NewDeserializer(r, f, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_700_000_000, 0)} }

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
