package commitlog

import (
	"sync"
	"sync/atomic"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// tailBatchBytes is the largest batch that is kept in memory: what is larger is read
// as fast from the page cache.
const tailBatchBytes = 32 << 10

// tailChunkBytes is the size of a chunk of the tail.
const tailChunkBytes = 64 << 10

// tailCredit is for how many appends the tail is kept after somebody read near the
// end of the log: without readers nothing is copied.
const tailCredit = 4096

// tail is the last bytes of the active segment, as far as they were appended while
// somebody was reading at the end. Guarded by the log's mu; only the bytes of a
// chunk that are published are ever read, and they do not change.
type tail struct {
	limit  int // chunks
	chunks []*chunk
	credit atomic.Int32
}

// chunk is contiguous bytes of the active segment from pos on.
type chunk struct {
	pos   int64
	first int64 // base offset of the first batch
	next  int64 // offset after the last batch
	p     []byte
	refs  atomic.Int32
}

var chunkPool = sync.Pool{New: func() any { return &chunk{p: make([]byte, 0, tailChunkBytes)} }}

func (c *chunk) release() {
	if c.refs.Add(-1) == 0 {
		c.p = c.p[:0]
		chunkPool.Put(c)
	}
}

// wanted is told of every read near the end.
func (t *tail) wanted() {
	if t.credit.Load() < tailCredit/2 {
		t.credit.Store(tailCredit)
	}
}

// add keeps a batch that was written at pos.
func (t *tail) add(b record.Batch, pos int64, s *segment) {
	if t.limit == 0 {
		return
	}
	if t.credit.Load() <= 0 || len(b) > tailBatchBytes {
		t.reset()
		return
	}
	t.credit.Add(-1)
	n := len(t.chunks)
	if n == 0 || len(t.chunks[n-1].p)+len(b) > tailChunkBytes {
		if n == t.limit {
			t.chunks[0].release()
			copy(t.chunks, t.chunks[1:])
			t.chunks = t.chunks[:n-1]
		}
		c := chunkPool.Get().(*chunk)
		c.refs.Store(1)
		c.pos, c.first = pos, b.BaseOffset()
		t.chunks = append(t.chunks, c)
		n = len(t.chunks)
	}
	c := t.chunks[n-1]
	c.p = append(c.p, b...)
	c.next = b.NextOffset()
}

// find returns the chunk that holds the offset, with a reference, and the bytes that
// were published in it.
func (t *tail) find(offset int64) (*chunk, []byte) {
	for i := len(t.chunks) - 1; i >= 0; i-- {
		c := t.chunks[i]
		if offset >= c.next {
			return nil, nil
		}
		if offset >= c.first {
			c.refs.Add(1)
			return c, c.p
		}
	}
	return nil, nil
}

// has says whether find would find the offset.
func (t *tail) has(offset int64) bool {
	n := len(t.chunks)
	return n > 0 && offset >= t.chunks[0].first && offset < t.chunks[n-1].next
}

func (t *tail) reset() {
	for _, c := range t.chunks {
		c.release()
	}
	clear(t.chunks)
	t.chunks = t.chunks[:0]
}

// cursorCache remembers where the last reads ended, so that the next one of the same
// consumer needs no index. Guarded by the log's mu for the slice of segments and by
// its own lock for the rest.
type cursorCache struct {
	mu      sync.Mutex
	cursors [8]cursor
	next    int
}

// cursor says that the batch with offset begins at pos, or that the segment has
// nothing at offset or above before pos.
type cursor struct {
	s      *segment
	offset int64
	pos    int64
}

func (c *cursorCache) get(s *segment, offset int64) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.cursors {
		if c.cursors[i].s == s && c.cursors[i].offset == offset {
			return c.cursors[i].pos, true
		}
	}
	return 0, false
}

// move replaces the cursor that was at from, or the oldest.
func (c *cursorCache) move(s *segment, from, offset, pos int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.next
	for j := range c.cursors {
		if c.cursors[j].s == s && c.cursors[j].offset == from {
			i = j
		}
	}
	if i == c.next {
		c.next = (c.next + 1) % len(c.cursors)
	}
	c.cursors[i] = cursor{s, offset, pos}
}
