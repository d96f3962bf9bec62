package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

func (a *avroShape) hasInline() bool { return len(a.recordRules)+len(a.fieldRules) > 0 }

func (a *avroShape) inline(v any, visit inlineVisitor) error {
	return a.inlineAt(a.root, reflect.ValueOf(v), "", visit, 0)
}

// inlineAt walks what a value of n holds. The rules of a record stand before
// those of its fields.
func (a *avroShape) inlineAt(n *avro.Node, v reflect.Value, path string, visit inlineVisitor, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	n, v, err := bare(n, v)
	if err != nil || !v.IsValid() {
		return err
	}
	switch {
	case n.Kind == avro.Record && (v.Kind() == reflect.Map || v.Kind() == reflect.Struct) && !opaque(v.Type()):
		return a.inlineRecord(n, v, path, visit, depth)
	case n.Kind == avro.Array && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array) && !opaque(v.Type()):
		for i := range v.Len() {
			if err := a.inlineAt(n.Items, v.Index(i), path+"["+strconv.Itoa(i)+"]", visit, depth+1); err != nil {
				return err
			}
		}
	case n.Kind == avro.Map && v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
		for _, k := range keys {
			if err := a.inlineAt(n.Items, v.MapIndex(k), path+"["+strconv.Quote(k.String())+"]", visit, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *avroShape) inlineRecord(n *avro.Node, v reflect.Value, path string, visit inlineVisitor, depth int) error {
	if rules := a.recordRules[n]; rules != nil {
		this, err := a.showAs(n, v, depth)
		if err != nil {
			return err
		}
		if err := visit(inlinePlace{path: path, rules: rules, this: this}); err != nil {
			return err
		}
	}
	var fields map[string][]int
	if v.Kind() == reflect.Struct {
		fields = structFields(v.Type(), avroTag)
	}
	for _, f := range n.Fields {
		item := memberOf(v, fields, f.Name)
		if !item.IsValid() {
			continue
		}
		at := f.Name
		if path != "" {
			at = path + "." + f.Name
		}
		if rules := a.fieldRules[f]; rules != nil {
			this, err := a.showAs(f.Type, item, depth+1)
			if err != nil {
				return err
			}
			if this != nil {
				if err := visit(inlinePlace{path: at, rules: rules, this: this}); err != nil {
					return err
				}
			}
		}
		if err := a.inlineAt(f.Type, item, at, visit, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// memberOf returns a member of a map or struct, the zero Value if it has none.
// fields are those of the struct.
func memberOf(v reflect.Value, fields map[string][]int, name string) reflect.Value {
	if v.Kind() == reflect.Map {
		if v.Type().Key().Kind() != reflect.String {
			return reflect.Value{}
		}
		return v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
	}
	if index, ok := fields[name]; ok {
		if f, ok := fieldIn(v, index); ok {
			return f
		}
	}
	return reflect.Value{}
}

// bare follows interfaces, pointers and unions down to a value and its type;
// of null the value is the zero Value.
func bare(n *avro.Node, v reflect.Value) (*avro.Node, reflect.Value, error) {
	for range maxDepth {
		if v.IsValid() && (v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer) {
			v = v.Elem()
			continue
		}
		if !v.IsValid() || n.Kind != avro.Union {
			return n, v, nil
		}
		if named, _, inner := namedBranch(n, v); named != nil {
			n, v = named, inner
			continue
		}
		b := branchFor(n, v)
		if b == nil {
			return n, v, fmt.Errorf("a %s is of no branch of the union", v.Type())
		}
		n = b
	}
	return n, v, errTooDeep
}
