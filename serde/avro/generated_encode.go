package avro

import (
	"fmt"
	"math/big"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// What generated code writes values with. Each appends to dst; t is the type
// in the schema where the bytes or the message depend on it.

// Boolean appends a boolean.
func (e *Encoding) Boolean(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// Int appends an int.
func (e *Encoding) Int(dst []byte, v int32) []byte { return appendLong(dst, int64(v)) }

// Long appends a long.
func (e *Encoding) Long(dst []byte, v int64) []byte { return appendLong(dst, v) }

// Float appends a float.
func (e *Encoding) Float(dst []byte, v float32) []byte { return appendFloat(dst, v) }

// Double appends a double.
func (e *Encoding) Double(dst []byte, v float64) []byte { return appendDouble(dst, v) }

// String appends a string.
func (e *Encoding) String(dst []byte, v string) []byte { return appendString(dst, v) }

// Bytes appends bytes.
func (e *Encoding) Bytes(dst, v []byte) []byte { return appendBytes(dst, v) }

// Fixed appends a fixed, v whole.
func (e *Encoding) Fixed(dst, v []byte) []byte { return append(dst, v...) }

// Symbol appends an enum.
func (e *Encoding) Symbol(dst []byte, v string, t *GeneratedType) []byte {
	for k, s := range t.plan.w.Symbols {
		if s == v {
			return appendLong(dst, int64(k))
		}
	}
	e.failAs("", t.plan.label, strconv.Quote(clip(v)))
	return dst
}

// Time appends a date or a timestamp.
func (e *Encoding) Time(dst []byte, v time.Time, t *GeneratedType) []byte {
	n, err := timeValue(t.plan.w.Logical, v)
	if err != nil {
		e.failAs("", t.plan.label, err.Error())
		return dst
	}
	return appendLong(dst, n)
}

// Clock appends a time of day.
func (e *Encoding) Clock(dst []byte, v time.Duration, t *GeneratedType) []byte {
	n, err := clockValue(t.plan.w.Logical, v)
	if err != nil {
		e.failAs("", t.plan.label, err.Error())
		return dst
	}
	return appendLong(dst, n)
}

// Rat appends a decimal or a big-decimal.
func (e *Encoding) Rat(dst []byte, v *big.Rat, t *GeneratedType) []byte {
	n := t.plan.w
	if v == nil {
		e.failAs("", t.plan.label, "a nil *big.Rat")
		return dst
	}
	if n.Logical == avro.BigDecimal {
		out, err := appendBigDecimal(dst, v)
		if err != nil {
			e.failAs("", t.plan.label, err.Error())
		}
		return out
	}
	out, err := appendDecimal(dst, n, v)
	if err != nil {
		e.failAs("", fmt.Sprintf("decimal(%d, %d)", n.Precision, n.Scale), err.Error())
	}
	return out
}

// Duration appends a duration.
func (e *Encoding) Duration(dst []byte, v LogicalDuration) []byte { return v.append(dst) }

// Any appends what a field of type any holds.
func (e *Encoding) Any(dst []byte, v any, t *GeneratedType) []byte { return e.any(dst, t.plan, v) }

// Longs appends an array of long.
func (e *Encoding) Longs(dst []byte, v []int64) []byte {
	if len(v) > 0 {
		dst = appendLongs(appendLong(dst, int64(len(v))), v)
	}
	return append(dst, 0)
}

// Doubles appends an array of double.
func (e *Encoding) Doubles(dst []byte, v []float64) []byte {
	if len(v) > 0 {
		dst = appendDoubles(appendLong(dst, int64(len(v))), v)
	}
	return append(dst, 0)
}

// Strings appends an array of string.
func (e *Encoding) Strings(dst []byte, v []string) []byte {
	if len(v) > 0 {
		dst = appendLong(dst, int64(len(v)))
		for _, s := range v {
			dst = appendString(dst, s)
		}
	}
	return append(dst, 0)
}

// StringMap appends a map of string.
func (e *Encoding) StringMap(dst []byte, v map[string]string) []byte {
	if len(v) > 0 {
		dst = appendLong(dst, int64(len(v)))
		for k, s := range v {
			dst = appendString(appendString(dst, k), s)
		}
	}
	return append(dst, 0)
}

// EncodeSlice appends an array of type t.
func EncodeSlice[T any](e *Encoding, dst []byte, v []T, t *GeneratedType, item func(*T, *Encoding, []byte) []byte) []byte {
	if len(v) == 0 {
		return append(dst, 0)
	}
	if !e.count(t.plan, len(v), "") {
		return dst
	}
	dst = appendLong(dst, int64(len(v)))
	for i := range v {
		if dst = item(&v[i], e, dst); e.err != nil {
			e.trail.index(i)
			return dst
		}
	}
	return append(dst, 0)
}

// EncodeMap appends a map.
func EncodeMap[T any](e *Encoding, dst []byte, m map[string]T, item func(*T, *Encoding, []byte) []byte) []byte {
	if len(m) == 0 {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(len(m)))
	var v T
	for k := range m {
		v = m[k]
		dst = appendString(dst, k)
		if dst = item(&v, e, dst); e.err != nil {
			e.trail.key(k)
			return dst
		}
	}
	return append(dst, 0)
}

// EncodePointer appends what v points to, which must be something.
func EncodePointer[T any](e *Encoding, dst []byte, v *T, t *GeneratedType, item func(*T, *Encoding, []byte) []byte) []byte {
	if v == nil {
		e.failAs("", t.plan.label, fmt.Sprintf("a nil %T", v))
		return dst
	}
	return item(v, e, dst)
}

// EncodeOptional appends a union of type t: null if v is nil, else its other
// branch.
func EncodeOptional[T any](e *Encoding, dst []byte, v *T, t *GeneratedType, item func(*T, *Encoding, []byte) []byte) []byte {
	return EncodeNullable(e, dst, v, v == nil, t, item)
}

// EncodeNullable appends a union of type t: null if null is true, else *v as its
// other branch.
func EncodeNullable[T any](e *Encoding, dst []byte, v *T, null bool, t *GeneratedType, item func(*T, *Encoding, []byte) []byte) []byte {
	at := t.plan.un.null
	switch {
	case !null:
		other := byte(0)
		if at == 0 {
			other = 2 // branch 1 as a long
		}
		return item(v, e, append(dst, other))
	case at < 0:
		e.failAs("", t.plan.label, "nil, and the union has no null")
		return dst
	}
	return append(dst, byte(at<<1))
}
