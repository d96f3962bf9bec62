package avro

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unsafe"
)

// decoder runs programs.
type decoder struct {
	cursor
	eng   *engine
	alias bool // strings and bytes may point into buf
	text  bool // check UTF-8
	item  int  // see loop
}

// prog runs a program that may be recursive.
func (d *decoder) prog(p *decProg, base unsafe.Pointer, pos int) int {
	if !p.recursive {
		return d.run(p.ops, base, pos)
	}
	if !d.enter(pos) {
		return -1
	}
	pos = d.run(p.ops, base, pos)
	d.depth--
	return pos
}

// run runs the steps of one value.
func (d *decoder) run(ops []decOp, base unsafe.Pointer, pos int) int {
	return d.loop(ops, base, pos, 1, 0)
}

// loop runs the steps of count values that lie size apart. After a fault
// d.item is the value it was in.
func (d *decoder) loop(ops []decOp, base unsafe.Pointer, pos, count int, size uintptr) int {
	buf := d.buf
	mark := 0
	done := 0
again:
	for i := range ops {
		op := &ops[i]
		p := unsafe.Add(base, op.off)
		next := 0
		switch op.code {
		case dBoolean:
			if uint(pos) >= uint(len(buf)) || buf[pos] > 1 {
				_, next = d.boolean(pos)
				break
			}
			*(*bool)(p) = buf[pos] == 1
			next = pos + 1
		case dLong64:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				*(*int64)(p) = unzig(buf[pos])
				pos++
				continue
			}
			var v int64
			if v, next = readLongSlow(buf, pos); next < 0 {
				d.number(pos, next, "long")
				break
			}
			*(*int64)(p) = v
		case dInt32:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				*(*int32)(p) = int32(unzig(buf[pos]))
				pos++
				continue
			}
			var v int64
			if v, next = readIntSlow(buf, pos); next < 0 {
				d.number(pos, next, "int")
				break
			}
			*(*int32)(p) = int32(v)
		case dInt64:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				*(*int64)(p) = unzig(buf[pos])
				pos++
				continue
			}
			var v int64
			if v, next = readIntSlow(buf, pos); next < 0 {
				d.number(pos, next, "int")
				break
			}
			*(*int64)(p) = v
		case dFloat:
			if len(buf)-pos < 4 {
				next = d.fixed(pos, 4, "float")
				break
			}
			*(*float32)(p) = readFloat(buf, pos)
			next = pos + 4
		case dDouble:
			if len(buf)-pos < 8 {
				next = d.fixed(pos, 8, "double")
				break
			}
			*(*float64)(p) = readDouble(buf, pos)
			next = pos + 8
		case dString:
			var n int64
			begin := pos + 1
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				n = unzig(buf[pos])
			} else {
				n, begin = readLongSlow(buf, pos)
			}
			if begin < 0 || uint64(n) > uint64(len(buf)-begin) {
				next, _ = d.length(pos, "string")
				break
			}
			next = begin + int(n)
			b := buf[begin:next]
			if d.text && !validText(buf, begin, len(b)) {
				next = d.badText(begin, b)
				break
			}
			if d.alias {
				*(*string)(p) = stringOf(b)
			} else {
				*(*string)(p) = string(b)
			}
		case dBytes:
			begin, end := d.length(pos, "bytes")
			if next = begin; begin < 0 {
				break
			}
			*(*[]byte)(p) = d.bytes(*(*[]byte)(p), begin, end)
			next = end
		case dFixedArray:
			if next = d.fixed(pos, op.n, op.plan.label); next < 0 {
				break
			}
			copy(unsafe.Slice((*byte)(p), op.n), buf[pos:next])
		case dFixedSlice:
			if next = d.fixed(pos, op.n, op.plan.label); next < 0 {
				break
			}
			*(*[]byte)(p) = d.bytes(*(*[]byte)(p), pos, next)
		case dSymbol:
			var k int
			if k, next = d.symbol(pos, op.plan.w); next < 0 {
				break
			}
			if k, next = d.resolved2(pos, k, op.plan, next); next >= 0 {
				*(*string)(p) = op.plan.r.Symbols[k]
			}
		case dSkipFixed:
			if next = pos + op.n; op.n > len(buf)-pos {
				next = d.check(op.plan, pos, false)
			}
		case dSkipLong:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				pos++
				continue
			}
			if _, next = readLongSlow(buf, pos); next < 0 {
				next = d.check(op.plan, pos, false)
			}
		case dSkipInt:
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				pos++
				continue
			}
			if _, next = readIntSlow(buf, pos); next < 0 {
				next = d.check(op.plan, pos, false)
			}
		case dSkipBytes:
			var n int64
			if uint(pos) < uint(len(buf)) && buf[pos] < 0x80 {
				n, next = unzig(buf[pos]), pos+1
			} else {
				n, next = readLongSlow(buf, pos)
			}
			if next < 0 || uint64(n) > uint64(len(buf)-next) {
				next = d.check(op.plan, pos, false)
				break
			}
			next += int(n)
		case dSkip:
			w := walker{buf: buf, depth: d.depth, zeros: d.zeros, text: d.text}
			if next = w.run(op.walk, pos); next < 0 {
				next = d.check(op.plan, pos, d.text)
			}
			d.zeros = w.zeros
		case dPointer:
			q := *(*unsafe.Pointer)(p)
			if q == nil {
				q = reflect.New(op.typ).UnsafePointer()
				*(*unsafe.Pointer)(p) = q
			}
			next = d.prog(op.sub, q, pos)
		case dVia:
			q := *(*unsafe.Pointer)(p)
			if q == nil {
				q = reflect.New(op.typ).UnsafePointer()
				*(*unsafe.Pointer)(p) = q
			}
			next = d.run(op.sub.ops, q, pos)
		case dRecord:
			next = d.prog(op.sub, p, pos)
		case dOptional:
			var k int
			if uint(pos) < uint(len(buf)) && buf[pos]&^2 == 0 {
				k, next = int(buf[pos]>>1), pos+1
			} else if k, next = d.unionIndex(pos, 2); next < 0 {
				break
			}
			if k == op.n {
				op.setZero(p)
				break
			}
			if op.data != nil {
				q := *(*unsafe.Pointer)(p)
				if q == nil {
					q = reflect.New(op.typ).UnsafePointer()
					*(*unsafe.Pointer)(p) = q
				}
				p = q
			}
			next = d.prog(op.sub, p, next)
		case dUnion:
			var k int
			if k, next = d.unionIndex(pos, len(op.subs)); next >= 0 {
				next = d.prog(op.subs[k], p, next)
			}
		case dArray:
			next = d.array(op, (*slice)(p), pos)
		case dArrayLong:
			next = d.longs(op, (*[]int64)(p), pos)
		case dArrayDouble:
			next = d.doubles(op, (*[]float64)(p), pos)
		case dArrayString:
			next = d.strings(op, (*[]string)(p), pos)
		case dMapString:
			next = d.mapString(op, (*map[string]string)(p), pos)
		case dMap:
			next = d.mapping(op, p, pos)
		case dZero:
			op.setZero(p)
			next = pos
		case dMark:
			mark, next = pos, pos
		case dBack:
			next = mark
		case dSetLong:
			*(*int64)(p) = int64(op.n)
			next = pos
		case dSetInt:
			*(*int32)(p) = int32(op.n)
			next = pos
		case dSetString:
			*(*string)(p) = stringOf(op.data)
			next = pos
		case dSetDouble:
			*(*float64)(p) = readDouble(op.data, 0)
			next = pos
		case dDefault:
			inner := decoder{cursor: cursor{buf: op.data, depth: d.depth}, eng: d.eng}
			next = pos
			if inner.run(op.sub.ops, base, 0) < 0 {
				d.err, d.trail = inner.err, inner.trail
				next = -1
			}
		default:
			next = d.rare(op, p, pos)
		}
		if next < 0 {
			d.trail.part(op.path)
			d.item = done
			return -1
		}
		pos = next
	}
	if done++; done < count {
		base = unsafe.Add(base, size)
		goto again
	}
	return pos
}

// setZero clears the value at p with the write barriers its type needs.
func (op *decOp) setZero(p unsafe.Pointer) {
	if op.data != nil {
		*(*unsafe.Pointer)(p) = nil
		return
	}
	switch op.typ.Kind() {
	case reflect.Pointer, reflect.Map:
		*(*unsafe.Pointer)(p) = nil
	default:
		valueAt(op.typ, p).SetZero()
	}
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

// mostBuckets bounds the size hint of a map.
const mostBuckets = 1024

func (d *decoder) mapString(op *decOp, m *map[string]string, pos int) int {
	out := *m
	clear(out)
	for {
		count, next, end := d.block(pos, 2, 0)
		if next < 0 {
			return next
		}
		pos = next
		if out == nil {
			out = make(map[string]string, min(count, mostBuckets))
		}
		if count == 0 {
			*m = out
			return pos
		}
		for range count {
			begin, stop := d.length(pos, "map key")
			if begin < 0 {
				return -1
			}
			k, next := d.str(begin, stop)
			if next < 0 {
				return -1
			}
			if begin, stop = d.length(next, "string"); begin < 0 {
				d.trail.key(k)
				return -1
			}
			v, next := d.str(begin, stop)
			if next < 0 {
				d.trail.key(k)
				return -1
			}
			out[k] = v
			pos = next
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) mapping(op *decOp, p unsafe.Pointer, pos int) int {
	m := valueAt(op.typ, p)
	if m.IsNil() {
		m.Set(reflect.MakeMap(op.typ))
	} else {
		m.Clear()
	}
	key := reflect.New(op.typ.Key()).Elem()
	value := reflect.New(op.typ.Elem())
	for {
		count, next, end := d.block(pos, op.plan.item.minBytes+1, op.plan.item.zeros)
		if next < 0 {
			return next
		}
		pos = next
		if count == 0 {
			return pos
		}
		for range count {
			begin, stop := d.length(pos, "map key")
			if begin < 0 {
				return -1
			}
			k, next := d.str(begin, stop)
			if next < 0 {
				return -1
			}
			value.Elem().SetZero()
			if pos = d.prog(op.sub, value.UnsafePointer(), next); pos < 0 {
				d.trail.key(k)
				return pos
			}
			key.SetString(k)
			m.SetMapIndex(key, value.Elem())
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

// rare are the steps that convert or call out.
func (d *decoder) rare(op *decOp, p unsafe.Pointer, pos int) int {
	switch op.code {
	case dGoArray:
		return d.goArray(op, p, pos)
	case dRefuse:
		return d.fail(pos, "a value that the reader has a place for", op.plan.reason)
	case dAny:
		v, next := d.generic(op.plan, pos, true)
		if next < 0 {
			return next
		}
		return d.store(op, p, v, pos, next)
	case dConvert:
		v, next := d.under(op.plan, pos, false)
		if next < 0 {
			return next
		}
		out, err := op.conv(v)
		if err != nil {
			return d.failWith(pos, err)
		}
		return d.store(op, p, out, pos, next)
	case dWhole:
		v, next := d.integer(pos, op.plan.kind)
		if next >= 0 && !writeWhole(op.typ.Kind(), p, v) {
			return d.fail(pos, "a number for Go type "+op.typ.String(), strconv.FormatInt(v, 10))
		}
		return next
	case dToFloat, dToDouble:
		f, next := d.promoted(op.plan, pos)
		if next < 0 {
			return next
		}
		if op.code == dToFloat {
			*(*float32)(p) = float32(f)
		} else {
			*(*float64)(p) = f
		}
		return next
	case dTime, dClock:
		v, next := d.integer(pos, op.plan.kind)
		if next < 0 {
			return next
		}
		if op.code == dTime {
			*(*time.Time)(p) = timeOf(op.mean.Logical, v)
			return next
		}
		if next = d.checkDuration(op.mean, v, pos, next); next >= 0 {
			*(*time.Duration)(p) = clockOf(op.mean.Logical, v)
		}
		return next
	case dRat, dRatPointer:
		r, next := d.decimal(op.plan, op.mean, pos)
		if next < 0 {
			return next
		}
		if op.code == dRatPointer {
			*(**big.Rat)(p) = r
		} else {
			(*big.Rat)(p).Set(r)
		}
		return next
	case dUUIDText:
		begin, end := d.length(pos, "uuid")
		if begin < 0 {
			return begin
		}
		u, ok := parseUUID(d.buf[begin:end])
		if !ok {
			return d.fail(begin, "uuid", strconv.Quote(clip(string(d.buf[begin:end]))))
		}
		copy(unsafe.Slice((*byte)(p), 16), u[:])
		return end
	case dUUIDFixed:
		next := d.fixed(pos, 16, op.plan.label)
		if next >= 0 {
			*(*string)(p) = string(appendUUID(nil, d.buf[pos:next]))
		}
		return next
	case dDuration:
		next := d.fixed(pos, 12, op.plan.label)
		if next >= 0 {
			*(*LogicalDuration)(p) = readDuration(d.buf[pos:])
		}
		return next
	}
	return d.readText(op, p, pos)
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

// store puts a dynamic value into the interface or container at p.
func (d *decoder) store(op *decOp, p unsafe.Pointer, v any, pos, next int) int {
	if op.typ == anyType {
		*(*any)(p) = v
		return next
	}
	target := valueAt(op.typ, p)
	if v == nil {
		target.SetZero()
		return next
	}
	value := reflect.ValueOf(v)
	switch {
	case value.Type().AssignableTo(op.typ):
		target.Set(value)
	case op.typ.Kind() != reflect.Interface && value.Kind() == op.typ.Kind() && value.CanConvert(op.typ):
		target.Set(value.Convert(op.typ))
	default:
		return d.fail(pos, "a value for Go type "+op.typ.String(), "a "+value.Type().String())
	}
	return next
}

func writeWhole(k reflect.Kind, p unsafe.Pointer, v int64) bool {
	switch k {
	case reflect.Int8:
		*(*int8)(p) = int8(v)
		return v == int64(int8(v))
	case reflect.Int16:
		*(*int16)(p) = int16(v)
		return v == int64(int16(v))
	case reflect.Int32:
		*(*int32)(p) = int32(v)
		return v == int64(int32(v))
	case reflect.Int:
		*(*int)(p) = int(v)
		return v == int64(int(v))
	case reflect.Uint8:
		*(*uint8)(p) = uint8(v)
		return v == int64(uint8(v))
	case reflect.Uint16:
		*(*uint16)(p) = uint16(v)
		return v == int64(uint16(v))
	case reflect.Uint32:
		*(*uint32)(p) = uint32(v)
		return v == int64(uint32(v))
	case reflect.Uint:
		*(*uint)(p) = uint(v)
		return v >= 0 && uint64(v) <= math.MaxUint
	case reflect.Uint64:
		*(*uint64)(p) = uint64(v)
		return v >= 0
	}
	*(*int64)(p) = v
	return true
}

// registered reads a value into a new value of a registered type.
func (d *decoder) registered(p *plan, t reflect.Type, pos int) (any, int) {
	elem := t
	if t.Kind() == reflect.Pointer {
		elem = t.Elem()
	}
	made := d.eng.decFor(p, elem)
	if made.err != nil {
		return nil, d.failWith(pos, made.err)
	}
	v := reflect.New(elem)
	if pos = d.prog(made.prog, v.UnsafePointer(), pos); pos < 0 {
		return nil, pos
	}
	if t.Kind() == reflect.Pointer {
		return v.Interface(), pos
	}
	return v.Elem().Interface(), pos
}
