package registry

import (
	"context"
	"errors"
	"time"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// freshTimeout bounds how long an answer "not found" waits for the journal.
const freshTimeout = 5 * time.Second

// fresh answers from the current state. If that does not know what is asked for
// and another instance has appended since, it is asked again after catching up:
// what was registered at one instance is at once found at all others. Only
// answers "not found" look at the journal; what is found costs nothing more.
func fresh[T any](r *Registry, find func(*state) (T, error)) (T, error) {
	st, err := r.read()
	if err != nil {
		var none T
		return none, err
	}
	found, err := find(st)
	switch CodeOf(err) {
	case CodeSubjectNotFound, CodeVersionNotFound, CodeSchemaNotFound:
	default:
		return found, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, freshTimeout)
	defer cancel()
	end, endErr := r.opts.Journal.End(ctx)
	if endErr == nil && end != st.end {
		endErr = r.CatchUp(ctx)
	}
	if errors.Is(endErr, journal.ErrLost) {
		r.setLost(endErr)
	}
	if endErr != nil {
		// The journal may hold what is asked for: "not found" would be final
		// for a client, this is not.
		return found, errStore("reading the journal", endErr)
	}
	if st, err = r.read(); err != nil {
		return found, err
	}
	return find(st)
}
