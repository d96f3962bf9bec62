package consumer

// tracker knows which records of one partition are handled, and so what may be
// committed: the offset of the first one that is not.
//
//	taken     17  18  20  21  25        offsets need not be contiguous
//	handled    ✓   ✓   ·   ✓   ·
//	commit             20
type tracker struct {
	taken  []takenOffset // ascending; the first one is not handled
	head   int           // of taken; what is before it has been popped
	next   int64         // offset to commit; -1 before the first record is handled
	epoch  int32         // leader epoch of next's predecessor
	undone int           // of taken
}

type takenOffset struct {
	offset int64
	epoch  int32
	done   bool
}

func newTracker() tracker { return tracker{next: -1, epoch: -1} }

// take adds a record that is going to be handled. Offsets come in ascending
// order; one that does not is refused.
func (t *tracker) take(offset int64, epoch int32) bool {
	if n := len(t.taken); n > t.head && offset <= t.taken[n-1].offset || offset < t.next {
		return false
	}
	if t.head > 1024 && t.head > len(t.taken)/2 { // give the popped half back
		t.taken = append(t.taken[:0], t.taken[t.head:]...)
		t.head = 0
	}
	t.taken = append(t.taken, takenOffset{offset: offset, epoch: epoch})
	t.undone++
	return true
}

// handled marks a record, and reports whether the offset to commit moved.
func (t *tracker) handled(offset int64) bool {
	lo, hi := t.head, len(t.taken)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if t.taken[mid].offset < offset {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == len(t.taken) || t.taken[lo].offset != offset {
		return false
	}
	if !t.taken[lo].done {
		t.taken[lo].done = true
		t.undone--
	}
	return t.pop()
}

// handledAll marks everything that was taken.
func (t *tracker) handledAll() bool {
	for i := t.head; i < len(t.taken); i++ {
		t.taken[i].done = true
	}
	t.undone = 0
	return t.pop()
}

func (t *tracker) pop() bool {
	moved := false
	for t.head < len(t.taken) && t.taken[t.head].done {
		t.next, t.epoch = t.taken[t.head].offset+1, t.taken[t.head].epoch
		t.head++
		moved = true
	}
	if t.head == len(t.taken) {
		t.taken, t.head = t.taken[:0], 0
	}
	return moved
}

// open is how many records are taken and not handled.
func (t *tracker) open() int { return t.undone }
