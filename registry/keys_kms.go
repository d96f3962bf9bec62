package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// alternateKeyIDs is the property with further keys of the same KMS, divided
// by commas, that are tried one after the other.
const alternateKeyIDs = "encrypt.alternate.kms.key.ids"

// errNoKMS says that an operator did not configure the KMS that a KEK names.
var errNoKMS = errors.New("this registry is not configured to call it")

func (r *Registry) kmsOf(k *KEK) (KMS, error) {
	if kms := r.opts.KMS[k.KMSType]; kms != nil {
		return kms, nil
	}
	return nil, errInvalidKey("kmsType", fmt.Sprintf("is '%s': %s, so its KEKs cannot be shared", k.KMSType, errNoKMS))
}

func (k *KEK) keyIDs() []string {
	ids := []string{k.KMSKeyID}
	for id := range strings.SplitSeq(k.KMSProps[alternateKeyIDs], ",") {
		if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// wrap lets the KMS of k wrap a key: base64.
func (r *Registry) wrap(ctx context.Context, k *KEK, key []byte) (string, error) {
	kms, err := r.kmsOf(k)
	if err != nil {
		return "", err
	}
	var errs []error
	for _, id := range k.keyIDs() {
		wrapped, err := kms.Wrap(ctx, id, k.KMSProps, key)
		if err == nil {
			return base64.StdEncoding.EncodeToString(wrapped), nil
		}
		errs = append(errs, err)
	}
	return "", r.denied(k, "wrap a key", errors.Join(errs...))
}

// unwrap lets the KMS of k unwrap a key.
func (r *Registry) unwrap(ctx context.Context, k *KEK, wrapped string) ([]byte, error) {
	kms, err := r.kmsOf(k)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(wrapped)
	if err != nil {
		return nil, r.denied(k, "unwrap a key", fmt.Errorf("the wrapped key is not base64: %w", err))
	}
	var errs []error
	for _, id := range k.keyIDs() {
		key, err := kms.Unwrap(ctx, id, k.KMSProps, b)
		if err == nil {
			return key, nil
		}
		errs = append(errs, err)
	}
	return nil, r.denied(k, "unwrap a key", errors.Join(errs...))
}

// denied tells the operator what the KMS said and the client that it did.
func (r *Registry) denied(k *KEK, doing string, err error) error {
	r.opts.Logger.Warn("KMS refused", "kek", k.Name, "kmsType", k.KMSType, "doing", doing, "error", err)
	return errKMSDenied(k.Name, doing, err)
}

// TestKEK wraps and unwraps a throw-away key by the KMS of a KEK.
func (r *Registry) TestKEK(ctx context.Context, name string) (KEK, error) {
	k, err := r.KEK(name, false)
	if err != nil {
		return KEK{}, err
	}
	return k, r.tryKMS(ctx, &k)
}

func (r *Registry) tryKMS(ctx context.Context, k *KEK) error {
	key, err := AES128GCM.generate()
	if err != nil {
		return errKeyGeneration(k.Name, err)
	}
	wrapped, err := r.wrap(ctx, k, key)
	if err != nil {
		return err
	}
	back, err := r.unwrap(ctx, k, wrapped)
	if err == nil && !bytes.Equal(back, key) {
		return r.denied(k, "unwrap what it wrapped", errors.New("another key came back"))
	}
	return err
}
