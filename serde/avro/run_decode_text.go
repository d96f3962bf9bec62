package avro

import (
	"encoding"
	"fmt"
	"reflect"
	"unsafe"
)

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
		return stringOf(b), end
	}
	return string(b), end
}

// bytes returns a copy in old if it is large enough, or the bytes themselves.
func (d *decoder) bytes(old []byte, begin, end int) []byte {
	if d.alias {
		return d.buf[begin:end:end]
	}
	if old == nil {
		old = make([]byte, 0, end-begin)
	}
	return append(old[:0], d.buf[begin:end]...)
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
