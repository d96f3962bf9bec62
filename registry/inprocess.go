package registry

import (
	"context"
	"errors"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// CatchUp returns when everything is visible that was in the journal at the
// call: what another instance registered, too.
func (r *Registry) CatchUp(ctx context.Context) error {
	seen := r.End()
	end, err := r.opts.Journal.End(ctx)
	if err != nil {
		if errors.Is(err, journal.ErrLost) {
			r.setLost(err)
		}
		return err
	}
	for {
		if e := r.lost.Load(); e != nil {
			return e
		}
		if end >= seen && r.End() >= end {
			return nil
		}
		// What is in flight may be it; nothing is read past flights.
		r.mu.Lock()
		var landing <-chan struct{}
		if r.flying > 0 {
			landing = r.landing.wait()
		}
		r.mu.Unlock()
		if landing == nil {
			caughtUp, err := r.catchUpInTurn(ctx)
			if caughtUp || err != nil {
				return err
			}
			continue
		}
		select {
		case <-landing:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// catchUpInTurn does nothing while something is in flight.
func (r *Registry) catchUpInTurn(ctx context.Context) (done bool, err error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-r.turn }()
	r.mu.Lock()
	busy := r.flying > 0
	r.mu.Unlock()
	if busy {
		return false, nil
	}
	return true, r.catchUp(ctx)
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
