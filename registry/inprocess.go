package registry

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// CatchUp returns when everything is visible that was in the journal at the
// call: what another instance registered, too.
func (r *Registry) CatchUp(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.turn }()
	return r.catchUp(ctx)
}

// Parsed returns a stored definition parsed, with its references resolved from
// context c.
func (r *Registry) Parsed(c schema.Context, content *Content) (compat.Schema, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	p, err := r.parseStored(st, c, content)
	if err != nil {
		return nil, err
	}
	return p.schema, nil
}

// HasLive reports whether a live version of subject has the ID id.
func (r *Registry) HasLive(subject schema.Subject, id schema.ID) bool {
	sub := r.snap.Load().subject(subject.Canonical())
	if sub == nil {
		return false
	}
	for _, v := range sub.versions {
		if v.id == id && !v.deleted {
			return true
		}
	}
	return false
}
