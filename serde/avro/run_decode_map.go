package avro

import (
	"reflect"
	"unsafe"
)

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
