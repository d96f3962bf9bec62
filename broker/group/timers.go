package group

import (
	"container/heap"
	"time"
)

// timerKey names a timer: one per purpose, group and member.
type timerKey struct {
	purpose timerPurpose
	group   string
	member  string
}

type timerPurpose uint8

const (
	timerSession   timerPurpose = iota // a member's session, or the use of a member ID handed out
	timerJoin                          // the joins of a classic rebalance
	timerSync                          // the syncs of a classic rebalance
	timerRebalance                     // a KIP-848 member's time to give partitions up
	timerReconcile                     // a classic member's time to join or sync in a KIP-848 group
	timerExpiry                        // the search for expired offsets
)

// timers is a queue of deadlines. Setting a timer that is set moves it.
type timers struct {
	queue timerQueue
	byKey map[timerKey]*timer
	seq   uint64
}

type timer struct {
	key   timerKey
	at    time.Time
	seq   uint64
	fire  func(now time.Time)
	index int
}

func (t *timers) set(key timerKey, at time.Time, fire func(now time.Time)) {
	if t.byKey == nil {
		t.byKey = make(map[timerKey]*timer)
	}
	t.seq++
	if old, ok := t.byKey[key]; ok {
		old.at, old.fire, old.seq = at, fire, t.seq
		heap.Fix(&t.queue, old.index)
		return
	}
	it := &timer{key: key, at: at, fire: fire, seq: t.seq}
	t.byKey[key] = it
	heap.Push(&t.queue, it)
}

func (t *timers) cancel(key timerKey) {
	if it, ok := t.byKey[key]; ok {
		delete(t.byKey, key)
		heap.Remove(&t.queue, it.index)
	}
}

// next returns the first deadline, or the zero time.
func (t *timers) next() time.Time {
	if len(t.queue) == 0 {
		return time.Time{}
	}
	return t.queue[0].at
}

// run fires what is due, in order of deadlines. A timer that its own firing
// sets again for now or earlier waits for the next run, so that run ends.
func (t *timers) run(now time.Time) {
	last := t.seq
	for len(t.queue) > 0 && !t.queue[0].at.After(now) && t.queue[0].seq <= last {
		it := heap.Pop(&t.queue).(*timer)
		delete(t.byKey, it.key)
		it.fire(now)
	}
}

type timerQueue []*timer

func (q timerQueue) Len() int { return len(q) }
func (q timerQueue) Less(i, j int) bool {
	if !q[i].at.Equal(q[j].at) {
		return q[i].at.Before(q[j].at)
	}
	return q[i].seq < q[j].seq
}
func (q timerQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *timerQueue) Push(x any) {
	it := x.(*timer)
	it.index = len(*q)
	*q = append(*q, it)
}
func (q *timerQueue) Pop() any {
	old := *q
	it := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return it
}
