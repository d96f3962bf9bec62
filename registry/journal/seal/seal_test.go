package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
)

const secretValue = "kim@example.org"

// wrap returns a journal over j with the key sets of keys.
func wrap(t testing.TB, j, keys journal.Journal, secret, old string) journal.Journal {
	t.Helper()
	s, err := New(context.Background(), j, Options{Secret: secret, OldSecret: old, Keysets: keys})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openRegistry(t testing.TB, j journal.Journal) *registry.Registry {
	t.Helper()
	r, err := registry.Open(context.Background(), registry.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// request is a schema with one sensitive property and one that is not.
func request(owner string) registry.RegisterRequest {
	return registry.RegisterRequest{Definition: schema.Definition{Text: `"int"`, Metadata: &schema.Metadata{
		Properties: map[string]string{"owner": owner, "team": "orders"}, Sensitive: []string{"absent", "owner"},
	}}}
}

func register(t testing.TB, r *registry.Registry, subject schema.Subject, req registry.RegisterRequest) registry.Schema {
	t.Helper()
	s, err := r.Register(context.Background(), subject, req)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantOwner(t testing.TB, r *registry.Registry, subject schema.Subject, want string) registry.Schema {
	t.Helper()
	s, err := r.Version(subject, schema.Latest, false)
	if err != nil {
		t.Fatal(err)
	}
	if p := s.Metadata().Properties; len(p) != 2 || p["owner"] != want || p["team"] != "orders" {
		t.Fatalf("properties of %s are %v, want owner %s and team orders", subject, p, want)
	}
	return s
}

func stored(t testing.TB, j journal.Journal) []journal.Record {
	t.Helper()
	records, _, err := j.Read(context.Background(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestJournalWithASecret(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		return wrap(t, &journal.Memory{}, &journal.Memory{}, "s", "")
	})
}

func TestJournalWithoutASecret(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journal.Journal { return wrap(t, &journal.Memory{}, nil, "", "") })
}

func TestStoredBytesAreEncryptedAndAnswersAreNot(t *testing.T) {
	inner, keys := &journal.Memory{}, &journal.Memory{}
	r := openRegistry(t, wrap(t, inner, keys, "s", ""))
	plain := register(t, openRegistry(t, &journal.Memory{}), "a", request(secretValue))
	made := register(t, r, "a", request(secretValue))
	if made.GUID() != plain.GUID() {
		t.Errorf("the GUID is %s, without encryption it is %s", made.GUID(), plain.GUID())
	}
	if s := wantOwner(t, r, "a", secretValue); s.GUID() != plain.GUID() {
		t.Errorf("the GUID reads as %s", s.GUID())
	}
	seen := 0
	for _, rec := range stored(t, inner) {
		if bytes.Contains(rec.Value, []byte(secretValue)) {
			t.Errorf("in clear: %s", rec.Value)
		}
		if !isSchema(rec) {
			continue
		}
		v, err := journal.ParseSchema(rec.Value)
		if err != nil {
			t.Fatal(err)
		}
		p := v.Definition.Metadata.Properties
		if p["__enc__"] != "true" || p["owner"] == "" || p["team"] != "orders" || !bytes.Equal(v.MD5, fingerprint(plain)) {
			t.Errorf("record %s", rec.Value)
		}
		seen++
	}
	if seen != 1 {
		t.Fatalf("%d SCHEMA records, want 1", seen)
	}
	for _, rec := range stored(t, keys) {
		if bytes.Contains(rec.Value, []byte("AesGcmKey")) {
			t.Errorf("the key set is in clear: %s", rec.Value)
		}
	}
}

func fingerprint(s registry.Schema) []byte {
	f := s.Fingerprint()
	return f[:]
}

// TestEverythingFindsTheSameSchemaAfterARestart: registering again, lookup, GUID,
// and a soft delete, which writes the record anew.
func TestEverythingFindsTheSameSchemaAfterARestart(t *testing.T) {
	ctx := context.Background()
	inner, keys := &journal.Memory{}, &journal.Memory{}
	first := openRegistry(t, wrap(t, inner, keys, "s", ""))
	made := register(t, first, "a", request(secretValue))
	other := register(t, first, "b", request("lee@example.org"))
	if other.ID == made.ID {
		t.Fatal("two definitions have one ID")
	}
	if _, err := first.DeleteSubject(ctx, "b", false); err != nil {
		t.Fatal(err)
	}
	first.Close()

	r := openRegistry(t, wrap(t, inner, keys, "s", ""))
	wantOwner(t, r, "a", secretValue)
	end := r.End()
	if again := register(t, r, "a", request(secretValue)); again.ID != made.ID || again.Version != 1 || r.End() != end {
		t.Errorf("registered again: id %d version %d, the journal grew from %d to %d", again.ID, again.Version, end, r.End())
	}
	if found, err := r.Lookup("a", request(secretValue), registry.LookupOptions{}); err != nil || found.ID != made.ID {
		t.Errorf("lookup: %d, %v", found.ID, err)
	}
	if found, err := r.SchemaByGUID(made.GUID().String()); err != nil || found.ID != made.ID {
		t.Errorf("by GUID: %d, %v", found.ID, err)
	}
	if back := register(t, r, "b", request("lee@example.org")); back.ID != other.ID || back.Version != 2 {
		t.Errorf("after a soft delete: id %d version %d, want %d and 2", back.ID, back.Version, other.ID)
	}
	wantOwner(t, r, "b", "lee@example.org")
	for _, rec := range stored(t, inner) {
		if bytes.Contains(rec.Value, []byte("@example.org")) {
			t.Errorf("in clear: %s", rec.Value)
		}
	}
	if n := len(stored(t, keys)); n != 1 {
		t.Errorf("%d key sets were written, want 1", n)
	}
}

// TestInstancesThatStartAtOnceShareOneKeyset: each encrypts before it has read
// what the others did.
func TestInstancesThatStartAtOnceShareOneKeyset(t *testing.T) {
	inner, keys := &journal.Memory{}, &journal.Memory{}
	const n = 4
	var registries [n]*registry.Registry
	for i := range n {
		registries[i] = openRegistry(t, wrap(t, inner, keys, "s", ""))
	}
	var wg sync.WaitGroup
	for i, r := range registries {
		wg.Go(func() {
			for k := range 10 {
				subject := schema.Subject(fmt.Sprintf("s-%d-%d", i, k))
				if _, err := r.Register(context.Background(), subject, request(string(subject))); err != nil {
					t.Errorf("%s: %v", subject, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(stored(t, keys)); n != 1 {
		t.Errorf("%d key sets were written, want 1", n)
	}
	for i := range n {
		for k := range 10 {
			subject := schema.Subject(fmt.Sprintf("s-%d-%d", i, k))
			wantOwner(t, registries[(i+1)%n], subject, string(subject))
		}
	}
}

func TestNewSecretTakesOverFromTheOldOne(t *testing.T) {
	inner, keys := &journal.Memory{}, &journal.Memory{}
	old := openRegistry(t, wrap(t, inner, keys, "one", ""))
	register(t, old, "a", request(secretValue))
	rotated := openRegistry(t, wrap(t, inner, keys, "two", "one"))
	wantOwner(t, rotated, "a", secretValue)
	// The key set is the same, so whoever runs with the old secret goes on.
	register(t, rotated, "b", request("b"))
	register(t, old, "c", request("c"))
	wantOwner(t, old, "b", "b")
	wantOwner(t, rotated, "c", "c")
	// The old secret opens nothing more; given again as the old one it does no harm.
	if _, err := New(context.Background(), inner, Options{Secret: "one", Keysets: keys}); !errors.Is(err, ErrSecret) {
		t.Errorf("with the old secret alone: %v", err)
	}
	for _, before := range []string{"", "one"} {
		wantOwner(t, openRegistry(t, wrap(t, inner, keys, "two", before)), "a", secretValue)
	}
	if n := len(stored(t, keys)); n != 2 {
		t.Errorf("%d key sets were written, want 2", n)
	}
}

func TestWrongAndMissingSecretsAreNamed(t *testing.T) {
	ctx := context.Background()
	inner, keys := &journal.Memory{}, &journal.Memory{}
	register(t, openRegistry(t, wrap(t, inner, keys, "s", "")), "a", request(secretValue))
	for _, c := range []struct {
		want string
		with Options
	}{
		{"--metadata-encoder-secret does not open", Options{Secret: "x", Keysets: keys}},
		{"neither", Options{Secret: "x", OldSecret: "y", Keysets: keys}},
		{"no new one", Options{OldSecret: "s", Keysets: keys}},
	} {
		if _, err := New(ctx, inner, c.with); !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for want, j := range map[string]journal.Journal{
		"give --metadata-encoder-secret": wrap(t, inner, nil, "", ""),
		"there is no key set":            wrap(t, inner, &journal.Memory{}, "s", ""),
		"another key set":                wrap(t, inner, otherKeys(t), "s", ""),
	} {
		_, err := registry.Open(ctx, registry.Options{Journal: j})
		if !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `subject "a" version 1`) {
			t.Errorf("%v, want %q", err, want)
		}
		if err := j.(interface{ Ready(context.Context) error }).Ready(ctx); !errors.Is(err, ErrSecret) {
			t.Errorf("ready: %v", err)
		}
	}
	foreign := &journal.Memory{}
	if _, err := foreign.Append(ctx, 0, []journal.Record{{Key: []byte("default"), Value: []byte{1}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := New(ctx, inner, Options{Secret: "s", Keysets: foreign}); err == nil || !strings.Contains(err.Error(), "was not written by this registry") {
		t.Errorf("records of somebody else: %v", err)
	}
}

// otherKeys returns a key set of another registry with the same secret.
func otherKeys(t *testing.T) journal.Journal {
	t.Helper()
	keys := &journal.Memory{}
	register(t, openRegistry(t, wrap(t, &journal.Memory{}, keys, "s", "")), "a", request("x"))
	return keys
}

func TestReadyIsWhatTheJournalSays(t *testing.T) {
	want := errors.New("fenced")
	j := wrap(t, unready{&journal.Memory{}, want}, &journal.Memory{}, "s", "")
	if err := j.(interface{ Ready(context.Context) error }).Ready(context.Background()); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if _, ok := j.(journal.Starter); ok {
		t.Error("it starts what its journal cannot")
	}
}

type unready struct {
	journal.Journal
	err error
}

func (u unready) Ready(context.Context) error { return u.err }

func TestValuesFromBeforeTheSecretStayReadable(t *testing.T) {
	inner, keys := &journal.Memory{}, &journal.Memory{}
	register(t, openRegistry(t, wrap(t, inner, nil, "", "")), "a", request(secretValue))
	r := openRegistry(t, wrap(t, inner, keys, "s", ""))
	wantOwner(t, r, "a", secretValue)
	register(t, r, "b", request("b"))
	wantOwner(t, openRegistry(t, wrap(t, inner, keys, "s", "")), "b", "b")
}

// TestTheMarkCannotBeForged: a client that sends the mark itself does not make
// anybody decrypt what is not encrypted.
func TestTheMarkCannotBeForged(t *testing.T) {
	for _, secret := range []string{"", "s"} {
		inner, keys := &journal.Memory{}, &journal.Memory{}
		r := openRegistry(t, wrap(t, inner, keys, secret, ""))
		req := request("AAAA")
		req.Definition.Metadata.Properties["__enc__"] = "true"
		req.Definition.Metadata.Sensitive = append(req.Definition.Metadata.Sensitive, "__enc__")
		register(t, r, "a", req)
		wantOwner(t, openRegistry(t, wrap(t, inner, keys, secret, "")), "a", "AAAA")
	}
}

func TestLargestRecordStillFitsWhenItIsEncrypted(t *testing.T) {
	inner := &journal.Memory{}
	r := openRegistry(t, wrap(t, inner, &journal.Memory{}, "s", ""))
	_, err := r.Register(context.Background(), "big", request(strings.Repeat("x", 900_000)))
	if registry.CodeOf(err) != registry.CodeInvalidSchema && (err == nil || !strings.Contains(err.Error(), "bytes as a record")) {
		t.Fatalf("got %v", err)
	}
	register(t, r, "big", request(strings.Repeat("x", 780_000)))
	for _, rec := range stored(t, inner) {
		if len(rec.Value) >= 1<<20 {
			t.Errorf("a record of %d bytes", len(rec.Value))
		}
	}
}

func FuzzRead(f *testing.F) {
	key := journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: "a", Version: 1})
	inner, keys := &journal.Memory{}, &journal.Memory{}
	register(f, openRegistry(f, wrap(f, inner, keys, "s", "")), "a", request(secretValue))
	for _, rec := range stored(f, inner) {
		f.Add(rec.Value)
	}
	f.Add([]byte(`{"subject":"a","version":1,"id":1,"md5":"AAAAAAAAAAAAAAAAAAAAAA==","metadata":{"properties":{"__enc__":"true","a":"!"},"sensitive":["a"]},"schema":"\"int\""}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		j := &journal.Memory{}
		if _, err := j.Append(context.Background(), 0, []journal.Record{{Key: key, Value: value}}); err != nil {
			t.Fatal(err)
		}
		records, _, err := wrap(t, j, keys, "s", "").Read(context.Background(), 0, 10)
		if err != nil {
			if !errors.Is(err, ErrSecret) {
				t.Fatal(err)
			}
			return
		}
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
	})
}
