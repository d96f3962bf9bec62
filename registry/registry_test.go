package registry

import (
	"context"
	"errors"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// open returns a registry over an own memory journal.
func open(t testing.TB, opts Options) *Registry {
	t.Helper()
	if opts.Journal == nil {
		opts.Journal = &journal.Memory{}
	}
	r, err := Open(context.Background(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func avro(text string) RegisterRequest {
	return RegisterRequest{Definition: schema.Definition{Text: text}}
}

func mustRegister(t testing.TB, r *Registry, subject schema.Subject, req RegisterRequest) Schema {
	t.Helper()
	s, err := r.Register(context.Background(), subject, req)
	if err != nil {
		t.Fatalf("register %s: %v", subject, err)
	}
	return s
}

func wantCode(t testing.TB, err error, code Code) {
	t.Helper()
	if CodeOf(err) != code {
		t.Errorf("got %v, want code %d", err, code)
	}
}

func record(fields string) string {
	return `{"type":"record","name":"R","fields":[` + fields + `]}`
}

const (
	fieldA        = `{"name":"a","type":"int"}`
	fieldB        = `{"name":"b","type":"int"}`
	fieldBDefault = `{"name":"b","type":"int","default":0}`
)

func TestRegisterThenEvolve(t *testing.T) {
	r := open(t, Options{})
	v1 := mustRegister(t, r, "s", avro(record(fieldA)))
	if v1.ID != 1 || v1.Version != 1 {
		t.Fatalf("first: id %d version %d", v1.ID, v1.Version)
	}
	if again := mustRegister(t, r, "s", avro(record(fieldA))); again.ID != 1 || again.Version != 1 {
		t.Fatalf("again: id %d version %d", again.ID, again.Version)
	}
	_, err := r.Register(context.Background(), "s", avro(record(fieldA+","+fieldB)))
	wantCode(t, err, CodeIncompatible)
	var e *Error
	if !errors.As(err, &e) || len(e.Incompatible.Findings) != 1 {
		t.Fatalf("findings of %v", err)
	}
	want := `Schema being registered is incompatible with an earlier schema for subject "s", details: [{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the new schema has no default value and is missing in the old schema', additionalInfo:'b'}, {oldSchemaVersion: 1}, {oldSchema: '{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}'}, {validateFields: 'false', compatibility: 'BACKWARD'}]`
	if e.Message != want {
		t.Errorf("message\n got %s\nwant %s", e.Message, want)
	}
	v2 := mustRegister(t, r, "s", avro(record(fieldA+","+fieldBDefault)))
	if v2.ID != 2 || v2.Version != 2 {
		t.Fatalf("second: id %d version %d", v2.ID, v2.Version)
	}
	if other := mustRegister(t, r, "t", avro(record(fieldA))); other.ID != 1 {
		t.Fatalf("the same definition elsewhere has id %d", other.ID)
	}
}

func TestReregisterAfterSoftDeleteIsNextVersionOfSameID(t *testing.T) {
	r := open(t, Options{})
	ctx := context.Background()
	first := mustRegister(t, r, "s", avro(`"int"`))
	if _, err := r.DeleteSubject(ctx, "s", false); err != nil {
		t.Fatal(err)
	}
	_, err := r.Lookup("s", avro(`"int"`), LookupOptions{})
	wantCode(t, err, CodeSubjectNotFound)
	again := mustRegister(t, r, "s", avro(`"int"`))
	if again.ID != first.ID || again.Version != 2 {
		t.Errorf("got id %d version %d", again.ID, again.Version)
	}
}

func TestIDsOutliveTheirRecords(t *testing.T) {
	m := &journal.Memory{}
	r := open(t, Options{Journal: m})
	ctx := context.Background()
	mustRegister(t, r, "s", avro(`"int"`))
	mustRegister(t, r, "gone", avro(`"long"`))
	for _, permanent := range []bool{false, true} {
		if _, err := r.DeleteSubject(ctx, "gone", permanent); err != nil {
			t.Fatal(err)
		}
	}
	m.Compact(true)
	after := open(t, Options{Journal: m})
	if s := mustRegister(t, after, "new", avro(`"double"`)); s.ID != 3 {
		t.Errorf("ID %d was given out before", s.ID)
	}
}

func TestASubjectThatIsNotUTF8IsRefused(t *testing.T) {
	r := open(t, Options{})
	_, err := r.Register(context.Background(), "\xff\xfe", avro(record(fieldA)))
	wantCode(t, err, CodeInvalidSubject)
	if end := r.End(); end != 0 {
		t.Errorf("the journal ends at %d, want nothing in it", end)
	}
	mustRegister(t, r, "é😀", avro(record(fieldA)))
}
