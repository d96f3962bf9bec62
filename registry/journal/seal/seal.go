// Package seal encrypts the sensitive metadata of schemas on their way into a
// journal and decrypts it on the way out, so that neither the registry nor the
// journal under it knows.
//
//	registry   {"owner":"kim"}                       sensitive: [owner]
//	               │ Append        ▲ Read
//	               ▼               │
//	journal    {"__enc__":"true","owner":"AXk3…"}    sensitive: [owner], md5
//
// Encrypted are the values of the metadata properties of a schema that its list
// `sensitive` names: AES128-GCM with a Tink key set, in base64, no associated
// data. md5 is the fingerprint from before, so lookup and GUIDs stay what they
// are.
//
// The key set is one per tenant, of which there is one, "default". It is made with
// the first value that is encrypted, and lives in a second journal, `_schema_encoders`, itself encrypted with
// AES128-GCM under a key that HKDF-SHA256 derives from the secret. Several
// instances on one journal thus share it. Losing the second journal, or the
// secret, loses the encrypted values and nothing else.
//
// Without a secret nothing is encrypted, and a journal that has encrypted values
// cannot be read: an error wrapping ErrSecret says which secret to give.
package seal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// ErrSecret means that the secret is missing, or not the one that was encrypted
// with.
var ErrSecret = errors.New("sensitive metadata: wrong or missing secret")

// Options configure New.
type Options struct {
	// Secret encrypts the key set. Empty means that nothing is encrypted.
	Secret string
	// OldSecret is tried if Secret does not decrypt the key set, which is then
	// encrypted with Secret.
	OldSecret string
	// Keysets is the journal `_schema_encoders`; needed with a Secret. It is
	// closed with the journal.
	Keysets journal.Journal
	// Logger hears that a key set was made or encrypted anew. Nil discards.
	Logger *slog.Logger
}

// New returns j with sensitive metadata encrypted in it. What is returned is a
// journal.Starter if j is, and owns j. After an error j and Keysets are still the
// caller's.
func New(ctx context.Context, j journal.Journal, o Options) (journal.Journal, error) {
	s := &sealed{Journal: j}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Secret != "" && o.Keysets == nil:
		return nil, errors.New("seal: Options.Keysets is not set")
	case o.Secret != "":
		s.ring = &keyring{o: o}
		if _, err := s.ring.get(ctx, false); err != nil {
			return nil, err
		}
	case o.OldSecret != "":
		return nil, fmt.Errorf("%w: there is an old secret and no new one", ErrSecret)
	}
	if starter, ok := j.(journal.Starter); ok {
		return &sealedStarter{s, starter}, nil
	}
	return s, nil
}

// sealed is a journal with encrypted values in it.
type sealed struct {
	journal.Journal
	ring *keyring // nil without a secret

	mu     sync.Mutex
	closed error // why the last Read could not decrypt; nil if it could
}

type sealedStarter struct {
	*sealed
	starter journal.Starter
}

// Append implements journal.Journal.
func (s *sealed) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	records, err := s.seal(ctx, records)
	if err != nil {
		return 0, err
	}
	return s.Journal.Append(ctx, at, records)
}

// Start implements journal.Starter.
func (s *sealedStarter) Start(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, func(context.Context) error, error) {
	records, err := s.seal(ctx, records)
	if err != nil {
		return 0, nil, err
	}
	return s.starter.Start(ctx, at, records)
}

// Read implements journal.Journal. Its error wraps ErrSecret if a record cannot
// be decrypted.
func (s *sealed) Read(ctx context.Context, from journal.Offset, limit int) ([]journal.Record, journal.Offset, error) {
	records, next, err := s.Journal.Read(ctx, from, limit)
	if err != nil {
		return nil, next, err
	}
	opened, err := s.unseal(ctx, records)
	s.mu.Lock()
	s.closed = err
	s.mu.Unlock()
	if err != nil {
		return nil, from, err
	}
	return opened, next, nil
}

// Ready returns why the journal cannot be read or written, nil if it can.
func (s *sealed) Ready(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed != nil {
		return closed
	}
	if says, ok := s.Journal.(interface{ Ready(context.Context) error }); ok {
		return says.Ready(ctx)
	}
	_, err := s.End(ctx)
	return err
}

// Close implements journal.Journal; it closes the key sets too.
func (s *sealed) Close() error {
	err := s.Journal.Close()
	if s.ring != nil {
		err = errors.Join(err, s.ring.o.Keysets.Close())
	}
	return err
}

// seal returns records with what is sensitive encrypted; the given ones stay.
func (s *sealed) seal(ctx context.Context, records []journal.Record) ([]journal.Record, error) {
	if s.ring == nil {
		return records, nil
	}
	out, copied := records, false
	for i, r := range records {
		if !bytes.Contains(r.Value, []byte(`"sensitive"`)) || !isSchema(r) {
			continue
		}
		v, err := journal.ParseSchema(r.Value)
		if err != nil {
			return nil, err
		}
		if !sensitive(v.Definition.Metadata) {
			continue
		}
		if v.MD5 == nil {
			f := v.Definition.Fingerprint()
			v.MD5 = f[:]
		}
		with, err := s.ring.get(ctx, true)
		if err != nil {
			return nil, err
		}
		v.Definition.Metadata, err = mapSensitive(v.Definition.Metadata, func(_, plain string) (string, error) {
			b, err := with.Encrypt([]byte(plain), nil)
			return base64.StdEncoding.EncodeToString(b), err
		})
		if err != nil {
			return nil, fmt.Errorf("sensitive metadata of subject %q: %w", v.Subject, err)
		}
		v.Definition.Metadata.Properties[journal.SealedProperty] = "true"
		if !copied {
			out, copied = slices.Clone(records), true
		}
		out[i].Value = journal.AppendSchema(nil, v)
	}
	return out, nil
}

// unseal returns records with what is encrypted decrypted; the given ones stay.
func (s *sealed) unseal(ctx context.Context, records []journal.Record) ([]journal.Record, error) {
	out, copied := records, false
	for i, r := range records {
		if !bytes.Contains(r.Value, []byte(journal.SealedProperty)) || !isSchema(r) {
			continue
		}
		v, err := journal.ParseSchema(r.Value)
		if err != nil {
			continue // the registry says so, and goes on
		}
		m := v.Definition.Metadata
		if m == nil || m.Properties[journal.SealedProperty] != "true" || v.MD5 == nil {
			continue // the mark is somebody's text, or not ours
		}
		m, err = mapSensitive(m, func(name, text string) (string, error) { return s.open(ctx, name, text) })
		if err != nil {
			return nil, fmt.Errorf("%w: subject %q version %d at offset %d: %w", ErrSecret, v.Subject, v.Version, r.Offset, err)
		}
		delete(m.Properties, journal.SealedProperty)
		v.Definition.Metadata = m
		if !copied {
			out, copied = slices.Clone(records), true
		}
		out[i].Value = journal.AppendSchema(nil, v)
	}
	return out, nil
}

func (s *sealed) open(ctx context.Context, name, text string) (string, error) {
	if s.ring == nil {
		return "", fmt.Errorf("property %q is encrypted: give --metadata-encoder-secret", name)
	}
	with, err := s.ring.get(ctx, false)
	if err != nil {
		return "", err
	}
	if with == nil {
		return "", fmt.Errorf("property %q is encrypted and there is no key set: import the records of _schema_encoders that belong to these schemas", name)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", fmt.Errorf("property %q is marked as encrypted and is no base64", name)
	}
	if b, err = with.Decrypt(b, nil); err != nil {
		return "", fmt.Errorf("property %q was encrypted with another key set than the one in _schema_encoders", name)
	}
	return string(b), nil
}

func isSchema(r journal.Record) bool {
	k, err := journal.ParseKey(r.Key)
	return err == nil && k.Type == journal.SchemaKey
}

// sensitive reports whether m has a property to encrypt.
func sensitive(m *schema.Metadata) bool {
	return m != nil && slices.ContainsFunc(m.Sensitive, func(name string) bool {
		_, ok := m.Properties[name]
		return ok
	})
}

// mapSensitive returns m with change applied to the sensitive properties, and
// properties of its own.
func mapSensitive(m *schema.Metadata, change func(name, value string) (string, error)) (*schema.Metadata, error) {
	out := &schema.Metadata{Tags: m.Tags, Properties: maps.Clone(m.Properties), Sensitive: m.Sensitive}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(m.Sensitive))) {
		value, ok := m.Properties[name]
		if !ok || name == journal.SealedProperty {
			continue
		}
		changed, err := change(name, value)
		if err != nil {
			return nil, err
		}
		out.Properties[name] = changed
	}
	return out, nil
}
