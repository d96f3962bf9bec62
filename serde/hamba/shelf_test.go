package hamba_test

import (
	"context"
	"crypto/md5"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// shelf is a registry in memory with IDs in order.
type shelf struct {
	mu  sync.Mutex
	all []serde.Registered
}

func (r *shelf) Register(_ context.Context, s schema.Subject, d schema.Definition, _ serde.RegisterOptions) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	version := schema.Version(1)
	for _, known := range r.all {
		if known.Subject != s {
			continue
		}
		if known.Text == d.Text {
			return known, nil
		}
		version++
	}
	made := serde.Registered{ID: schema.ID(len(r.all) + 1), GUID: md5.Sum([]byte(d.Text)), Subject: s, Version: version, Definition: d}
	r.all = append(r.all, made)
	return made, nil
}

func (r *shelf) find(match func(serde.Registered) bool) (serde.Registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.all) - 1; i >= 0; i-- {
		if match(r.all[i]) {
			return r.all[i], nil
		}
	}
	return serde.Registered{}, serde.ErrNotFound
}

func (r *shelf) Lookup(_ context.Context, s schema.Subject, d schema.Definition, _ serde.LookupOptions) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.Subject == s && k.Text == d.Text })
}

func (r *shelf) SchemaByID(_ context.Context, id schema.ID, _ schema.Subject) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.ID == id })
}

func (r *shelf) SchemaByGUID(_ context.Context, g schema.GUID) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.GUID == g })
}

func (r *shelf) Version(_ context.Context, s schema.Subject, v schema.Version, _ bool) (serde.Registered, error) {
	return r.find(func(k serde.Registered) bool { return k.Subject == s && (v == schema.Latest || k.Version == v) })
}

func (r *shelf) LatestWithMetadata(context.Context, schema.Subject, map[string]string) (serde.Registered, error) {
	return serde.Registered{}, serde.ErrNotFound
}

func (r *shelf) Associations(context.Context, serde.Resource) ([]serde.Association, error) {
	return nil, nil
}
