package seal

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// keyring knows the tenant's key set, once there is one.
type keyring struct {
	o Options

	mu   sync.Mutex
	aead tink.AEAD // nil until it was found or made
}

// keysetTries bounds how often instances that need a key set at once get in each
// other's way.
const keysetTries = 10

// get returns the key set, which it looks for, encrypts anew if only the old
// secret opens it, and makes if there is none and create is set. Without create
// it returns nil then.
func (k *keyring) get(ctx context.Context, create bool) (tink.AEAD, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var appendErr error
	for try := 0; k.aead == nil && try < keysetTries; try++ {
		stored, end, err := readKeyset(ctx, k.o.Keysets)
		if err != nil {
			return nil, err
		}
		var handle *keyset.Handle
		done := ""
		switch {
		case stored == nil && !create:
			return nil, nil
		case stored == nil:
			if handle, err = keyset.NewHandle(aead.AES128GCMKeyTemplate()); err != nil {
				return nil, fmt.Errorf("sensitive metadata: making a key set: %w", err)
			}
			done = "made a key set for sensitive metadata"
		default:
			var old bool
			if handle, old, err = k.o.decrypt(stored); err != nil {
				return nil, err
			}
			if old {
				done = "encrypted the key set for sensitive metadata with the new secret"
			}
		}
		if done != "" {
			if stored, err = encryptKeyset(handle, k.o.Secret); err != nil {
				return nil, err
			}
			record := journal.Record{
				Key:   journal.AppendKey(nil, journal.Key{Type: journal.EncoderKey}),
				Value: journal.AppendEncoder(nil, journal.EncoderValue{Keyset: stored}),
			}
			if _, appendErr = k.o.Keysets.Append(ctx, end, []journal.Record{record}); appendErr != nil {
				// Somebody else was faster, or nobody knows what became of it:
				// what the journal holds now counts.
				if err := ctx.Err(); err != nil {
					return nil, errors.Join(appendErr, err)
				}
				continue
			}
			k.o.Logger.Info(done)
		}
		if k.aead, err = aead.New(handle); err != nil {
			return nil, fmt.Errorf("sensitive metadata: the key set: %w", err)
		}
	}
	if k.aead == nil {
		return nil, fmt.Errorf("sensitive metadata: storing the key set: %w", appendErr)
	}
	return k.aead, nil
}

// decrypt opens a stored key set, and reports whether it took the old secret.
func (o *Options) decrypt(stored []byte) (handle *keyset.Handle, old bool, err error) {
	if handle, err = decryptKeyset(stored, o.Secret); err == nil {
		return handle, false, nil
	}
	if o.OldSecret == "" {
		return nil, false, fmt.Errorf("%w: --metadata-encoder-secret does not open the key set of this registry; if the secret was changed, give the one before as --metadata-encoder-old-secret", ErrSecret)
	}
	if handle, err = decryptKeyset(stored, o.OldSecret); err == nil {
		return handle, true, nil
	}
	return nil, false, fmt.Errorf("%w: neither --metadata-encoder-secret nor --metadata-encoder-old-secret opens the key set of this registry", ErrSecret)
}

// readKeyset returns the encrypted key set, nil if there is none, and the end of
// the journal.
func readKeyset(ctx context.Context, j journal.Journal) (stored []byte, end journal.Offset, err error) {
	for {
		records, next, err := j.Read(ctx, end, 1000)
		if err != nil {
			return nil, 0, fmt.Errorf("sensitive metadata: reading the key set: %w", err)
		}
		if len(records) == 0 && next == end {
			return stored, end, nil
		}
		end = next
		for _, r := range records {
			k, err := journal.ParseKey(r.Key)
			if err != nil || k.Type != journal.EncoderKey {
				return nil, 0, fmt.Errorf("sensitive metadata: record at offset %d of the key sets was not written by this registry: give it an own topic, or remove those records", r.Offset)
			}
			if k.Tenant != "" {
				continue
			}
			stored = nil
			if r.Value == nil {
				continue
			}
			v, err := journal.ParseEncoder(r.Value)
			if err != nil {
				return nil, 0, fmt.Errorf("sensitive metadata: record at offset %d of the key sets: %w", r.Offset, err)
			}
			stored = v.Keyset
		}
	}
}

// secretAEAD encrypts with the key that belongs to a secret.
func secretAEAD(secret string) (tink.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "dovetail metadata encoder", 16)
	if err != nil {
		return nil, fmt.Errorf("sensitive metadata: deriving a key: %w", err)
	}
	return subtle.NewAESGCM(key)
}

func encryptKeyset(handle *keyset.Handle, secret string) ([]byte, error) {
	with, err := secretAEAD(secret)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := handle.Write(keyset.NewBinaryWriter(&out), with); err != nil {
		return nil, fmt.Errorf("sensitive metadata: encrypting the key set: %w", err)
	}
	return out.Bytes(), nil
}

func decryptKeyset(stored []byte, secret string) (*keyset.Handle, error) {
	with, err := secretAEAD(secret)
	if err != nil {
		return nil, err
	}
	return keyset.Read(keyset.NewBinaryReader(bytes.NewReader(stored)), with)
}
