package avro

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// encCode is one step of writing a Go value.
type encCode uint8

const (
	eConst         encCode = iota // data as it is
	eConst1                       // the byte n
	eBoolean                      //
	eLong64                       // int64 as long
	eLong32                       // int32 as int or long
	eWhole                        // any other integer kind, checked against int if op.n != 0
	eFloat                        //
	eDouble                       //
	eFloatAsDouble                //
	eString                       // string as string or bytes
	eBytes                        // []byte as bytes or string
	eFixedArray                   // [n]byte
	eFixedSlice                   // []byte that must have n
	eSymbol                       // string as enum
	eText                         // TextMarshaler as string or enum
	eTime
	eClock
	eRat        // big.Rat
	eRatPointer // *big.Rat
	eUUIDText   // [16]byte as string
	eUUIDFixed  // string as fixed
	eDuration
	eNil       // nil pointer, slice, map or interface → null at index n; else index and sub
	eNilBytes  // the same for []byte: only a nil slice is null
	eDeref     // *T as T
	eVia       // fields behind an embedded pointer
	eRecord    // sub-program in place
	eArray     // []T
	eArrayLong // []int64
	eArrayDouble
	eArrayString
	eGoArray // [n]T
	eMapString
	eMap
	eAny     // interface or generic map or list, by its dynamic value
	eConvert // by a Conversion
	eEnd     // behind the last step
)

type encOp struct {
	code  encCode
	inner encCode // eNil: the only step of sub
	off   uintptr
	n     int
	size  uintptr // of an item
	data  []byte
	sub   *encProg
	plan  *plan
	typ   reflect.Type
	conv  func(any) (any, error)
	zero  unsafe.Pointer // eVia: a zero value
	path  string
	// symbols of an enum
	symbols []string
	index   map[string]int
}

// encProg writes values of one Go type as one schema.
type encProg struct {
	ops       []encOp // the last one is eEnd
	recursive bool
	hint      atomic.Int32 // size of recent values, for Marshal
	methods   Methods      // of generated code, to be run instead; mostly nil
}

// end sets the steps of p, with eEnd behind them.
func (p *encProg) end(ops []encOp) {
	for i := range ops {
		if op := &ops[i]; op.code == eConst && len(op.data) == 1 {
			op.code, op.n = eConst1, int(op.data[0])
		}
	}
	p.ops = append(ops, encOp{code: eEnd})
}

type encCompiler struct {
	eng   *engine
	progs map[typeKey]*encProg
	order []typeKey // of progs, to take back what a failed attempt made
}

func compileEncode(g *engine, p *plan, t reflect.Type) (*encProg, error) {
	c := &encCompiler{eng: g, progs: map[typeKey]*encProg{}}
	return c.prog(p, t)
}

// prog returns the program for p and t; inside a cycle the one in the making.
func (c *encCompiler) prog(p *plan, t reflect.Type) (*encProg, error) {
	key := typeKey{p, t}
	if known, ok := c.progs[key]; ok {
		return known, nil
	}
	made := &encProg{recursive: p.kind == pRecord && p.recursive}
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
	made.end(ops)
	return made, nil
}

func misfit(p *plan, t reflect.Type, path, reason string) *TypeError {
	return &TypeError{Path: trimDot(path), Schema: describe(p.w), Type: t, Reason: reason}
}

func trimDot(path string) string {
	if path != "" && path[0] == '.' {
		return path[1:]
	}
	return path
}

// value appends the steps that write the value of type t at off. top says that
// they are those of a program of their own.
func (c *encCompiler) value(ops []encOp, p *plan, t reflect.Type, off uintptr, path string, top bool) ([]encOp, error) {
	add := func(op encOp) ([]encOp, error) {
		op.off, op.path, op.plan, op.typ = off, path, p, t
		return append(ops, op), nil
	}
	if conv, ok := c.eng.conversion(p.w); ok && conv.Type == t {
		return add(encOp{code: eConvert, conv: conv.Encode})
	}
	if p.kind == pUnion {
		return c.union(ops, p, t, off, path)
	}
	if t.Kind() == reflect.Interface {
		return add(encOp{code: eAny})
	}
	if (p.kind == pString || p.kind == pEnum) && t != timeType && (t.Implements(marshalerType) || reflect.PointerTo(t).Implements(marshalerType)) && familyOfGo(t) == plainFamily {
		return add(encOp{code: eText})
	}
	if t.Kind() == reflect.Pointer && t != ratPointerType {
		sub, err := c.prog(p, t.Elem())
		if err != nil {
			return nil, withPath(err, path)
		}
		return add(encOp{code: eDeref, sub: sub})
	}
	kind := t.Kind()
	if f := familyOf(p.w.Logical); f != plainFamily {
		switch {
		case f == timeFamily && familyOfGo(t) == timeFamily:
			return add(encOp{code: eTime})
		case f == clockFamily && t == clockType:
			return add(encOp{code: eClock})
		case f == decimalFamily && t == ratPointerType:
			return add(encOp{code: eRatPointer})
		case f == decimalFamily && familyOfGo(t) == decimalFamily:
			return add(encOp{code: eRat})
		case f == uuidFamily && p.kind == pString && isBytes16(t):
			return add(encOp{code: eUUIDText})
		case f == uuidFamily && p.kind == pFixed && kind == reflect.String:
			return add(encOp{code: eUUIDFixed})
		case f == durationFamily && familyOfGo(t) == durationFamily:
			return add(encOp{code: eDuration})
		}
	}
	switch p.kind {
	case pNull:
		return ops, nil
	case pBoolean:
		if kind == reflect.Bool {
			return add(encOp{code: eBoolean})
		}
	case pInt, pLong:
		if t == clockType && p.w.Logical != "" {
			break
		}
		check := 0
		if p.kind == pInt {
			check = 1
		}
		switch kind {
		case reflect.Int64, reflect.Int:
			if p.kind == pLong && t.Size() == 8 {
				return add(encOp{code: eLong64})
			}
			return add(encOp{code: eWhole, n: check})
		case reflect.Int32:
			return add(encOp{code: eLong32})
		case reflect.Int8, reflect.Int16, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
			return add(encOp{code: eWhole, n: check})
		}
	case pFloat:
		if kind == reflect.Float32 {
			return add(encOp{code: eFloat})
		}
	case pDouble:
		if kind == reflect.Float64 {
			return add(encOp{code: eDouble})
		}
		if kind == reflect.Float32 {
			return add(encOp{code: eFloatAsDouble})
		}
	case pBytes, pString:
		if kind == reflect.String {
			return add(encOp{code: eString})
		}
		if isByteSlice(t) {
			return add(encOp{code: eBytes})
		}
	case pFixed:
		if kind == reflect.Array && t.Elem().Kind() == reflect.Uint8 {
			if t.Len() != p.w.Size {
				return nil, misfit(p, t, path, fmt.Sprintf("the size is %d", p.w.Size))
			}
			return add(encOp{code: eFixedArray, n: p.w.Size})
		}
		if isByteSlice(t) {
			return add(encOp{code: eFixedSlice, n: p.w.Size})
		}
	case pEnum:
		if kind == reflect.String {
			op := encOp{code: eSymbol, symbols: p.w.Symbols}
			if len(op.symbols) > 8 {
				op.index = make(map[string]int, len(op.symbols))
				for i, s := range op.symbols {
					op.index[s] = i
				}
			}
			return add(op)
		}
	case pArray:
		return c.array(ops, p, t, off, path)
	case pMap:
		if kind == reflect.Map && t.Key().Kind() == reflect.String {
			if t.Elem() == anyType {
				return add(encOp{code: eAny})
			}
			if t.Elem().Kind() == reflect.String && p.item.kind == pString && t.Elem() == reflect.TypeFor[string]() && t.Key() == reflect.TypeFor[string]() {
				return add(encOp{code: eMapString})
			}
			sub, err := c.prog(p.item, t.Elem())
			if err != nil {
				return nil, withPath(err, path+"{}")
			}
			return add(encOp{code: eMap, sub: sub})
		}
	case pRecord:
		if kind == reflect.Map && t.ConvertibleTo(genericMapType) {
			return add(encOp{code: eAny})
		}
		if kind == reflect.Struct {
			return c.record(ops, p, t, off, path, top)
		}
	}
	return nil, misfit(p, t, path, "")
}

func isBytes16(t reflect.Type) bool {
	return t.Kind() == reflect.Array && t.Len() == 16 && t.Elem().Kind() == reflect.Uint8
}

func isByteSlice(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// withPath puts a part in front of the path of a compile error.
func withPath(err error, path string) error {
	if te, ok := err.(*TypeError); ok {
		copied := *te
		if copied.Path != "" && copied.Path[0] != '[' && copied.Path[0] != '{' {
			path += "."
		}
		copied.Path = trimDot(path + copied.Path)
		return &copied
	}
	return err
}

func (c *encCompiler) array(ops []encOp, p *plan, t reflect.Type, off uintptr, path string) ([]encOp, error) {
	op := encOp{off: off, path: path, plan: p, typ: t}
	switch t.Kind() {
	case reflect.Slice:
		elem := t.Elem()
		op.code, op.size = eArray, elem.Size()
		switch {
		case t.ConvertibleTo(genericListType):
			op.code = eAny
			return append(ops, op), nil
		case elem.Kind() == reflect.Int64 && p.item.kind == pLong && elem != clockType:
			op.code = eArrayLong
			return append(ops, op), nil
		case elem.Kind() == reflect.Float64 && p.item.kind == pDouble:
			op.code = eArrayDouble
			return append(ops, op), nil
		case elem == reflect.TypeFor[string]() && p.item.kind == pString:
			op.code = eArrayString
			return append(ops, op), nil
		}
	case reflect.Array:
		op.code, op.size, op.n = eGoArray, t.Elem().Size(), t.Len()
	default:
		return nil, misfit(p, t, path, "")
	}
	sub, err := c.prog(p.item, t.Elem())
	if err != nil {
		return nil, withPath(err, path+"[]")
	}
	op.sub = sub
	return append(ops, op), nil
}

func (c *encCompiler) record(ops []encOp, p *plan, t reflect.Type, off uintptr, path string, top bool) ([]encOp, error) {
	if !top && (p.recursive || len(ops) > mostInline) {
		sub, err := c.prog(p, t)
		if err != nil {
			return nil, withPath(err, path)
		}
		return append(ops, encOp{code: eRecord, off: off, path: path, sub: sub, plan: p, typ: t}), nil
	}
	fields := goFields(t)
	for i := range p.steps {
		f := p.steps[i].from
		at := path + "." + f.Name
		gf, ok := fieldOf(fields, f.Name, f.Aliases)
		if !ok {
			if f.Default == nil {
				return nil, &TypeError{Path: trimDot(at), Schema: describe(f.Type), Type: t, Reason: "the struct has no such field and the schema no default"}
			}
			data, err := p.steps[i].encoded, p.steps[i].defaultErr
			if err != nil {
				return nil, &TypeError{Path: trimDot(at), Schema: describe(f.Type), Reason: "default value: " + err.Error()}
			}
			ops = appendConst(ops, data)
			continue
		}
		var err error
		if len(gf.via) > 0 {
			ops, err = c.embedded(ops, p.steps[i].plan, gf, gf.via, off, at)
		} else {
			ops, err = c.value(ops, p.steps[i].plan, gf.typ, off+gf.offset, at, false)
		}
		if err != nil {
			return nil, err
		}
	}
	return ops, nil
}

// embedded reads a field behind embedded pointers; behind a nil one it is zero.
func (c *encCompiler) embedded(ops []encOp, p *plan, f goField, via []hop, off uintptr, path string) ([]encOp, error) {
	if len(via) == 0 {
		return c.value(ops, p, f.typ, f.offset, path, false)
	}
	sub, err := c.embedded(nil, p, f, via[1:], 0, path)
	if err != nil {
		return nil, err
	}
	zero := reflect.New(via[0].elem).UnsafePointer()
	inner := &encProg{}
	inner.end(sub)
	return append(ops, encOp{code: eVia, off: off + via[0].offset, sub: inner, zero: zero}), nil
}

func appendConst(ops []encOp, data []byte) []encOp {
	if len(data) == 0 {
		return ops
	}
	if k := len(ops); k > 0 && ops[k-1].code == eConst {
		ops[k-1].data = append(ops[k-1].data[:len(ops[k-1].data):len(ops[k-1].data)], data...)
		return ops
	}
	return append(ops, encOp{code: eConst, data: data})
}

// union appends the steps for a union. A nil pointer, slice or map is null; any
// other type takes the branch that fits it best.
func (c *encCompiler) union(ops []encOp, p *plan, t reflect.Type, off uintptr, path string) ([]encOp, error) {
	if t.Kind() == reflect.Interface {
		return append(ops, encOp{code: eAny, off: off, path: path, plan: p, typ: t}), nil
	}
	null := p.un.null
	if t.Kind() == reflect.Map && t.ConvertibleTo(genericMapType) {
		return append(ops, encOp{code: eAny, off: off, path: path, plan: p, typ: t}), nil
	}
	nilable := t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer
	elem := t
	if t.Kind() == reflect.Pointer && t != ratPointerType {
		elem = t.Elem()
	}
	index, sub, err := c.pick(p, elem)
	if err != nil {
		return nil, withPath(err, path)
	}
	if nilable {
		op := encOp{code: eNil, off: off, n: null, path: path, sub: sub, plan: p, typ: t, data: appendLong(nil, int64(index))}
		if t.Kind() == reflect.Pointer && t != ratPointerType {
			op.size = 1 // follow the pointer
		}
		if len(sub.ops) == 2 {
			op.inner = sub.ops[0].code
		}
		return append(ops, op), nil
	}
	ops = appendConst(ops, appendLong(nil, int64(index)))
	return c.value(ops, p.branches[index].item, elem, off, path, false)
}

// pick returns the branch for values of type t and its program.
func (c *encCompiler) pick(p *plan, t reflect.Type) (int, *encProg, error) {
	name := c.eng.types.nameOf(t)
	var first error
	for pass := range 3 {
		for i, b := range p.branches {
			item := b.item
			if item.kind == pNull {
				continue
			}
			switch pass {
			case 0: // by name or by logical type
				if !(name != "" && registeredName(item.w) == name) && !(named(item.w) && item.w.Kind == avro.Record && item.w.Name == t.Name()) && !(familyOf(item.w.Logical) != plainFamily && familyOf(item.w.Logical) == familyOfGo(t)) {
					continue
				}
			case 1: // without a loss of range
				if item.kind == pInt && t.Size() > 4 || item.kind == pEnum || item.kind == pBytes && t.Kind() == reflect.String {
					continue
				}
			}
			sub, err := c.prog(item, t)
			if err == nil {
				return i, sub, nil
			}
			if first == nil {
				first = err
			}
		}
	}
	if first == nil {
		first = misfit(p, t, "", "no branch takes it")
	} else if len(p.branches) > 2 {
		first = misfit(p, t, "", "no branch takes it")
	}
	return 0, nil, first
}
