package avro

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unsafe"
)

// mostAtOnce bounds the memory that is taken on the word of a block count;
// beyond it a slice grows as its items arrive.
const mostAtOnce = 1 << 18

// room returns s with space for count more items or as many as mostAtOnce
// allows, and at least one.
func (s *slice) room(t reflect.Type, size uintptr, count int) {
	if s.cap-s.len >= count {
		return
	}
	if size > 0 {
		count = min(count, mostAtOnce/int(size))
	}
	count = max(1, s.len, count)
	if s.cap-s.len >= count {
		return
	}
	fresh := reflect.MakeSlice(t, s.len, s.len+count)
	if s.len > 0 {
		old := reflect.NewAt(t, unsafe.Pointer(s)).Elem()
		reflect.Copy(fresh, old)
	}
	s.data, s.cap = fresh.UnsafePointer(), s.len+count
}

func (d *decoder) array(op *decOp, s *slice, pos int) int {
	s.len = 0
	for {
		count, next, end := d.block(pos, op.plan.item.minBytes, op.plan.item.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			if s.data == nil {
				empty := reflect.MakeSlice(op.typ, 0, 0)
				s.data = empty.UnsafePointer()
			}
			return pos
		}
		if s.len == 0 {
			s.room(op.typ, op.size, count+d.ahead(end, op.plan.item.minBytes))
		}
		for left := count; left > 0; {
			if s.len == s.cap {
				s.room(op.typ, op.size, left)
			}
			n := min(left, s.cap-s.len)
			item := unsafe.Add(s.data, uintptr(s.len)*op.size)
			if op.sub.recursive {
				n = 1
				d.item = 0
				pos = d.prog(op.sub, item, pos)
			} else {
				pos = d.loop(op.sub.ops, item, pos, n, op.size)
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

func (d *decoder) longs(op *decOp, s *[]int64, pos int) int {
	buf := d.buf
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
		for i := first; i < len(out); i++ {
			if b := buf[pos:]; len(b) > 0 && b[0] < 0x80 {
				out[i] = unzig(b[0])
				pos++
				continue
			}
			v, next := readLongSlow(buf, pos)
			if next < 0 {
				d.trail.index(i)
				return d.number(pos, next, "long")
			}
			out[i] = v
			pos = next
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) doubles(op *decOp, s *[]float64, pos int) int {
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
		raw := d.buf[pos : pos+8*count]
		first := len(out)
		out = out[:first+count]
		for i := range out[first:] {
			out[first+i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		pos += 8 * count
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) strings(op *decOp, s *[]string, pos int) int {
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
			begin, stop := d.length(pos, "string")
			if begin < 0 {
				d.trail.index(len(out))
				return -1
			}
			v, next := d.str(begin, stop)
			if next < 0 {
				d.trail.index(len(out))
				return -1
			}
			out = append(out, v)
			pos = next
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}
