package avro

import (
	"math/big"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// generic reads a value as map[string]any, []any and so on. field says that it
// goes to a field of interface type, where the branch of a union stands bare
// if its type is registered or primitive.
func (d *decoder) generic(p *plan, pos int, field bool) (any, int) {
	switch p.kind {
	case pUnion:
		index, next := d.unionIndex(pos, len(p.branches))
		if next < 0 {
			return nil, next
		}
		return d.generic(p.branches[index], next, field)
	case pBranch:
		return d.branch(p, pos, field)
	}
	if conv, ok := d.eng.conversion(p.r); ok {
		v, next := d.under(p, pos, false)
		if next < 0 {
			return nil, next
		}
		out, err := conv.Decode(v)
		if err != nil {
			return nil, d.failWith(pos, err)
		}
		return out, next
	}
	return d.under(p, pos, true)
}

func (d *decoder) branch(p *plan, pos int, field bool) (any, int) {
	n := p.item.r
	if n.Kind == avro.Null {
		return d.generic(p.item, pos, false)
	}
	bare := d.eng.bare
	if field && !bare {
		if t := d.eng.types.typeOf(n); t != nil {
			return d.registered(p.item, t, pos)
		}
		switch n.Kind {
		case avro.Record, avro.Enum, avro.Array, avro.Map:
		case avro.Fixed:
			bare = n.Logical != ""
		default:
			bare = true
		}
	}
	v, next := d.generic(p.item, pos, false)
	if next < 0 || bare {
		return v, next
	}
	return map[string]any{branchName(n): v}, next
}

// under reads a value, with Go types for its logical type or without.
func (d *decoder) under(p *plan, pos int, logical bool) (any, int) {
	mean := p.r
	if logical && (p.w.Logical != "" || p.r.Logical != "") {
		mean = meaning(p.w, p.r)
	}
	fam := plainFamily
	if logical {
		fam = familyOf(mean.Logical)
	}
	switch p.kind {
	case pNull:
		return nil, pos
	case pBoolean:
		return boxed(d.boolean(pos))
	case pInt, pLong:
		return d.genericNumber(p, mean, fam, pos)
	case pFloat, pDouble:
		f, next := d.promoted(p, pos)
		if next < 0 {
			return nil, next
		}
		if p.r.Kind == avro.Float {
			return float32(f), next
		}
		return f, next
	case pBytes, pString:
		if fam == decimalFamily {
			return boxed(d.decimal(p, mean, pos))
		}
		return d.genericText(p, pos)
	case pFixed:
		next := d.fixed(pos, p.w.Size, p.label)
		if next < 0 {
			return nil, next
		}
		switch fam {
		case decimalFamily:
			return boxed(d.decimal(p, mean, pos))
		case durationFamily:
			return readDuration(d.buf[pos:]), next
		case uuidFamily:
			return string(appendUUID(nil, d.buf[pos:next])), next
		}
		return d.bytes(nil, pos, next), next
	case pEnum:
		k, next := d.symbol(pos, p.w)
		if next >= 0 {
			k, next = d.resolved2(pos, k, p, next)
		}
		if next < 0 {
			return nil, next
		}
		return p.r.Symbols[k], next
	case pRefuse:
		return nil, d.fail(pos, "a value that the reader has a place for", p.reason)
	case pArray:
		return d.genericList(p, pos)
	case pMap:
		return d.genericMap(p, pos)
	case pRecord:
		return d.genericRecord(p, pos)
	}
	return d.generic(p, pos, false)
}

// boxed makes an interface of a value unless its reading went wrong.
func boxed[T any](v T, next int) (any, int) {
	if next < 0 {
		return nil, next
	}
	return v, next
}

func (d *decoder) genericNumber(p *plan, mean *avro.Node, fam family, pos int) (any, int) {
	v, next := d.integer(pos, p.kind)
	if next < 0 {
		return nil, next
	}
	if p.w.Logical == avro.TimeMicros || fam == clockFamily {
		if next = d.checkDuration(mean, v, pos, next); next < 0 {
			return nil, next
		}
		if next = d.checkDuration(p.w, v, pos, next); next < 0 {
			return nil, next
		}
	}
	switch {
	case fam == timeFamily:
		return timeOf(mean.Logical, v), next
	case fam == clockFamily:
		return clockOf(mean.Logical, v), next
	case p.r.Kind == avro.Int:
		return int(v), next
	case p.r.Kind == avro.Float:
		return float32(v), next
	case p.r.Kind == avro.Double:
		return float64(v), next
	}
	return v, next
}

// promoted reads a number as a float or double of the reader.
func (d *decoder) promoted(p *plan, pos int) (float64, int) {
	switch p.kind {
	case pFloat:
		next := d.fixed(pos, 4, "float")
		if next < 0 {
			return 0, next
		}
		return float64(readFloat(d.buf, pos)), next
	case pDouble:
		next := d.fixed(pos, 8, "double")
		if next < 0 {
			return 0, next
		}
		return readDouble(d.buf, pos), next
	}
	v, next := d.integer(pos, p.kind)
	if p.r.Kind == avro.Float {
		return float64(float32(v)), next
	}
	return float64(v), next
}

// decimal reads a decimal or big-decimal in bytes or fixed.
func (d *decoder) decimal(p *plan, mean *avro.Node, pos int) (*big.Rat, int) {
	begin, end := pos, pos+p.w.Size
	if p.kind == pFixed {
		if d.fixed(pos, p.w.Size, p.label) < 0 {
			return nil, -1
		}
	} else if begin, end = d.length(pos, "bytes"); begin < 0 {
		return nil, begin
	}
	b, scale := d.buf[begin:end], mean.Scale
	if mean.Logical == avro.BigDecimal {
		inner, s, ok := splitBigDecimal(b)
		if !ok {
			return nil, d.fail(begin, "a big-decimal: unscaled bytes and a scale", "other bytes")
		}
		b, scale = inner, s
	}
	return readRat(b, scale), end
}

func (d *decoder) genericText(p *plan, pos int) (any, int) {
	what := "string"
	if p.kind == pBytes {
		what = "bytes"
	}
	begin, end := d.length(pos, what)
	if begin < 0 {
		return nil, begin
	}
	if p.w.Logical == avro.BigDecimal {
		if _, _, ok := splitBigDecimal(d.buf[begin:end]); !ok {
			return nil, d.fail(begin, "a big-decimal: unscaled bytes and a scale", "other bytes")
		}
	}
	if p.r.Kind == avro.Bytes {
		return d.bytes(nil, begin, end), end
	}
	return boxed(d.str(begin, end))
}

func (d *decoder) genericList(p *plan, pos int) (any, int) {
	out := []any{}
	for {
		count, next, end := d.block(pos, p.item.minBytes, p.item.zeros)
		if next < 0 {
			return nil, next
		}
		pos = next
		if count == 0 {
			return out, pos
		}
		if len(out) == 0 {
			out = make([]any, 0, min(count, mostAtOnce/16))
		}
		for range count {
			var v any
			if v, pos = d.generic(p.item, pos, false); pos < 0 {
				d.trail.index(len(out))
				return nil, pos
			}
			out = append(out, v)
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return nil, pos
		}
	}
}

func (d *decoder) genericMap(p *plan, pos int) (any, int) {
	var out map[string]any
	for {
		count, next, end := d.block(pos, p.item.minBytes+1, p.item.zeros)
		if next < 0 {
			return nil, next
		}
		pos = next
		if out == nil {
			out = make(map[string]any, min(count, mostBuckets))
		}
		if count == 0 {
			return out, pos
		}
		for range count {
			begin, stop := d.length(pos, "map key")
			if begin < 0 {
				return nil, -1
			}
			k, next := d.str(begin, stop)
			if next < 0 {
				return nil, next
			}
			var v any
			if v, pos = d.generic(p.item, next, false); pos < 0 {
				d.trail.key(k)
				return nil, pos
			}
			out[k] = v
		}
		if pos = d.blockEnd(pos, end); pos < 0 {
			return nil, pos
		}
	}
}

func (d *decoder) genericRecord(p *plan, pos int) (any, int) {
	if p.recursive {
		if !d.enter(pos) {
			return nil, -1
		}
		defer func() { d.depth-- }()
	}
	out := make(map[string]any, len(p.steps)+len(p.defaults))
	began := pos
	for i := range p.steps {
		s := &p.steps[i]
		if s.again {
			pos = began
		}
		began = pos
		var v any
		if s.to == nil {
			pos = d.check(s.plan, pos, d.text)
		} else {
			v, pos = d.generic(s.plan, pos, false)
		}
		if pos < 0 {
			d.trail.field(s.from.Name)
			return nil, pos
		}
		if s.to != nil {
			out[s.to.Name] = v
		}
	}
	for i := range p.defaults {
		m := &p.defaults[i]
		inner := decoder{cursor: cursor{buf: m.encoded, depth: d.depth}, eng: d.eng}
		v, ok := inner.generic(m.plan, 0, false)
		if ok < 0 {
			d.err = inner.err
			d.trail.field(m.to.Name)
			return nil, ok
		}
		out[m.to.Name] = v
	}
	return out, pos
}
