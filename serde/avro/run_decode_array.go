package avro

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"unsafe"
)

// mostAtOnce bounds the memory that is taken on the word of a block count;
// beyond it a slice grows as its items arrive.
const mostAtOnce = 1 << 18

// grow makes space for count more items or as many as mostAtOnce allows, and at
// least for one. Items behind s.len are zero.
func (op *decOp) grow(s *slice, count int) {
	if op.size > 0 {
		count = min(count, mostAtOnce/int(op.size))
	}
	if count = max(1, count); s.cap-s.len < count {
		s.cap = s.len // what is behind stays with the old memory
		sliceAt(op.pointer, unsafe.Pointer(s)).Grow(count)
	}
}

func (d *decoder) array(op *decOp, s *slice, pos int) int {
	item := op.plan.item
	s.len = 0
	for {
		count, next, end := d.block(pos, item.minBytes, item.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			if s.data == nil {
				sliceAt(op.pointer, unsafe.Pointer(s)).Set(reflect.MakeSlice(op.typ, 0, 0))
			}
			return pos
		}
		if s.cap-s.len < count {
			op.grow(s, count+d.aheadFirst(s.len, end, item.minBytes))
		}
		for left := count; left > 0; {
			if s.len == s.cap {
				op.grow(s, left)
			}
			n := min(left, s.cap-s.len)
			at := unsafe.Add(s.data, uintptr(s.len)*op.size)
			if op.sub.recursive {
				n = 1
				d.item = 0
				pos = d.prog(op.sub, at, pos)
			} else {
				pos = d.loop(op.sub.ops, at, pos, n, op.size)
			}
			if pos < 0 {
				d.trail.index(s.len + d.item)
				return pos
			}
			s.len += n
			left -= n
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

// aheadFirst is ahead for the first block of an array.
func (d *decoder) aheadFirst(seen, end, minBytes int) int {
	if seen > 0 {
		return 0
	}
	return d.ahead(end, minBytes)
}

// ahead returns how many items the blocks behind the one that ends at end
// announce, as far as their heads can be found by written sizes. It is only a
// hint for how much room to make.
func (d *decoder) ahead(end, minBytes int) int {
	total := 0
	for range 64 {
		if end == 0 || minBytes == 0 {
			break
		}
		n, pos := readLong(d.buf, end)
		if pos < 0 || n == 0 || n == math.MinInt64 {
			break
		}
		sized := n < 0
		n = max(n, -n)
		end = 0
		if sized {
			size, behind := readLong(d.buf, pos)
			if behind < 0 || size < 0 || size > int64(len(d.buf)-behind) {
				break
			}
			pos, end = behind, behind+int(size)
		}
		if n > int64((len(d.buf)-pos)/minBytes) {
			break
		}
		total += int(n)
	}
	return total
}

// goArray reads exactly n items.
func (d *decoder) goArray(op *decOp, p unsafe.Pointer, pos int) int {
	seen := 0
	for {
		count, next, end := d.block(pos, op.plan.item.minBytes, op.plan.item.zeros)
		if next < 0 {
			return next
		}
		if count == 0 {
			if seen != op.n {
				return d.fail(pos, strconv.Itoa(op.n)+" items for "+op.typ.String(), strconv.Itoa(seen))
			}
			return next
		}
		if count > op.n-seen {
			return d.fail(pos, strconv.Itoa(op.n)+" items for "+op.typ.String(), "more")
		}
		pos = next
		for range count {
			if pos = d.prog(op.sub, unsafe.Add(p, uintptr(seen)*op.size), pos); pos < 0 {
				d.trail.index(seen)
				return pos
			}
			seen++
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) longs(s *[]int64, pos int) int {
	out := (*s)[:0]
	if out == nil {
		out = []int64{}
	}
	for {
		count, next, end := d.block(pos, 1, 0)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			*s = out
			return pos
		}
		if cap(out)-len(out) < count {
			out = slices.Grow(out, count+d.aheadFirst(len(out), end, 1))
		}
		first := len(out)
		out = out[:first+count]
		read, next := readLongs(out[first:], d.buf, pos)
		if read < count {
			d.trail.index(first + read)
			return d.number(pos, next, "long")
		}
		if pos = d.blockEnd(next, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) doubles(s *[]float64, pos int) int {
	out := (*s)[:0]
	if out == nil {
		out = []float64{}
	}
	for {
		count, next, end := d.block(pos, 8, 0)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			*s = out
			return pos
		}
		if cap(out)-len(out) < count {
			out = slices.Grow(out, count+d.aheadFirst(len(out), end, 8))
		}
		first := len(out)
		out = out[:first+count]
		readDoubles(out[first:], d.buf[pos:pos+8*count])
		if pos = d.blockEnd(pos+8*count, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) strings(s *[]string, pos int) int {
	out := (*s)[:0]
	if out == nil {
		out = []string{}
	}
	for {
		count, next, end := d.block(pos, 1, 0)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			*s = out
			return pos
		}
		if free := cap(out) - len(out); free < count && free < mostAtOnce/16 {
			out = slices.Grow(out, min(count+d.aheadFirst(len(out), end, 1), mostAtOnce/16))
		}
		for range count {
			if len(out) == cap(out) {
				out = slices.Grow(out, 1)
			}
			out = out[:len(out)+1]
			if pos = d.readString(&out[len(out)-1], pos); pos < 0 {
				d.trail.index(len(out) - 1)
				return -1
			}
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}
