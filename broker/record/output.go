package record

import (
	"io"
	"sync"
)

// pooledBufferBytes is the largest buffer that is kept for reuse.
const pooledBufferBytes = 4 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= pooledBufferBytes {
		buffers.Put(b)
	}
}

// output is what a compressed block is opened into: a buffer that grows as far as
// there is use for it, and asks before it does.
type output struct {
	b     []byte
	start int // where the block's bytes begin
	max   int // of them
	// room is asked for bytes before they are allocated, and told of those that are
	// no longer in use by a negative number. Nil: nobody has to be asked.
	room func(n int) error
}

// roomError is why there is no room, which is no fault of the block.
type roomError struct{ cause error }

func (e *roomError) Error() string { return e.cause.Error() }
func (e *roomError) Unwrap() error { return e.cause }

func newOutput(dst []byte, maxBytes int, room func(int) error) output {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxUncompressedBytes
	}
	return output{b: dst, start: len(dst), max: maxBytes, room: room}
}

// reserve makes room for n bytes of the block in all, those it has already included.
func (o *output) reserve(n int) error {
	was := cap(o.b)
	if was-o.start >= n {
		return nil
	}
	if err := o.ask(o.start + n); err != nil {
		return err
	}
	o.b = append(make([]byte, 0, o.start+n), o.b...)
	return o.ask(-was)
}

func (o *output) ask(n int) error {
	if o.room == nil {
		return nil
	}
	if err := o.room(n); err != nil {
		return &roomError{err}
	}
	return nil
}

// append adds bytes that are there already.
func (o *output) append(p []byte) error {
	have := len(o.b) - o.start + len(p)
	if have > o.max {
		return tooLarge(o.max)
	}
	if err := o.reserve(have); err != nil {
		return err
	}
	o.b = append(o.b, p...)
	return nil
}

// readFrom reads all that r has; expected is a guess at how much that is, and costs
// as much if it is wrong.
func (o *output) readFrom(r io.Reader, expected int) error {
	// One byte more than there is shows that there is no more.
	if err := o.reserve(min(max(expected, 1<<10), o.max) + 1); err != nil {
		return err
	}
	for {
		if len(o.b) == cap(o.b) {
			if err := o.reserve(min(2*(cap(o.b)-o.start), o.max+1)); err != nil {
				return err
			}
		}
		end := min(cap(o.b), o.start+o.max+1)
		n, err := r.Read(o.b[len(o.b):end])
		o.b = o.b[:len(o.b)+n]
		if len(o.b)-o.start > o.max {
			return tooLarge(o.max)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
