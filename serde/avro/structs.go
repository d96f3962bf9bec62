package avro

import (
	"reflect"
	"strings"
)

// goField is a field of a struct or of one embedded in it.
type goField struct {
	name   string
	typ    reflect.Type
	offset uintptr // in the struct that holds it
	via    []hop   // embedded pointers on the way, outermost first
	depth  int
}

// hop is an embedded pointer: where it lies and what it points to.
type hop struct {
	offset uintptr
	elem   reflect.Type
}

// goFields returns the fields of t by Avro name: the tag avro:"name", else the
// Go name. "-" hides a field. Fields of embedded structs without a tag count
// as the outer struct's own; the shallower one wins, and of two at one depth
// the first.
func goFields(t reflect.Type) map[string]goField {
	out := map[string]goField{}
	collectFields(t, 0, nil, 0, map[reflect.Type]bool{}, out)
	return out
}

func collectFields(t reflect.Type, base uintptr, via []hop, depth int, open map[reflect.Type]bool, out map[string]goField) {
	if open[t] {
		return
	}
	open[t] = true
	defer delete(open, t)
	for i := range t.NumField() {
		f := t.Field(i)
		tag, tagged := f.Tag.Lookup("avro")
		tag, _, _ = strings.Cut(tag, ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && tag == "" {
			inner := f.Type
			if inner.Kind() == reflect.Struct && familyOfGo(inner) == plainFamily {
				collectFields(inner, base+f.Offset, via, depth+1, open, out)
				continue
			}
			if inner.Kind() == reflect.Pointer && inner.Elem().Kind() == reflect.Struct && familyOfGo(inner.Elem()) == plainFamily {
				if !f.IsExported() {
					continue // cannot be set
				}
				way := append(append([]hop(nil), via...), hop{base + f.Offset, inner.Elem()})
				collectFields(inner.Elem(), 0, way, depth+1, open, out)
				continue
			}
		}
		if !f.IsExported() {
			continue
		}
		name := f.Name
		if tagged && tag != "" {
			name = tag
		}
		if known, ok := out[name]; ok && known.depth <= depth {
			continue
		}
		out[name] = goField{name: name, typ: f.Type, offset: base + f.Offset, via: via, depth: depth}
	}
}

// fieldOf finds the Go field of a schema field by its name, else its aliases.
func fieldOf(fields map[string]goField, name string, aliases []string) (goField, bool) {
	if f, ok := fields[name]; ok {
		return f, true
	}
	for _, a := range aliases {
		if f, ok := fields[a]; ok {
			return f, true
		}
	}
	return goField{}, false
}
