package registry

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// KMS wraps data keys with a key that never leaves it. keyID and properties
// are those of a KEK; a KMS documents what it reads of them. Calls may block
// until their context ends. Implementations are safe for concurrent use.
type KMS interface {
	Wrap(ctx context.Context, keyID string, properties map[string]string, key []byte) ([]byte, error)
	Unwrap(ctx context.Context, keyID string, properties map[string]string, wrapped []byte) ([]byte, error)
}

// KEK is a key encryption key: the name that the registry has for a key of a
// KMS. A shared one the registry may use itself.
type KEK struct {
	Name      string
	KMSType   string
	KMSKeyID  string
	KMSProps  map[string]string
	Doc       string
	Shared    bool
	Timestamp int64 // of the last change, milliseconds since the epoch
	Deleted   bool
}

// DEK is one version of a data encryption key, wrapped by its KEK.
type DEK struct {
	KEK       string
	Subject   schema.Subject // canonical
	Version   schema.Version
	Algorithm Algorithm
	Wrapped   string // base64
	Clear     string // base64; only in answers, and only of shared KEKs
	Timestamp int64  // of the last change, milliseconds since the epoch
	Deleted   bool
}

// Algorithm says what a DEK is for.
type Algorithm string

// Algorithms of DEKs.
const (
	AES128GCM Algorithm = "AES128_GCM"
	AES256GCM Algorithm = "AES256_GCM" // the default
	AES256SIV Algorithm = "AES256_SIV" // deterministic
)

// ParseAlgorithm reads the name of an algorithm; empty is AES256GCM.
func ParseAlgorithm(s string) (Algorithm, bool) {
	switch a := Algorithm(s); a {
	case "":
		return AES256GCM, true
	case AES128GCM, AES256GCM, AES256SIV:
		return a, true
	}
	return "", false
}

// generate makes a key in the form that clients expect: Tink's message of the
// key, AesGcmKey{key_value = 3} or AesSivKey{key_value = 2}.
func (a Algorithm) generate() ([]byte, error) {
	field, size := byte(3), 32
	switch a {
	case AES128GCM:
		size = 16
	case AES256SIV:
		field, size = 2, 64
	}
	key := make([]byte, 2+size)
	key[0], key[1] = field<<3|2, byte(size)
	_, err := rand.Read(key[2:])
	return key, err
}

// dekKey identifies a version of a DEK. Its order groups what a request names.
type dekKey struct {
	kek       string
	subject   schema.Subject
	algorithm Algorithm
	version   schema.Version
}

func compareDEKKeys(a, b dekKey) int {
	return cmp.Or(cmp.Compare(a.kek, b.kek), cmp.Compare(a.subject, b.subject),
		cmp.Compare(a.algorithm, b.algorithm), cmp.Compare(a.version, b.version))
}

func (d *DEK) key() dekKey { return dekKey{d.KEK, d.Subject, d.Algorithm, d.Version} }

// name is what messages call the key.
func (k dekKey) name() string { return fmt.Sprintf("%s/%s/%s", k.kek, k.subject, k.algorithm) }

// same reports whether two KEKs say the same, deleted or not.
func (k *KEK) same(o *KEK) bool {
	return k.KMSType == o.KMSType && k.KMSKeyID == o.KMSKeyID && k.Doc == o.Doc && k.Shared == o.Shared && maps.Equal(k.KMSProps, o.KMSProps)
}

func (k *KEK) record() journal.Record {
	return journal.Record{
		Key: journal.AppendKey(nil, journal.Key{Type: journal.KEKKey, KEK: k.Name}),
		Value: journal.AppendKEK(nil, journal.KEKValue{
			Name: k.Name, KMSType: k.KMSType, KMSKeyID: k.KMSKeyID, KMSProps: k.KMSProps, Doc: k.Doc, Shared: k.Shared, Deleted: k.Deleted,
		}),
	}
}

func (d *DEK) record() journal.Record {
	return journal.Record{
		Key: d.key().journalKey(),
		Value: journal.AppendDEK(nil, journal.DEKValue{
			KEK: d.KEK, Subject: d.Subject, Algorithm: string(d.Algorithm), Version: d.Version, Wrapped: d.Wrapped, Deleted: d.Deleted,
		}),
	}
}

func (k dekKey) journalKey() []byte {
	return journal.AppendKey(nil, journal.Key{
		Type: journal.DEKKey, KEK: k.kek, Subject: k.subject, Algorithm: string(k.algorithm), Version: k.version,
	})
}

func (s *state) applyKEK(k journal.Key, rec journal.Record) error {
	if rec.Value == nil {
		s.keks.delete(s.own, k.KEK)
		return nil
	}
	v, err := journal.ParseKEK(rec.Value)
	if err != nil {
		return err
	}
	name := strings.Clone(k.KEK)
	s.keks.set(s.own, name, &KEK{
		Name: name, KMSType: v.KMSType, KMSKeyID: v.KMSKeyID, KMSProps: v.KMSProps, Doc: v.Doc,
		Shared: v.Shared, Deleted: v.Deleted, Timestamp: rec.Timestamp,
	})
	return nil
}

func (s *state) applyDEK(k journal.Key, rec journal.Record) error {
	algorithm, ok := ParseAlgorithm(k.Algorithm)
	if !ok || k.Algorithm == "" {
		return fmt.Errorf("registry: DEK of subject %q: unknown algorithm %q", k.Subject, k.Algorithm)
	}
	key := dekKey{strings.Clone(k.KEK), schema.Subject(strings.Clone(string(k.Subject))), algorithm, k.Version}
	if rec.Value == nil {
		s.deks.delete(s.own, key)
		return nil
	}
	v, err := journal.ParseDEK(rec.Value)
	if err != nil {
		return err
	}
	s.deks.set(s.own, key, &DEK{
		KEK: key.kek, Subject: key.subject, Algorithm: algorithm, Version: key.version,
		Wrapped: v.Wrapped, Deleted: v.Deleted, Timestamp: rec.Timestamp,
	})
	return nil
}

// kek returns the KEK with that name, a deleted one only if asked for.
func (s *state) kek(name string, deleted bool) (*KEK, error) {
	k, ok := s.keks.get(name)
	if !ok || k.Deleted && !deleted {
		return nil, errKeyNotFound(name)
	}
	return k, nil
}

// deksOf yields the DEKs of a KEK in order: those of one subject if it is not
// empty, and of one algorithm likewise.
func (s *state) deksOf(kek string, subject schema.Subject, algorithm Algorithm) func(func(*DEK) bool) {
	return func(yield func(*DEK) bool) {
		for k, d := range s.deks.from(dekKey{kek: kek, subject: subject, algorithm: algorithm}) {
			if k.kek != kek || subject != "" && k.subject != subject {
				return
			}
			if algorithm != "" && k.algorithm != algorithm {
				continue
			}
			if !yield(d) {
				return
			}
		}
	}
}

// checkKEKName refuses names that no KEK may have.
func checkKEKName(name string) error {
	if !validRuleName(name) {
		return errInvalidKey("name", "must start with a letter or '_', go on with letters, digits, '_' and '-', and have at most 256 characters")
	}
	return nil
}

// KEKs lists the names of KEKs, those with DEKs for subjects with one of the
// prefixes if there are any.
func (r *Registry) KEKs(prefixes []string, deleted bool, p Page) ([]string, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	if prefixes = slices.DeleteFunc(slices.Clone(prefixes), func(s string) bool { return s == "" }); len(prefixes) > 0 {
		for k := range st.deks.all() {
			wanted[k.kek] = wanted[k.kek] || slices.ContainsFunc(prefixes, func(prefix string) bool { return hasPrefix(k.subject, prefix) })
		}
	}
	names := []string{}
	for name, k := range st.keks.all() {
		if (deleted || !k.Deleted) && (len(prefixes) == 0 || wanted[name]) {
			names = append(names, name)
		}
	}
	return cut(names, p, unlimited), nil
}

// hasPrefix reports whether a subject is in the context of prefix and its name
// begins with the rest.
func hasPrefix(s schema.Subject, prefix string) bool {
	if rest, ok := strings.CutPrefix(prefix, allContexts); ok {
		return strings.HasPrefix(s.Name(), rest)
	}
	c, name := schema.Subject(prefix).Split()
	return s.Context() == c && strings.HasPrefix(s.Name(), name)
}

// KEK returns a KEK.
func (r *Registry) KEK(name string, deleted bool) (KEK, error) {
	st, err := r.read()
	if err != nil {
		return KEK{}, err
	}
	k, err := st.kek(name, deleted)
	if err != nil {
		return KEK{}, err
	}
	return *k, nil
}

// DEKSubjects lists the subjects that have DEKs of a KEK.
func (r *Registry) DEKSubjects(kek string, deleted bool, p Page) ([]schema.Subject, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	if _, err := st.kek(kek, true); err != nil {
		return nil, err
	}
	subjects := []schema.Subject{}
	for d := range st.deksOf(kek, "", "") {
		if (deleted || !d.Deleted) && (len(subjects) == 0 || subjects[len(subjects)-1] != d.Subject) {
			subjects = append(subjects, d.Subject)
		}
	}
	return cut(subjects, p, unlimited), nil
}

// DEKQuery names a DEK.
type DEKQuery struct {
	KEK       string
	Subject   schema.Subject
	Algorithm Algorithm
	Version   schema.Version // schema.Latest for the newest
	Deleted   bool           // soft-deleted ones count too
}

func (q DEKQuery) key() dekKey {
	return dekKey{q.KEK, q.Subject.Canonical(), q.Algorithm, q.Version}
}

// DEKVersions lists the versions of a DEK.
func (r *Registry) DEKVersions(q DEKQuery, p Page) ([]schema.Version, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	if _, err := st.kek(q.KEK, true); err != nil {
		return nil, err
	}
	var versions []schema.Version
	for d := range st.deksOf(q.KEK, q.Subject.Canonical(), q.Algorithm) {
		if q.Deleted || !d.Deleted {
			versions = append(versions, d.Version)
		}
	}
	if len(versions) == 0 {
		return nil, errKeyNotFound(q.key().name())
	}
	return cut(versions, p, unlimited), nil
}

// DEK returns a version of a DEK, with the key in clear if its KEK is shared.
func (r *Registry) DEK(ctx context.Context, q DEKQuery) (DEK, error) {
	st, err := r.read()
	if err != nil {
		return DEK{}, err
	}
	kek, err := st.kek(q.KEK, true)
	if err != nil {
		return DEK{}, err
	}
	var found *DEK
	for d := range st.deksOf(q.KEK, q.Subject.Canonical(), q.Algorithm) {
		if (q.Deleted || !d.Deleted) && (q.Version == schema.Latest || d.Version == q.Version) {
			found = d
		}
	}
	if found == nil {
		return DEK{}, errKeyNotFound(q.key().name())
	}
	return r.withClear(ctx, kek, *found)
}

// withClear adds the key in clear if the KEK is shared.
func (r *Registry) withClear(ctx context.Context, kek *KEK, d DEK) (DEK, error) {
	if !kek.Shared {
		return d, nil
	}
	key, err := r.unwrap(ctx, kek, d.Wrapped)
	if err != nil {
		return DEK{}, err
	}
	d.Clear = base64.StdEncoding.EncodeToString(key)
	return d, nil
}
