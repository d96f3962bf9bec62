package avro

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// decCode is one step of reading into a Go value.
type decCode uint8

const (
	dSkip            decCode = iota // a value that nobody takes; walk
	dSkipFixed                      // n bytes that nobody takes
	dSkipInt                        //
	dSkipLong                       //
	dSkipBytes                      // bytes, and strings that are not looked into
	dBoolean                        //
	dLong64                         // long into int64
	dInt32                          // int into int32
	dInt64                          // int into int64
	dWhole                          // any other pair of int or long and an integer kind
	dFloat                          //
	dDouble                         //
	dToFloat                        // promotions; op.n is the plan's kind
	dToDouble                       //
	dString                         //
	dBytes                          //
	dFixedArray                     //
	dFixedSlice                     //
	dSymbol                         // enum into string
	dText                           // string or enum into a TextUnmarshaler
	dTime                           //
	dClock                          //
	dRat                            //
	dRatPointer                     //
	dUUIDText                       // string into [16]byte
	dUUIDFixed                      // fixed into string
	dDuration                       //
	dZero                           // no bytes; the zero value
	dRefuse                         // the reader has no place for it
	dPointer                        // into *T, made if nil
	dVia                            // fields behind an embedded pointer, made if nil
	dRecord                         // sub-program in place
	dOptional                       // a union of two with null at index n
	dOptionalPointer                // the same into *T
	dUnion                          // subs by the writer's index
	dArray                          //
	dArrayLong                      //
	dArrayDouble                    //
	dArrayString                    //
	dGoArray                        // into [n]T
	dMapString                      //
	dMap                            //
	dAny                            // into an interface or generic map or list
	dConvert                        // by a Conversion
	dShared                         // subs one after the other, from the same byte
	dDefault                        // sub-program over data
	dSetLong                        // constants of defaults
	dSetInt                         //
	dSetString                      //
	dSetDouble                      //
	dEnd                            // behind the last step
)

type decOp struct {
	code  decCode
	inner decCode // dOptional, dOptionalPointer: the only step of sub
	off   uintptr
	n     int
	// symbols of dSymbol are the reader's by the writer's index; "" for none.
	symbols []string
	data    []byte
	size    uintptr // of an item or of zeroed memory
	sub     *decProg
	subs    []*decProg
	walk    *walkProg
	plan    *plan
	mean    *avro.Node // whose logical type tells what the bytes mean
	typ     reflect.Type
	pointer unsafe.Pointer // dArray: the type word of a pointer to typ
	conv    func(any) (any, error)
	path    string
}

// decProg reads one plan into values of one Go type.
type decProg struct {
	ops       []decOp // the last one is dEnd
	recursive bool
	texts     atomic.Int32 // bytes of the texts of recent values
	methods   Methods      // of generated code, to be run instead; mostly nil
}

func newDecProg(ops []decOp) *decProg { return &decProg{ops: ended(ops)} }

// ended returns the steps with dEnd behind them.
func ended(ops []decOp) []decOp { return append(ops, decOp{code: dEnd}) }

type decCompiler struct {
	eng   *engine
	walks *walkCompiler
	skips *planner // of what is walked over
	progs map[typeKey]*decProg
	order []typeKey
}

func compileDecode(g *engine, p *plan, t reflect.Type) (*decProg, error) {
	c := &decCompiler{eng: g, walks: newWalkCompiler(), skips: newPlanner(), progs: map[typeKey]*decProg{}}
	return c.prog(p, t)
}

// prog returns the program for p and t; inside a cycle the one in the making.
func (c *decCompiler) prog(p *plan, t reflect.Type) (*decProg, error) {
	key := typeKey{p, t}
	if known, ok := c.progs[key]; ok {
		return known, nil
	}
	made := &decProg{recursive: p.kind == pRecord && p.recursive}
	mark := len(c.order)
	c.progs[key] = made
	c.order = append(c.order, key)
	ops, err := c.value(nil, p, t, 0, "", true)
	if err != nil {
		for _, k := range c.order[mark:] {
			delete(c.progs, k)
		}
		c.order = c.order[:mark]
		return nil, err
	}
	made.ops = ended(ops)
	return made, nil
}

func (c *decCompiler) value(ops []decOp, p *plan, t reflect.Type, off uintptr, path string, top bool) ([]decOp, error) {
	add := func(op decOp) ([]decOp, error) {
		op.off, op.path, op.plan, op.typ = off, path, p, t
		if op.mean == nil {
			op.mean = p.r
		}
		return append(ops, op), nil
	}
	misfit := func(reason string) ([]decOp, error) {
		return nil, &TypeError{Path: trimDot(path), Schema: describe(p.r), Type: t, Reason: reason}
	}
	kind := t.Kind()
	if conv, ok := c.eng.conversion(p.r); ok && conv.Type == t && p.r.Kind != avro.Union {
		return add(decOp{code: dConvert, conv: conv.Decode})
	}
	switch {
	case p.kind == pRefuse:
		return add(decOp{code: dRefuse})
	case kind == reflect.Interface, (p.r.Kind == avro.Union || p.r.Kind == avro.Record) && kind == reflect.Map && t.ConvertibleTo(genericMapType):
		if p.kind == pNull {
			break
		}
		return add(decOp{code: dAny})
	case p.kind == pUnion:
		return c.union(ops, p, t, off, path)
	case p.kind == pBranch:
		if kind == reflect.Pointer && t != ratPointerType && p.item.kind != pNull {
			return c.pointer(ops, p.item, t, off, path)
		}
		return c.value(ops, p.item, t, off, path, false)
	}
	if p.kind == pNull {
		return add(decOp{code: dZero, size: t.Size()})
	}
	if (p.r.Kind == avro.String || p.r.Kind == avro.Enum) && kind != reflect.Pointer && reflect.PointerTo(t).Implements(unmarshalerType) && familyOfGo(t) == plainFamily {
		return add(decOp{code: dText})
	}
	if kind == reflect.Pointer && t != ratPointerType {
		return c.pointer(ops, p, t, off, path)
	}
	mean := meaning(p.w, p.r)
	if f := familyOf(mean.Logical); f != plainFamily {
		switch {
		case f == timeFamily && familyOfGo(t) == timeFamily:
			return add(decOp{code: dTime, mean: mean})
		case f == clockFamily && t == clockType:
			return add(decOp{code: dClock, mean: mean})
		case f == decimalFamily && t == ratPointerType:
			return add(decOp{code: dRatPointer, mean: mean})
		case f == decimalFamily && familyOfGo(t) == decimalFamily:
			return add(decOp{code: dRat, mean: mean})
		case f == uuidFamily && p.kind == pString && isBytes16(t):
			return add(decOp{code: dUUIDText})
		case f == uuidFamily && p.kind == pFixed && kind == reflect.String:
			return add(decOp{code: dUUIDFixed})
		case f == durationFamily && familyOfGo(t) == durationFamily:
			return add(decOp{code: dDuration})
		}
	}
	switch p.kind {
	case pBoolean:
		if kind == reflect.Bool {
			return add(decOp{code: dBoolean})
		}
	case pInt, pLong:
		switch p.r.Kind {
		case avro.Float, avro.Double:
			if kind == reflect.Float32 && p.r.Kind == avro.Float {
				return add(decOp{code: dToFloat, n: int(p.kind)})
			}
			if kind == reflect.Float64 {
				return add(decOp{code: dToDouble, n: int(p.kind)})
			}
		default:
			if t == clockType && p.r.Logical != "" {
				break
			}
			switch {
			case kind == reflect.Int64 || kind == reflect.Int && t.Size() == 8:
				if p.kind == pLong {
					return add(decOp{code: dLong64})
				}
				return add(decOp{code: dInt64})
			case kind == reflect.Int32 && p.kind == pInt:
				return add(decOp{code: dInt32})
			case kind >= reflect.Int && kind <= reflect.Uint64:
				return add(decOp{code: dWhole})
			}
		}
	case pFloat:
		if kind == reflect.Float32 && p.r.Kind == avro.Float {
			return add(decOp{code: dFloat})
		}
		if kind == reflect.Float64 {
			return add(decOp{code: dToDouble, n: int(p.kind)})
		}
	case pDouble:
		if kind == reflect.Float64 {
			return add(decOp{code: dDouble})
		}
	case pBytes, pString:
		if kind == reflect.String {
			return add(decOp{code: dString})
		}
		if isByteSlice(t) {
			return add(decOp{code: dBytes})
		}
	case pFixed:
		if kind == reflect.Array && t.Elem().Kind() == reflect.Uint8 {
			if t.Len() != p.w.Size {
				return misfit(fmt.Sprintf("the size is %d", p.w.Size))
			}
			return add(decOp{code: dFixedArray, n: p.w.Size})
		}
		if isByteSlice(t) {
			return add(decOp{code: dFixedSlice, n: p.w.Size})
		}
	case pEnum:
		if kind == reflect.String {
			return add(decOp{code: dSymbol, symbols: readerSymbols(p)})
		}
	case pArray:
		return c.array(ops, p, t, off, path)
	case pMap:
		if kind == reflect.Map && t.Key().Kind() == reflect.String {
			if t.ConvertibleTo(genericMapType) {
				return add(decOp{code: dAny})
			}
			if t.ConvertibleTo(reflect.TypeFor[map[string]string]()) && p.item.kind == pString && !reflect.PointerTo(t.Elem()).Implements(unmarshalerType) {
				return add(decOp{code: dMapString})
			}
			sub, err := c.prog(p.item, t.Elem())
			if err != nil {
				return nil, withPath(err, path+"{}")
			}
			return add(decOp{code: dMap, sub: sub})
		}
	case pRecord:
		if kind == reflect.Struct {
			return c.record(ops, p, t, off, path, top)
		}
	}
	return misfit("")
}

func (c *decCompiler) pointer(ops []decOp, p *plan, t reflect.Type, off uintptr, path string) ([]decOp, error) {
	sub, err := c.prog(p, t.Elem())
	if err != nil {
		return nil, withPath(err, path)
	}
	return append(ops, decOp{code: dPointer, off: off, path: path, plan: p, mean: p.r, typ: t.Elem(), sub: sub}), nil
}

func (c *decCompiler) array(ops []decOp, p *plan, t reflect.Type, off uintptr, path string) ([]decOp, error) {
	op := decOp{off: off, path: path, plan: p, mean: p.r, typ: t}
	switch t.Kind() {
	case reflect.Slice:
		elem := t.Elem()
		op.code, op.size, op.pointer = dArray, elem.Size(), typeWord(reflect.PointerTo(t))
		switch {
		case t.ConvertibleTo(genericListType):
			op.code = dAny
			return append(ops, op), nil
		case elem.Kind() == reflect.Int64 && p.item.kind == pLong && p.item.r.Kind == avro.Long && elem != clockType:
			op.code = dArrayLong
			return append(ops, op), nil
		case elem.Kind() == reflect.Float64 && p.item.kind == pDouble:
			op.code = dArrayDouble
			return append(ops, op), nil
		case elem == reflect.TypeFor[string]() && p.item.kind == pString:
			op.code = dArrayString
			return append(ops, op), nil
		}
	case reflect.Array:
		op.code, op.size, op.n = dGoArray, t.Elem().Size(), t.Len()
	default:
		return nil, &TypeError{Path: trimDot(path), Schema: describe(p.r), Type: t}
	}
	sub, err := c.prog(p.item, t.Elem())
	if err != nil {
		return nil, withPath(err, path+"[]")
	}
	op.sub = sub
	return append(ops, op), nil
}

// union: the writer has a union. Every branch writes to the same place; null
// is the zero value.
func (c *decCompiler) union(ops []decOp, p *plan, t reflect.Type, off uintptr, path string) ([]decOp, error) {
	op := decOp{code: dUnion, off: off, path: path, plan: p, mean: p.r, typ: t, size: t.Size()}
	if len(p.branches) == 2 {
		for n, b := range p.branches {
			other := p.branches[1-n]
			if b.kind != pBranch || b.item.kind != pNull || other.kind != pBranch || other.item.kind == pNull {
				continue
			}
			op.code, op.n = dOptional, n
			elem := t
			if t.Kind() == reflect.Pointer && t != ratPointerType {
				elem = t.Elem()
				op.code = dOptionalPointer
			}
			sub, err := c.prog(other.item, elem)
			if err != nil {
				return nil, withPath(err, path)
			}
			op.sub, op.typ = sub, elem
			if len(sub.ops) == 2 {
				op.inner = sub.ops[0].code
			}
			return append(ops, op), nil
		}
	}
	var first error
	fits := false
	for _, b := range p.branches {
		sub, err := c.prog(b, t)
		if err != nil {
			if first == nil {
				first = err
			}
			refused := &plan{kind: pRefuse, w: b.w, r: b.r, reason: "Go type " + t.String() + " does not take this branch"}
			sub = newDecProg([]decOp{{code: dRefuse, plan: refused, mean: b.r, typ: t}})
		} else if !(b.kind == pBranch && b.item.kind == pNull || b.kind == pNull || b.kind == pRefuse) {
			fits = true
		}
		op.subs = append(op.subs, sub)
	}
	if !fits && first != nil {
		return nil, withPath(first, path)
	}
	return append(ops, op), nil
}

func (c *decCompiler) record(ops []decOp, p *plan, t reflect.Type, off uintptr, path string, top bool) ([]decOp, error) {
	if !top && (p.recursive || len(ops) > mostInline) {
		sub, err := c.prog(p, t)
		if err != nil {
			return nil, withPath(err, path)
		}
		return append(ops, decOp{code: dRecord, off: off, path: path, sub: sub, plan: p, mean: p.r, typ: t}), nil
	}
	fields := goFields(t)
	var shared []*decProg // of the takers of one field so far
	for i := range p.steps {
		s := &p.steps[i]
		if !s.shared && !s.again {
			var err error
			if ops, err = c.step(ops, s, fields, off, path); err != nil {
				return nil, err
			}
			continue
		}
		sub, err := c.step(nil, s, fields, off, path)
		if err != nil {
			return nil, err
		}
		if shared = append(shared, newDecProg(sub)); !s.shared {
			ops = append(ops, decOp{code: dShared, subs: shared, plan: s.plan, mean: s.plan.r})
			shared = nil
		}
	}
	for i := range p.defaults {
		m := &p.defaults[i]
		gf, ok := fieldOf(fields, m.to.Name, m.to.Aliases)
		if !ok {
			continue
		}
		var err error
		if ops, err = c.assign(ops, m, gf, off, path+"."+m.to.Name); err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// step reads one field of the writer, or walks over it.
func (c *decCompiler) step(ops []decOp, s *step, fields map[string]goField, off uintptr, path string) ([]decOp, error) {
	if s.to == nil {
		return c.skip(ops, s.plan, path+"."+s.from.Name)
	}
	path += "." + s.to.Name
	gf, ok := fieldOf(fields, s.to.Name, s.to.Aliases)
	if !ok {
		return c.skip(ops, s.plan, path)
	}
	return c.field(ops, s.plan, gf, off, path)
}

// readerSymbols returns the reader's symbols by the writer's index, "" where
// the reader has none.
func readerSymbols(p *plan) []string {
	out := make([]string, len(p.symbols))
	for i, k := range p.symbols {
		if k >= 0 {
			out[i] = p.r.Symbols[k]
		}
	}
	return out
}

// skip walks over a value that nobody takes, as the writer wrote it: whether the
// reader would have had a place for it does not matter.
func (c *decCompiler) skip(ops []decOp, p *plan, path string) ([]decOp, error) {
	p, err := c.skips.identity(p)
	if err != nil {
		return nil, withPath(err, path)
	}
	walk := c.walks.prog(p)
	if len(walk.ops) == 1 { // the end
		return ops, nil
	}
	if len(walk.ops) == 2 && !walk.recursive {
		first := walk.ops[0]
		op := decOp{n: first.n, walk: walk, plan: p, mean: p.r, path: path}
		switch first.code {
		case wSkip, wSkip8:
			op.code = dSkipFixed
			return append(ops, op), nil
		case wNumbers:
			if first.n == 1 {
				op.code = dSkipLong
				if first.to == 1 {
					op.code = dSkipInt
				}
				return append(ops, op), nil
			}
		case wBytes, wStrings:
			if first.code == wBytes || first.n == 1 && !c.eng.text {
				op.code = dSkipBytes
				return append(ops, op), nil
			}
		}
	}
	return append(ops, decOp{code: dSkip, walk: walk, plan: p, mean: p.r, path: path}), nil
}

func (c *decCompiler) field(ops []decOp, p *plan, f goField, off uintptr, path string) ([]decOp, error) {
	if len(f.via) == 0 {
		return c.value(ops, p, f.typ, off+f.offset, path, false)
	}
	inner := f
	inner.via = f.via[1:]
	sub, err := c.field(nil, p, inner, 0, path)
	if err != nil {
		return nil, err
	}
	return append(ops, decOp{code: dVia, off: off + f.via[0].offset, typ: f.via[0].elem, sub: newDecProg(sub), plan: p, mean: p.r}), nil
}

// assign sets a field that only the reader has to its default.
func (c *decCompiler) assign(ops []decOp, m *missing, f goField, off uintptr, path string) ([]decOp, error) {
	sub, err := c.field(nil, m.plan, f, off, path)
	if err != nil {
		return nil, err
	}
	if len(sub) == 1 && sub[0].off == off+f.offset && len(f.via) == 0 {
		op := sub[0]
		switch op.code {
		case dLong64, dInt64:
			v, _ := readLong(m.encoded, 0)
			return append(ops, decOp{code: dSetLong, off: op.off, n: int(v)}), nil
		case dInt32:
			v, _ := readLong(m.encoded, 0)
			return append(ops, decOp{code: dSetInt, off: op.off, n: int(v)}), nil
		case dString:
			_, pos := readLong(m.encoded, 0)
			return append(ops, decOp{code: dSetString, off: op.off, data: m.encoded[pos:]}), nil
		case dDouble:
			return append(ops, decOp{code: dSetDouble, off: op.off, data: m.encoded}), nil
		case dOptional, dOptionalPointer:
			if v, _ := readLong(m.encoded, 0); int(v) == op.n {
				return append(ops, decOp{code: dZero, off: op.off, typ: f.typ, size: f.typ.Size()}), nil
			}
		}
	}
	return append(ops, decOp{code: dDefault, data: m.encoded, sub: newDecProg(sub), plan: m.plan, mean: m.plan.r, path: ""}), nil
}
