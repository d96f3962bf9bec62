package registry

import (
	"context"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// flight is a batch of operations that is decided but not yet durable. Flights
// land in the order in which they took off. Each was decided on top of the one
// before, so if one fails, all behind it fail with it, and the next one is
// decided on what the journal then says.
//
//	snap ──▶ flight ──▶ flight ──▶ tip
//	 ▲ readers              ▲ the next decision
type flight struct {
	batch []*operation
	// wait returns once the records are durable; nil if there are none.
	wait  func(context.Context) error
	state *state // to be shown then; nil if that is not a new one
}

// maxFlights bounds what a slow disk lets pile up.
const maxFlights = 16

// takeOff announces a flight and returns the state to decide it on. The caller
// holds the turn, and either sends the flight or calls landed.
func (r *Registry) takeOff(ctx context.Context) (*state, error) {
	for {
		r.mu.Lock()
		switch {
		case r.flying == 0:
			r.flying = 1
			r.mu.Unlock()
			if err := r.catchUp(ctx); err != nil {
				r.landed(nil)
				return nil, err
			}
			return r.snap.Load(), nil
		case !r.grounded:
			if _, pipelined := r.opts.Journal.(journal.Starter); pipelined {
				r.flying++
				r.mu.Unlock()
				return r.tip, nil
			}
		}
		r.mu.Unlock()
		if err := r.quiet(ctx); err != nil {
			return nil, err
		}
	}
}

// landAll lands flights until the decider sends no more.
func (r *Registry) landAll() {
	for f := range r.flights {
		r.land(f)
	}
}

func (r *Registry) land(f *flight) {
	r.mu.Lock()
	err := r.crashed
	r.mu.Unlock()
	if err == nil && f.wait != nil {
		ctx, cancel := context.WithTimeout(r.ctx, r.opts.WriteTimeout)
		err = f.wait(ctx)
		cancel()
	}
	switch {
	case err != nil:
		// Whoever decided nothing, or against something, may have looked at what
		// is not durable.
		fail(f.batch, func(op *operation) error { return r.storeError(op.doing, err) })
	case f.state != nil:
		r.snap.Store(f.state)
	}
	r.landed(err)
	release(f.batch)
}

// landed ends a flight, which crashed if err is set.
func (r *Registry) landed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.crashed, r.grounded = err, true
	}
	if r.flying--; r.flying == 0 {
		r.crashed, r.grounded = nil, false
	}
	r.landing.signal()
	if r.flying == 0 {
		r.calm.signal()
	}
}

// ground lets nothing take off before all that is in flight has landed.
func (r *Registry) ground() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grounded = true
}

// signal is an event that some wait for. Its methods need the mutex of what it
// belongs to.
type signal struct{ c chan struct{} }

// wait returns a channel that is closed at the next signal.
func (s *signal) wait() <-chan struct{} {
	if s.c == nil {
		s.c = make(chan struct{})
	}
	return s.c
}

func (s *signal) signal() {
	if s.c != nil {
		close(s.c)
		s.c = nil
	}
}

// quiet waits until nothing is in flight.
func (r *Registry) quiet(ctx context.Context) error {
	for {
		r.mu.Lock()
		if r.flying == 0 {
			r.mu.Unlock()
			return nil
		}
		calm := r.calm.wait()
		r.mu.Unlock()
		select {
		case <-calm:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
