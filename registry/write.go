package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// operation is one write on its way.
type operation struct {
	doing  string
	decide decision
	taken  atomic.Bool // by the decider, or by a caller that gave up
	err    error
	panic  any // what decide panicked with: it goes on in the caller
	done   chan struct{}
}

// decision looks at a state, changes nothing, and returns what to append; and
// the last record in decoded form if it has it.
type decision func(*state) (records []journal.Record, last *decoded, err error)

// Bounds of one append.
const (
	maxOperations = 256
	maxTries      = 1000
)

// movedPause bounds how long a decider waits for what another writer appended to
// become readable.
const movedPause = 100 * time.Millisecond

// write gets decide its turn: decide sees the newest state and returns what to
// append, nothing for a decision that changes nothing. It may be called again
// if another instance was faster, and must not keep the state. write returns
// once the records are durable and applied, and with them everything that decide
// saw.
func (r *Registry) write(ctx context.Context, doing string, decide func(*state) ([]journal.Record, error)) error {
	return r.writeDecoded(ctx, doing, func(st *state) ([]journal.Record, *decoded, error) {
		records, err := decide(st)
		return records, nil, err
	})
}

func (r *Registry) writeDecoded(ctx context.Context, doing string, decide decision) error {
	op := &operation{doing: doing, decide: decide, done: make(chan struct{})}
	r.mu.Lock()
	r.queue = append(r.queue, op)
	r.mu.Unlock()
	r.wakeDecider()
	var gaveUp error
	select {
	case <-op.done:
	case <-ctx.Done():
		gaveUp = errStoreTimeout("waiting for "+doing, ctx.Err())
	case <-r.ctx.Done():
		gaveUp = errStore(doing, errClosing)
	}
	if gaveUp != nil {
		if op.taken.CompareAndSwap(false, true) {
			return gaveUp
		}
		<-op.done // it is being decided: a bounded time
	}
	if op.panic != nil {
		panic(op.panic)
	}
	return op.err
}

var errClosing = errors.New("the registry is closing")

func (r *Registry) wakeDecider() {
	select {
	case r.wake <- struct{}{}:
	default: // it is awake
	}
}

// decideAll lets operations have their turns until the registry closes.
func (r *Registry) decideAll() {
	defer close(r.flights)
	for {
		select {
		case <-r.wake:
		case <-r.ctx.Done():
			return
		}
		select {
		case r.turn <- struct{}{}:
		case <-r.ctx.Done():
			return
		}
		r.takeTurn()
		<-r.turn
	}
}

// takeTurn decides what waits and appends it in one go. Whoever waits on goes
// in the next turn.
func (r *Registry) takeTurn() {
	r.mu.Lock()
	n := min(len(r.queue), maxOperations)
	batch := make([]*operation, 0, n)
	for _, op := range r.queue[:n] {
		if op.taken.CompareAndSwap(false, true) {
			batch = append(batch, op)
		}
	}
	left := copy(r.queue, r.queue[n:])
	clear(r.queue[left:])
	r.queue = r.queue[:left]
	r.mu.Unlock()
	if left > 0 {
		r.wakeDecider()
	}
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(r.ctx, r.opts.WriteTimeout)
	defer cancel()
	met := journal.Offset(-1)
	for range maxTries {
		if r.decideAndAppend(ctx, batch, &met) {
			return
		}
	}
	fail(batch, func(op *operation) error {
		return errStore(op.doing, errors.New("other instances were faster every time; try again"))
	})
	release(batch)
}

func fail(batch []*operation, why func(*operation) error) {
	for _, op := range batch {
		op.err = why(op)
	}
}

func release(batch []*operation) {
	for _, op := range batch {
		close(op.done)
	}
}

// decideAndAppend returns false if somebody else appended first, so that
// everything has to be decided again; met is where. Otherwise the batch is done
// or in flight.
func (r *Registry) decideAndAppend(ctx context.Context, batch []*operation, met *journal.Offset) bool {
	base, err := r.takeOff(ctx)
	if err != nil {
		fail(batch, func(op *operation) error { return r.storeError(op.doing, err) })
		release(batch)
		return true
	}
	if base.end == *met { // and what they appended cannot be read yet
		r.landed(nil)
		r.yieldTo(ctx, base.end)
		*met = -1
		return false
	}
	work := base.next()
	records, ok := r.decideBatch(work, batch)
	f := &flight{batch: batch}
	switch starter, pipelined := r.opts.Journal.(journal.Starter); {
	case !ok, len(records) == 0: // what they saw has to become durable all the same
	case pipelined:
		work.end, f.wait, err = starter.Start(ctx, base.end, records)
		f.state = work.publish()
	default:
		_, err = r.opts.Journal.Append(ctx, base.end, records)
		f.wait = r.catchUp
	}
	if err != nil {
		r.ground()
	}
	if errors.Is(err, journal.ErrMoved) {
		r.landed(nil)
		*met = base.end
		return false
	}
	if err != nil {
		f.wait = func(context.Context) error { return err }
	}
	r.tip = f.state
	if f.state == nil {
		r.tip = base
	}
	r.flights <- f
	return true
}

// decideBatch decides one operation after the other, each on top of the outcome
// of those before, and returns what to append: nothing with ok unset if one of
// them panicked.
func (r *Registry) decideBatch(work *state, batch []*operation) (records []journal.Record, ok bool) {
	var deciding *operation
	defer func() {
		if p := recover(); p != nil {
			// Nobody may take silence for success.
			fail(batch, func(op *operation) error { return errStore(op.doing, errors.New("internal error")) })
			deciding.panic = fmt.Sprintf("%v\n%s", p, debug.Stack())
			records, ok = nil, false
		}
	}()
	now := r.opts.Now().UnixMilli()
	for _, op := range batch {
		deciding = op
		decided, last, err := op.decide(work)
		if op.err = err; err != nil {
			continue
		}
		for i, rec := range decided {
			rec.Timestamp = now
			d := last
			if d == nil || i < len(decided)-1 {
				read := decode(rec)
				d = &read
			}
			if err := work.applyDecoded(rec, d); err != nil {
				panic("registry: own record is not applicable: " + err.Error())
			}
			records = append(records, rec)
		}
	}
	return records, true
}

// yieldTo waits until what another writer has appended behind end can be read, or
// a little.
func (r *Registry) yieldTo(ctx context.Context, end journal.Offset) {
	ctx, cancel := context.WithTimeout(ctx, movedPause)
	defer cancel()
	_ = r.opts.Journal.Wait(ctx, end) // what is wrong with it the next try finds out
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
		return errStore(doing, errClosing)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errStoreTimeout(doing, err)
	}
	return errStore(doing, err)
}
