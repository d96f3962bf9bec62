package avro

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// encoder runs programs. After a fault err is set and every caller on the way
// out adds its part of the path.
type encoder struct {
	eng   *engine
	err   error
	trail trail
	depth int
	zeros int
	item  int // see loop
}

func (e *encoder) fail(op *encOp, found string) { e.failAs(op.path, describe(op.plan.w), found) }

func (e *encoder) failWhole(op *encOp, p unsafe.Pointer) {
	e.fail(op, fmt.Sprint(valueAt(op.typ, p)))
}

func (e *encoder) failAs(path, expected, found string) {
	if e.err == nil {
		e.err = &ValueError{Expected: expected, Found: found}
		e.trail.part(path)
	}
}

func (e *encoder) fault() error {
	if v, ok := e.err.(*ValueError); ok {
		v.Path = e.trail.String()
		return v
	}
	return fmt.Errorf("avro: encode%s: %w", at(e.trail.String()), e.err)
}

// prog runs a program that may be recursive.
func (e *encoder) prog(dst []byte, p *encProg, base unsafe.Pointer) []byte {
	if !p.recursive {
		return e.loop(dst, p.ops, base, 1, 0)
	}
	e.depth++
	if e.depth > maxDepth {
		e.failAs("", "at most "+strconv.Itoa(maxDepth)+" levels of a recursive type", "more (a cycle?)")
		return dst
	}
	dst = e.loop(dst, p.ops, base, 1, 0)
	e.depth--
	return dst
}

// loop runs the steps of count values that lie size apart; count is at least
// one, and the last step is eEnd. After a fault e.item is the value it was in.
//
// A step is done here only where that takes no call, cannot fail and there is
// room; else it breaks out of the switch, and e.step does it from its beginning.
// With that one call the compiler keeps everything in registers on the way to it.
func (e *encoder) loop(dst []byte, ops []encOp, base unsafe.Pointer, count int, size uintptr) []byte {
	room, n := dst[:cap(dst)], len(dst)
	op := &ops[0]
	done := 0
	for {
		switch op.code {
		case eEnd:
			if done++; done == count {
				return room[:n]
			}
			base = unsafe.Add(base, size)
			op = &ops[0]
			continue
		case eConst1:
			if n >= len(room) {
				break
			}
			room[n] = byte(op.n)
			n++
			op = op.next()
			continue
		case eBoolean:
			if n >= len(room) {
				break
			}
			room[n] = *(*byte)(unsafe.Add(base, op.off)) // a bool is 0 or 1
			n++
			op = op.next()
			continue
		case eLong64:
			v := *(*int64)(unsafe.Add(base, op.off))
			u := uint64(v)<<1 ^ uint64(v>>63)
			if len(room)-n < binary.MaxVarintLen64 {
				break
			}
			for u >= 0x80 {
				room[n] = byte(u) | 0x80
				u >>= 7
				n++
			}
			room[n] = byte(u)
			n++
			op = op.next()
			continue
		case eLong32:
			v := *(*int32)(unsafe.Add(base, op.off))
			u := uint32(v)<<1 ^ uint32(v>>31)
			if len(room)-n < binary.MaxVarintLen32 {
				break
			}
			for u >= 0x80 {
				room[n] = byte(u) | 0x80
				u >>= 7
				n++
			}
			room[n] = byte(u)
			n++
			op = op.next()
			continue
		case eFloat:
			if len(room)-n < 4 {
				break
			}
			store32(room, n, math.Float32bits(*(*float32)(unsafe.Add(base, op.off))))
			n += 4
			op = op.next()
			continue
		case eDouble:
			if len(room)-n < 8 {
				break
			}
			store64(room, n, math.Float64bits(*(*float64)(unsafe.Add(base, op.off))))
			n += 8
			op = op.next()
			continue
		case eString:
			s := *(*string)(unsafe.Add(base, op.off))
			// A short copy may take a few moves that overlap.
			if len(s) > 32 || len(s) >= len(room)-n {
				break
			}
			room[n] = byte(len(s) << 1)
			if len(s) == 0 {
				n++
				op = op.next()
				continue
			}
			to, text := unsafe.Add(unsafe.Pointer(&room[n]), 1), unsafe.Pointer(unsafe.StringData(s))
			n += 1 + len(s)
			switch {
			case len(s) >= 8:
				move8(to, text)
				move8(unsafe.Add(to, len(s)-8), unsafe.Add(text, len(s)-8))
				if len(s) > 16 {
					move8(unsafe.Add(to, 8), unsafe.Add(text, 8))
					move8(unsafe.Add(to, len(s)-16), unsafe.Add(text, len(s)-16))
				}
			case len(s) >= 4:
				move4(to, text)
				move4(unsafe.Add(to, len(s)-4), unsafe.Add(text, len(s)-4))
			default:
				*(*byte)(to) = s[0]
				*(*byte)(unsafe.Add(to, len(s)/2)) = s[len(s)/2]
				*(*byte)(unsafe.Add(to, len(s)-1)) = s[len(s)-1]
			}
			op = op.next()
			continue
		case eNil:
			if op.n < 0 || n >= len(room) || *(*unsafe.Pointer)(unsafe.Add(base, op.off)) != nil {
				break
			}
			room[n] = byte(op.n << 1)
			n++
			op = op.next()
			continue
		}
		dst = e.step(room[:n], op, base)
		if e.err != nil {
			e.item = done
			return dst
		}
		room, n = dst[:cap(dst)], len(dst)
		op = op.next()
	}
}

// next is the step behind op, which is not eEnd.
func (op *encOp) next() *encOp {
	return (*encOp)(unsafe.Add(unsafe.Pointer(op), unsafe.Sizeof(*op)))
}

// step does any step but eEnd of the value at base.
func (e *encoder) step(dst []byte, op *encOp, base unsafe.Pointer) []byte {
	p := unsafe.Add(base, op.off)
	switch op.code {
	case eConst1:
		return append(dst, byte(op.n))
	case eConst:
		return append(dst, op.data...)
	case eBoolean:
		if *(*bool)(p) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case eLong64:
		return appendLong(dst, *(*int64)(p))
	case eLong32:
		return appendLong(dst, int64(*(*int32)(p)))
	case eWhole:
		v, ok := readWhole(op.typ.Kind(), p)
		if !ok || op.n != 0 && v != int64(int32(v)) {
			e.failWhole(op, p)
			return dst
		}
		return appendLong(dst, v)
	case eFloat:
		return appendFloat(dst, *(*float32)(p))
	case eDouble:
		return appendDouble(dst, *(*float64)(p))
	case eFloatAsDouble:
		return appendDouble(dst, float64(*(*float32)(p)))
	case eString:
		return appendString(dst, *(*string)(p))
	case eBytes:
		return appendBytes(dst, *(*[]byte)(p))
	case eFixedArray:
		return append(dst, unsafe.Slice((*byte)(p), op.n)...)
	case eFixedSlice:
		b := *(*[]byte)(p)
		if len(b) != op.n {
			e.fail(op, strconv.Itoa(len(b))+" bytes")
			return dst
		}
		return append(dst, b...)
	case eSymbol:
		k := op.symbol(*(*string)(p))
		if k < 0 {
			e.fail(op, strconv.Quote(clip(*(*string)(p))))
			return dst
		}
		return appendLong(dst, int64(k))
	case eDeref:
		q := *(*unsafe.Pointer)(p)
		if q == nil {
			e.fail(op, "a nil "+op.typ.String())
			return dst
		}
		if dst = e.prog(dst, op.sub, q); e.err != nil {
			e.trail.part(op.path)
		}
		return dst
	case eVia:
		q := *(*unsafe.Pointer)(p)
		if q == nil {
			q = op.zero
		}
		return e.prog(dst, op.sub, q)
	case eRecord:
		if dst = e.prog(dst, op.sub, p); e.err != nil {
			e.trail.part(op.path)
		}
		return dst
	case eNil:
		return e.optional(dst, op, p)
	case eArrayLong:
		s := *(*[]int64)(p)
		if len(s) > 0 {
			dst = appendLong(dst, int64(len(s)))
			dst = appendLongs(dst, s)
		}
		return append(dst, 0)
	case eArrayDouble:
		s := *(*[]float64)(p)
		if len(s) > 0 {
			dst = appendLong(dst, int64(len(s)))
			dst = appendDoubles(dst, s)
		}
		return append(dst, 0)
	case eArrayString:
		s := *(*[]string)(p)
		if len(s) > 0 {
			dst = appendLong(dst, int64(len(s)))
			dst = e.loop(dst, stringItem, unsafe.Pointer(unsafe.SliceData(s)), len(s), unsafe.Sizeof(s[0]))
		}
		return append(dst, 0)
	case eArray:
		s := (*slice)(p)
		return e.items(dst, op, s.data, s.len)
	case eGoArray:
		return e.items(dst, op, p, op.n)
	case eMapString:
		m := *(*map[string]string)(p)
		if len(m) > 0 {
			dst = appendLong(dst, int64(len(m)))
			for k, v := range m {
				dst = appendString(dst, k)
				dst = appendString(dst, v)
			}
		}
		return append(dst, 0)
	case eMap:
		return e.entries(dst, op, p)
	}
	return e.rare(dst, op, p)
}

// stringItem writes the items of a []string.
var stringItem = []encOp{{code: eString}, {code: eEnd}}

// optional writes what may be nil.
func (e *encoder) optional(dst []byte, op *encOp, p unsafe.Pointer) []byte {
	// The first word of a pointer, slice and map is nil exactly when it is.
	q := *(*unsafe.Pointer)(p)
	if q == nil {
		if op.n < 0 {
			e.fail(op, "nil, and the union has no null")
			return dst
		}
		return appendLong(dst, int64(op.n))
	}
	dst = append(dst, op.data...)
	if op.size == 0 {
		q = p
	}
	switch op.inner {
	case eString:
		return appendString(dst, *(*string)(q))
	case eLong64:
		return appendLong(dst, *(*int64)(q))
	case eDouble:
		return appendDouble(dst, *(*float64)(q))
	}
	if dst = e.prog(dst, op.sub, q); e.err != nil {
		e.trail.part(op.path)
	}
	return dst
}

func (op *encOp) symbol(s string) int {
	if op.index != nil {
		if k, ok := op.index[s]; ok {
			return k
		}
		return -1
	}
	for k, known := range op.symbols {
		if known == s {
			return k
		}
	}
	return -1
}

func (e *encoder) items(dst []byte, op *encOp, data unsafe.Pointer, n int) []byte {
	if n == 0 {
		return append(dst, 0)
	}
	if !e.count(op.plan, n, op.path) {
		return dst
	}
	dst = appendLong(dst, int64(n))
	if !op.sub.recursive {
		if dst = e.loop(dst, op.sub.ops, data, n, op.size); e.err != nil {
			e.trail.index(e.item)
			e.trail.part(op.path)
			return dst
		}
		return append(dst, 0)
	}
	for i := range n {
		if dst = e.prog(dst, op.sub, unsafe.Add(data, uintptr(i)*op.size)); e.err != nil {
			e.trail.index(i)
			e.trail.part(op.path)
			return dst
		}
	}
	return append(dst, 0)
}

// count refuses more items without bytes than any reader takes.
func (e *encoder) count(p *plan, n int, path string) bool {
	if p.kind == pArray && p.item.minBytes == 0 {
		zeros := max(p.item.zeros, 1)
		if n > (maxZeroItems-e.zeros)/zeros {
			e.failAs(path, "at most "+strconv.Itoa(maxZeroItems)+" values without bytes", strconv.Itoa(n)+" more")
			return false
		}
		e.zeros += n * zeros
	}
	return true
}

func (e *encoder) entries(dst []byte, op *encOp, p unsafe.Pointer) []byte {
	m := valueAt(op.typ, p)
	n := m.Len()
	if n == 0 {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(n))
	key := reflect.New(op.typ.Key()).Elem()
	value := reflect.New(op.typ.Elem())
	for iter := m.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		value.Elem().SetIterValue(iter)
		dst = appendString(dst, key.String())
		if dst = e.prog(dst, op.sub, value.UnsafePointer()); e.err != nil {
			e.trail.key(key.String())
			e.trail.part(op.path)
			return dst
		}
	}
	return append(dst, 0)
}

// rare are the steps that call out or convert.
func (e *encoder) rare(dst []byte, op *encOp, p unsafe.Pointer) []byte {
	n := op.plan.w
	var err error
	switch op.code {
	case eAny:
		v := dynamic(op.typ, p)
		if dst = e.any(dst, op.plan, v); e.err != nil {
			e.trail.part(op.path)
		}
		return dst
	case eConvert:
		v, err := op.conv(valueAt(op.typ, p).Interface())
		if err != nil {
			e.failErr(op, err)
			return dst
		}
		if dst = e.under(dst, op.plan, v); e.err != nil {
			e.trail.part(op.path)
		}
		return dst
	case eText:
		m, ok := textMarshaler(op.typ, p)
		if !ok {
			e.fail(op, "a nil "+op.typ.String())
			return dst
		}
		text, err := m.MarshalText()
		if err != nil {
			e.failErr(op, err)
			return dst
		}
		if n.Kind == avro.Enum {
			for k, s := range n.Symbols {
				if s == string(text) {
					return appendLong(dst, int64(k))
				}
			}
			e.fail(op, strconv.Quote(clip(string(text))))
			return dst
		}
		return appendBytes(dst, text)
	case eTime:
		var v int64
		if v, err = timeValue(n.Logical, *(*time.Time)(p)); err == nil {
			return appendLong(dst, v)
		}
	case eClock:
		var v int64
		if v, err = clockValue(n.Logical, *(*time.Duration)(p)); err == nil {
			return appendLong(dst, v)
		}
	case eRat, eRatPointer:
		var r *big.Rat
		if op.code == eRatPointer {
			r = *(**big.Rat)(p)
		} else {
			r = (*big.Rat)(p)
		}
		if r == nil {
			e.fail(op, "a nil *big.Rat")
			return dst
		}
		if n.Logical == avro.BigDecimal {
			dst, err = appendBigDecimal(dst, r)
		} else {
			dst, err = appendDecimal(dst, n, r)
		}
		if err == nil {
			return dst
		}
		if n.Logical == avro.Decimal {
			e.failAs(op.path, fmt.Sprintf("decimal(%d, %d)", n.Precision, n.Scale), err.Error())
			return dst
		}
	case eUUIDText:
		dst = append(dst, 72) // the length, 36
		return appendUUID(dst, unsafe.Slice((*byte)(p), 16))
	case eUUIDFixed:
		s := *(*string)(p)
		u, ok := parseUUID([]byte(s))
		if !ok {
			e.failAs(op.path, "uuid", strconv.Quote(clip(s)))
			return dst
		}
		return append(dst, u[:]...)
	case eDuration:
		return (*(*LogicalDuration)(p)).append(dst)
	}
	e.fail(op, err.Error())
	return dst
}

func (e *encoder) failErr(op *encOp, err error) {
	if e.err == nil {
		e.err = err
		e.trail.part(op.path)
	}
}

// dynamic returns the value at p, of an interface or generic container type.
func dynamic(t reflect.Type, p unsafe.Pointer) any {
	switch {
	case t == anyType:
		return *(*any)(p)
	case t.Kind() == reflect.Map && t.ConvertibleTo(genericMapType):
		return *(*map[string]any)(p)
	case t.Kind() == reflect.Slice:
		return *(*[]any)(p)
	}
	v := valueAt(t, p)
	if v.Kind() == reflect.Interface && v.IsNil() {
		return nil
	}
	return v.Interface()
}

// textMarshaler returns the value at p as its interface; false for a nil
// pointer or interface.
func textMarshaler(t reflect.Type, p unsafe.Pointer) (encoding.TextMarshaler, bool) {
	v := valueAt(t, p)
	if (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil() {
		return nil, false
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		return m, true
	}
	m, ok := v.Addr().Interface().(encoding.TextMarshaler)
	return m, ok
}

// readWhole reads an integer of any kind; false if a long does not hold it.
func readWhole(k reflect.Kind, p unsafe.Pointer) (int64, bool) {
	switch k {
	case reflect.Int8:
		return int64(*(*int8)(p)), true
	case reflect.Int16:
		return int64(*(*int16)(p)), true
	case reflect.Int32:
		return int64(*(*int32)(p)), true
	case reflect.Int:
		return int64(*(*int)(p)), true
	case reflect.Uint8:
		return int64(*(*uint8)(p)), true
	case reflect.Uint16:
		return int64(*(*uint16)(p)), true
	case reflect.Uint32:
		return int64(*(*uint32)(p)), true
	case reflect.Uint:
		v := *(*uint)(p)
		return int64(v), uint64(v) <= math.MaxInt64
	case reflect.Uint64:
		v := *(*uint64)(p)
		return int64(v), v <= math.MaxInt64
	}
	return *(*int64)(p), true
}

// typed writes a value whose type is known only now.
func (e *encoder) typed(dst []byte, p *plan, v any) []byte {
	t := reflect.TypeOf(v)
	made := e.eng.encFor(p, t)
	if made.err != nil {
		if e.err == nil {
			e.err = made.err
		}
		return dst
	}
	return e.prog(dst, made.prog, valuePointer(&v, t))
}
