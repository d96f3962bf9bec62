package broker

import (
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Buffers for frames of up to 1 MiB are pooled by powers of two, from 4 KiB on.
const (
	minBufferBits = 12
	maxBufferBits = 20
)

var smallBuffers [maxBufferBits + 1]sync.Pool

// bufferCap is the size of a new buffer with room for n bytes: a power of two or, if
// it is a large one, n rounded up to an eighth, so that similar requests fit it too.
func bufferCap(n int) int {
	class := max(minBufferBits, bits.Len(uint(max(n, 1)-1)))
	if class <= maxBufferBits {
		return 1 << class
	}
	part := 1 << (bits.Len(uint(n)) - 4)
	return (n + part - 1) / part * part
}

// bufferPool hands out buffers. Those of more than 1 MiB it counts, whoever has them:
// in use, idle for a few seconds until somebody needs one of that size, or let go of
// and not collected yet. Left to itself, the garbage collector would wait until there
// is as much garbage as there is memory in use, and a burst of large requests would
// cost a multiple of the budget.
type bufferPool struct {
	limit   int // of used and idle together; what is in use may exceed it
	slack   int // of garbage, beyond limit
	mu      sync.Mutex
	used    int
	idle    []idleBuffer // the longest idle first
	bytes   int          // of idle
	garbage int          // let go of since the last collection

	collecting sync.Mutex
}

type idleBuffer struct {
	data  []byte
	since time.Time
}

const (
	maxBufferIdle = 5 * time.Second
	minSlackBytes = 8 << 20
	slackPart     = 16 // of the limit
)

// newBufferPool returns a pool of at most limit bytes, as long as no more are in use,
// and slackBytes(limit) that wait for the collector.
func newBufferPool(limit int64) *bufferPool {
	return &bufferPool{limit: int(limit), slack: slackBytes(limit)}
}

func slackBytes(limit int64) int { return max(int(limit)/slackPart, minSlackBytes) }

// get returns n bytes of any content, with room for bufferCap(n) or at most half as
// much again.
func (l *bufferPool) get(n int) []byte {
	c := bufferCap(n)
	if c <= 1<<maxBufferBits {
		if p, ok := smallBuffers[bits.Len(uint(c))-1].Get().(*[]byte); ok {
			return (*p)[:n]
		}
		return make([]byte, n, c)
	}
	l.mu.Lock()
	best := -1
	for i, b := range l.idle {
		if room := cap(b.data); room >= n && room <= c+c/2 && (best < 0 || room < cap(l.idle[best].data)) {
			best = i
		}
	}
	if best >= 0 {
		b := l.idle[best].data
		l.remove(best)
		l.used += cap(b)
		l.mu.Unlock()
		return b[:n]
	}
	l.used += c
	for l.used+l.bytes > l.limit && len(l.idle) > 0 {
		l.drop()
	}
	full := l.full()
	l.mu.Unlock()
	if full {
		l.collect()
	}
	return make([]byte, n, c)
}

// put takes back what get gave. Nobody may use it any more.
func (l *bufferPool) put(b []byte, now time.Time) {
	c := cap(b)
	if c <= 1<<maxBufferBits {
		if c >= 1<<minBufferBits && c&(c-1) == 0 {
			b = b[:0]
			smallBuffers[bits.Len(uint(c))-1].Put(&b)
		}
		return
	}
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.used -= c
	l.idle = append(l.idle, idleBuffer{b, now})
	l.bytes += c
	for l.used+l.bytes > l.limit && len(l.idle) > 0 {
		l.drop()
	}
}

// trim lets go of what was idle for long.
func (l *bufferPool) trim(now time.Time) {
	l.mu.Lock()
	for len(l.idle) > 0 && now.Sub(l.idle[0].since) > maxBufferIdle {
		l.drop()
	}
	full := l.garbage > l.slack
	l.mu.Unlock()
	if full {
		l.collect()
	}
}

// full says that there is more garbage than there may be. It requires mu.
func (l *bufferPool) full() bool {
	return l.garbage > l.slack || l.garbage > 0 && l.used+l.bytes+l.garbage > l.limit+l.slack
}

// collect waits until what was let go of is collected. One of many who want that does
// it; buffers hold no pointers, so that it costs what the rest of the heap costs, and
// it happens once for so many bytes as slack has at most.
func (l *bufferPool) collect() {
	l.collecting.Lock()
	defer l.collecting.Unlock()
	l.mu.Lock()
	full, garbage := l.full(), l.garbage
	l.mu.Unlock()
	if !full {
		return
	}
	runtime.GC()
	l.mu.Lock()
	l.garbage -= garbage
	l.mu.Unlock()
}

// drop lets go of the longest idle buffer. It requires mu.
func (l *bufferPool) drop() {
	l.garbage += cap(l.idle[0].data)
	l.remove(0)
}

// remove requires mu.
func (l *bufferPool) remove(i int) {
	l.bytes -= cap(l.idle[i].data)
	l.idle = slices.Delete(l.idle, i, i+1)
}
