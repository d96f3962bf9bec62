package share

import (
	"slices"
	"time"
)

// State is what became of a record. The numbers are those of stored records.
type State int8

const (
	Available    State = 0
	Acquired     State = 1 // never stored
	Acknowledged State = 2
	Archived     State = 4
)

func (s State) done() bool { return s == Acknowledged || s == Archived }

// run is offsets next to each other that have the same state. last is inclusive.
type run struct {
	first, last int64
	state       State
	count       int16 // deliveries, the present one of an Acquired record included

	// Of Acquired records only.
	member   string
	deadline time.Time
}

func (r run) size() int64 { return r.last - r.first + 1 }

func (r run) alike(o run) bool {
	return r.state == o.state && r.count == o.count && r.member == o.member && r.deadline.Equal(o.deadline)
}

// gap says whether a run is offsets that never had a record for anybody.
func (r run) gap() bool { return r.state == Archived && r.count == 0 }

// stored is the run as a restart would find it.
func (r run) stored() run {
	if r.state == Acquired {
		return run{first: r.first, last: r.last, state: Available, count: r.count - 1}
	}
	return r
}

// window is the state of a share partition: runs that follow on each other from
// start on. The first is never done, neighbours are never alike.
type window struct {
	start int64
	runs  []run
}

// end is the first offset that was never touched.
func (w *window) end() int64 {
	if n := len(w.runs); n > 0 {
		return w.runs[n-1].last + 1
	}
	return w.start
}

// next is the first offset that could be acquired: the first that is available,
// or the end.
func (w *window) next() int64 {
	for _, r := range w.runs {
		if r.state == Available {
			return r.first
		}
	}
	return w.end()
}

// inFlight counts what the window holds, without gaps.
func (w *window) inFlight() (n int64) {
	for _, r := range w.runs {
		if !r.gap() {
			n += r.size()
		}
	}
	return n
}

// finished counts the records that are done, in the window.
func (w *window) finished() (n int64) {
	for _, r := range w.runs {
		if r.state.done() {
			n += r.size()
		}
	}
	return n
}

// find returns the index of the run that holds an offset, or of the first after
// it.
func (w *window) find(offset int64) int {
	i, _ := slices.BinarySearchFunc(w.runs, offset, func(r run, o int64) int {
		switch {
		case r.last < o:
			return -1
		case r.first > o:
			return 1
		}
		return 0
	})
	return i
}

// split makes a run begin at offset, if offset is in the window.
func (w *window) split(offset int64) {
	i := w.find(offset)
	if i == len(w.runs) || w.runs[i].first == offset || offset < w.start {
		return
	}
	head := w.runs[i]
	head.last = offset - 1
	w.runs[i].first = offset
	w.runs = slices.Insert(w.runs, i, head)
}

// change calls f for every run in [first, last], cut to it.
func (w *window) change(first, last int64, f func(r *run)) {
	first = max(first, w.start)
	if first > last {
		return
	}
	w.split(first)
	w.split(last + 1)
	for i := w.find(first); i < len(w.runs) && w.runs[i].first <= last; i++ {
		f(&w.runs[i])
	}
}

// put lays a run over the window, whose end moves if it must. Offsets between
// the end and the run are available.
func (w *window) put(r run) {
	r.first = max(r.first, w.start)
	if r.first > r.last {
		return
	}
	if end := w.end(); end <= r.last {
		if r.first > end {
			w.runs = append(w.runs, run{first: end, last: r.first - 1, state: Available})
			end = r.first
		}
		fresh := r
		fresh.first = end
		w.runs = append(w.runs, fresh)
	}
	w.change(r.first, r.last, func(o *run) { first, last := o.first, o.last; *o = r; o.first, o.last = first, last })
}

// cut moves the start to offset, if it is before it.
func (w *window) cut(offset int64) {
	if offset <= w.start {
		return
	}
	w.split(offset)
	w.runs = slices.Delete(w.runs, 0, w.find(offset))
	w.start = offset
}

// settle moves the start over what is done and joins runs that are alike.
func (w *window) settle() {
	joined := w.runs[:0]
	for _, r := range w.runs {
		if len(joined) == 0 && r.state.done() {
			w.start = r.last + 1
			continue
		}
		if n := len(joined); n > 0 && joined[n-1].alike(r) {
			joined[n-1].last = r.last
			continue
		}
		joined = append(joined, r)
	}
	clear(w.runs[len(joined):])
	w.runs = joined
}

// stored returns the runs that a restart would find: nobody has anything, and
// what was never given back is as good as untouched.
func (w *window) stored() []run {
	out := window{start: w.start}
	for _, r := range w.runs {
		out.runs = append(out.runs, r.stored())
	}
	out.settle()
	if n := len(out.runs); n > 0 && out.runs[n-1].state == Available && out.runs[n-1].count == 0 {
		out.runs = out.runs[:n-1]
	}
	return out.runs
}

// deadline is when the first lock runs out, or the zero time.
func (w *window) deadline() (first time.Time) {
	for _, r := range w.runs {
		if r.state == Acquired && (first.IsZero() || r.deadline.Before(first)) {
			first = r.deadline
		}
	}
	return first
}
