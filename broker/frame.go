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
	// the first byte of it arrived, while there is plenty of memory.
	eagerFrameBytes = 2 << 20
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
			step = eagerFrameBytes
		}
		want := min(n, max(step, 2*have))
		if n > freeFrameBytes {
			if err := f.lease.grow(ctx, int64(want-have)); err != nil {
				return f, err
			}
		}
		next := getBuffer(want)
		copy(next, f.data)
		if f.data != nil {
			putBuffer(f.data)
		}
		f.data = next
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

// Buffers are pooled by powers of two from 4 KiB to 4 MiB. Larger ones are left
// to the garbage collector: they are rare, and keeping them would be a leak by
// another name.
const (
	minBufferBits = 12
	maxBufferBits = 22
)

var buffers [maxBufferBits + 1]sync.Pool

// getBuffer returns n bytes of any content.
func getBuffer(n int) []byte {
	class := max(minBufferBits, bits.Len(uint(max(n, 1)-1)))
	if class > maxBufferBits {
		return make([]byte, n)
	}
	if p, ok := buffers[class].Get().(*[]byte); ok {
		return (*p)[:n]
	}
	return make([]byte, n, 1<<class)
}

// putBuffer takes back what getBuffer gave. Nobody may use it any more.
func putBuffer(b []byte) {
	c := cap(b)
	if c < 1<<minBufferBits || c > 1<<maxBufferBits || c&(c-1) != 0 {
		return
	}
	b = b[:0]
	buffers[bits.Len(uint(c))-1].Put(&b)
}
