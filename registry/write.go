package registry

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// operation is one write on its way: decided by whoever holds the turn.
type operation struct {
	doing  string
	decide func(*state) ([]journal.Record, error)
	taken  atomic.Bool // by the turn's holder, or by a caller that gave up
	err    error
	done   chan struct{}
}

// Bounds of one append.
const (
	maxOperations = 256
	maxTries      = 1000
)

// write gets decide its turn: decide sees the newest state and returns what to
// append, nothing for a decision that changes nothing. It may be called again
// if another instance was faster, and must not keep the state. write returns
// once the records are durable and applied.
func (r *Registry) write(ctx context.Context, doing string, decide func(*state) ([]journal.Record, error)) error {
	op := &operation{doing: doing, decide: decide, done: make(chan struct{})}
	r.mu.Lock()
	r.queue = append(r.queue, op)
	r.mu.Unlock()
	for {
		select {
		case r.turn <- struct{}{}:
			r.holdTurn()
			select {
			case <-op.done:
				return op.err
			default: // more operations than one append takes: once more
			}
		case <-op.done:
			return op.err
		case <-ctx.Done():
			if op.taken.CompareAndSwap(false, true) {
				return errStoreTimeout("waiting for "+doing, ctx.Err())
			}
			<-op.done // it is being decided: a bounded time
			return op.err
		}
	}
}

// holdTurn takes one batch and gives the turn back, whatever happens.
func (r *Registry) holdTurn() {
	defer func() { <-r.turn }()
	r.takeTurn()
}

// takeTurn decides what waits and appends it in one go.
func (r *Registry) takeTurn() {
	r.mu.Lock()
	n := min(len(r.queue), maxOperations)
	batch := make([]*operation, 0, n)
	for _, op := range r.queue[:n] {
		if op.taken.CompareAndSwap(false, true) {
			batch = append(batch, op)
		}
	}
	r.queue = append(r.queue[:0:0], r.queue[n:]...)
	r.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	decided := false
	defer func() {
		if !decided { // a panic is on its way: nobody may take silence for success
			fail(batch, func(op *operation) error { return errStore(op.doing, errors.New("internal error")) })
		}
		for _, op := range batch {
			close(op.done)
		}
	}()
	ctx, cancel := context.WithTimeout(r.ctx, r.opts.WriteTimeout)
	defer cancel()
	for range maxTries {
		if decided = r.decideAndAppend(ctx, batch); decided {
			return
		}
	}
	decided = true
	fail(batch, func(op *operation) error {
		return errStore(op.doing, errors.New("other instances were faster every time; try again"))
	})
}

func fail(batch []*operation, why func(*operation) error) {
	for _, op := range batch {
		op.err = why(op)
	}
}

// decideAndAppend returns false if somebody else appended first, so that
// everything has to be decided again.
func (r *Registry) decideAndAppend(ctx context.Context, batch []*operation) bool {
	if err := r.catchUp(ctx); err != nil {
		fail(batch, func(op *operation) error { return r.storeError(op.doing, err) })
		return true
	}
	st := r.snap.Load()
	work := st.next()
	now := r.opts.Now().UnixMilli()
	var records []journal.Record
	for _, op := range batch {
		decided, err := op.decide(work)
		if op.err = err; err != nil {
			continue
		}
		for _, rec := range decided {
			rec.Timestamp = now
			if err := work.apply(rec); err != nil {
				panic("registry: own record is not applicable: " + err.Error())
			}
		}
		records = append(records, decided...)
	}
	if len(records) == 0 {
		return true
	}
	_, err := r.opts.Journal.Append(ctx, st.end, records)
	if errors.Is(err, journal.ErrMoved) {
		return false
	}
	if err == nil {
		err = r.catchUp(ctx)
	}
	if err != nil {
		// Whoever decided nothing may have looked at what is not durable.
		fail(batch, func(op *operation) error { return r.storeError(op.doing, err) })
	}
	return true
}

// storeError is what a failing journal looks like from outside.
func (r *Registry) storeError(doing string, err error) error {
	if errors.Is(err, journal.ErrLost) {
		r.setLost(err)
	}
	if e := r.lost.Load(); e != nil {
		return e
	}
	r.opts.Logger.Error("journal refused a write", "doing", doing, "error", err)
	if r.ctx.Err() != nil {
		return errStore(doing, errors.New("the registry is closing"))
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errStoreTimeout(doing, err)
	}
	return errStore(doing, err)
}
