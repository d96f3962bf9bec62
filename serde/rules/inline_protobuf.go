package rules

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// protobufRules reads the inline rules in the options of a field or message:
// Rule{name = 1, doc = 2, expr = 3, sql = 4}.
func protobufRules(d protoreflect.Descriptor) []inlineRule {
	var out []inlineRule
	eachMeta(d, func(meta []byte) {
		eachBytes(meta, metaRuleField, func(rule []byte) {
			var r inlineRule
			for number, to := range map[protowire.Number]*string{1: &r.Name, 2: &r.Doc, 3: &r.Expr, 4: &r.SQL} {
				eachBytes(rule, number, func(text []byte) { *to = string(text) })
			}
			out = append(out, r)
		})
	})
	return out
}

func (p *protobufShape) hasInline() bool { return len(p.rules) > 0 }

func (p *protobufShape) inline(v any, visit inlineVisitor) error {
	m, err := asMessage(v)
	if err != nil {
		return err
	}
	return p.inlineAt(m.ProtoReflect(), "", visit, 0)
}

// inlineAt walks a message: its own rules, then field by field in the order of
// the text. A field with presence that is not set has no value to check.
func (p *protobufShape) inlineAt(m protoreflect.Message, path string, visit inlineVisitor, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	d := m.Descriptor()
	if rules := p.rules[d.FullName()]; rules != nil {
		if err := visit(inlinePlace{path: path, rules: rules, this: m.Interface(), file: d.ParentFile()}); err != nil {
			return err
		}
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if f.HasPresence() && !m.Has(f) {
			continue
		}
		at := string(f.Name())
		if path != "" {
			at = path + "." + at
		}
		v := m.Get(f)
		if rules := p.rules[f.FullName()]; rules != nil {
			if err := visit(inlinePlace{path: at, rules: rules, this: shownField(f, v), file: d.ParentFile()}); err != nil {
				return err
			}
		}
		if err := p.inlineField(f, v, at, visit, depth); err != nil {
			return err
		}
	}
	return nil
}

// inlineField walks the messages in the value of a field.
func (p *protobufShape) inlineField(f protoreflect.FieldDescriptor, v protoreflect.Value, path string, visit inlineVisitor, depth int) error {
	switch {
	case f.IsList() && f.Message() != nil:
		for i := range v.List().Len() {
			if err := p.inlineAt(v.List().Get(i).Message(), path+"["+strconv.Itoa(i)+"]", visit, depth+1); err != nil {
				return err
			}
		}
	case f.IsMap() && f.MapValue().Message() != nil:
		for _, k := range sortedKeys(v.Map()) {
			name := k.String()
			if f.MapKey().Kind() == protoreflect.StringKind {
				name = strconv.Quote(name)
			}
			if err := p.inlineAt(v.Map().Get(k).Message(), path+"["+name+"]", visit, depth+1); err != nil {
				return err
			}
		}
	case f.Message() != nil && !f.IsList() && !f.IsMap():
		return p.inlineAt(v.Message(), path, visit, depth+1)
	}
	return nil
}

func sortedKeys(m protoreflect.Map) []protoreflect.MapKey {
	var out []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		out = append(out, k)
		return true
	})
	slices.SortFunc(out, func(a, b protoreflect.MapKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

// shownField returns the value of a field as CEL is to see it.
func shownField(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsList():
		out := make([]any, v.List().Len())
		for i := range out {
			out[i] = shownScalar(v.List().Get(i))
		}
		return out
	case f.IsMap():
		key := reflect.TypeFor[string]()
		for _, k := range sortedKeys(v.Map()) {
			key = reflect.TypeOf(plainOf(reflect.ValueOf(k.Interface())))
			break
		}
		out := reflect.MakeMap(reflect.MapOf(key, reflect.TypeFor[any]()))
		v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
			out.SetMapIndex(reflect.ValueOf(plainOf(reflect.ValueOf(k.Interface()))), reflect.ValueOf(shownScalar(item)))
			return true
		})
		return out.Interface()
	}
	return shownScalar(v)
}

func shownScalar(v protoreflect.Value) any {
	if m, ok := v.Interface().(protoreflect.Message); ok {
		return m.Interface()
	}
	return plainOf(reflect.ValueOf(v.Interface()))
}
