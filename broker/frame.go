package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// A frame is a request or an answer as it travels:
//
//	┌────────────┬───────────────────┐
//	│ length (4) │ header, then body │
//	└────────────┴───────────────────┘
//	             ◀──── length ──────▶
//
// The length is big-endian and counts what follows it.

const (
	// freeFrameBytes is how large a frame may be without being paid for out of
	// the budget. What such frames use is bounded by the number of connections.
	freeFrameBytes = 4 << 10
	// eagerFrameBytes is how much of a frame is paid for and allocated before
	// the first byte of it arrived, while there is plenty of memory; with a large
	// budget it is the eagerFramePart of that.
	eagerFrameBytes = 2 << 20
	eagerFramePart  = 8
	// cautiousFrameBytes is the same when there is not. From there on, a
	// client has to send what it announced before more is set aside.
	cautiousFrameBytes = 32 << 10
)

// errFrameTooLarge means that a client announced more than it may send.
type errFrameTooLarge struct {
	length, limit int32
}

func (e errFrameTooLarge) Error() string {
	return fmt.Sprintf("request of %d bytes: the limit is %d", uint32(e.length), e.limit)
}

// errIdle means that nothing came for as long as the read deadline allowed.
var errIdle = errors.New("no request in time")

var errFrameLength = errors.New("request with a negative or too small length")

// errForeign means that a client speaks something else than Kafka's protocol.
type errForeign struct{ what string }

func (e errForeign) Error() string {
	return "the client speaks " + e.what + " to a listener of the Kafka protocol"
}

// foreign recognises protocols that come to the wrong port. As a length, their
// first bytes are larger than any request may be.
func foreign(head [4]byte) string {
	switch string(head[:]) {
	case "GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI ":
		return "HTTP"
	}
	if head[0] == 0x16 && head[1] == 3 {
		return "TLS"
	}
	return ""
}

// frame is a request's bytes without their length. Its owner releases it.
type frame struct {
	data  []byte
	lease lease
}

func (f *frame) release() {
	if f.data != nil {
		putBuffer(f.data)
		f.data = nil
	}
	f.lease.release()
}

// frameReader splits what a client sends into frames.
type frameReader struct {
	conn   net.Conn
	in     *bufio.Reader
	memory *budget
	step   time.Duration // the time for each part of a frame
}

// next waits for a frame of at most limit bytes. Until its first byte arrives
// it waits as long as the connection's read deadline says.
func (r *frameReader) next(ctx context.Context, limit int32) (frame, error) {
	var head [4]byte
	if _, err := io.ReadFull(r.in, head[:1]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errIdle
		}
		return frame{}, err
	}
	r.extend()
	if _, err := io.ReadFull(r.in, head[1:]); err != nil {
		return frame{}, unexpected(err)
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if what := foreign(head); what != "" && (n < minRequestHeader || n > limit) {
		return frame{}, errForeign{what}
	}
	if n < minRequestHeader {
		return frame{}, errFrameLength
	}
	if n > limit {
		return frame{}, errFrameTooLarge{n, limit}
	}
	return r.body(ctx, int(n))
}

// body reads n bytes, setting memory aside in steps if there is little.
func (r *frameReader) body(ctx context.Context, n int) (f frame, err error) {
	f.lease.from = r.memory
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	have := 0
	for have < n {
		step := cautiousFrameBytes
		if have == 0 && r.memory.plenty() {
			step = max(eagerFrameBytes, int(min(r.memory.limit/eagerFramePart, 1<<30)))
		}
		want := min(n, max(step, 2*have))
		if n > freeFrameBytes {
			if err := f.lease.grow(ctx, int64(want-have)); err != nil {
				return f, err
			}
		}
		if cap(f.data) >= want {
			f.data = f.data[:want]
		} else {
			next := getBuffer(want)
			copy(next, f.data)
			if f.data != nil {
				putBuffer(f.data)
			}
			f.data = next
		}
		r.extend()
		if _, err := io.ReadFull(r.in, f.data[have:]); err != nil {
			return f, unexpected(err)
		}
		have = want
	}
	return f, nil
}

// extend gives the client time for its next part.
func (r *frameReader) extend() { _ = r.conn.SetReadDeadline(time.Now().Add(r.step)) }

// unexpected tells the end of a connection in the middle of a frame from one
// between two.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Buffers are pooled by powers of two from 4 KiB to 4 MiB. Larger ones, which are
// rare, are kept for a few seconds by a list of their own: left to the garbage
// collector, a burst of large requests would cost a multiple of the budget before
// the next collection.
const (
	minBufferBits = 12
	maxBufferBits = 22
)

var buffers [maxBufferBits + 1]sync.Pool

// getBuffer returns n bytes of any content.
func getBuffer(n int) []byte {
	class := max(minBufferBits, bits.Len(uint(max(n, 1)-1)))
	if class > maxBufferBits {
		return largeBuffers.get(n)
	}
	if p, ok := buffers[class].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, 1<<class)
}

// putBuffer takes back what getBuffer gave. Nobody may use it any more.
func putBuffer(b []byte) {
	c := cap(b)
	if c > 1<<maxBufferBits {
		largeBuffers.put(b, time.Now())
		return
	}
	if c < 1<<minBufferBits || c&(c-1) != 0 {
		return
	}
	b = b[:0]
	buffers[bits.Len(uint(c))-1].Put(&b)
}

// bufferList keeps large buffers that are not in use: as many as are worth maxIdle,
// for as long as they are asked for every now and then. What it lets go of is
// collected soon: the collector itself would wait until there is as much garbage as
// there is memory in use.
type bufferList struct {
	maxIdle int
	mu      sync.Mutex
	idle    []idleBuffer // the longest idle first
	bytes   int
	garbage int // let go of since the last collection
	swept   time.Time
}

type idleBuffer struct {
	data  []byte
	since time.Time
}

const (
	maxIdleBuffers = 96 << 20
	maxBufferIdle  = 5 * time.Second
	sweepEvery     = time.Second / 2
)

var largeBuffers = bufferList{maxIdle: maxIdleBuffers}

// get returns n bytes: of the smallest idle buffer that has room and is not more
// than twice as large, else new ones, whose size is rounded up to an eighth so that
// they fit again.
func (l *bufferList) get(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	best := -1
	for i, b := range l.idle {
		if c := cap(b.data); c >= n && c <= 2*n && (best < 0 || c < cap(l.idle[best].data)) {
			best = i
		}
	}
	if best >= 0 {
		b := l.idle[best].data
		l.remove(best)
		return b[:n]
	}
	part := 1 << (bits.Len(uint(n)) - 4)
	return make([]byte, n, (n+part-1)/part*part)
}

func (l *bufferList) put(b []byte, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idle = append(l.idle, idleBuffer{b, now})
	l.bytes += cap(b)
	for l.bytes > l.maxIdle {
		l.drop()
	}
	l.sweep(now)
}

// trim lets go of what was idle for long.
func (l *bufferList) trim(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.idle) > 0 && now.Sub(l.idle[0].since) > maxBufferIdle {
		l.drop()
	}
	l.sweep(now)
}

// drop lets go of the longest idle buffer. It requires mu.
func (l *bufferList) drop() {
	l.garbage += cap(l.idle[0].data)
	l.remove(0)
}

// sweep collects what was let go of, if it is much, at most once per sweepEvery:
// buffers hold no pointers, so that it costs what the rest of the heap costs. It
// requires mu.
func (l *bufferList) sweep(now time.Time) {
	if l.garbage < maxIdleBuffers || now.Sub(l.swept) < sweepEvery {
		return
	}
	l.garbage, l.swept = 0, now
	go runtime.GC()
}

// remove requires mu.
func (l *bufferList) remove(i int) {
	l.bytes -= cap(l.idle[i].data)
	l.idle = slices.Delete(l.idle, i, i+1)
}
