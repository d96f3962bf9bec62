package registry

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Bounds of what one key may hold.
const (
	maxWrappedBytes  = 64 << 10
	maxKMSProperties = 100
	maxKeyTextBytes  = 64 << 10 // key ID, doc and properties together
)

func (k *KEK) check() error {
	if err := checkKEKName(k.Name); err != nil {
		return err
	}
	switch {
	case k.KMSType == "":
		return errInvalidKey("kmsType", "must not be empty")
	case k.KMSKeyID == "":
		return errInvalidKey("kmsKeyId", "must not be empty")
	case len(k.KMSProps) > maxKMSProperties:
		return errInvalidKey("kmsProps", fmt.Sprintf("has more than %d members", maxKMSProperties))
	}
	size := len(k.KMSType) + len(k.KMSKeyID) + len(k.Doc)
	for name, value := range k.KMSProps {
		size += len(name) + len(value)
	}
	if size > maxKeyTextBytes {
		return errInvalidKey("kmsProps", fmt.Sprintf("and the other members have more than %d bytes", maxKeyTextBytes))
	}
	return nil
}

// CreateKEK creates a KEK. One that says the same is returned as it is, and
// undeleted if it was soft-deleted. With test the KMS is tried first, if the
// KEK is shared.
func (r *Registry) CreateKEK(ctx context.Context, k KEK, test bool) (KEK, error) {
	if err := k.check(); err != nil {
		return KEK{}, err
	}
	if k.Shared {
		if _, err := r.kmsOf(&k); err != nil {
			return KEK{}, err
		}
		if test {
			if err := r.tryKMS(ctx, &k); err != nil {
				return KEK{}, err
			}
		}
	}
	return r.changeKEK(ctx, "creating the KEK", k.Name, func(st *state) ([]journal.Record, error) {
		old, ok := st.keks.get(k.Name)
		switch {
		case ok && !old.same(&k):
			return nil, errKeyExists(k.Name)
		case ok && old.Deleted == k.Deleted:
			return nil, nil
		case !ok && st.keks.len() >= r.opts.MaxKeys:
			return nil, errTooManyKeys(r.opts.MaxKeys)
		}
		return []journal.Record{k.record()}, nil
	})
}

// KEKPatch is what may change of a KEK.
type KEKPatch struct {
	KMSProps Patch[map[string]string]
	Doc      Patch[string]
	Shared   Patch[bool]
}

// UpdateKEK changes a KEK. With test the KMS is tried first, if the outcome is
// shared.
func (r *Registry) UpdateKEK(ctx context.Context, name string, p KEKPatch, test bool) (KEK, error) {
	patched := func(k KEK) KEK {
		if p.KMSProps.Set {
			k.KMSProps = p.KMSProps.Value
		}
		if p.Doc.Set {
			k.Doc = p.Doc.Value
		}
		if p.Shared.Set {
			k.Shared = p.Shared.Value
		}
		return k
	}
	k, err := r.KEK(name, false)
	if err != nil {
		return KEK{}, err
	}
	if k = patched(k); k.Shared {
		if _, err := r.kmsOf(&k); err != nil {
			return KEK{}, err
		}
		if test {
			if err := r.tryKMS(ctx, &k); err != nil {
				return KEK{}, err
			}
		}
	}
	return r.changeKEK(ctx, "changing the KEK", name, func(st *state) ([]journal.Record, error) {
		old, err := st.kek(name, false)
		if err != nil {
			return nil, err
		}
		k := patched(*old)
		if err := k.check(); err != nil {
			return nil, err
		}
		if k.same(old) {
			return nil, nil
		}
		return []journal.Record{k.record()}, nil
	})
}

// changeKEK writes and returns what the KEK is then.
func (r *Registry) changeKEK(ctx context.Context, doing, name string, decide func(*state) ([]journal.Record, error)) (KEK, error) {
	if err := r.write(ctx, doing, decide); err != nil {
		return KEK{}, err
	}
	return r.KEK(name, true)
}

// DeleteKEK deletes a KEK that has no DEKs, or with permanent one that was
// soft-deleted and has none at all.
func (r *Registry) DeleteKEK(ctx context.Context, name string, permanent bool) error {
	return r.write(ctx, "deleting the KEK", func(st *state) ([]journal.Record, error) {
		k, err := st.kek(name, permanent)
		if err != nil {
			return nil, err
		}
		if permanent && !k.Deleted {
			return nil, errKeyNotSoftDeleted(name)
		}
		for d := range st.deksOf(name, "", "") {
			if permanent || !d.Deleted {
				return nil, errReferencedKey(name)
			}
		}
		if permanent {
			return []journal.Record{{Key: journal.AppendKey(nil, journal.Key{Type: journal.KEKKey, KEK: name})}}, nil
		}
		gone := *k
		gone.Deleted = true
		return []journal.Record{gone.record()}, nil
	})
}

// UndeleteKEK takes a soft delete back; a KEK that is live stays so.
func (r *Registry) UndeleteKEK(ctx context.Context, name string) error {
	return r.write(ctx, "undeleting the KEK", func(st *state) ([]journal.Record, error) {
		k, err := st.kek(name, true)
		if err != nil || !k.Deleted {
			return nil, err
		}
		back := *k
		back.Deleted = false
		return []journal.Record{back.record()}, nil
	})
}

// CreateDEK creates a version of a DEK, 1 if d has none. A DEK of a shared KEK
// may come without a key: the registry makes one up. A DEK with the same key,
// or without one, is returned as it is, and undeleted if it was soft-deleted.
// With rewrap an existing DEK is wrapped anew: by the registry if the KEK is
// shared, else it gets the key that d brings.
func (r *Registry) CreateDEK(ctx context.Context, d DEK, rewrap bool) (DEK, error) {
	d.Subject = d.Subject.Canonical()
	if d.Version == 0 {
		d.Version = 1
	}
	if d.Algorithm == "" {
		d.Algorithm = AES256GCM
	}
	if err := r.checkDEK(d); err != nil {
		return DEK{}, err
	}
	st, err := r.read()
	if err != nil {
		return DEK{}, err
	}
	kek, err := st.kek(d.KEK, false)
	if err != nil {
		return DEK{}, err
	}
	old, exists := st.deks.get(d.key())
	if d.Wrapped == "" {
		if d.Wrapped, err = r.material(ctx, kek, old, d.Algorithm, rewrap); err != nil {
			return DEK{}, err
		}
	} else if exists && !rewrap && kek.Shared && old.Wrapped != d.Wrapped {
		return DEK{}, errKeyExists(d.key().name())
	}
	err = r.write(ctx, "creating the DEK", func(st *state) ([]journal.Record, error) {
		if _, err := st.kek(d.KEK, false); err != nil {
			return nil, err
		}
		now, ok := st.deks.get(d.key())
		switch {
		case ok != exists || ok && now.Wrapped != old.Wrapped:
			// Someone else was faster: only the same key is no surprise.
			if !ok || now.Wrapped != d.Wrapped {
				return nil, errKeyExists(d.key().name())
			}
		case ok && !rewrap && now.Wrapped != d.Wrapped:
			return nil, errKeyExists(d.key().name())
		case !ok && st.deks.len() >= r.opts.MaxKeys:
			return nil, errTooManyKeys(r.opts.MaxKeys)
		}
		if ok && now.Wrapped == d.Wrapped && now.Deleted == d.Deleted {
			return nil, nil
		}
		return []journal.Record{d.record()}, nil
	})
	if err != nil {
		return DEK{}, err
	}
	return r.DEK(ctx, DEKQuery{KEK: d.KEK, Subject: d.Subject, Algorithm: d.Algorithm, Version: d.Version, Deleted: true})
}

func (r *Registry) checkDEK(d DEK) error {
	if d.Subject == "" {
		return errInvalidKey("subject", "must not be empty")
	}
	if err := r.checkSubject(d.Subject); err != nil {
		return err
	}
	if _, ok := ParseAlgorithm(string(d.Algorithm)); !ok {
		return errInvalidKey("algorithm", fmt.Sprintf("is '%s'; want AES128_GCM, AES256_GCM or AES256_SIV", d.Algorithm))
	}
	if d.Version < 1 {
		return errInvalidKey("version", fmt.Sprintf("%d is not 1 or more", d.Version))
	}
	if len(d.Wrapped) > maxWrappedBytes {
		return errInvalidKey("encryptedKeyMaterial", fmt.Sprintf("has more than %d bytes", maxWrappedBytes))
	}
	if _, err := base64.StdEncoding.DecodeString(d.Wrapped); err != nil {
		return errInvalidKey("encryptedKeyMaterial", "is not base64")
	}
	return nil
}

// material returns the wrapped key of a DEK that came without one: what there
// is, that wrapped anew, or a new one.
func (r *Registry) material(ctx context.Context, kek *KEK, old *DEK, a Algorithm, rewrap bool) (string, error) {
	switch {
	case !kek.Shared:
		return "", errInvalidKey("encryptedKeyMaterial", "must be given, as the KEK is not shared with the registry")
	case old != nil && !rewrap:
		return old.Wrapped, nil
	case old != nil:
		key, err := r.unwrap(ctx, kek, old.Wrapped)
		if err != nil {
			return "", err
		}
		return r.wrap(ctx, kek, key)
	}
	key, err := a.generate()
	if err != nil {
		return "", errKeyGeneration(kek.Name, err)
	}
	return r.wrap(ctx, kek, key)
}

// DeleteDEK deletes a version of a DEK, all of them if the version is 0; with
// permanent what was soft-deleted before.
func (r *Registry) DeleteDEK(ctx context.Context, q DEKQuery, permanent bool) error {
	return r.write(ctx, "deleting the DEK", func(st *state) ([]journal.Record, error) {
		if _, err := st.kek(q.KEK, true); err != nil {
			return nil, err
		}
		var records []journal.Record
		for d := range q.selected(st) {
			switch {
			case permanent && !d.Deleted:
				return nil, errKeyNotSoftDeleted(q.key().name())
			case permanent:
				records = append(records, journal.Record{Key: d.key().journalKey()})
			case !d.Deleted:
				gone := *d
				gone.Deleted = true
				records = append(records, gone.record())
			}
		}
		if len(records) == 0 {
			return nil, errKeyNotFound(q.key().name())
		}
		return records, nil
	})
}

// UndeleteDEK takes soft deletes back: of a version, or all if it is 0. The
// KEK must be live.
func (r *Registry) UndeleteDEK(ctx context.Context, q DEKQuery) error {
	return r.write(ctx, "undeleting the DEK", func(st *state) ([]journal.Record, error) {
		kek, err := st.kek(q.KEK, true)
		if err != nil {
			return nil, err
		}
		var records []journal.Record
		found := false
		for d := range q.selected(st) {
			found = true
			if d.Deleted {
				back := *d
				back.Deleted = false
				records = append(records, back.record())
			}
		}
		if !found {
			return nil, errKeyNotFound(q.key().name())
		}
		if kek.Deleted {
			return nil, errKeyParentDeleted(q.KEK)
		}
		return records, nil
	})
}

// selected yields the versions that a delete means.
func (q DEKQuery) selected(st *state) func(func(*DEK) bool) {
	return func(yield func(*DEK) bool) {
		var newest *DEK
		for d := range st.deksOf(q.KEK, q.Subject.Canonical(), q.Algorithm) {
			switch {
			case q.Version == schema.Latest:
				if !d.Deleted {
					newest = d
				}
			case q.Version != 0 && d.Version != q.Version:
			case !yield(d):
				return
			}
		}
		if newest != nil {
			yield(newest)
		}
	}
}
