package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Registry is one registry over one journal. Several instances may share a
// journal.
type Registry struct {
	opts   Options
	snap   atomic.Pointer[state]
	lost   atomic.Pointer[Error] // set once the journal has lost records; then nothing is served
	parsed *parseCache
	recall *recall
	turn   chan struct{} // capacity 1: held while catching up, deciding and appending
	tip    *state        // what the last flight leads to; the turn's holder's

	wake    chan struct{} // capacity 1: there may be something in queue
	flights chan *flight  // to be landed, in order; closed by the decider

	mu       sync.Mutex
	queue    []*operation // waiting to be decided
	flying   int          // flights that took off and have not landed
	crashed  error        // of a flight that those behind it were decided on
	grounded bool         // nothing takes off before the last one has landed
	landing  signal       // a flight landed
	calm     signal       // none is left

	stop  context.CancelFunc
	ctx   context.Context
	works sync.WaitGroup // decider, lander and follower
}

// Open replays the journal and returns a registry that serves what it says. It
// follows the journal until Close.
func Open(ctx context.Context, opts Options) (*Registry, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	r := &Registry{opts: opts, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), flights: make(chan *flight, maxFlights)}
	r.parsed, r.recall = newParseCache(opts.ParsedBytes), newRecall()
	r.snap.Store(emptyState())
	r.ctx, r.stop = context.WithCancel(context.Background())
	start := opts.Now()
	if err := r.catchUp(ctx); err != nil {
		r.stop()
		return nil, fmt.Errorf("registry: replaying the journal: %w", err)
	}
	st := r.snap.Load()
	opts.Logger.Info("registry replayed its journal", "end", int64(st.end), "subjects", st.subjects.len(),
		"schemas", st.contents.len(), "took", opts.Now().Sub(start))
	r.works.Go(r.follow)
	r.works.Go(r.decideAll)
	r.works.Go(r.landAll)
	return r, nil
}

// Close stops following the journal and refuses further writes. The journal
// stays open.
func (r *Registry) Close() error {
	r.stop()
	r.works.Wait()
	return nil
}

// Ready returns nil while the registry may be served from. After ErrLost it
// returns why not, for good.
func (r *Registry) Ready() error {
	if e := r.lost.Load(); e != nil {
		return e
	}
	return nil
}

// End returns the end of the journal as far as it has been applied.
func (r *Registry) End() journal.Offset { return r.snap.Load().end }

// read returns the current state, or why there is none to be had.
func (r *Registry) read() (*state, error) {
	if e := r.lost.Load(); e != nil {
		return nil, e
	}
	return r.snap.Load(), nil
}

// replayBatch is how many records are read from the journal at once.
const replayBatch = 4096

// page is what one Read of the journal gave.
type page struct {
	records []journal.Record
	decoded []decoded
	next    journal.Offset
	err     error
}

// readPage reads and decodes; it works in the slice that it is given.
func (r *Registry) readPage(ctx context.Context, from journal.Offset, room []decoded) page {
	records, next, err := r.opts.Journal.Read(ctx, from, replayBatch)
	return page{records, decodeAll(room, records), next, err}
}

// catchUp applies everything up to the journal's end. Nothing is in flight, and
// the caller holds the turn, or has another reason to be alone.
func (r *Registry) catchUp(ctx context.Context) error {
	if e := r.lost.Load(); e != nil {
		return e
	}
	st := r.snap.Load()
	work, end := (*state)(nil), st.end
	p := r.readPage(ctx, end, nil)
	var room []decoded
	for p.err == nil && (len(p.records) > 0 || p.next != end) {
		if work == nil {
			work = st.next()
		}
		ahead := make(chan page, 1)
		if len(p.records) == replayBatch { // there will be more
			room, next := room, p.next
			go func() { ahead <- r.readPage(ctx, next, room) }()
		}
		for i := range p.decoded {
			if err := work.applyDecoded(p.records[i], &p.decoded[i]); err != nil {
				r.opts.Logger.Warn("journal record skipped", "offset", int64(p.records[i].Offset), "error", err)
			}
		}
		full := len(p.records) == replayBatch
		end, room = p.next, p.decoded
		if full {
			p = <-ahead
		} else {
			p = r.readPage(ctx, end, room)
		}
	}
	if errors.Is(p.err, journal.ErrLost) {
		r.setLost(p.err)
	}
	if p.err != nil {
		return p.err
	}
	if work != nil {
		work.end = end
		r.snap.Store(work.publish())
	}
	return nil
}

func (r *Registry) setLost(err error) {
	e := errStore("reading the journal", err)
	e.Message = "The journal has lost records that this registry had read; it serves and accepts nothing until an operator has looked"
	if r.lost.CompareAndSwap(nil, e) {
		r.opts.Logger.Error("journal lost records", "end", int64(r.End()), "error", err)
	}
}

// follow keeps up with what other instances append.
func (r *Registry) follow() {
	pause := time.Duration(0)
	for r.ctx.Err() == nil {
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-r.ctx.Done():
				return
			}
		}
		// What is in flight the lander shows; a flight that meets somebody else's
		// records reads them.
		err := r.quiet(r.ctx)
		if err == nil {
			err = r.opts.Journal.Wait(r.ctx, r.End())
		}
		if err == nil {
			err = r.CatchUp(r.ctx)
		}
		switch {
		case err == nil:
			pause = 0
			continue
		case r.ctx.Err() != nil:
			return
		case errors.Is(err, journal.ErrLost):
			r.setLost(err)
			return
		}
		if pause == 0 {
			r.opts.Logger.Warn("following the journal", "error", err)
		}
		pause = min(max(2*pause, 50*time.Millisecond), 5*time.Second)
	}
}

// checkSubject refuses names that no subject may have.
func (r *Registry) checkSubject(name schema.Subject) error {
	c, n := name.Split()
	if badName(string(name)) || c == schema.GlobalContext || n == "__GLOBAL" || n == "__EMPTY" ||
		r.opts.RejectEmptySubject && (n == "" || n == "*") {
		return errInvalidSubject(name)
	}
	return nil
}

// checkSettingName refuses names that no config or mode may have.
func (r *Registry) checkSettingName(name schema.Subject) error {
	n := name.Name()
	if badName(string(name)) || n == "__GLOBAL" || n == "__EMPTY" {
		return errInvalidSubject(name)
	}
	return nil
}

// badName says whether a name has control characters, or bytes that are no UTF-8
// and would come back from the journal as another name.
func badName(s string) bool {
	return !utf8.ValidString(s) || strings.IndexFunc(s, func(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }) >= 0
}
