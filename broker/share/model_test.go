package share

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

var atStart = time.UnixMilli(1_700_000_000_000)

// TestRandomOperations drives share partitions with random fetches,
// acknowledgements, releases, time and log starts, and compares every offset
// with a model that knows nothing of runs. After each step the window is in
// form, and what was written so far makes the state that is.
func TestRandomOperations(t *testing.T) {
	for seed := range uint64(25) {
		w := newWorld(seed)
		for step := range 200 {
			what := w.step()
			if err := w.check(); err != nil {
				t.Fatalf("seed %d, step %d (%s): %v", seed, step, what, err)
			}
		}
		if err := w.settle(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// world is a coordinator with one share partition, its log, the log of the
// partition that it reads, and a model.
type world struct {
	r       *rand.Rand
	opts    Options
	c       *Coordinator
	k       Key
	now     time.Time
	log     []Record
	batches []Batch // of the partition, with holes between them
	end     int64   // of the partition
	start   int64   // of the partition
	members []string

	// The model: what is known of each offset, and where the window begins.
	spso int64
	at   map[int64]offsetState
	seen map[int64]int // how often an offset was delivered
}

type offsetState struct {
	state  State
	count  int16
	member string
	until  time.Time
}

func newWorld(seed uint64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{r: r, now: atStart, k: Key{Group: "g", Topic: [16]byte{1}, Partition: 2},
		opts:    Options{DeliveryLimit: 2 + r.IntN(4), MaxInFlight: 5 + r.IntN(60), SnapshotEvery: 1 + r.IntN(20), LockDuration: 30 * time.Second},
		members: []string{"a", "b", "c"}, at: map[int64]offsetState{}, seen: map[int64]int{}}
	w.c = New(w.opts, nil)
	w.start = int64(r.IntN(20))
	w.end, w.spso = w.start, w.start
	w.do(w.c.Open(w.now, w.k, w.start))
	return w
}

func (w *world) do(e Effects) { w.log = append(w.log, e.Records...) }

func (w *world) step() string {
	member := w.members[w.r.IntN(len(w.members))]
	switch n := w.r.IntN(100); {
	case n < 20:
		return w.produce()
	case n < 55:
		return w.fetch(member)
	case n < 85:
		return w.acknowledge(member)
	case n < 88:
		delivered := w.r.IntN(2) == 0
		w.do(w.c.Release(w.now, w.k.Group, member, delivered))
		w.free(func(s offsetState) bool { return s.member == member }, delivered)
		return fmt.Sprintf("release %s delivered %v", member, delivered)
	case n < 95:
		w.now = w.now.Add(time.Duration(w.r.IntN(20)) * time.Second)
		if next := w.c.NextTimer(); !next.IsZero() && !next.After(w.now) {
			w.do(w.c.Tick(w.now))
		}
		w.free(func(s offsetState) bool { return !s.until.After(w.now) }, true)
		return "time"
	case n < 97:
		w.start += w.r.Int64N(w.end - w.start + 1)
		w.position()
		return fmt.Sprintf("log start %d", w.start)
	case n < 98:
		w.spso = w.start + w.r.Int64N(w.end-w.start+1)
		clear(w.at)
		w.do(w.c.Set(w.now, w.k, w.spso))
		return fmt.Sprintf("set %d", w.spso)
	case n < 99:
		w.do(w.c.Snapshot(w.now, w.k))
		return "snapshot"
	}
	w.restart()
	return "restart"
}

func (w *world) produce() string {
	for range 1 + w.r.IntN(3) {
		if w.r.IntN(6) == 0 {
			w.end += w.r.Int64N(10) // compacted away
		}
		n := 1 + w.r.Int64N(12)
		w.batches = append(w.batches, Batch{First: w.end, Last: w.end + n - 1, Skip: w.r.IntN(8) == 0})
		w.end += n
	}
	return fmt.Sprintf("log end %d", w.end)
}

func (w *world) position() Position {
	at, e := w.c.Position(w.now, w.k, w.start)
	w.do(e)
	if w.start > w.spso {
		w.spso = w.start
	}
	w.advance()
	return at
}

// fetch reads from where the window says and acquires what was read.
func (w *world) fetch(member string) string {
	at := w.position()
	if at.Full {
		return "full"
	}
	read := Read{From: at.Offset, To: at.Offset}
	most := 1 + w.r.IntN(4)
	for _, b := range w.batches {
		if b.Last >= at.Offset && b.Last >= w.start && len(read.Batches) < most {
			read.Batches, read.To = append(read.Batches, b), b.Last+1
		}
	}
	want := Want{MaxRecords: 1 + w.r.IntN(30), Strict: w.r.IntN(2) == 0, JoinUpTo: 1 + w.r.IntN(10)}
	before, end := w.inFlight(), w.c.parts[w.k].window.end()
	got, lock, e := w.c.Acquire(w.now, w.k, member, read, want)
	w.do(e)
	w.learn(read)
	for i, a := range got {
		if a.Last < a.First || i > 0 && a.First <= got[i-1].Last {
			panic(fmt.Sprintf("acquired %v", got))
		}
		for o := a.First; o <= a.Last; o++ {
			s := w.at[o]
			switch {
			case s.state != Available:
				panic(fmt.Sprintf("offset %d was acquired, it was %+v", o, s))
			case a.DeliveryCount != s.count+1:
				panic(fmt.Sprintf("offset %d has delivery count %d, it was %d", o, a.DeliveryCount, s.count))
			case int(a.DeliveryCount) > w.opts.DeliveryLimit:
				panic(fmt.Sprintf("offset %d was delivered %d times", o, a.DeliveryCount))
			}
			w.at[o] = offsetState{Acquired, a.DeliveryCount, member, w.now.Add(lock)}
			w.seen[o]++
		}
	}
	w.bounded(before, end, read, want, got)
	w.advance()
	return fmt.Sprintf("fetch %s %+v %+v: %v", member, read, want, got)
}

// inFlight counts what the window holds, without gaps.
func (w *world) inFlight() (n int) {
	for _, s := range w.at {
		if s.state != Archived || s.count > 0 {
			n++
		}
	}
	return n
}

// bounded looks at what was acquired from the window's end on: nothing if as much was in
// flight as may be, and otherwise no more than there is room for, or the batch that goes
// beyond it whole; of the records that are wanted, in the same way.
func (w *world) bounded(before int, end int64, read Read, want Want, got []Acquisition) {
	fresh, total := 0, 0
	for _, a := range got {
		for o := a.First; o <= a.Last; o++ {
			total++
			if o >= end {
				fresh++
			}
		}
	}
	largest := 0
	for _, b := range read.Batches {
		largest = max(largest, int(b.Last-b.First+1))
	}
	room := max(0, w.opts.MaxInFlight-before)
	if room > 0 && !want.Strict {
		room += largest - 1
	}
	most := want.MaxRecords
	if !want.Strict {
		most += largest - 1
	}
	if fresh > room || total > most {
		panic(fmt.Sprintf("%d records are in flight, and %d more of %d acquired, at most %d and %d", before, fresh, total, room, most))
	}
}

// learn has the model take over which offsets of a read the window now has as
// gaps, which must be such that nobody is to have them.
func (w *world) learn(read Read) {
	p := w.c.parts[w.k]
	has := map[int64]bool{}
	for _, b := range read.Batches {
		for o := b.First; o <= b.Last && !b.Skip; o++ {
			has[o] = true
		}
	}
	for o := w.spso; o < p.window.end(); o++ {
		s, known := w.at[o]
		gap := o < p.start // the window has moved over it
		if i := p.find(o); !gap && i < len(p.runs) {
			gap = p.runs[i].gap()
		}
		if gap && s.state == Available {
			if has[o] || o < read.From || o >= read.To {
				panic(fmt.Sprintf("offset %d of %+v became a gap", o, read))
			}
			w.at[o] = offsetState{state: Archived}
		} else if !known {
			w.at[o] = offsetState{}
		}
	}
}

func (w *world) acknowledge(member string) string {
	var acks []Ack
	valid := true
	at := w.spso - 2
	for range 1 + w.r.IntN(3) {
		first := at + w.r.Int64N(8)
		last := first + w.r.Int64N(6)
		if w.r.IntN(4) > 0 { // something that the member has
			var mine []int64
			for o, s := range w.at {
				if s.state == Acquired && s.member == member && o >= at {
					mine = append(mine, o)
				}
			}
			if len(mine) > 0 {
				slices.Sort(mine)
				first = mine[w.r.IntN(len(mine))]
				for last = first; w.r.IntN(4) > 0 && w.at[last+1].member == member && w.at[last+1].state == Acquired; {
					last++
				}
			}
		}
		if first < 0 {
			continue
		}
		a := Ack{First: first, Last: last, Types: []int8{int8(w.r.IntN(5))}}
		if w.r.IntN(2) == 0 {
			a.Types = a.Types[:0]
			for range last - first + 1 {
				a.Types = append(a.Types, int8(w.r.IntN(5)))
			}
		}
		for o := first; o <= last; o++ {
			if s := w.at[o]; o >= w.spso && (s.state != Acquired || s.member != member) {
				valid = false
			}
		}
		acks, at = append(acks, a), last+1
	}
	fault, e := w.c.Acknowledge(w.now, w.k, member, acks)
	w.do(e)
	if (fault == nil) != valid {
		panic(fmt.Sprintf("acknowledge %s %v: %v, want it to be taken: %v", member, acks, fault, valid))
	}
	if fault != nil {
		if fault.Code != kerr.InvalidRecordState {
			panic(fault.Reason)
		}
		return fmt.Sprintf("refused %s %v", member, acks)
	}
	for _, a := range acks {
		for o := max(a.First, w.spso); o <= a.Last; o++ {
			typ := a.Types[0]
			if len(a.Types) > 1 {
				typ = a.Types[o-a.First]
			}
			s := w.at[o]
			switch typ {
			case Gap:
				s = offsetState{state: Archived}
			case Accept:
				s = offsetState{state: Acknowledged, count: s.count}
			case Reject:
				s = offsetState{state: Archived, count: s.count}
			case Renew:
				s.until = w.now.Add(w.opts.LockDuration)
			case Release:
				s = w.freed(s, true)
			}
			w.at[o] = s
		}
	}
	w.advance()
	return fmt.Sprintf("acknowledge %s %v", member, acks)
}

func (w *world) freed(s offsetState, delivered bool) offsetState {
	switch {
	case !delivered:
		return offsetState{state: Available, count: s.count - 1}
	case int(s.count) >= w.opts.DeliveryLimit:
		return offsetState{state: Archived, count: s.count}
	}
	return offsetState{state: Available, count: s.count}
}

func (w *world) free(which func(s offsetState) bool, delivered bool) {
	for o, s := range w.at {
		if s.state == Acquired && which(s) {
			w.at[o] = w.freed(s, delivered)
		}
	}
	w.advance()
}

func (w *world) advance() {
	for w.at[w.spso].state.done() {
		w.spso++
	}
	maps.DeleteFunc(w.at, func(o int64, _ offsetState) bool { return o < w.spso })
}

// restart goes on with what the log says.
func (w *world) restart() {
	w.c = w.replayed()
	for o, s := range w.at {
		if s.state == Acquired {
			w.at[o] = offsetState{count: s.count - 1}
		}
	}
	end := w.c.parts[w.k].window.end()
	maps.DeleteFunc(w.at, func(o int64, s offsetState) bool { return o >= end && s == offsetState{} })
}

func (w *world) replayed() *Coordinator {
	c := New(w.opts, nil)
	for _, r := range w.log {
		if err := c.Replay(r.Key, r.Value); err != nil {
			panic(err)
		}
	}
	return c
}

func (w *world) check() error {
	p := w.c.parts[w.k]
	at := p.start
	for i, r := range p.runs {
		switch {
		case r.first != at || r.last < r.first:
			return fmt.Errorf("run %d of %+v does not follow on", i, p.runs)
		case i == 0 && r.state.done():
			return fmt.Errorf("the window begins with what is done: %+v", r)
		case i > 0 && r.alike(p.runs[i-1]):
			return fmt.Errorf("runs %d and %d of %+v are alike", i-1, i, p.runs)
		case r.state == Acquired && (r.member == "" || r.count < 1):
			return fmt.Errorf("nobody has %+v", r)
		}
		at = r.last + 1
		for o := r.first; o <= r.last; o++ {
			if s := w.at[o]; s.state != r.state || s.count != r.count || s.member != r.member || !s.until.Equal(r.deadline) {
				return fmt.Errorf("offset %d is %+v, want %+v", o, r, s)
			}
		}
	}
	if p.start != w.spso {
		return fmt.Errorf("the window begins at %d, want %d", p.start, w.spso)
	}
	for o := range w.at {
		if o >= at {
			return fmt.Errorf("offset %d is beyond the end %d", o, at)
		}
	}
	if next := w.c.NextTimer(); !next.Equal(p.deadline()) {
		return fmt.Errorf("next timer at %v, want %v", next, p.deadline())
	}
	again := w.replayed().parts[w.k]
	if again.start != p.start || !slices.Equal(again.window.stored(), p.window.stored()) {
		return fmt.Errorf("the log says %d %+v\nwant %d %+v", again.start, again.window.stored(), p.start, p.window.stored())
	}
	return nil
}

// settle accepts everything that there still is: nothing may be left over.
func (w *world) settle() error {
	w.do(w.c.Release(w.now, "g", "a", true))
	w.do(w.c.Release(w.now, "g", "b", true))
	w.do(w.c.Release(w.now, "g", "c", true))
	w.free(func(offsetState) bool { return true }, true)
	for range 10_000 {
		at := w.position()
		read := Read{From: at.Offset, To: at.Offset}
		for _, b := range w.batches {
			if b.Last >= at.Offset {
				read.Batches, read.To = append(read.Batches, b), b.Last+1
			}
		}
		got, _, e := w.c.Acquire(w.now, w.k, "last", read, Want{MaxRecords: 20, JoinUpTo: 1})
		w.do(e)
		for _, a := range got {
			fault, e := w.c.Acknowledge(w.now, w.k, "last", []Ack{{First: a.First, Last: a.Last, Types: []int8{Accept}}})
			if w.do(e); fault != nil {
				return fmt.Errorf("%+v: %s", a, fault.Reason)
			}
		}
		if len(got) == 0 {
			if p := w.c.parts[w.k]; len(read.Batches) > 0 && p.start < read.To || len(p.runs) > 0 {
				return fmt.Errorf("stuck at %+v with %+v", at, p.window)
			}
			return nil
		}
	}
	return fmt.Errorf("there is no end of it")
}
