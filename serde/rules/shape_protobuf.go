package rules

import (
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/serde"
)

// Inline tags of Protobuf stand in the option (confluent.field_meta).tags.
const (
	metaOption    = protowire.Number(1088)
	metaTagsField = protowire.Number(3)
	metaRuleField = protowire.Number(4)
)

// protobufShape walks messages. What tags a field has the registered schema
// says, not the descriptor that the program was built with.
type protobufShape struct {
	file  protoreflect.FileDescriptor
	paths pathTags
	tags  map[protoreflect.FullName][]string     // of fields
	rules map[protoreflect.FullName][]inlineRule // of fields and messages
}

func newProtobufShape(s *serde.Schema, paths pathTags) (*protobufShape, error) {
	parsed, err := compatpb.Parse(source(s))
	if err != nil {
		return nil, err
	}
	p := &protobufShape{file: parsed.File(), paths: paths, tags: map[protoreflect.FullName][]string{}, rules: map[protoreflect.FullName][]inlineRule{}}
	for _, f := range append(parsed.Imports(), parsed.File()) {
		p.collect(f.Messages())
	}
	return p, nil
}

func (p *protobufShape) collect(list protoreflect.MessageDescriptors) {
	for i := range list.Len() {
		m := list.Get(i)
		if rules := protobufRules(m); len(rules) > 0 {
			p.rules[m.FullName()] = rules
		}
		for k := range m.Fields().Len() {
			f := m.Fields().Get(k)
			if rules := protobufRules(f); len(rules) > 0 {
				p.rules[f.FullName()] = rules
			}
			if tags := p.paths.of(string(f.FullName()), protobufTags(f)); len(tags) > 0 {
				p.tags[f.FullName()] = tags
			}
		}
		p.collect(m.Messages())
	}
}

// protobufTags reads the tags from a field's options, whether or not the
// extension is linked in.
func protobufTags(f protoreflect.FieldDescriptor) []string {
	var tags []string
	eachMeta(f, func(meta []byte) {
		eachBytes(meta, metaTagsField, func(tag []byte) { tags = append(tags, string(tag)) })
	})
	return tags
}

// eachMeta calls visit with the options that are those of confluent/meta.proto.
func eachMeta(d protoreflect.Descriptor, visit func([]byte)) {
	b, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(d.Options())
	if err == nil {
		eachBytes(b, metaOption, visit)
	}
}

// eachBytes calls visit with every length-delimited field of that number.
func eachBytes(b []byte, number protowire.Number, visit func([]byte)) {
	for len(b) > 0 {
		n, typ, size := protowire.ConsumeField(b)
		if size < 0 {
			return
		}
		if n == number && typ == protowire.BytesType {
			_, _, head := protowire.ConsumeTag(b)
			if inner, ok := protowire.ConsumeBytes(b[head:]); ok >= 0 {
				visit(inner)
			}
		}
		b = b[size:]
	}
}

// writable returns a copy of m that can be changed. Messages of hyperpb are
// read-only, so theirs is dynamic.
func writable(m proto.Message) (proto.Message, error) {
	if t := reflect.TypeOf(m); t.Kind() == reflect.Pointer && strings.Contains(t.Elem().PkgPath(), "/hyperpb") {
		b, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		out := dynamicpb.NewMessage(m.ProtoReflect().Descriptor())
		return out, proto.Unmarshal(b, out)
	}
	return proto.Clone(m), nil
}

func asMessage(v any) (proto.Message, error) {
	m, ok := v.(proto.Message)
	if !ok || !m.ProtoReflect().IsValid() {
		return nil, fmt.Errorf("rules of a Protobuf schema need a message, not a %T", v)
	}
	return m, nil
}

func (p *protobufShape) fields(v any, visit visitor) (any, error) {
	m, err := asMessage(v)
	if err != nil {
		return nil, err
	}
	out, err := writable(m)
	if err != nil {
		return nil, err
	}
	return out, p.walk(out.ProtoReflect(), visit, 0)
}

func (p *protobufShape) walk(m protoreflect.Message, visit visitor, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	before := func() (any, error) { return m.Interface(), nil }
	var set []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		set = append(set, f)
		return true
	})
	for _, f := range set {
		at := &field{name: string(f.Name()), fullName: string(f.FullName()), tags: p.tags[f.FullName()], message: before}
		if err := p.walkField(m, f, at, visit, depth); err != nil {
			return err
		}
	}
	return nil
}

func (p *protobufShape) walkField(m protoreflect.Message, f protoreflect.FieldDescriptor, at *field, visit visitor, depth int) error {
	switch {
	case f.IsList():
		list := m.Mutable(f).List()
		for i := range list.Len() {
			changed, err := p.walkValue(f, list.Get(i), at, visit, depth)
			if err != nil {
				return err
			}
			list.Set(i, changed)
		}
		return nil
	case f.IsMap():
		entries := m.Mutable(f).Map()
		var keys []protoreflect.MapKey
		entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			keys = append(keys, k)
			return true
		})
		for _, k := range keys {
			changed, err := p.walkValue(f.MapValue(), entries.Get(k), at, visit, depth)
			if err != nil {
				return err
			}
			entries.Set(k, changed)
		}
		return nil
	case f.Message() != nil:
		return p.walk(m.Mutable(f).Message(), visit, depth+1)
	}
	changed, err := p.walkValue(f, m.Get(f), at, visit, depth)
	if err != nil {
		return err
	}
	m.Set(f, changed)
	return nil
}

func (p *protobufShape) walkValue(f protoreflect.FieldDescriptor, v protoreflect.Value, at *field, visit visitor, depth int) (protoreflect.Value, error) {
	if f.Message() != nil {
		return v, p.walk(v.Message(), visit, depth+1)
	}
	here := *at
	if here.typeName = protobufTypeName(f.Kind()); here.typeName == "" {
		return v, nil
	}
	got, err := visit(&here, plainOf(reflect.ValueOf(v.Interface())))
	if err != nil {
		return v, fmt.Errorf("%s: %w", at.fullName, err)
	}
	out := reflect.New(reflect.TypeOf(v.Interface())).Elem()
	if err := assign(out, got, "", 0); err != nil {
		return v, fmt.Errorf("%s: %w", at.fullName, err)
	}
	return protoreflect.ValueOf(out.Interface()), nil
}

func protobufTypeName(k protoreflect.Kind) string {
	switch k {
	case protoreflect.StringKind:
		return "STRING"
	case protoreflect.BytesKind:
		return "BYTES"
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return "INT"
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return "LONG"
	case protoreflect.FloatKind:
		return "FLOAT"
	case protoreflect.DoubleKind:
		return "DOUBLE"
	case protoreflect.BoolKind:
		return "BOOLEAN"
	}
	return "" // enums and messages
}

func (p *protobufShape) show(v any) (any, error) { return asMessage(v) }

// build makes a message of v's type: of a message with the same bytes, or of a
// map of field names to values.
func (p *protobufShape) build(v any, result any) (any, error) {
	m, err := asMessage(v)
	if err != nil {
		return nil, err
	}
	out, err := writable(m)
	if err != nil {
		return nil, err
	}
	proto.Reset(out)
	switch r := result.(type) {
	case proto.Message:
		if got, want := r.ProtoReflect().Descriptor().FullName(), m.ProtoReflect().Descriptor().FullName(); got != want {
			return nil, fmt.Errorf("the transformation returned a %s, not a %s", got, want)
		}
		b, err := proto.Marshal(r)
		if err != nil {
			return nil, err
		}
		return out, proto.Unmarshal(b, out)
	case map[string]any:
		return out, fill(out.ProtoReflect(), r, 0)
	}
	return nil, fmt.Errorf("the transformation returned a %T, not a message", result)
}

// fill sets the fields that a map names.
func fill(m protoreflect.Message, values map[string]any, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	for name, v := range values {
		f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		if f == nil {
			return fmt.Errorf("%s has no field %q", m.Descriptor().FullName(), name)
		}
		if v == nil {
			continue
		}
		if err := fillField(m, f, v, depth); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func fillField(m protoreflect.Message, f protoreflect.FieldDescriptor, v any, depth int) error {
	switch {
	case f.IsList():
		items, ok := v.([]any)
		if !ok {
			return fmt.Errorf("a %T is no list", v)
		}
		list := m.Mutable(f).List()
		for _, item := range items {
			to, err := fillValue(list.NewElement(), f, item, depth)
			if err != nil {
				return err
			}
			list.Append(to)
		}
		return nil
	case f.IsMap():
		entries, ok := v.(map[string]any)
		if !ok || f.MapKey().Kind() != protoreflect.StringKind {
			return fmt.Errorf("a %T is no map from strings", v)
		}
		out := m.Mutable(f).Map()
		for k, item := range entries {
			to, err := fillValue(out.NewValue(), f.MapValue(), item, depth)
			if err != nil {
				return err
			}
			out.Set(protoreflect.ValueOfString(k).MapKey(), to)
		}
		return nil
	}
	to, err := fillValue(m.NewField(f), f, v, depth)
	if err != nil {
		return err
	}
	m.Set(f, to)
	return nil
}

func fillValue(zero protoreflect.Value, f protoreflect.FieldDescriptor, v any, depth int) (protoreflect.Value, error) {
	if f.Message() != nil {
		switch v := v.(type) {
		case Decimal:
			if f.Message().FullName() != decimalName {
				break
			}
			return zero, fill(zero.Message(), map[string]any{
				"value": v.bytes(), "scale": int64(v.scale), "precision": int64(digits(v.int())),
			}, depth+1)
		case map[string]any:
			return zero, fill(zero.Message(), v, depth+1)
		case proto.Message:
			b, err := proto.Marshal(v)
			if err != nil {
				return zero, err
			}
			return zero, proto.Unmarshal(b, zero.Message().Interface())
		}
		return zero, fmt.Errorf("a %T is no %s", v, f.Message().FullName())
	}
	if f.Enum() != nil {
		if name, ok := v.(string); ok {
			value := f.Enum().Values().ByName(protoreflect.Name(name))
			if value == nil {
				return zero, fmt.Errorf("%q is no value of %s", name, f.Enum().FullName())
			}
			return protoreflect.ValueOfEnum(value.Number()), nil
		}
	}
	out := reflect.New(reflect.TypeOf(zero.Interface())).Elem()
	if err := assign(out, v, "", 0); err != nil {
		return zero, err
	}
	return protoreflect.ValueOf(out.Interface()), nil
}
