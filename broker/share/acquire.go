package share

import "time"

// Position is where a share partition wants to be read.
type Position struct {
	Offset int64
	// Full says that as much is in flight as may be, and nothing is available.
	Full bool
}

// Position returns where to read next. What lies before logStart is gone, and
// is given up.
func (c *Coordinator) Position(now time.Time, k Key, logStart int64) (Position, Effects) {
	p := c.parts[k]
	if p == nil {
		return Position{Full: true}, Effects{}
	}
	if logStart > p.start {
		u := c.begin(p)
		p.cut(logStart)
		u.end(now)
	}
	next := p.next()
	full := next == p.window.end() && p.inFlight() >= int64(c.settings(k.Group).MaxInFlight)
	return Position{Offset: next, Full: full}, c.take()
}

// Batch is a record batch that was read. Nobody is to have the records of one
// that is Skip: control records, those of aborted transactions, and what
// compaction has left empty.
type Batch struct {
	First, Last int64
	Skip        bool
}

// Read is what was read of a partition: all there is in [From, To).
type Read struct {
	From, To int64
	Batches  []Batch // in order, none beyond To
}

// Want is what a member wants.
type Want struct {
	// MaxRecords is when no further batch is begun, or, if Strict is set, the
	// most records.
	MaxRecords int
	Strict     bool
	// JoinUpTo is the most records of an Acquisition that is made of several
	// batches.
	JoinUpTo int
}

// Acquisition is offsets that a member now has.
type Acquisition struct {
	First, Last   int64
	DeliveryCount int16
}

// Acquire gives a member what is available in what was read. It returns the
// lock duration, too.
func (c *Coordinator) Acquire(now time.Time, k Key, member string, read Read, want Want) ([]Acquisition, time.Duration, Effects) {
	p := c.parts[k]
	settings := c.settings(k.Group)
	if p == nil {
		return nil, settings.LockDuration, Effects{}
	}
	a := acquiring{update: c.begin(p), member: member, until: now.Add(settings.LockDuration), want: want, room: int64(settings.MaxInFlight)}
	at := max(read.From, p.start)
	for _, b := range read.Batches {
		if b.Last < at {
			continue
		}
		if b.First > at && !a.skip(at, b.First-1) {
			break
		}
		first := max(at, b.First)
		if b.Skip {
			if !a.skip(first, b.Last) {
				break
			}
		} else if !a.take(first, b.Last) {
			break
		}
		if at = b.Last + 1; at >= read.To {
			break
		}
	}
	a.end(now)
	return a.got, settings.LockDuration, c.take()
}

// acquiring is one Acquire.
type acquiring struct {
	*update
	member string
	until  time.Time
	want   Want
	room   int64
	got    []Acquisition
	count  int64
}

// skip archives offsets that have nothing to deliver. It is false if the window
// does not reach up to them.
func (a *acquiring) skip(first, last int64) bool {
	p := a.p
	if first > p.window.end() {
		return false
	}
	if end := p.window.end(); last >= end {
		p.put(run{first: end, last: last, state: Available})
	}
	p.change(first, last, func(r *run) {
		if r.state == Available {
			*r = run{first: r.first, last: r.last, state: Archived}
			a.note(*r)
		}
	})
	return true
}

// take acquires what is available of one batch. It is false if there is to be
// no further batch.
func (a *acquiring) take(first, last int64) bool {
	p := a.p
	left := int64(a.want.MaxRecords) - a.count
	if left <= 0 || first > p.window.end() {
		return false
	}
	more := true
	if end := p.window.end(); last >= end {
		fresh := last - max(first, end) + 1
		if room := a.room - p.inFlight(); room <= 0 {
			more, fresh = false, 0
		} else if a.want.Strict {
			fresh = min(fresh, room, left)
		}
		if last = max(first, end) + fresh - 1; fresh > 0 {
			p.put(run{first: end, last: last, state: Available})
		}
	}
	joins := a.want.JoinUpTo // the batch's own pieces are joined whatever their size
	for at := first; at <= last; {
		i := p.find(at)
		if i == len(p.runs) {
			break
		}
		at = max(at, p.runs[i].first)
		to := min(p.runs[i].last, last)
		if p.runs[i].state == Available {
			if a.want.Strict {
				to = min(to, at+left-1)
			}
			p.change(at, to, func(r *run) { a.give(r, joins) })
			joins = int(a.room)
			if left -= to - at + 1; a.want.Strict && left <= 0 {
				break
			}
		}
		at = to + 1
	}
	a.c.effects.Counts.Acquired = a.count
	return more && a.count < int64(a.want.MaxRecords)
}

// give acquires a run. It is told as part of what was acquired before if that
// has the same delivery count and no more than joins records with it.
func (a *acquiring) give(r *run, joins int) {
	r.state, r.member, r.deadline = Acquired, a.member, a.until
	r.count++
	a.count += r.size()
	if n := len(a.got); n > 0 {
		last := &a.got[n-1]
		if last.Last+1 == r.first && last.DeliveryCount == r.count && r.last-last.First < int64(joins) {
			last.Last = r.last
			return
		}
	}
	a.got = append(a.got, Acquisition{First: r.first, Last: r.last, DeliveryCount: r.count})
}
