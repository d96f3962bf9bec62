package avro

import (
	"reflect"
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
