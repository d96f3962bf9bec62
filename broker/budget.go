package broker

import (
	"context"
	"slices"
	"sync"
)

// budget is the memory that all connections share. Who wants more than there
// is waits in line; who holds some already may take the one overdraft, so that
// connections that each hold a part of their frames never wait for each other.
type budget struct {
	mu        sync.Mutex
	limit     int64
	reserve   int64 // besides limit, what is left for growReserved
	used      int64
	overdrawn bool
	waiting   []*budgetWaiter
}

type budgetWaiter struct {
	lease *lease
	bytes int64
	ready chan struct{}
}

func newBudget(limit int64) *budget { return &budget{limit: limit} }

// lease is what one holder has taken of the budget.
type lease struct {
	from      *budget
	bytes     int64
	reserved  int64 // of the budget's reserve, besides bytes
	overdraft bool
}

// grow adds n bytes to the lease, waiting until there is room.
func (l *lease) grow(ctx context.Context, n int64) error {
	b := l.from
	b.mu.Lock()
	if l.overdraft || (len(b.waiting) == 0 && b.fits(n)) {
		b.give(l, n)
		b.mu.Unlock()
		return nil
	}
	if l.bytes > 0 && !b.overdrawn {
		b.overdrawn, l.overdraft = true, true
		b.give(l, n)
		b.mu.Unlock()
		return nil
	}
	w := &budgetWaiter{lease: l, bytes: n, ready: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		b.admit()
	}
	// Otherwise it was admitted in the same moment, and release gives it back.
	return ctx.Err()
}

// growReserved is grow for a small answer: while the budget is used up by requests that
// others have begun, there is a reserve that it does not stand in line for.
func (l *lease) growReserved(ctx context.Context, n int64) error {
	b := l.from
	b.mu.Lock()
	if n <= b.reserve && (len(b.waiting) > 0 || !b.fits(n)) {
		b.reserve -= n
		l.reserved += n
		b.mu.Unlock()
		return nil
	}
	b.mu.Unlock()
	return l.grow(ctx, n)
}

// tryGrow adds n bytes if there is room for them now.
func (l *lease) tryGrow(n int64) bool {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	if len(l.from.waiting) > 0 || !l.from.fits(n) {
		return false
	}
	l.from.give(l, n)
	return true
}

// force adds n bytes that are in use already, room or not.
func (l *lease) force(n int64) {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.from.give(l, n)
}

// shrink gives n bytes back.
func (l *lease) shrink(n int64) {
	l.from.mu.Lock()
	defer l.from.mu.Unlock()
	l.giveBack(n)
}

// release gives everything back.
func (l *lease) release() {
	b := l.from
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.bytes+l.reserved == 0 {
		return
	}
	l.giveBack(l.bytes + l.reserved)
}

// giveBack gives n bytes back, and the overdraft with the last of them. It requires the
// budget's mu.
func (l *lease) giveBack(n int64) {
	b := l.from
	back := min(n, l.reserved)
	b.reserve += back
	l.reserved -= back
	n -= back
	b.used -= n
	l.bytes -= n
	if l.bytes == 0 && l.overdraft {
		l.overdraft, b.overdrawn = false, false
	}
	b.admit()
}

func (b *budget) give(l *lease, n int64) {
	b.used += n
	l.bytes += n
}

// fits says whether n more bytes may be used. A request larger than the whole
// budget fits when nothing else is used.
func (b *budget) fits(n int64) bool { return b.used+n <= b.limit || b.used == 0 }

// plenty says that less than half is used.
func (b *budget) plenty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used < b.limit/2 && len(b.waiting) == 0
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// admit lets in whoever there is room for, in order, and hands on the overdraft
// if nobody has it.
func (b *budget) admit() {
	for len(b.waiting) > 0 && b.fits(b.waiting[0].bytes) {
		b.admitAt(0)
	}
	if b.overdrawn {
		return
	}
	if i := slices.IndexFunc(b.waiting, func(w *budgetWaiter) bool { return w.lease.bytes > 0 }); i >= 0 {
		b.overdrawn, b.waiting[i].lease.overdraft = true, true
		b.admitAt(i)
	}
}

func (b *budget) admitAt(i int) {
	w := b.waiting[i]
	b.waiting = slices.Delete(b.waiting, i, i+1)
	b.give(w.lease, w.bytes)
	close(w.ready)
}
