package rules

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// Keys is what encryption needs of a registry of keys; a srclient.Client is
// one. A key that does not exist is an error that is serde.ErrNotFound, one
// that exists already an error that is serde.ErrRejected.
type Keys interface {
	KEK(ctx context.Context, name string, deleted bool) (schema.KEK, error)
	CreateKEK(ctx context.Context, k schema.KEK, testSharing bool) (schema.KEK, error)
	// DEKVersion returns a version of a DEK; -1 is the newest.
	DEKVersion(ctx context.Context, kek string, s schema.Subject, version int, o schema.DEKOptions) (schema.DEK, error)
	CreateDEK(ctx context.Context, kek string, d schema.DEK, rewrap bool) (schema.DEK, error)
}

// KMS wraps data keys with a key that never leaves it; see package kms.
type KMS interface {
	Wrap(ctx context.Context, keyID string, properties map[string]string, key []byte) ([]byte, error)
	Unwrap(ctx context.Context, keyID string, properties map[string]string, wrapped []byte) ([]byte, error)
}

// keySource says where the keys of a rule come from.
type keySource struct {
	kek, kmsType, kmsKeyID string
	subject                schema.Subject
	algorithm              string
	params                 map[string]string
}

// dek is an unwrapped key.
type dek struct {
	cipher  *cipher
	version int
	created time.Time
}

type dekKey struct {
	kek       string
	subject   schema.Subject
	algorithm string
	version   int // newest for what is written with
}

const newest = -1

// keyring gets keys from the registry and keeps them. KEKs are looked up again
// for each new DEK, so that a change of theirs counts.
type keyring struct {
	registry Keys
	services map[string]KMS
	now      func() time.Time
	max      int

	mu    sync.RWMutex
	cache map[dekKey]*dek
	busy  map[dekKey]chan struct{} // closed when the one who fetches is done
}

func newKeyring(o Options) *keyring {
	return &keyring{registry: o.Keys, services: o.KMS, now: o.Now, max: o.MaxKeys, cache: map[dekKey]*dek{}, busy: map[dekKey]chan struct{}{}}
}

// toWrite returns the key to write with: version 1, or with an expiry the newest
// one, which is replaced once it is older.
func (r *keyring) toWrite(ctx context.Context, s keySource, expiry time.Duration) (*dek, error) {
	version := 1
	if expiry > 0 {
		version = newest
	}
	k := dekKey{s.kek, s.subject, s.algorithm, version}
	fresh := func(d *dek) bool { return expiry == 0 || r.now().Sub(d.created) <= expiry }
	return r.get(ctx, k, fresh, func() (*dek, error) { return r.create(ctx, s, version, fresh) })
}

// toRead returns a key to read with.
func (r *keyring) toRead(ctx context.Context, s keySource, version int) (*dek, error) {
	k := dekKey{s.kek, s.subject, s.algorithm, version}
	return r.get(ctx, k, func(*dek) bool { return true }, func() (*dek, error) {
		kek, err := r.registry.KEK(ctx, s.kek, true)
		if err != nil {
			return nil, fmt.Errorf("KEK %q: %w", s.kek, err)
		}
		d, err := r.registry.DEKVersion(ctx, s.kek, s.subject, version, schema.DEKOptions{Algorithm: s.algorithm, Deleted: true})
		if err != nil {
			return nil, fmt.Errorf("version %d of the DEK of KEK %q: %w", version, s.kek, err)
		}
		return r.open(ctx, s, kek, d)
	})
}

// get returns a cached key, or lets one caller at a time fetch it.
func (r *keyring) get(ctx context.Context, k dekKey, fresh func(*dek) bool, fetch func() (*dek, error)) (*dek, error) {
	for {
		r.mu.RLock()
		d := r.cache[k]
		r.mu.RUnlock()
		if d != nil && fresh(d) {
			return d, nil
		}
		r.mu.Lock()
		if wait, ok := r.busy[k]; ok {
			r.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		if d = r.cache[k]; d != nil && fresh(d) {
			r.mu.Unlock()
			return d, nil
		}
		done := make(chan struct{})
		r.busy[k] = done
		r.mu.Unlock()
		return r.fetch(k, done, fetch)
	}
}

// fetch gets a key for everyone who waits for it.
func (r *keyring) fetch(k dekKey, done chan struct{}, fetch func() (*dek, error)) (d *dek, err error) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if err == nil && d != nil {
			if len(r.cache) >= r.max {
				for old := range r.cache { // any one; what is in use comes back
					delete(r.cache, old)
					break
				}
			}
			r.cache[k] = d
		}
		delete(r.busy, k)
		close(done)
	}()
	return fetch()
}

// create finds the key to write with, and makes it if there is none or none
// that is fresh.
func (r *keyring) create(ctx context.Context, s keySource, version int, fresh func(*dek) bool) (*dek, error) {
	kek, err := r.kekToWrite(ctx, s)
	if err != nil {
		return nil, err
	}
	o := schema.DEKOptions{Algorithm: s.algorithm}
	found, err := r.registry.DEKVersion(ctx, s.kek, s.subject, version, o)
	next := 1
	switch {
	case err == nil:
		d, err := r.open(ctx, s, kek, found)
		if err != nil || fresh(d) {
			return d, err
		}
		next = found.Version + 1
	case !errors.Is(err, serde.ErrNotFound):
		return nil, fmt.Errorf("DEK of KEK %q: %w", s.kek, err)
	}
	made, err := r.make(ctx, s, kek, next)
	if errors.Is(err, serde.ErrRejected) {
		// Someone else made it first: theirs is the key.
		if made, err = r.registry.DEKVersion(ctx, s.kek, s.subject, next, o); err != nil {
			return nil, fmt.Errorf("DEK of KEK %q, which another client made: %w", s.kek, err)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.open(ctx, s, kek, made)
}

// make registers a new version of a DEK. Of a shared KEK the registry makes up
// the key.
func (r *keyring) make(ctx context.Context, s keySource, kek schema.KEK, version int) (schema.DEK, error) {
	d := schema.DEK{Subject: s.subject, Version: version, Algorithm: s.algorithm}
	if !kek.Shared {
		key, err := newKey(s.algorithm, func(b []byte) error { _, err := rand.Read(b); return err })
		if err != nil {
			return schema.DEK{}, fmt.Errorf("making a DEK: %w", err)
		}
		wrapped, err := r.viaKMS(kek, s, func(service KMS, id string, properties map[string]string) ([]byte, error) {
			return service.Wrap(ctx, id, properties, key)
		})
		if err != nil {
			return schema.DEK{}, fmt.Errorf("wrapping a DEK by KEK %q: %w", s.kek, err)
		}
		d.EncryptedKeyMaterial = base64.StdEncoding.EncodeToString(wrapped)
	}
	made, err := r.registry.CreateDEK(ctx, s.kek, d, false)
	if err != nil {
		return schema.DEK{}, fmt.Errorf("registering a DEK of KEK %q: %w", s.kek, err)
	}
	return made, nil
}

// kekToWrite returns the KEK of a rule, which the rule's parameters create if
// need be.
func (r *keyring) kekToWrite(ctx context.Context, s keySource) (schema.KEK, error) {
	kek, err := r.registry.KEK(ctx, s.kek, false)
	if errors.Is(err, serde.ErrNotFound) {
		if s.kmsType == "" || s.kmsKeyID == "" {
			return kek, fmt.Errorf("KEK %q does not exist, and the rule has no %s and %s to create it: %w", s.kek, paramKMSType, paramKeyID, err)
		}
		kek, err = r.registry.CreateKEK(ctx, schema.KEK{Name: s.kek, KMSType: s.kmsType, KMSKeyID: s.kmsKeyID}, false)
		if errors.Is(err, serde.ErrRejected) {
			kek, err = r.registry.KEK(ctx, s.kek, false)
		}
	}
	switch {
	case err != nil:
		return kek, fmt.Errorf("KEK %q: %w", s.kek, err)
	case s.kmsType != "" && kek.KMSType != s.kmsType:
		return kek, fmt.Errorf("KEK %q is of KMS type %q, the rule wants %q", s.kek, kek.KMSType, s.kmsType)
	case s.kmsKeyID != "" && kek.KMSKeyID != s.kmsKeyID:
		return kek, fmt.Errorf("KEK %q is key %q of its KMS, the rule wants %q", s.kek, kek.KMSKeyID, s.kmsKeyID)
	}
	return kek, nil
}

// open unwraps a DEK; that of a shared KEK comes in clear.
func (r *keyring) open(ctx context.Context, s keySource, kek schema.KEK, d schema.DEK) (*dek, error) {
	var key []byte
	var err error
	if d.KeyMaterial != "" {
		if key, err = base64.StdEncoding.DecodeString(d.KeyMaterial); err != nil {
			return nil, fmt.Errorf("DEK of KEK %q: the key is not base64: %w", s.kek, err)
		}
	} else {
		wrapped, err := base64.StdEncoding.DecodeString(d.EncryptedKeyMaterial)
		if err != nil {
			return nil, fmt.Errorf("DEK of KEK %q: the wrapped key is not base64: %w", s.kek, err)
		}
		key, err = r.viaKMS(kek, s, func(service KMS, id string, properties map[string]string) ([]byte, error) {
			return service.Unwrap(ctx, id, properties, wrapped)
		})
		if err != nil {
			return nil, fmt.Errorf("unwrapping the DEK of KEK %q: %w", s.kek, err)
		}
	}
	c, err := newCipher(s.algorithm, key)
	if err != nil {
		return nil, fmt.Errorf("DEK of KEK %q: %w", s.kek, err)
	}
	return &dek{cipher: c, version: d.Version, created: time.UnixMilli(d.Timestamp)}, nil
}

// viaKMS calls the KMS of a KEK, with its alternate key IDs if the first fails.
func (r *keyring) viaKMS(kek schema.KEK, s keySource, call func(KMS, string, map[string]string) ([]byte, error)) ([]byte, error) {
	service := r.services[kek.KMSType]
	if service == nil {
		return nil, fmt.Errorf("no KMS of type %q is configured, only %s", kek.KMSType, strings.Join(slices.Sorted(maps.Keys(r.services)), ", "))
	}
	properties := maps.Clone(s.params)
	maps.Copy(properties, kek.KMSProps)
	ids := []string{kek.KMSKeyID}
	for id := range strings.SplitSeq(properties[paramAlternates], ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	var errs []error
	for _, id := range ids {
		b, err := call(service, id, properties)
		if err == nil {
			return b, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}
