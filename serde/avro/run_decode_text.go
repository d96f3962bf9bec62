package avro

import (
	"encoding"
	"fmt"
	"reflect"
	"unsafe"
)

// Where the texts of a value live: strings, map keys and byte slices are copied
// into blocks that they share, so that a value costs a few allocations and not
// one for each. A block belongs to one value. A text that is kept keeps its
// block, which is of at most blockBytes, or with WithArena of at most the bytes
// of the payload.
const (
	blockBytes = 1 << 10
	// longText is the length from which a text has its own memory.
	longText = blockBytes / 4
)

// texts makes room for the copies of texts. The zero value gives each its own
// memory.
type texts struct {
	free  []byte // of the newest block
	most  int    // size of a block
	long  int    // texts of this length and more have their own memory
	hint  int    // bytes of the texts of values like this one
	taken int    // bytes of texts so far
}

// room returns memory for n bytes of text. No more than rest bytes are to come
// with them.
func (t *texts) room(n, rest int) []byte {
	if n >= t.long {
		return make([]byte, n)
	}
	if n > len(t.free) {
		size := t.hint - t.taken
		if size < n {
			size = blockBytes / 4
		}
		t.free = make([]byte, max(n, min(size, rest, t.most)))
	}
	t.taken += n
	b := t.free[:n:n]
	t.free = t.free[n:]
	return b
}

func (d *decoder) badText(begin int, b []byte) int {
	bad := firstInvalid(b)
	return d.fail(begin+bad, "UTF-8", fmt.Sprintf("byte 0x%02X", b[bad]))
}

// str returns the string between two positions, -1 as the second result if it
// is not UTF-8 and must be.
func (d *decoder) str(begin, end int) (string, int) {
	b := d.buf[begin:end]
	if d.text && !validText(d.buf, begin, len(b)) {
		return "", d.badText(begin, b)
	}
	if d.alias {
		d.texts.taken += len(b)
		return stringOf(b), end
	}
	if len(b) == 0 {
		return "", end
	}
	kept := d.texts.room(len(b), len(d.buf)-begin)
	copy(kept, b)
	return stringOf(kept), end
}

// readString reads a string or bytes into a string.
func (d *decoder) readString(to *string, pos int) int {
	n, begin := readLong(d.buf, pos)
	if begin < 0 || uint64(n) > uint64(len(d.buf)-begin) {
		pos, _ = d.length(pos, "string")
		return pos
	}
	s, end := d.str(begin, begin+int(n))
	if end >= 0 {
		*to = s
	}
	return end
}

// bytes returns a copy in old if it is large enough, or the bytes themselves.
func (d *decoder) bytes(old []byte, begin, end int) []byte {
	if d.alias {
		d.texts.taken += end - begin
		return d.buf[begin:end:end]
	}
	b := d.buf[begin:end]
	if old == nil && len(b) > 0 {
		old = d.texts.room(len(b), len(d.buf)-begin)
	} else if old == nil {
		return []byte{}
	}
	return append(old[:0], b...)
}

// readText gives a string or symbol to a TextUnmarshaler.
func (d *decoder) readText(op *decOp, p unsafe.Pointer, pos int) int {
	var text []byte
	next := pos
	if op.plan.kind == pEnum {
		var k int
		if k, next = d.symbol(pos, op.plan.w); next < 0 {
			return next
		}
		if k, next = d.resolved2(pos, k, op.plan, next); next < 0 {
			return next
		}
		text = []byte(op.plan.r.Symbols[k])
	} else {
		begin, end := d.length(pos, "string")
		if begin < 0 {
			return begin
		}
		text, next = append([]byte(nil), d.buf[begin:end]...), end
	}
	u := reflect.NewAt(op.typ, p).Interface().(encoding.TextUnmarshaler)
	if err := u.UnmarshalText(text); err != nil {
		return d.failWith(pos, err)
	}
	return next
}
