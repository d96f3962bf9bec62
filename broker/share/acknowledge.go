package share

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Types of acknowledgements.
const (
	Gap     int8 = 0 // there is no such record
	Accept  int8 = 1
	Release int8 = 2
	Reject  int8 = 3
	Renew   int8 = 4
)

// Ack is what a member says about the offsets First to Last: one type for all,
// or one for each.
type Ack struct {
	First, Last int64
	Types       []int8
}

// Fault is why acknowledgements are refused; nil if they are not.
type Fault struct {
	Code   *kerr.Error
	Reason string
}

func fault(code *kerr.Error, format string, args ...any) *Fault {
	return &Fault{code, fmt.Sprintf(format, args...)}
}

// Acknowledge takes what a member says about records that it has acquired: all
// of it or, if it has not acquired one of them, none. Offsets before the start
// offset are done and passed over.
func (c *Coordinator) Acknowledge(now time.Time, k Key, member string, acks []Ack) (*Fault, Effects) {
	p := c.parts[k]
	if p == nil {
		return fault(kerr.UnknownTopicOrPartition, "the group has no records of this partition in flight"), Effects{}
	}
	if f := p.check(member, acks); f != nil {
		return f, Effects{}
	}
	u := c.begin(p)
	until := now.Add(c.settings(k.Group).LockDuration)
	for _, a := range acks {
		for i := 0; i < len(a.Types); {
			n := 1 // offsets of one type
			for i+n < len(a.Types) && a.Types[i+n] == a.Types[i] {
				n++
			}
			first, last := a.First+int64(i), a.First+int64(i+n)-1
			if len(a.Types) == 1 {
				last = a.Last
			}
			u.take(first, last, a.Types[i], until)
			i += n
		}
	}
	u.end(now)
	return nil, c.take()
}

// check says why acknowledgements cannot be taken, if they cannot.
func (p *partition) check(member string, acks []Ack) *Fault {
	next := int64(0)
	for _, a := range acks {
		switch {
		case a.First < 0 || a.Last < a.First || a.First < next:
			return fault(kerr.InvalidRequest, "offsets %d to %d are not in order", a.First, a.Last)
		case len(a.Types) != 1 && int64(len(a.Types)) != a.Last-a.First+1:
			return fault(kerr.InvalidRequest, "offsets %d to %d have %d acknowledge types: one, or one for each, is wanted", a.First, a.Last, len(a.Types))
		case a.Last >= p.window.end():
			return fault(kerr.InvalidRecordState, "offset %d was not acquired", a.Last)
		}
		for _, t := range a.Types {
			if t < Gap || t > Renew {
				return fault(kerr.InvalidRequest, "acknowledge type %d is not one of 0 (gap), 1 (accept), 2 (release), 3 (reject), 4 (renew)", t)
			}
		}
		first := max(a.First, p.start)
		for i := p.find(first); first <= a.Last && i < len(p.runs) && p.runs[i].first <= a.Last; i++ {
			if r := p.runs[i]; r.state != Acquired || r.member != member {
				return fault(kerr.InvalidRecordState, "offset %d is not acquired by the member", max(first, r.first))
			}
		}
		next = a.Last + 1
	}
	return nil
}

func (u *update) take(first, last int64, typ int8, until time.Time) {
	n := max(0, last-max(first, u.p.start)+1)
	counts := &u.c.effects.Counts
	switch typ {
	case Accept:
		counts.Accepted += n
		u.finish(first, last, Acknowledged, false)
	case Reject:
		counts.Rejected += n
		u.finish(first, last, Archived, false)
	case Gap:
		u.finish(first, last, Archived, true)
	case Release:
		counts.Released += n
		u.free(first, last, true)
	case Renew:
		counts.Renewed += n
		u.p.change(first, last, func(r *run) { r.deadline = until })
	}
}

// Release gives back what a member has of all share partitions of a group. If the
// member ended its session itself, what it gives back without a word was not
// delivered to the application; if it vanished, it may have been, and counts.
func (c *Coordinator) Release(now time.Time, group, member string, delivered bool) Effects {
	for k, p := range c.locked {
		if k.Group != group {
			continue
		}
		u := c.begin(p)
		for _, r := range append([]run(nil), p.runs...) {
			if r.state == Acquired && r.member == member {
				c.effects.Counts.Released += r.size()
				u.free(r.first, r.last, delivered)
			}
		}
		u.end(now)
	}
	return c.take()
}
