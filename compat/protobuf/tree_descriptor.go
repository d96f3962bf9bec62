package protobuf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// treeOfDescriptor makes the tree of a linked file: type names in full with a
// leading dot. With normal it is the tree of the normal form, whose lists are
// in order; without, lists stay as they are and map entries are messages.
func treeOfDescriptor(file protoreflect.FileDescriptor, fdp *descriptorpb.FileDescriptorProto, ext *extensionTypes, normal bool) *fileTree {
	r := &descriptorReader{ext: ext, normal: normal, proto3: file.Syntax() == protoreflect.Proto3, editions: file.Syntax() == protoreflect.Editions}
	r.taken = takenNames(file)
	t := &fileTree{pkg: fdp.GetPackage(), options: r.options(fdp.Options)}
	switch {
	case r.editions:
		t.edition = strings.TrimPrefix(fdp.GetEdition().String(), "EDITION_")
	case r.proto3:
		t.syntax = "proto3"
	case !normal:
		t.syntax = fdp.GetSyntax()
	}
	for i, path := range fdp.Dependency {
		kind := importPlain
		if slices.Contains(fdp.PublicDependency, int32(i)) {
			kind = importPublic
		} else if slices.Contains(fdp.WeakDependency, int32(i)) {
			kind = importWeak
		}
		t.imports[kind] = append(t.imports[kind], path)
	}
	for _, e := range fdp.EnumType {
		t.enums = append(t.enums, r.enum(e))
	}
	t.extends = r.extends(fdp.Extension, fdp.MessageType)
	t.messages = r.messages(fdp.MessageType, groupNames(fdp.Extension))
	for _, s := range fdp.Service {
		t.services = append(t.services, r.service(s))
	}
	if normal {
		for kind := range t.imports {
			slices.Sort(t.imports[kind])
			t.imports[kind] = slices.Compact(t.imports[kind])
		}
	}
	return t
}

// normalTree is the tree of the normal form.
func normalTree(file protoreflect.FileDescriptor, fdp *descriptorpb.FileDescriptorProto, ext *extensionTypes) *fileTree {
	return treeOfDescriptor(file, fdp, ext, true)
}

type descriptorReader struct {
	ext              *extensionTypes
	taken            map[string]bool // see takenNames
	normal           bool
	proto3, editions bool
}

// messages reads the messages of one scope, without those that are the bodies
// of groups and, in the normal form, without map entries.
func (r *descriptorReader) messages(list []*descriptorpb.DescriptorProto, groups map[string]bool) []*message {
	var out []*message
	for _, m := range list {
		if groups[m.GetName()] || r.normal && m.GetOptions().GetMapEntry() {
			continue
		}
		out = append(out, r.message(m))
	}
	return out
}

func (r *descriptorReader) message(d *descriptorpb.DescriptorProto) *message {
	m := &message{name: d.GetName(), options: r.options(d.Options)}
	for _, o := range d.OneofDecl {
		m.oneofs = append(m.oneofs, &oneof{name: o.GetName(), options: r.options(o.Options)})
	}
	for _, f := range d.Field {
		member := f.OneofIndex != nil && !f.GetProto3Optional()
		tree := r.field(f, member, d.NestedType)
		fields, bodies := &m.fields, &m.groups
		if member {
			o := m.oneofs[f.GetOneofIndex()]
			fields, bodies = &o.fields, &o.groups
		}
		if tree.body != nil {
			*bodies = append(*bodies, tree)
		} else {
			*fields = append(*fields, tree)
		}
	}
	m.oneofs = slices.DeleteFunc(m.oneofs, func(o *oneof) bool { return len(o.fields)+len(o.groups) == 0 })
	m.messages = r.messages(d.NestedType, groupNames(d.Field, d.Extension))
	for _, e := range d.EnumType {
		m.enums = append(m.enums, r.enum(e))
	}
	m.extends = r.extends(d.Extension, d.NestedType)
	for _, x := range d.ExtensionRange {
		m.extensions = append(m.extensions, extensionRange{
			ranges:  []rangeOrName{{start: int64(x.GetStart()), end: int64(x.GetEnd()) - 1}},
			options: r.options(x.Options),
		})
	}
	for _, x := range d.ReservedRange {
		m.reserved = append(m.reserved, []rangeOrName{{start: int64(x.GetStart()), end: int64(x.GetEnd()) - 1}})
	}
	m.reserved = append(m.reserved, r.reservedNames(d.ReservedName)...)
	if r.normal {
		r.sortMessage(m)
	}
	return m
}

// groupNames returns the local names of the messages that are bodies of groups.
func groupNames(lists ...[]*descriptorpb.FieldDescriptorProto) map[string]bool {
	names := map[string]bool{}
	for _, list := range lists {
		for _, f := range list {
			if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
				names[localName(f.GetTypeName())] = true
			}
		}
	}
	return names
}

func localName(full string) string { return full[strings.LastIndexByte(full, '.')+1:] }

// groupBodies fills in the bodies of groups from the messages beside them.
func (r *descriptorReader) groupBodies(groups []*field, beside []*descriptorpb.DescriptorProto) {
	for _, g := range groups {
		for _, m := range beside {
			if m.GetName() == g.name {
				g.body = r.message(m)
			}
		}
	}
}

func (r *descriptorReader) field(d *descriptorpb.FieldDescriptorProto, inOneof bool, beside []*descriptorpb.DescriptorProto) *field {
	f := &field{name: d.GetName(), number: int64(d.GetNumber()), typ: d.GetTypeName(), options: r.fieldOptions(d)}
	if !inOneof {
		f.label = r.label(d)
	}
	if d.TypeName == nil {
		f.typ = strings.ToLower(strings.TrimPrefix(d.GetType().String(), "TYPE_"))
		return f
	}
	if d.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
		f.typ, f.name, f.body = "group", localName(d.GetTypeName()), &message{}
		r.groupBodies([]*field{f}, beside)
		return f
	}
	if r.normal {
		for _, m := range beside {
			if m.GetOptions().GetMapEntry() && m.GetName() == localName(d.GetTypeName()) && len(m.Field) == 2 && d.GetLabel() == repeated {
				f.label = ""
				f.typ = mapType(r.field(m.Field[0], true, nil).typ, r.field(m.Field[1], true, nil).typ)
			}
		}
	}
	return f
}

const repeated = descriptorpb.FieldDescriptorProto_LABEL_REPEATED

func (r *descriptorReader) label(d *descriptorpb.FieldDescriptorProto) string {
	switch {
	case d.GetLabel() == repeated:
		return "repeated"
	case d.GetProto3Optional():
		return "optional"
	case r.proto3 || r.editions:
		return ""
	case d.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED:
		return "required"
	}
	return "optional"
}

// fieldOptions adds the default value and a json_name that is not the one that
// the name gives anyway.
func (r *descriptorReader) fieldOptions(d *descriptorpb.FieldDescriptorProto) []option {
	out := r.options(d.Options)
	if d.DefaultValue != nil {
		value := d.GetDefaultValue()
		switch d.GetType() {
		case descriptorpb.FieldDescriptorProto_TYPE_STRING:
			value = quote(value)
		case descriptorpb.FieldDescriptorProto_TYPE_BYTES:
			value = `"` + value + `"` // escaped already, by the definition of default_value
		}
		out = append(out, option{name: "default", value: value})
	}
	if d.JsonName != nil && d.GetJsonName() != defaultJSONName(d.GetName()) && d.Extendee == nil {
		out = append(out, option{name: "json_name", value: quote(d.GetJsonName())})
	}
	if r.normal {
		sortOptions(out)
	}
	return out
}

// defaultJSONName is the name in JSON of a field that sets none: without
// underscores, the letter after each in upper case.
func defaultJSONName(name string) string {
	var b strings.Builder
	upper := false
	for i := range len(name) {
		c := name[i]
		if c == '_' {
			upper = true
			continue
		}
		if upper && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b.WriteByte(c)
		upper = false
	}
	return b.String()
}

// extends gathers extension fields into one block per extended message, in
// order; consecutive ones share a block.
func (r *descriptorReader) extends(list []*descriptorpb.FieldDescriptorProto, beside []*descriptorpb.DescriptorProto) []*extend {
	var out []*extend
	for _, d := range list {
		if len(out) == 0 || out[len(out)-1].name != d.GetExtendee() {
			out = append(out, &extend{name: d.GetExtendee()})
		}
		x := out[len(out)-1]
		if f := r.field(d, false, beside); f.body != nil {
			x.groups = append(x.groups, f)
		} else {
			x.fields = append(x.fields, f)
		}
	}
	return out
}

func (r *descriptorReader) enum(d *descriptorpb.EnumDescriptorProto) *enum {
	e := &enum{name: d.GetName(), options: r.options(d.Options)}
	for _, v := range d.Value {
		e.values = append(e.values, enumValue{name: v.GetName(), number: int64(v.GetNumber()), options: r.options(v.Options)})
	}
	for _, x := range d.ReservedRange {
		e.reserved = append(e.reserved, []rangeOrName{{start: int64(x.GetStart()), end: int64(x.GetEnd())}})
	}
	e.reserved = append(e.reserved, r.reservedNames(d.ReservedName)...)
	if r.normal {
		sortValues(e.values, r.proto3 || r.editions)
		sortReserved(e.reserved)
	}
	return e
}

func (r *descriptorReader) reservedNames(names []string) [][]rangeOrName {
	var out [][]rangeOrName
	for _, n := range names {
		out = append(out, []rangeOrName{{isName: true, name: n, bare: r.editions}})
	}
	return out
}

func (r *descriptorReader) service(d *descriptorpb.ServiceDescriptorProto) *service {
	s := &service{name: d.GetName(), options: r.options(d.Options)}
	for _, m := range d.Method {
		s.rpcs = append(s.rpcs, rpc{
			name:             m.GetName(),
			request:          m.GetInputType(),
			response:         m.GetOutputType(),
			requestStreaming: m.GetClientStreaming(),
			responseStream:   m.GetServerStreaming(),
			options:          r.options(m.Options),
		})
	}
	return s
}

// options lists what is set in an options message: the fields of the language
// in the order of their declaration, then extensions by number.
func (r *descriptorReader) options(m proto.Message) []option {
	if !m.ProtoReflect().IsValid() {
		return nil
	}
	known := m.ProtoReflect()
	if len(known.GetUnknown()) > 0 {
		if raw, err := proto.Marshal(m); err == nil {
			again := known.New()
			if (proto.UnmarshalOptions{Resolver: r.ext}).Unmarshal(raw, again.Interface()) == nil {
				known = again
			}
		}
	}
	var out []option
	for _, f := range setFields(known) {
		out = append(out, r.optionsOf(f, known.Get(f))...)
	}
	if r.normal {
		sortOptions(out)
	}
	return out
}

// takenNames returns the names that may mean something nearer than the outermost
// scope somewhere in file, so that a full name that starts with one needs its
// leading dot.
func takenNames(file protoreflect.FileDescriptor) map[string]bool {
	taken := map[string]bool{}
	inner := func(f protoreflect.FileDescriptor) {
		for i, part := range strings.Split(string(f.Package()), ".") {
			if i > 0 {
				taken[part] = true
			}
		}
	}
	inner(file)
	for i := range file.Imports().Len() {
		inner(file.Imports().Get(i).FileDescriptor)
	}
	var declared func(scope)
	declared = func(s scope) {
		for i := range s.Enums().Len() {
			taken[string(s.Enums().Get(i).Name())] = true
		}
		for i := range s.Messages().Len() {
			taken[string(s.Messages().Get(i).Name())] = true
			declared(s.Messages().Get(i))
		}
	}
	declared(file)
	return taken
}

// setFields returns the fields that m has, extensions last.
func setFields(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	m.Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if f.Name() != "uninterpreted_option" {
			fields = append(fields, f)
		}
		return true
	})
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int {
		if a.IsExtension() != b.IsExtension() {
			if a.IsExtension() {
				return 1
			}
			return -1
		}
		if a.IsExtension() {
			return cmp.Compare(a.Number(), b.Number())
		}
		return cmp.Compare(a.Index(), b.Index())
	})
	return fields
}

func (r *descriptorReader) optionsOf(f protoreflect.FieldDescriptor, v protoreflect.Value) []option {
	name, custom := string(f.Name()), f.IsExtension()
	if custom {
		name = "(" + string(f.FullName()) + ")"
		if first, _, _ := strings.Cut(string(f.FullName()), "."); r.taken[first] {
			name = "(." + string(f.FullName()) + ")"
		}
	}
	if f.IsList() {
		var out []option
		for i := range v.List().Len() {
			out = append(out, option{name: name, value: literal(f, v.List().Get(i)), custom: custom})
		}
		return out
	}
	if f.Message() != nil && f.Message().FullName() == "google.protobuf.FeatureSet" {
		var out []option
		for _, sub := range setFields(v.Message()) {
			for _, o := range r.optionsOf(sub, v.Message().Get(sub)) {
				o.name = name + "." + o.name
				out = append(out, o)
			}
		}
		return out
	}
	return []option{{name: name, value: literal(f, v), custom: custom}}
}

// literal renders one value of an option as source text has it.
func literal(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.StringKind:
		return quote(v.String())
	case protoreflect.BytesKind:
		return quote(string(v.Bytes()))
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.FloatKind:
		return floatLiteral(v.Float(), 32)
	case protoreflect.DoubleKind:
		return floatLiteral(v.Float(), 64)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return bracketed("{", messageItems(v.Message()), "}")
	}
	return v.String()
}

func floatLiteral(x float64, bits int) string {
	switch {
	case math.IsInf(x, 1):
		return "inf"
	case math.IsInf(x, -1):
		return "-inf"
	case math.IsNaN(x):
		return "nan"
	}
	return strconv.FormatFloat(x, 'g', -1, bits)
}

func messageItems(m protoreflect.Message) []string {
	var items []string
	for _, f := range setFields(m) {
		name := string(f.Name())
		if f.IsExtension() {
			name = "[" + string(f.FullName()) + "]"
		} else if f.Kind() == protoreflect.GroupKind {
			name = string(f.Message().Name())
		}
		v := m.Get(f)
		switch {
		case f.IsMap():
			items = append(items, mapItems(name, f, v.Map())...)
		case f.IsList():
			items = append(items, name+": "+listLiteral(f, v.List()))
		default:
			items = append(items, name+": "+literal(f, v))
		}
	}
	return items
}

// listLiteral writes one element plainly, more in brackets.
func listLiteral(f protoreflect.FieldDescriptor, list protoreflect.List) string {
	if list.Len() == 1 {
		return literal(f, list.Get(0))
	}
	items := make([]string, list.Len())
	for i := range items {
		items[i] = literal(f, list.Get(i))
	}
	return bracketed("[", items, "]")
}

func mapItems(name string, f protoreflect.FieldDescriptor, m protoreflect.Map) []string {
	var items []string
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		pair := []string{"key: " + literal(f.MapKey(), k.Value()), "value: " + literal(f.MapValue(), v)}
		items = append(items, fmt.Sprintf("%s: %s", name, bracketed("{", pair, "}")))
		return true
	})
	slices.Sort(items)
	return items
}
