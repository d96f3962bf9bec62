package group

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("ends too early")

// cursor reads Kafka's wire types. The first fault sticks; a length is checked
// against the bytes left before anything is made of it.
type cursor struct {
	b   []byte
	err error
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.b = nil
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.fail(errShort)
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) int8() int8 {
	if b := c.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (c *cursor) int16() int16 {
	if b := c.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (c *cursor) int32() int32 {
	if b := c.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (c *cursor) int64() int64 {
	if b := c.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (c *cursor) uvarint() uint32 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > 1<<32-1 {
		c.fail(errors.New("bad varint"))
		return 0
	}
	c.b = c.b[n:]
	return uint32(v)
}

// string reads a string with a 16-bit length.
func (c *cursor) string() string { return string(c.take(int(c.int16()))) }

func (c *cursor) nullableString() *string {
	n := c.int16()
	if n == -1 {
		return nil
	}
	s := string(c.take(int(n)))
	return &s
}

// nullableBytes reads bytes with a 32-bit length; they alias the input.
func (c *cursor) nullableBytes() []byte {
	n := c.int32()
	if n == -1 {
		return nil
	}
	return c.take(int(n))
}

// arrayLen reads a 32-bit array length whose elements take at least min bytes
// each. A null array has length 0.
func (c *cursor) arrayLen(min int) int {
	n := int(c.int32())
	if n == -1 {
		return 0
	}
	return c.bounded(n, min)
}

func (c *cursor) bounded(n, min int) int {
	if c.err != nil {
		return 0
	}
	if n < 0 || n > len(c.b)/min {
		c.fail(fmt.Errorf("array of %d elements in %d bytes", n, len(c.b)))
		return 0
	}
	return n
}

func (c *cursor) compactString() string {
	n := c.uvarint()
	if n == 0 {
		c.fail(errors.New("null string"))
		return ""
	}
	return string(c.take(int(n) - 1))
}

func (c *cursor) compactNullableString() *string {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	s := string(c.take(int(n) - 1))
	return &s
}

func (c *cursor) compactBytes() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	return append([]byte(nil), c.take(int(n)-1)...)
}

func (c *cursor) compactArrayLen(min int) int {
	n := c.uvarint()
	if n == 0 {
		return 0
	}
	return c.bounded(int(n)-1, min)
}

// tags reads tagged fields, handing each to known; what known does not take is skipped.
func (c *cursor) tags(known func(tag uint32, body *cursor)) {
	for n := c.uvarint(); n > 0 && c.err == nil; n-- {
		tag := c.uvarint()
		body := cursor{b: c.take(int(c.uvarint()))}
		if known != nil && c.err == nil {
			known(tag, &body)
			if body.err != nil {
				c.fail(body.err)
			}
		}
	}
}

func appendString(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendUvarint(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendCompactString(b []byte, s string) []byte {
	return append(appendUvarint(b, len(s)+1), s...)
}

func appendCompactNullableString(b []byte, s *string) []byte {
	if s == nil {
		return append(b, 0)
	}
	return appendCompactString(b, *s)
}

func appendInt32s(b []byte, v []int32) []byte {
	b = appendUvarint(b, len(v)+1)
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return b
}

func (c *cursor) int32s() []int32 {
	out := make([]int32, c.compactArrayLen(4))
	for i := range out {
		out[i] = c.int32()
	}
	return out
}
