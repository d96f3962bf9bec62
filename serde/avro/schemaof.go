package avro

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// SchemaOf infers a schema from a Go type, the reverse of the table of the
// package comment: int, int64 and unsigned 32 bits are long, smaller integers
// int; a pointer is a union with null, null first and the default; a struct is
// a record of its name; time.Time is timestamp-micros, time.Duration
// time-micros, big.Rat big-decimal; [N]byte is a fixed. An option in the tag
// chooses another logical type:
//
//	Total   *big.Rat  `avro:"total,decimal(12,2)"`
//	Day     time.Time `avro:"day,date"`
//	At      time.Time `avro:"at,timestamp-millis"`
//	ID      [16]byte  `avro:"id,uuid"`
//
// The namespace may be empty. Interfaces, channels, functions and uint64 have
// no schema: the error is a *TypeError with the path of the field.
func SchemaOf[T any](namespace string) (*Schema, error) {
	b := &schemaBuilder{defined: map[reflect.Type]string{}, taken: map[string]bool{}}
	root, err := b.of(reflect.TypeFor[T](), "", "", "")
	if err != nil {
		return nil, err
	}
	if m, ok := root.(*ordered); ok && namespace != "" {
		m.set("namespace", namespace)
	}
	text, err := json.Marshal(root)
	if err != nil {
		return nil, err
	}
	return avro.Parse(compat.Source{Type: schema.Avro, Text: string(text), Strict: true})
}

// ordered is a JSON object that keeps its order.
type ordered struct {
	keys   []string
	values []any
}

func (o *ordered) set(key string, v any) *ordered {
	o.keys, o.values = append(o.keys, key), append(o.values, v)
	return o
}

// MarshalJSON writes the members in the order they were set.
func (o *ordered) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, k := range o.keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendQuoted(out, k), ':')
		v, err := json.Marshal(o.values[i])
		if err != nil {
			return nil, err
		}
		out = append(out, v...)
	}
	return append(out, '}'), nil
}

type schemaBuilder struct {
	defined map[reflect.Type]string
	taken   map[string]bool
}

func object(kind string) *ordered { return new(ordered).set("type", kind) }

func (b *schemaBuilder) of(t reflect.Type, option, hint, path string) (any, error) {
	fail := func(reason string) (any, error) {
		return nil, &TypeError{Path: trimDot(path), Schema: "inferred", Type: t, Reason: reason}
	}
	logical := func(kind, name string) any { return object(kind).set("logicalType", name) }
	switch {
	case t == ratPointerType || t == ratType:
		if option == "" {
			return logical("bytes", "big-decimal"), nil
		}
		precision, scale, ok := decimalOption(option)
		if !ok {
			return fail("the option " + strconv.Quote(option) + " is not decimal(precision,scale)")
		}
		return object("bytes").set("logicalType", "decimal").set("precision", precision).set("scale", scale), nil
	case t.Kind() == reflect.Pointer:
		inner, err := b.of(t.Elem(), option, hint, path)
		if err != nil {
			return nil, err
		}
		if _, union := inner.([]any); union {
			return fail("a pointer to a pointer would be a union in a union")
		}
		return []any{"null", inner}, nil
	case familyOfGo(t) == timeFamily:
		switch option {
		case "":
			return logical("long", "timestamp-micros"), nil
		case "date":
			return logical("int", option), nil
		case "timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos":
			return logical("long", option), nil
		}
		return fail("the option " + strconv.Quote(option) + " is no logical type of a time")
	case t == clockType:
		switch option {
		case "", "time-micros":
			return logical("long", "time-micros"), nil
		case "time-millis":
			return logical("int", option), nil
		}
		return fail("the option " + strconv.Quote(option) + " is no logical type of a duration")
	case familyOfGo(t) == durationFamily:
		if known, ok := b.defined[t]; ok {
			return known, nil
		}
		return b.fixed(t, "Duration", 12).set("logicalType", "duration"), nil
	case t.Implements(marshalerType) && reflect.PointerTo(t).Implements(unmarshalerType):
		return "string", nil
	case option == "uuid" && t.Kind() == reflect.String, option == "uuid" && isBytes16(t):
		return logical("string", "uuid"), nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return "boolean", nil
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Uint8, reflect.Uint16:
		return "int", nil
	case reflect.Int, reflect.Int64, reflect.Uint32:
		return "long", nil
	case reflect.Float32:
		return "float", nil
	case reflect.Float64:
		return "double", nil
	case reflect.String:
		return "string", nil
	case reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			name := t.Name()
			if name == "" {
				name = "Fixed" + strconv.Itoa(t.Len())
			}
			if known, ok := b.defined[t]; ok {
				return known, nil
			}
			return b.fixed(t, name, t.Len()), nil
		}
		return b.items(t, path)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes", nil
		}
		return b.items(t, path)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return fail("keys of a map are strings")
		}
		values, err := b.of(t.Elem(), "", hint, path+"{}")
		if err != nil {
			return nil, err
		}
		return object("map").set("values", values), nil
	case reflect.Struct:
		return b.record(t, hint, path)
	}
	return fail("no Avro type follows from it")
}

func (b *schemaBuilder) items(t reflect.Type, path string) (any, error) {
	items, err := b.of(t.Elem(), "", "", path+"[]")
	if err != nil {
		return nil, err
	}
	return object("array").set("items", items), nil
}

func (b *schemaBuilder) name(t reflect.Type, want string) string {
	name := want
	for n := 2; b.taken[name]; n++ {
		name = want + strconv.Itoa(n)
	}
	b.taken[name] = true
	b.defined[t] = name
	return name
}

func (b *schemaBuilder) fixed(t reflect.Type, name string, size int) *ordered {
	return object("fixed").set("name", b.name(t, name)).set("size", size)
}

func (b *schemaBuilder) record(t reflect.Type, hint, path string) (any, error) {
	if known, ok := b.defined[t]; ok {
		return known, nil
	}
	name := t.Name()
	if i := strings.IndexByte(name, '['); i >= 0 {
		name = name[:i] // of a generic type
	}
	if name == "" {
		name = "Record" + hint
	}
	rec := object("record").set("name", b.name(t, strings.ToUpper(name[:1])+name[1:]))
	fields := []any{}
	for _, f := range orderedFields(t) {
		at := path + "." + f.name
		inner, err := b.of(f.typ, f.option, strings.ToUpper(f.name[:1])+f.name[1:], at)
		if err != nil {
			return nil, err
		}
		field := new(ordered).set("name", f.name).set("type", inner)
		if _, union := inner.([]any); union {
			field.set("default", nil)
		}
		fields = append(fields, field)
	}
	return rec.set("fields", fields), nil
}

type namedField struct {
	name   string
	option string
	typ    reflect.Type
}

// orderedFields returns the fields that goFields finds, in their order.
func orderedFields(t reflect.Type) []namedField {
	known := goFields(t)
	var out []namedField
	seen := map[string]bool{}
	for _, sf := range reflect.VisibleFields(t) {
		tag := sf.Tag.Get("avro")
		name, option, _ := strings.Cut(tag, ",")
		if name == "" {
			name = sf.Name
		}
		f, ok := known[name]
		if !ok || seen[name] || name == "-" || f.typ != sf.Type || sf.Anonymous && tag == "" && f.depth != len(sf.Index)-1 {
			continue
		}
		seen[name] = true
		out = append(out, namedField{name, option, f.typ})
	}
	return out
}

func decimalOption(option string) (precision, scale int, ok bool) {
	n, err := fmt.Sscanf(strings.ReplaceAll(option, " ", ""), "decimal(%d,%d)", &precision, &scale)
	return precision, scale, err == nil && n == 2
}
