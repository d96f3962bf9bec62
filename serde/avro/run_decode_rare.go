package avro

import (
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
	"unsafe"
)

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
