package share

import (
	"log/slog"
	"time"
)

// Effects is what one operation asks of the caller: append Records as one batch,
// and wake who waits for records of the share partitions in Ready. Counts is for
// metrics.
type Effects struct {
	Records []Record
	Ready   []Key
	Counts  Counts
}

// Counts are numbers of records.
type Counts struct {
	Acquired, Accepted, Released, Rejected, Renewed, TimedOut int64
	// Exhausted were archived because they were delivered often enough.
	Exhausted int64
}

// Coordinator holds the share partitions of one partition of
// `__share_group_state`. It is not safe for concurrent use.
type Coordinator struct {
	opts    Options
	log     *slog.Logger
	parts   map[Key]*partition
	locked  map[Key]*partition // those with records that are acquired
	effects Effects
}

// partition is one share partition.
type partition struct {
	key Key
	window
	stateEpoch    int32
	snapshotEpoch int32
	created       int64
	updates       int // since the snapshot
}

// New returns a coordinator without share partitions. A nil logger logs nothing.
func New(opts Options, log *slog.Logger) *Coordinator {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Coordinator{opts: opts.Defaulted(), log: log, parts: make(map[Key]*partition), locked: make(map[Key]*partition)}
}

// Replay applies one record of the topic. An error names a record that cannot
// be read; the state is as before.
func (c *Coordinator) Replay(key, value []byte) error {
	s, err := decodeRecord(key, value)
	if err != nil || s == nil {
		return err
	}
	c.apply(s)
	return nil
}

// Of returns the share partition that a record is about, and whether nothing
// before the record is needed to know its state. It is false for records of
// other kinds.
func Of(key []byte) (of Key, whole, ok bool) {
	s, err := decodeRecord(key, nil)
	if err != nil || s == nil {
		return Key{}, false, false
	}
	return s.of, !s.update, true
}

func (c *Coordinator) apply(s *stored) {
	p := c.parts[s.of]
	switch {
	case s.set == nil:
		if !s.update {
			delete(c.parts, s.of)
			delete(c.locked, s.of)
		}
		return
	case s.update && p == nil:
		return // of what was deleted
	case !s.update:
		if s.set.start < 0 { // made, but nobody knows yet where it starts
			delete(c.parts, s.of)
			delete(c.locked, s.of)
			return
		}
		p = &partition{key: s.of, stateEpoch: s.set.stateEpoch, created: s.set.created, window: window{start: s.set.start}}
		c.parts[s.of] = p
	}
	p.snapshotEpoch = s.set.snapshotEpoch
	for _, r := range s.set.batches {
		p.put(r)
	}
	p.cut(s.set.start)
	p.settle()
}

// NextTimer returns when Tick must be called next, or the zero time.
func (c *Coordinator) NextTimer() (first time.Time) {
	for _, p := range c.locked {
		if d := p.deadline(); first.IsZero() || d.Before(first) {
			first = d
		}
	}
	return first
}

// Tick gives back what was locked for too long.
func (c *Coordinator) Tick(now time.Time) Effects {
	for _, p := range c.locked {
		if d := p.deadline(); !d.After(now) {
			c.unlock(now, p)
		}
	}
	return c.take()
}

func (c *Coordinator) unlock(now time.Time, p *partition) {
	u := c.begin(p)
	for _, r := range append([]run(nil), p.runs...) {
		if r.state == Acquired && !r.deadline.After(now) {
			c.effects.Counts.TimedOut += r.size()
			u.free(r.first, r.last, true)
		}
	}
	u.end(now)
}

// Has says whether a share partition's state is known.
func (c *Coordinator) Has(k Key) bool { return c.parts[k] != nil }

// Keys calls f for every share partition.
func (c *Coordinator) Keys(f func(Key)) {
	for k := range c.parts {
		f(k)
	}
}

// Open makes the state of a share partition that has none: it starts at start.
func (c *Coordinator) Open(now time.Time, k Key, start int64) Effects {
	if c.parts[k] == nil {
		c.reset(now, k, start, 0)
	}
	return c.take()
}

// Set has a share partition start at start, whatever it was before.
func (c *Coordinator) Set(now time.Time, k Key, start int64) Effects {
	epoch := int32(0)
	if p := c.parts[k]; p != nil {
		epoch = p.stateEpoch + 1
	}
	c.reset(now, k, start, epoch)
	return c.take()
}

func (c *Coordinator) reset(now time.Time, k Key, start int64, epoch int32) {
	snapshot := int32(0)
	if p := c.parts[k]; p != nil {
		snapshot = p.snapshotEpoch + 1
	}
	delete(c.locked, k)
	p := &partition{key: k, stateEpoch: epoch, snapshotEpoch: snapshot, created: now.UnixMilli(), window: window{start: start}}
	c.parts[k] = p
	c.snapshot(now, p)
	c.effects.Ready = append(c.effects.Ready, k)
}

// Delete removes a share partition.
func (c *Coordinator) Delete(k Key) Effects {
	if c.parts[k] != nil {
		s := stored{of: k}
		c.effects.Records = append(c.effects.Records, Record{Key: s.key(), Of: k, Whole: true})
		c.apply(&s)
	}
	return c.take()
}

// Snapshot writes a share partition whole, so that nothing before is needed.
func (c *Coordinator) Snapshot(now time.Time, k Key) Effects {
	if p := c.parts[k]; p != nil {
		p.snapshotEpoch++
		c.snapshot(now, p)
	}
	return c.take()
}

func (c *Coordinator) snapshot(now time.Time, p *partition) {
	p.updates = 0
	s := stored{of: p.key, set: &delivery{snapshotEpoch: p.snapshotEpoch, stateEpoch: p.stateEpoch, start: p.start,
		finished: int32(min(p.finished(), 1<<31-1)), created: p.created, written: now.UnixMilli(), batches: p.window.stored()}}
	c.effects.Records = append(c.effects.Records, Record{Key: s.key(), Value: s.value(), Of: p.key, Whole: true})
}

// Progress is how far a share partition is.
type Progress struct {
	Start, End int64
	// Finished counts the records from Start on that are done.
	Finished int64
	// Acquired counts those that somebody has.
	Acquired int64
}

// Progress returns how far a share partition is.
func (c *Coordinator) Progress(k Key) (Progress, bool) {
	p := c.parts[k]
	if p == nil {
		return Progress{}, false
	}
	out := Progress{Start: p.start, End: p.window.end(), Finished: p.finished()}
	for _, r := range p.runs {
		if r.state == Acquired {
			out.Acquired += r.size()
		}
	}
	return out, true
}

func (c *Coordinator) take() Effects {
	e := c.effects
	c.effects = Effects{}
	return e
}

// update collects what an operation changes in one share partition.
type update struct {
	c       *Coordinator
	p       *partition
	limit   int
	start   int64
	wasFull bool
	wasNext int64
	changed []run
}

func (c *Coordinator) begin(p *partition) *update {
	s := c.settings(p.key.Group)
	return &update{c: c, p: p, limit: s.DeliveryLimit, start: p.start, wasNext: p.next(), wasFull: p.inFlight() >= int64(s.MaxInFlight)}
}

// finish makes records done.
func (u *update) finish(first, last int64, state State, gap bool) {
	u.p.change(first, last, func(r *run) {
		count := r.count
		if gap {
			count = 0
		}
		*r = run{first: r.first, last: r.last, state: state, count: count}
		u.note(*r)
	})
}

// free makes records available again, or, if they were delivered often enough,
// archives them. If they were not delivered after all, it does not count.
func (u *update) free(first, last int64, delivered bool) {
	u.p.change(first, last, func(r *run) {
		next := run{first: r.first, last: r.last, state: Available, count: r.count}
		switch {
		case !delivered:
			next.count--
		case int(r.count) >= u.limit:
			next.state = Archived
			u.c.effects.Counts.Exhausted += r.size()
		}
		*r = next
		u.note(next)
	})
}

func (u *update) note(r run) {
	if n := len(u.changed); n > 0 && u.changed[n-1].last+1 == r.first && u.changed[n-1].alike(r) {
		u.changed[n-1].last = r.last
		return
	}
	u.changed = append(u.changed, r)
}

// end settles the window, writes what changed, and says who may go on.
func (u *update) end(now time.Time) {
	p, c := u.p, u.c
	p.settle()
	if p.deadline().IsZero() {
		delete(c.locked, p.key)
	} else {
		c.locked[p.key] = p
	}
	if p.next() < u.wasNext || u.wasFull && p.inFlight() < int64(c.settings(p.key.Group).MaxInFlight) {
		c.effects.Ready = append(c.effects.Ready, p.key)
	}
	if len(u.changed) == 0 && p.start == u.start {
		return
	}
	if p.updates++; p.updates >= c.opts.SnapshotEvery {
		p.snapshotEpoch++
		c.snapshot(now, p)
		return
	}
	d := &delivery{snapshotEpoch: p.snapshotEpoch, start: -1, finished: int32(min(p.finished(), 1<<31-1))}
	if p.start != u.start {
		d.start = p.start
	}
	for _, r := range u.changed {
		if r.first = max(r.first, p.start); r.first <= r.last {
			d.batches = append(d.batches, r)
		}
	}
	s := stored{of: p.key, update: true, set: d}
	c.effects.Records = append(c.effects.Records, Record{Key: s.key(), Value: s.value(), Of: p.key})
}
