package avro

import (
	"fmt"
	"math/big"
	"reflect"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// any writes a generic value: what Unmarshal into an interface gives, or any
// Go value that a field of its type could hold.
func (e *encoder) any(dst []byte, p *plan, v any) []byte {
	if v == nil {
		return e.null(dst, p)
	}
	if conv, ok := e.eng.conversion(p.w); ok && reflect.TypeOf(v) == conv.Type {
		base, err := conv.Encode(v)
		if err != nil {
			if e.err == nil {
				e.err = err
			}
			return dst
		}
		return e.under(dst, p, base)
	}
	return e.under(dst, p, v)
}

// under writes a value without asking for a conversion.
func (e *encoder) under(dst []byte, p *plan, v any) []byte {
	switch p.kind {
	case pUnion:
		return e.union(dst, p, v)
	case pBoolean:
		if b, ok := v.(bool); ok {
			if b {
				return append(dst, 1)
			}
			return append(dst, 0)
		}
	case pInt, pLong:
		switch x := v.(type) {
		case int:
			return e.whole(dst, p, int64(x))
		case int64:
			return e.whole(dst, p, x)
		case int32:
			return e.whole(dst, p, int64(x))
		}
	case pFloat:
		if f, ok := v.(float32); ok {
			return appendFloat(dst, f)
		}
	case pDouble:
		if f, ok := v.(float64); ok {
			return appendDouble(dst, f)
		}
	case pBytes, pString:
		switch x := v.(type) {
		case string:
			return appendString(dst, x)
		case []byte:
			return appendBytes(dst, x)
		}
	case pArray:
		if list, ok := v.([]any); ok {
			return e.list(dst, p, list)
		}
	case pMap:
		if m, ok := v.(map[string]any); ok {
			return e.genericMap(dst, p, m)
		}
	case pRecord:
		if m, ok := v.(map[string]any); ok {
			return e.genericRecord(dst, p, m)
		}
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer && t != ratPointerType && reflect.ValueOf(v).IsNil() {
		return e.null(dst, p)
	}
	return e.typed(dst, p, v)
}

func (e *encoder) null(dst []byte, p *plan) []byte {
	switch {
	case p.kind == pNull:
		return dst
	case p.kind == pUnion && p.un.null >= 0:
		return appendLong(dst, int64(p.un.null))
	}
	e.failAs("", describe(p.w), "nil")
	return dst
}

func (e *encoder) whole(dst []byte, p *plan, v int64) []byte {
	if p.kind == pInt && v != int64(int32(v)) {
		e.failAs("", describe(p.w), strconv.FormatInt(v, 10))
		return dst
	}
	return appendLong(dst, v)
}

func (e *encoder) list(dst []byte, p *plan, list []any) []byte {
	if len(list) == 0 {
		return append(dst, 0)
	}
	if !e.count(p, len(list), "") {
		return dst
	}
	dst = appendLong(dst, int64(len(list)))
	for i, item := range list {
		if dst = e.any(dst, p.item, item); e.err != nil {
			e.trail.index(i)
			return dst
		}
	}
	return append(dst, 0)
}

func (e *encoder) genericMap(dst []byte, p *plan, m map[string]any) []byte {
	if len(m) == 0 {
		return append(dst, 0)
	}
	dst = appendLong(dst, int64(len(m)))
	for k, item := range m {
		dst = appendString(dst, k)
		if dst = e.any(dst, p.item, item); e.err != nil {
			e.trail.key(k)
			return dst
		}
	}
	return append(dst, 0)
}

// genericRecord writes a record from a map. A field that the map lacks takes
// its default; a key that is no field is an error, since it would be lost.
func (e *encoder) genericRecord(dst []byte, p *plan, m map[string]any) []byte {
	if p.recursive {
		if e.depth++; e.depth > maxDepth {
			e.failAs("", "at most "+strconv.Itoa(maxDepth)+" levels of a recursive type", "more (a cycle?)")
			return dst
		}
		defer func() { e.depth-- }()
	}
	found := 0
	for i := range p.steps {
		s := &p.steps[i]
		v, ok := m[s.from.Name]
		switch {
		case ok:
			found++
			dst = e.any(dst, s.plan, v)
		case s.from.Default != nil:
			if s.defaultErr != nil {
				e.failAs("", describe(s.plan.w), "an invalid default: "+s.defaultErr.Error())
			}
			dst = append(dst, s.encoded...)
		default:
			e.failAs("", describe(s.plan.w), "no such key, and the schema has no default")
		}
		if e.err != nil {
			e.trail.field(s.from.Name)
			return dst
		}
	}
	if found == len(m) {
		return dst
	}
	for k := range m {
		if fieldIndex(p.w, k) < 0 {
			e.failAs("", describe(p.w), "the key "+strconv.Quote(clip(k))+", which is not one of its fields")
			return dst
		}
	}
	return dst
}

func fieldIndex(n *avro.Node, name string) int {
	for i, f := range n.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// union writes the branch that a map of one entry names, else the branch that
// fits the type of v best.
func (e *encoder) union(dst []byte, p *plan, v any) []byte {
	if m, ok := v.(map[string]any); ok && len(m) == 1 {
		for name, inner := range m {
			i := p.un.byName(name)
			if i < 0 || e.eng.bare && p.branches[i].item.kind == pRecord && fieldIndex(p.branches[i].item.w, name) >= 0 {
				break
			}
			dst = appendLong(dst, int64(i))
			if dst = e.any(dst, p.branches[i].item, inner); e.err != nil {
				e.trail.key(name)
			}
			return dst
		}
	}
	if t := reflect.TypeOf(v); p.un.null >= 0 {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if reflect.ValueOf(v).IsNil() {
				return e.null(dst, p)
			}
		}
	}
	i := e.branchFor(p, v)
	if i < 0 {
		e.failAs("", "one of "+fmt.Sprint(p.un.names), reflect.TypeOf(v).String())
		return dst
	}
	dst = appendLong(dst, int64(i))
	return e.any(dst, p.branches[i].item, v)
}

// branchFor returns the branch for a bare value, or -1.
func (e *encoder) branchFor(p *plan, v any) int {
	kinds := func(order ...planKind) int {
		for _, k := range order {
			for i, b := range p.branches {
				if b.item.kind == k {
					return i
				}
			}
		}
		return -1
	}
	logical := func(f family) int {
		for i, b := range p.branches {
			if familyOf(b.item.w.Logical) == f {
				return i
			}
		}
		return -1
	}
	switch x := v.(type) {
	case bool:
		return kinds(pBoolean)
	case string:
		if i := kinds(pString); i >= 0 {
			return i
		}
		for i, b := range p.branches {
			if b.item.kind == pEnum {
				for _, s := range b.item.w.Symbols {
					if s == x {
						return i
					}
				}
			}
		}
		return kinds(pBytes)
	case int:
		if x == int(int32(x)) {
			return kinds(pInt, pLong)
		}
		return kinds(pLong)
	case int64:
		return kinds(pLong, pInt)
	case int32:
		return kinds(pInt, pLong)
	case float64:
		return kinds(pDouble)
	case float32:
		return kinds(pFloat, pDouble)
	case []byte:
		for i, b := range p.branches {
			if b.item.kind == pFixed && b.item.w.Size == len(x) {
				if bytes := kinds(pBytes); bytes >= 0 {
					return bytes
				}
				return i
			}
		}
		return kinds(pBytes, pString)
	case time.Time:
		return logical(timeFamily)
	case time.Duration:
		return logical(clockFamily)
	case *big.Rat, big.Rat:
		return logical(decimalFamily)
	case LogicalDuration:
		return logical(durationFamily)
	case []any:
		return kinds(pArray)
	case map[string]any:
		return e.branchForMap(p, x)
	}
	t := reflect.TypeOf(v)
	c := &encCompiler{eng: e.eng, progs: map[typeKey]*encProg{}}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	i, _, err := c.pick(p, t)
	if err != nil {
		return -1
	}
	return i
}

// branchForMap takes a bare map for the record whose fields are its keys, else
// for a map.
func (e *encoder) branchForMap(p *plan, m map[string]any) int {
	best := -1
	for i, b := range p.branches {
		if b.item.kind != pRecord {
			continue
		}
		all := true
		for k := range m {
			all = all && fieldIndex(b.item.w, k) >= 0
		}
		for _, f := range b.item.w.Fields {
			_, has := m[f.Name]
			all = all && (has || f.Default != nil)
		}
		if all {
			best = i
			break
		}
	}
	if best >= 0 {
		return best
	}
	for i, b := range p.branches {
		if b.item.kind == pMap {
			return i
		}
	}
	return -1
}
