package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
	if s := string(head[:]); s == "PROX" || s == "\r\n\r\n" { // versions 1 and 2
		return "the PROXY protocol"
	}
	return ""
}

// frame is a request's bytes without their length. Its owner releases it.
type frame struct {
	data  []byte
	lease lease
	from  *bufferPool // that data goes back to
}

// paid is how much of the budget the bytes take.
func (f *frame) paid() int64 {
	if len(f.data) <= freeFrameBytes || f.from == nil {
		return 0
	}
	return int64(cap(f.data))
}

func (f *frame) release() {
	if f.data != nil {
		f.from.put(f.data, time.Now())
		f.data = nil
	}
	f.lease.release()
}

// frameReader splits what a client sends into frames.
type frameReader struct {
	conn    net.Conn
	in      *bufio.Reader
	memory  *budget
	buffers *bufferPool
	step    time.Duration // the time for each part of a frame
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
	f.lease.from, f.from = r.memory, r.buffers
	defer func() {
		if err != nil {
			f.release()
		}
	}()
	paid := n > freeFrameBytes
	have := 0
	for have < n {
		step := cautiousFrameBytes
		if have == 0 && r.memory.plenty() {
			step = max(eagerFrameBytes, int(min(r.memory.limit/eagerFramePart, 1<<30)))
		}
		want := min(n, max(step, 4*have))
		if paid {
			if err := f.lease.grow(ctx, int64(bufferCap(want))); err != nil {
				return f, err
			}
		}
		next := r.buffers.get(want)
		if paid {
			f.lease.force(int64(cap(next) - bufferCap(want)))
		}
		copy(next, f.data)
		before := f.data
		f.data = next
		if before != nil {
			if paid {
				f.lease.shrink(int64(cap(before)))
			}
			r.buffers.put(before, time.Now())
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
