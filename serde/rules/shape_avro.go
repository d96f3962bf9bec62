package rules

import (
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/serde"
)

const (
	avroTag = "avro"
	// tagsProperty is where Avro and JSON Schema texts keep inline tags.
	tagsProperty = "confluent:tags"
)

// avroShape walks generic values and structs along an Avro schema.
type avroShape struct {
	root *avro.Node
	tags map[*avro.Field][]string

	recordRules map[*avro.Node][]inlineRule
	fieldRules  map[*avro.Field][]inlineRule
}

func newAvroShape(s *serde.Schema, paths pathTags) (*avroShape, error) {
	parsed, err := avro.Parse(source(s))
	if err != nil {
		return nil, err
	}
	a := &avroShape{root: parsed.Root(), tags: map[*avro.Field][]string{}, recordRules: map[*avro.Node][]inlineRule{}, fieldRules: map[*avro.Field][]inlineRule{}}
	a.collect(a.root, paths, map[*avro.Node]bool{})
	return a, nil
}

func source(s *serde.Schema) compat.Source {
	src := compat.Source{Type: s.Type.OrDefault(), Text: s.Text, Dependencies: make([]compat.Dependency, len(s.Dependencies))}
	for i, d := range s.Dependencies {
		src.Dependencies[i] = compat.Dependency{Name: d.Name, Text: d.Text}
	}
	return src
}

// collect notes the tags of all fields, and all inline rules.
func (a *avroShape) collect(n *avro.Node, paths pathTags, seen map[*avro.Node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	a.collect(n.Items, paths, seen)
	for _, b := range n.Branches {
		a.collect(b, paths, seen)
	}
	if n.Kind == avro.Record {
		if rules := parseInline(prop(n.Props, rulesProperty)); len(rules) > 0 {
			a.recordRules[n] = rules
		}
	}
	for _, f := range n.Fields {
		if rules := parseInline(prop(f.Props, rulesProperty)); len(rules) > 0 {
			a.fieldRules[f] = rules
		}
		var inline []string
		if json.Unmarshal(prop(f.Props, tagsProperty), &inline) != nil {
			inline = nil // of another form than a list of strings
		}
		if tags := paths.of(n.FullName()+"."+f.Name, inline); len(tags) > 0 {
			a.tags[f] = tags
		}
		a.collect(f.Type, paths, seen)
	}
}

// prop returns the JSON of an attribute, nil if there is none.
func prop(props []avro.Prop, key string) []byte {
	for _, p := range props {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

func (a *avroShape) fields(v any, visit visitor) (any, error) {
	if v == nil {
		return nil, nil
	}
	out, err := a.walk(a.root, reflect.ValueOf(v), nil, visit, 0)
	if err != nil {
		return nil, err
	}
	return out.Interface(), nil
}

// walk returns v, or a changed copy. f is the field that v stands in, nil at the
// root.
func (a *avroShape) walk(n *avro.Node, v reflect.Value, f *field, visit visitor, depth int) (reflect.Value, error) {
	if depth > maxDepth {
		return v, errTooDeep
	}
	switch {
	case !v.IsValid():
		return v, nil
	case v.Kind() == reflect.Interface:
		return a.walkInterface(n, v, f, visit, depth)
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			_, err := leaf(v, f, "NULL", visit) // a null stays one
			return v, err
		}
		inner, err := a.walk(n, v.Elem(), f, visit, depth+1)
		if err != nil {
			return v, err
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out, nil
	case n.Kind == avro.Union:
		return a.walkUnion(n, v, f, visit, depth)
	}
	switch n.Kind {
	case avro.Record:
		return a.walkRecord(n, v, visit, depth)
	case avro.Array:
		if v.Kind() != reflect.Slice && v.Kind() != reflect.Array || v.Kind() == reflect.Slice && v.IsNil() {
			return v, nil
		}
		out := reflect.New(v.Type()).Elem()
		if v.Kind() == reflect.Slice {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		for i := range v.Len() {
			item, err := a.walk(n.Items, v.Index(i), f, visit, depth+1)
			if err != nil {
				return v, err
			}
			set(out.Index(i), item)
		}
		return out, nil
	case avro.Map:
		if v.Kind() != reflect.Map || v.IsNil() {
			return v, nil
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			item, err := a.walk(n.Items, it.Value(), f, visit, depth+1)
			if err != nil {
				return v, err
			}
			to := reflect.New(v.Type().Elem()).Elem()
			set(to, item)
			out.SetMapIndex(it.Key(), to)
		}
		return out, nil
	case avro.Fixed, avro.Enum, avro.Null:
		return v, nil
	}
	if v.Type() == ratType && n.Logical == avro.Decimal {
		return leaf(v, f, avroTypeNames[n.Kind], func(f *field, _ any) (any, error) { return visit(f, avroPlain(n, v)) })
	}
	return leaf(v, f, avroTypeNames[n.Kind], visit)
}

// avroPlain is plainOf with the scale that the schema has for decimals.
func avroPlain(n *avro.Node, v reflect.Value) any {
	if r, ok := v.Interface().(big.Rat); ok && n.Logical == avro.Decimal {
		return plainRat(&r, n.Scale)
	}
	return plainOf(v)
}

var avroTypeNames = map[avro.Kind]string{
	avro.Boolean: "BOOLEAN", avro.Int: "INT", avro.Long: "LONG", avro.Float: "FLOAT", avro.Double: "DOUBLE",
	avro.Bytes: "BYTES", avro.String: "STRING",
}

// set puts a walked value where the one it came from stood.
func set(to, v reflect.Value) {
	if v.IsValid() {
		to.Set(v)
	}
}

// leaf lets visit replace a primitive value. The replacement has the same type.
func leaf(v reflect.Value, f *field, typeName string, visit visitor) (reflect.Value, error) {
	if f == nil {
		return v, nil
	}
	at := *f
	at.typeName = typeName
	var given any
	if typeName != "NULL" {
		given = plainOf(v)
	}
	got, err := visit(&at, given)
	if err != nil {
		return v, fmt.Errorf("%s: %w", f.fullName, err)
	}
	if typeName == "NULL" {
		return v, nil
	}
	out := reflect.New(v.Type()).Elem()
	if err := assign(out, got, avroTag, 0); err != nil {
		return v, fmt.Errorf("%s: %w", f.fullName, err)
	}
	return out, nil
}

// walkInterface walks what an interface holds and keeps its type.
func (a *avroShape) walkInterface(n *avro.Node, v reflect.Value, f *field, visit visitor, depth int) (reflect.Value, error) {
	if v.IsNil() {
		if f != nil {
			if _, err := visit(&field{f.name, f.fullName, "NULL", f.tags, f.message}, nil); err != nil {
				return v, fmt.Errorf("%s: %w", f.fullName, err)
			}
		}
		return v, nil
	}
	return a.walk(n, v.Elem(), f, visit, depth+1)
}

func (a *avroShape) walkUnion(n *avro.Node, v reflect.Value, f *field, visit visitor, depth int) (reflect.Value, error) {
	if named, name, inner := namedBranch(n, v); named != nil {
		if !inner.IsValid() {
			return v, nil
		}
		item, err := a.walk(named, inner, f, visit, depth+1)
		if err != nil {
			return v, err
		}
		return reflect.ValueOf(map[string]any{name: item.Interface()}), nil
	}
	if b := branchFor(n, v); b != nil {
		return a.walk(b, v, f, visit, depth+1)
	}
	return v, nil
}

// namedBranch returns the branch that a map with one entry names, as generic
// values of unions are.
func namedBranch(n *avro.Node, v reflect.Value) (*avro.Node, string, reflect.Value) {
	m, ok := v.Interface().(map[string]any)
	if !ok || len(m) != 1 {
		return nil, "", reflect.Value{}
	}
	for name, inner := range m {
		for _, b := range n.Branches {
			if full := b.FullName(); full == name || b.Logical != "" && full+"."+string(b.Logical) == name {
				return b, name, reflect.ValueOf(inner)
			}
		}
	}
	return nil, "", reflect.Value{}
}

// branchFor returns the branch that a bare Go value is of, nil if none fits.
func branchFor(n *avro.Node, v reflect.Value) *avro.Node {
	var kinds []avro.Kind
	switch {
	case opaque(v.Type()) && v.Kind() != reflect.Struct:
		kinds = []avro.Kind{avro.Bytes, avro.Fixed, avro.String}
	case v.Type() == timeType || v.Type() == durationType || v.Type() == ratType:
		for _, b := range n.Branches {
			if b.Logical != "" {
				return b
			}
		}
		return nil
	default:
		switch v.Kind() {
		case reflect.Bool:
			kinds = []avro.Kind{avro.Boolean}
		case reflect.Int32:
			kinds = []avro.Kind{avro.Int, avro.Long}
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int64, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint, reflect.Uint64:
			kinds = []avro.Kind{avro.Long, avro.Int}
		case reflect.Float32:
			kinds = []avro.Kind{avro.Float, avro.Double}
		case reflect.Float64:
			kinds = []avro.Kind{avro.Double, avro.Float}
		case reflect.String:
			kinds = []avro.Kind{avro.String, avro.Enum, avro.Bytes}
		case reflect.Slice, reflect.Array:
			kinds = []avro.Kind{avro.Array}
		case reflect.Map:
			kinds = []avro.Kind{avro.Map, avro.Record}
		case reflect.Struct:
			kinds = []avro.Kind{avro.Record}
		}
	}
	for _, k := range kinds {
		for _, b := range n.Branches {
			if b.Kind == k {
				return b
			}
		}
	}
	return nil
}

func (a *avroShape) walkRecord(n *avro.Node, v reflect.Value, visit visitor, depth int) (reflect.Value, error) {
	message := func() (any, error) { return a.showAs(n, v, depth) }
	visitField := func(f *avro.Field, v reflect.Value) (reflect.Value, error) {
		at := &field{name: f.Name, fullName: n.FullName() + "." + f.Name, tags: a.tags[f], message: message}
		return a.walk(f.Type, v, at, visit, depth+1)
	}
	switch {
	case v.Kind() == reflect.Map && !v.IsNil() && v.Type().Key().Kind() == reflect.String:
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), it.Value())
		}
		for _, f := range n.Fields {
			key := reflect.ValueOf(f.Name).Convert(v.Type().Key())
			old := v.MapIndex(key)
			if !old.IsValid() {
				continue
			}
			item, err := visitField(f, old)
			if err != nil {
				return v, err
			}
			if item.IsValid() {
				out.SetMapIndex(key, item)
			}
		}
		return out, nil
	case v.Kind() == reflect.Struct && !opaque(v.Type()):
		out := copyStruct(v)
		fields := structFields(v.Type(), avroTag)
		for _, f := range n.Fields {
			index, ok := fields[f.Name]
			if !ok {
				continue
			}
			old, ok := fieldIn(v, index)
			if !ok {
				continue
			}
			item, err := visitField(f, old)
			if err != nil {
				return v, err
			}
			if to, ok := fieldIn(out, index); ok {
				set(to, item)
			}
		}
		return out, nil
	}
	return v, nil
}

func (a *avroShape) show(v any) (any, error) { return a.showAs(a.root, reflect.ValueOf(v), 0) }

// showAs turns a value into maps, lists and plain values; unions are bare.
func (a *avroShape) showAs(n *avro.Node, v reflect.Value, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	n, v, err := bare(n, v)
	if err != nil || !v.IsValid() {
		return nil, err
	}
	switch {
	case opaque(v.Type()):
		return avroPlain(n, v), nil
	case n.Kind == avro.Record && v.Kind() == reflect.Struct:
		out := map[string]any{}
		fields := structFields(v.Type(), avroTag)
		for _, f := range n.Fields {
			index, ok := fields[f.Name]
			if !ok {
				continue
			}
			item, ok := fieldIn(v, index)
			if !ok {
				continue
			}
			var err error
			if out[f.Name], err = a.showAs(f.Type, item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		out := map[string]any{}
		types := map[string]*avro.Node{}
		for _, f := range n.Fields {
			types[f.Name] = f.Type
		}
		for it := v.MapRange(); it.Next(); {
			name := it.Key().String()
			of := n.Items
			if n.Kind == avro.Record {
				of = types[name]
			}
			if of == nil {
				return nil, fmt.Errorf("%q is no field of %s", name, n.FullName())
			}
			var err error
			if out[name], err = a.showAs(of, it.Value(), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case n.Kind == avro.Array && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array):
		out := make([]any, v.Len())
		for i := range out {
			var err error
			if out[i], err = a.showAs(n.Items, v.Index(i), depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return plainOf(v), nil
}

func (a *avroShape) build(v any, result any) (any, error) { return buildLike(v, result, avroTag) }

// buildLike makes a value of v's type of a plain one.
func buildLike(v any, result any, tag string) (any, error) {
	if v == nil {
		return result, nil
	}
	t := reflect.TypeOf(v)
	out := reflect.New(t).Elem()
	if t.Kind() == reflect.Pointer && result == nil {
		return nil, fmt.Errorf("a transformation returned null for a %s", t)
	}
	if err := assign(out, result, tag, 0); err != nil {
		return nil, fmt.Errorf("what the transformation returned: %w", err)
	}
	return out.Interface(), nil
}
