package avro

import (
	"math"
	"reflect"
	"unsafe"
)

// decoder runs programs.
type decoder struct {
	cursor
	eng   *engine
	texts texts
	alias bool // strings and bytes may point into buf
	text  bool // check UTF-8
	item  int  // see loop
}

// prog runs a program that may be recursive.
func (d *decoder) prog(p *decProg, base unsafe.Pointer, pos int) int {
	if !p.recursive {
		return d.loop(p.ops, base, pos, 1, 0)
	}
	if !d.enter(pos) {
		return -1
	}
	pos = d.loop(p.ops, base, pos, 1, 0)
	d.depth--
	return pos
}

// loop runs the steps of count values that lie size apart; count is at least
// one, and the last step is dEnd. After a fault d.item is the value it was in.
//
// A step is done here only where that takes no call and cannot fail; else it
// breaks out of the switch, and d.step does it from its beginning. With that
// one call the compiler keeps everything in registers on the way to it.
func (d *decoder) loop(ops []decOp, base unsafe.Pointer, pos, count int, size uintptr) int {
	buf := d.buf
	op := &ops[0]
	done := 0
	for {
		switch op.code {
		case dEnd:
			if done++; done == count {
				return pos
			}
			base = unsafe.Add(base, size)
			op = &ops[0]
			continue
		case dBoolean:
			if uint(pos) >= uint(len(buf)) || buf[pos] > 1 {
				break
			}
			*(*bool)(unsafe.Add(base, op.off)) = buf[pos] != 0
			pos++
			op = op.next()
			continue
		case dLong64:
			if uint(pos) >= uint(len(buf)) {
				break
			}
			if b := buf[pos]; b < 0x80 {
				*(*int64)(unsafe.Add(base, op.off)) = unzig(b)
				pos++
				op = op.next()
				continue
			}
			if len(buf)-pos < 8 {
				break
			}
			w := load64(buf, pos)
			stop := ^w & highBits
			if stop == 0 {
				break
			}
			*(*int64)(unsafe.Add(base, op.off)) = joinLong(w, stop)
			pos += longBytes(stop)
			op = op.next()
			continue
		case dInt32:
			if uint(pos) >= uint(len(buf)) {
				break
			}
			if b := buf[pos]; b < 0x80 {
				*(*int32)(unsafe.Add(base, op.off)) = int32(unzig(b))
				pos++
				op = op.next()
				continue
			}
			if len(buf)-pos < 8 {
				break
			}
			w := load64(buf, pos)
			stop := ^w & highBits
			v := joinLong(w, stop)
			if stop == 0 || longBytes(stop) > 5 || v != int64(int32(v)) {
				break
			}
			*(*int32)(unsafe.Add(base, op.off)) = int32(v)
			pos += longBytes(stop)
			op = op.next()
			continue
		case dInt64:
			if uint(pos) >= uint(len(buf)) || buf[pos] >= 0x80 {
				break
			}
			*(*int64)(unsafe.Add(base, op.off)) = unzig(buf[pos])
			pos++
			op = op.next()
			continue
		case dFloat:
			if len(buf)-pos < 4 {
				break
			}
			*(*float32)(unsafe.Add(base, op.off)) = readFloat(buf, pos)
			pos += 4
			op = op.next()
			continue
		case dDouble:
			if len(buf)-pos < 8 {
				break
			}
			*(*float64)(unsafe.Add(base, op.off)) = math.Float64frombits(load64(buf, pos))
			pos += 8
			op = op.next()
			continue
		case dString:
			if uint(pos) >= uint(len(buf)) || d.text {
				break
			}
			// A negative length is odd here, and too large without its sign.
			n, begin := uint(unzig(buf[pos])), pos+1
			if buf[pos] >= 0x80 || n > uint(len(buf)-begin) {
				break
			}
			if n == 0 { // and there may be no byte to point to
				*(*string)(unsafe.Add(base, op.off)) = ""
				pos = begin
				op = op.next()
				continue
			}
			text := unsafe.Add(unsafe.Pointer(unsafe.SliceData(buf)), begin)
			if !d.alias {
				// A short copy may take a few moves that overlap.
				if n > 32 || n < 4 || n > uint(len(d.texts.free)) {
					break
				}
				to := unsafe.Pointer(unsafe.SliceData(d.texts.free))
				if n < 8 {
					move4(to, text)
					move4(unsafe.Add(to, n-4), unsafe.Add(text, n-4))
				} else {
					move8(to, text)
					move8(unsafe.Add(to, n-8), unsafe.Add(text, n-8))
					if n > 16 {
						move8(unsafe.Add(to, 8), unsafe.Add(text, 8))
						move8(unsafe.Add(to, n-16), unsafe.Add(text, n-16))
					}
				}
				text = to
				d.texts.free = d.texts.free[n:]
			}
			d.texts.taken += int(n)
			*(*string)(unsafe.Add(base, op.off)) = unsafe.String((*byte)(text), n)
			pos = begin + int(n)
			op = op.next()
			continue
		case dSymbol:
			if uint(pos) >= uint(len(buf)) {
				break
			}
			k := uint(unzig(buf[pos]))
			if buf[pos] >= 0x80 || k >= uint(len(op.symbols)) || op.symbols[k] == "" {
				break
			}
			*(*string)(unsafe.Add(base, op.off)) = op.symbols[k]
			pos++
			op = op.next()
			continue
		case dSkipFixed:
			if op.n > len(buf)-pos {
				break
			}
			pos += op.n
			op = op.next()
			continue
		case dSkipLong, dSkipInt:
			if uint(pos) >= uint(len(buf)) || buf[pos] >= 0x80 {
				break
			}
			pos++
			op = op.next()
			continue
		case dSkipBytes:
			if uint(pos) >= uint(len(buf)) {
				break
			}
			n, begin := uint(unzig(buf[pos])), pos+1
			if buf[pos] >= 0x80 || n > uint(len(buf)-begin) {
				break
			}
			pos = begin + int(n)
			op = op.next()
			continue
		case dOptionalPointer:
			if uint(pos) >= uint(len(buf)) || int(buf[pos]) != 2*op.n {
				break
			}
			*(*unsafe.Pointer)(unsafe.Add(base, op.off)) = nil
			pos++
			op = op.next()
			continue
		case dSetLong:
			*(*int64)(unsafe.Add(base, op.off)) = int64(op.n)
			op = op.next()
			continue
		case dSetInt:
			*(*int32)(unsafe.Add(base, op.off)) = int32(op.n)
			op = op.next()
			continue
		case dSetString:
			*(*string)(unsafe.Add(base, op.off)) = stringOf(op.data)
			op = op.next()
			continue
		case dSetDouble:
			*(*float64)(unsafe.Add(base, op.off)) = readDouble(op.data, 0)
			op = op.next()
			continue
		}
		next := d.step(op, base, pos)
		if next < 0 {
			d.trail.part(op.path)
			d.item = done
			return -1
		}
		pos = next
		op = op.next()
	}
}

// next is the step behind op, which is not dEnd.
func (op *decOp) next() *decOp {
	return (*decOp)(unsafe.Add(unsafe.Pointer(op), unsafe.Sizeof(*op)))
}

// step does any step but dEnd of the value at base.
func (d *decoder) step(op *decOp, base unsafe.Pointer, pos int) int {
	p := unsafe.Add(base, op.off)
	switch op.code {
	case dBoolean:
		b, next := d.boolean(pos)
		if next >= 0 {
			*(*bool)(p) = b
		}
		return next
	case dLong64:
		v, next := readLong(d.buf, pos)
		if next < 0 {
			return d.number(pos, next, "long")
		}
		*(*int64)(p) = v
		return next
	case dInt32, dInt64:
		v, next := readInt(d.buf, pos)
		if next < 0 {
			return d.number(pos, next, "int")
		}
		if op.code == dInt32 {
			*(*int32)(p) = int32(v)
		} else {
			*(*int64)(p) = v
		}
		return next
	case dFloat:
		next := d.fixed(pos, 4, "float")
		if next >= 0 {
			*(*float32)(p) = readFloat(d.buf, pos)
		}
		return next
	case dDouble:
		next := d.fixed(pos, 8, "double")
		if next >= 0 {
			*(*float64)(p) = readDouble(d.buf, pos)
		}
		return next
	case dString:
		return d.readString((*string)(p), pos)
	case dBytes:
		begin, end := d.length(pos, "bytes")
		if begin < 0 {
			return begin
		}
		*(*[]byte)(p) = d.bytes(*(*[]byte)(p), begin, end)
		return end
	case dFixedArray:
		next := d.fixed(pos, op.n, op.plan.label)
		if next >= 0 {
			copy(unsafe.Slice((*byte)(p), op.n), d.buf[pos:next])
		}
		return next
	case dFixedSlice:
		next := d.fixed(pos, op.n, op.plan.label)
		if next >= 0 {
			*(*[]byte)(p) = d.bytes(*(*[]byte)(p), pos, next)
		}
		return next
	case dSymbol:
		k, next := d.symbol(pos, op.plan.w)
		if next < 0 {
			return next
		}
		if k, next = d.resolved2(pos, k, op.plan, next); next >= 0 {
			*(*string)(p) = op.plan.r.Symbols[k]
		}
		return next
	case dSkipFixed:
		return d.check(op.plan, pos, false)
	case dSkipLong:
		if _, next := readLong(d.buf, pos); next >= 0 {
			return next
		}
		return d.check(op.plan, pos, false)
	case dSkipInt:
		if _, next := readInt(d.buf, pos); next >= 0 {
			return next
		}
		return d.check(op.plan, pos, false)
	case dSkipBytes:
		n, next := readLong(d.buf, pos)
		if next < 0 || uint64(n) > uint64(len(d.buf)-next) {
			return d.check(op.plan, pos, false)
		}
		return next + int(n)
	case dSkip:
		w := walker{buf: d.buf, progs: op.walk.all, depth: d.depth, zeros: d.zeros}
		if d.text {
			w.text = textExact
		}
		next := w.all(op.walk, pos)
		if next < 0 {
			next = d.check(op.plan, pos, d.text)
		}
		d.zeros = w.zeros
		return next
	case dPointer:
		return d.prog(op.sub, op.target(p), pos)
	case dVia:
		return d.loop(op.sub.ops, op.target(p), pos, 1, 0)
	case dRecord:
		return d.prog(op.sub, p, pos)
	case dOptional, dOptionalPointer:
		return d.optional(op, p, pos)
	case dUnion:
		k, next := d.unionIndex(pos, len(op.subs))
		if next < 0 {
			return next
		}
		return d.prog(op.subs[k], p, next)
	case dArray:
		return d.array(op, (*slice)(p), pos)
	case dArrayLong:
		return d.longs((*[]int64)(p), pos)
	case dArrayDouble:
		return d.doubles((*[]float64)(p), pos)
	case dArrayString:
		return d.strings((*[]string)(p), pos)
	case dMapString:
		return d.mapString((*map[string]string)(p), pos)
	case dMap:
		return d.mapping(op, p, pos)
	case dZero:
		op.setZero(p)
		return pos
	case dShared:
		next := pos
		for _, sub := range op.subs {
			if next = d.loop(sub.ops, base, pos, 1, 0); next < 0 {
				return next
			}
		}
		return next
	case dDefault:
		inner := decoder{cursor: cursor{buf: op.data, depth: d.depth}, eng: d.eng}
		if inner.loop(op.sub.ops, base, 0, 1, 0) < 0 {
			d.err, d.trail = inner.err, inner.trail
			return -1
		}
		return pos
	}
	return d.rare(op, p, pos)
}

// target returns what the pointer at p points to, made if that is nothing yet.
func (op *decOp) target(p unsafe.Pointer) unsafe.Pointer {
	q := *(*unsafe.Pointer)(p)
	if q == nil {
		q = op.make()
		*(*unsafe.Pointer)(p) = q
	}
	return q
}

// make returns a new zero value of type op.typ.
func (op *decOp) make() unsafe.Pointer {
	switch op.typ.Kind() {
	case reflect.String:
		return unsafe.Pointer(new(string))
	case reflect.Float64:
		return unsafe.Pointer(new(float64))
	case reflect.Int64:
		return unsafe.Pointer(new(int64))
	case reflect.Int32:
		return unsafe.Pointer(new(int32))
	case reflect.Bool:
		return unsafe.Pointer(new(bool))
	}
	return reflect.New(op.typ).UnsafePointer()
}

// optional reads a union of null and one other type.
func (d *decoder) optional(op *decOp, p unsafe.Pointer, pos int) int {
	k, next := d.unionIndex(pos, 2)
	if next < 0 {
		return next
	}
	if k == op.n {
		op.setZero(p)
		return next
	}
	if op.code == dOptionalPointer {
		p = op.target(p)
	}
	switch op.inner {
	case dString:
		return d.readString((*string)(p), next)
	case dDouble:
		if len(d.buf)-next >= 8 {
			*(*float64)(p) = readDouble(d.buf, next)
			return next + 8
		}
	case dLong64:
		if v, end := readLong(d.buf, next); end >= 0 {
			*(*int64)(p) = v
			return end
		}
	}
	return d.prog(op.sub, p, next)
}

// setZero clears the value at p with the write barriers its type needs.
func (op *decOp) setZero(p unsafe.Pointer) {
	if op.code == dOptionalPointer {
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
