package avro

import (
	"reflect"
	"unsafe"
)

// mostBuckets bounds the size hint of a map.
const mostBuckets = 1024

func (d *decoder) mapString(m *map[string]string, pos int) int {
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
			var k, v string
			if pos = d.readKey(&k, pos); pos < 0 {
				return pos
			}
			if pos = d.readString(&v, pos); pos < 0 {
				d.trail.key(k)
				return pos
			}
			out[k] = v
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return pos
		}
	}
}

func (d *decoder) readKey(to *string, pos int) int {
	begin, end := d.length(pos, "map key")
	if begin < 0 {
		return begin
	}
	*to, pos = d.str(begin, end)
	return pos
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
			var k string
			if pos = d.readKey(&k, pos); pos < 0 {
				return pos
			}
			value.Elem().SetZero()
			if pos = d.prog(op.sub, value.UnsafePointer(), pos); pos < 0 {
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
