package avro

import (
	"fmt"
	"math/big"
	"slices"
	"time"
	"unsafe"
)

// What generated code reads values with. Each reads at pos into *p and returns
// the position behind the value, negative after a fault; t is the type in the
// schema where the meaning or the bounds depend on it.

// Boolean reads a boolean.
func (d *Decoding) Boolean(pos int, p *bool) int {
	v, next := d.boolean(pos)
	if next >= 0 {
		*p = v
	}
	return next
}

// Int reads an int.
func (d *Decoding) Int(pos int, p *int32) int {
	v, next := readInt(d.buf, pos)
	if next < 0 {
		return d.number(pos, next, "int")
	}
	*p = int32(v)
	return next
}

// Long reads a long.
func (d *Decoding) Long(pos int, p *int64) int {
	v, next := readLong(d.buf, pos)
	if next < 0 {
		return d.number(pos, next, "long")
	}
	*p = v
	return next
}

// Float reads a float.
func (d *Decoding) Float(pos int, p *float32) int {
	next := d.fixed(pos, 4, "float")
	if next >= 0 {
		*p = readFloat(d.buf, pos)
	}
	return next
}

// Double reads a double.
func (d *Decoding) Double(pos int, p *float64) int {
	next := d.fixed(pos, 8, "double")
	if next >= 0 {
		*p = readDouble(d.buf, pos)
	}
	return next
}

// String reads a string. Like those of any codec it may share a block of memory
// with other texts of the value.
func (d *Decoding) String(pos int, p *string) int { return d.readString(p, pos) }

// Bytes reads bytes, into *p if there is room.
func (d *Decoding) Bytes(pos int, p *[]byte) int {
	begin, end := d.length(pos, "bytes")
	if begin < 0 {
		return begin
	}
	*p = d.bytes(*p, begin, end)
	return end
}

// Fixed reads a fixed of the size of p.
func (d *Decoding) Fixed(pos int, p []byte, t *GeneratedType) int {
	next := d.fixed(pos, len(p), t.plan.label)
	if next >= 0 {
		copy(p, d.buf[pos:next])
	}
	return next
}

// Symbol reads an enum.
func (d *Decoding) Symbol(pos int, p *string, t *GeneratedType) int {
	k, next := d.symbol(pos, t.plan.w)
	if next >= 0 {
		*p = t.plan.w.Symbols[k]
	}
	return next
}

// Time reads a date or a timestamp.
func (d *Decoding) Time(pos int, p *time.Time, t *GeneratedType) int {
	v, next := d.integer(pos, t.plan.kind)
	if next >= 0 {
		*p = timeOf(t.plan.w.Logical, v)
	}
	return next
}

// Clock reads a time of day.
func (d *Decoding) Clock(pos int, p *time.Duration, t *GeneratedType) int {
	v, next := d.integer(pos, t.plan.kind)
	if next < 0 {
		return next
	}
	if next = d.checkDuration(t.plan.w, v, pos, next); next >= 0 {
		*p = clockOf(t.plan.w.Logical, v)
	}
	return next
}

// Rat reads a decimal or a big-decimal into a new *big.Rat.
func (d *Decoding) Rat(pos int, p **big.Rat, t *GeneratedType) int {
	v, next := d.decimal(t.plan, t.plan.w, pos)
	if next >= 0 {
		*p = v
	}
	return next
}

// Duration reads a duration.
func (d *Decoding) Duration(pos int, p *LogicalDuration, t *GeneratedType) int {
	next := d.fixed(pos, 12, t.plan.label)
	if next >= 0 {
		*p = readDuration(d.buf[pos:])
	}
	return next
}

// Any reads into a field of type any.
func (d *Decoding) Any(pos int, p *any, t *GeneratedType) int {
	v, next := d.generic(t.plan, pos, true)
	if next >= 0 {
		*p = v
	}
	return next
}

// DecodeAny reads into a slice or map of any.
func DecodeAny[T any](d *Decoding, pos int, p *T, t *GeneratedType) int {
	v, next := d.generic(t.plan, pos, true)
	if next < 0 {
		return next
	}
	held, ok := v.(T)
	if v != nil && !ok {
		return d.fail(pos, fmt.Sprintf("a value for Go type %T", *p), fmt.Sprintf("a %T", v))
	}
	*p = held
	return next
}

// Longs reads an array of long.
func (d *Decoding) Longs(pos int, p *[]int64) int { return d.longs(p, pos) }

// Doubles reads an array of double.
func (d *Decoding) Doubles(pos int, p *[]float64) int { return d.doubles(p, pos) }

// Strings reads an array of string.
func (d *Decoding) Strings(pos int, p *[]string) int { return d.strings(p, pos) }

// StringMap reads a map of string.
func (d *Decoding) StringMap(pos int, p *map[string]string) int { return d.mapString(p, pos) }

// DecodeSlice reads an array of type t, into the items that *p has.
func DecodeSlice[T any](d *Decoding, pos int, p *[]T, t *GeneratedType, item func(*T, *Decoding, int) int) int {
	of := t.plan.item
	out := (*p)[:0]
	if out == nil {
		out = []T{}
	}
	for {
		count, next, end := d.block(pos, of.minBytes, of.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			*p = out
			return pos
		}
		if cap(out)-len(out) < count {
			out = growItems(out, count+d.aheadFirst(len(out), end, of.minBytes))
		}
		for left := count; left > 0; left-- {
			if len(out) == cap(out) {
				out = growItems(out, left)
			}
			out = out[:len(out)+1]
			if pos = item(&out[len(out)-1], d, pos); pos < 0 {
				d.trail.index(len(out) - 1)
				*p = out[:len(out)-1]
				return pos
			}
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

// growItems makes space for count more items or as many as mostAtOnce allows,
// and at least for one, which are zero.
func growItems[T any](s []T, count int) []T {
	var zero T
	if size := int(unsafe.Sizeof(zero)); size > 0 {
		count = min(count, mostAtOnce/size)
	}
	return slices.Grow(s[:len(s):len(s)], max(1, count))
}

// DecodeMap reads a map of type t. A map that *p has is emptied and filled.
func DecodeMap[T any](d *Decoding, pos int, p *map[string]T, t *GeneratedType, item func(*T, *Decoding, int) int) int {
	of := t.plan.item
	if *p == nil {
		*p = map[string]T{}
	} else {
		clear(*p)
	}
	var v, zero T
	for {
		count, next, end := d.block(pos, of.minBytes+1, of.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			return pos
		}
		for range count {
			var k string
			if pos = d.readKey(&k, pos); pos < 0 {
				return pos
			}
			v = zero
			if pos = item(&v, d, pos); pos < 0 {
				d.trail.key(k)
				return pos
			}
			(*p)[k] = v
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

// DecodePointer reads into what *p points to, or into something new.
func DecodePointer[T any](d *Decoding, pos int, p **T, item func(*T, *Decoding, int) int) int {
	if *p == nil {
		*p = new(T)
	}
	return item(*p, d, pos)
}

// DecodeOptional reads a union of type t: nil for null.
func DecodeOptional[T any](d *Decoding, pos int, p **T, t *GeneratedType, item func(*T, *Decoding, int) int) int {
	k, next := d.unionIndex(pos, len(t.plan.branches))
	switch {
	case next < 0:
	case k == t.plan.un.null:
		*p = nil
	default:
		return DecodePointer(d, next, p, item)
	}
	return next
}

// DecodeNullable reads a union of type t: the zero value for null.
func DecodeNullable[T any](d *Decoding, pos int, p *T, t *GeneratedType, item func(*T, *Decoding, int) int) int {
	k, next := d.unionIndex(pos, len(t.plan.branches))
	switch {
	case next < 0:
	case k == t.plan.un.null:
		var zero T
		*p = zero
	default:
		return item(p, d, next)
	}
	return next
}
