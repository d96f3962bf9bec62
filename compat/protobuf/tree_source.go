package protobuf

import (
	"strings"

	"github.com/bufbuild/protocompile/ast"
)

// treeOfSource keeps what a source says, in its own spelling.
func treeOfSource(file *ast.FileNode) *fileTree {
	r := &sourceReader{file: file}
	t := &fileTree{}
	if file.Syntax != nil {
		t.syntax = file.Syntax.Syntax.AsString()
	}
	if file.Edition != nil {
		t.edition = file.Edition.Edition.AsString()
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.PackageNode:
			t.pkg = string(d.Name.AsIdentifier())
		case *ast.ImportNode:
			kind := importPlain
			if d.Public != nil {
				kind = importPublic
			} else if d.Weak != nil {
				kind = importWeak
			}
			t.imports[kind] = append(t.imports[kind], d.Name.AsString())
		case *ast.OptionNode:
			t.options = append(t.options, r.option(d))
		case *ast.MessageNode:
			t.messages = append(t.messages, r.message(d.Name.Val, d.Decls))
		case *ast.EnumNode:
			t.enums = append(t.enums, r.enum(d))
		case *ast.ExtendNode:
			t.extends = append(t.extends, r.extend(d))
		case *ast.ServiceNode:
			t.services = append(t.services, r.service(d))
		}
	}
	return t
}

type sourceReader struct {
	file *ast.FileNode
}

func (r *sourceReader) message(name string, decls []ast.MessageElement) *message {
	m := &message{name: name}
	for _, decl := range decls {
		switch d := decl.(type) {
		case *ast.OptionNode:
			m.options = append(m.options, r.option(d))
		case *ast.FieldNode:
			m.fields = append(m.fields, r.field(d))
		case *ast.MapFieldNode:
			m.fields = append(m.fields, r.mapField(d))
		case *ast.GroupNode:
			m.groups = append(m.groups, r.group(d))
		case *ast.OneofNode:
			m.oneofs = append(m.oneofs, r.oneof(d))
		case *ast.MessageNode:
			m.messages = append(m.messages, r.message(d.Name.Val, d.Decls))
		case *ast.EnumNode:
			m.enums = append(m.enums, r.enum(d))
		case *ast.ExtendNode:
			m.extends = append(m.extends, r.extend(d))
		case *ast.ExtensionRangeNode:
			m.extensions = append(m.extensions, extensionRange{ranges: ranges(d.Ranges, maxFieldNumber), options: r.compact(d.Options)})
		case *ast.ReservedNode:
			m.reserved = append(m.reserved, reserved(d, maxFieldNumber))
		}
	}
	return m
}

func (r *sourceReader) field(d *ast.FieldNode) *field {
	f := &field{typ: string(d.FldType.AsIdentifier()), name: d.Name.Val, number: number(d.Tag), options: r.fieldOptions(d.Options)}
	if d.Label.KeywordNode != nil {
		f.label = d.Label.Val
	}
	return f
}

func (r *sourceReader) mapField(d *ast.MapFieldNode) *field {
	return &field{
		typ:     mapType(d.MapType.KeyType.Val, string(d.MapType.ValueType.AsIdentifier())),
		name:    d.Name.Val,
		number:  number(d.Tag),
		options: r.fieldOptions(d.Options),
	}
}

func mapType(key, value string) string { return "map<" + key + ", " + value + ">" }

func (r *sourceReader) group(d *ast.GroupNode) *field {
	f := &field{typ: "group", name: d.Name.Val, number: number(d.Tag), options: r.fieldOptions(d.Options), body: r.message(d.Name.Val, d.Decls)}
	if d.Label.KeywordNode != nil {
		f.label = d.Label.Val
	}
	return f
}

func (r *sourceReader) oneof(d *ast.OneofNode) *oneof {
	o := &oneof{name: d.Name.Val}
	for _, decl := range d.Decls {
		switch d := decl.(type) {
		case *ast.OptionNode:
			o.options = append(o.options, r.option(d))
		case *ast.FieldNode:
			o.fields = append(o.fields, r.field(d))
		case *ast.GroupNode:
			o.groups = append(o.groups, r.group(d))
		}
	}
	return o
}

func (r *sourceReader) enum(d *ast.EnumNode) *enum {
	e := &enum{name: d.Name.Val}
	for _, decl := range d.Decls {
		switch d := decl.(type) {
		case *ast.OptionNode:
			e.options = append(e.options, r.option(d))
		case *ast.EnumValueNode:
			e.values = append(e.values, enumValue{name: d.Name.Val, number: number(d.Number), options: r.compact(d.Options)})
		case *ast.ReservedNode:
			e.reserved = append(e.reserved, reserved(d, maxEnumNumber))
		}
	}
	return e
}

func (r *sourceReader) extend(d *ast.ExtendNode) *extend {
	x := &extend{name: string(d.Extendee.AsIdentifier())}
	for _, decl := range d.Decls {
		switch d := decl.(type) {
		case *ast.FieldNode:
			x.fields = append(x.fields, r.field(d))
		case *ast.GroupNode:
			x.groups = append(x.groups, r.group(d))
		}
	}
	return x
}

func (r *sourceReader) service(d *ast.ServiceNode) *service {
	s := &service{name: d.Name.Val}
	for _, decl := range d.Decls {
		switch d := decl.(type) {
		case *ast.OptionNode:
			s.options = append(s.options, r.option(d))
		case *ast.RPCNode:
			call := rpc{
				name:             d.Name.Val,
				request:          string(d.Input.MessageType.AsIdentifier()),
				response:         string(d.Output.MessageType.AsIdentifier()),
				requestStreaming: d.Input.Stream != nil,
				responseStream:   d.Output.Stream != nil,
			}
			for _, decl := range d.Decls {
				if o, ok := decl.(*ast.OptionNode); ok {
					call.options = append(call.options, r.option(o))
				}
			}
			s.rpcs = append(s.rpcs, call)
		}
	}
	return s
}

func (r *sourceReader) compact(d *ast.CompactOptionsNode) []option {
	if d == nil {
		return nil
	}
	out := make([]option, 0, len(d.Options))
	for _, o := range d.Options {
		out = append(out, r.option(o))
	}
	return out
}

// fieldOptions puts default and json_name, which are no options proper, last.
func (r *sourceReader) fieldOptions(d *ast.CompactOptionsNode) []option {
	all := r.compact(d)
	out := make([]option, 0, len(all))
	for _, o := range all {
		if o.name != "default" && o.name != "json_name" {
			out = append(out, o)
		}
	}
	for _, special := range []string{"default", "json_name"} {
		for _, o := range all {
			if o.name == special {
				out = append(out, o)
			}
		}
	}
	return out
}

func (r *sourceReader) option(d *ast.OptionNode) option {
	var name strings.Builder
	custom := false
	for i, part := range d.Name.Parts {
		if i > 0 {
			name.WriteByte('.')
		}
		if part.IsExtension() {
			custom = true
			name.WriteString("(" + string(part.Name.AsIdentifier()) + ")")
		} else {
			name.WriteString(string(part.Name.AsIdentifier()))
		}
	}
	return option{name: name.String(), value: r.value(d.Val), custom: custom}
}

// value renders the value of an option; numbers keep their spelling.
func (r *sourceReader) value(v ast.ValueNode) string {
	switch v := v.(type) {
	case ast.StringValueNode:
		return quote(v.AsString())
	case *ast.ArrayLiteralNode:
		items := make([]string, 0, len(v.Elements))
		for _, e := range v.Elements {
			items = append(items, r.value(e))
		}
		return bracketed("[", items, "]")
	case *ast.MessageLiteralNode:
		items := make([]string, 0, len(v.Elements))
		for _, e := range v.Elements {
			items = append(items, r.key(e.Name)+": "+r.value(e.Val))
		}
		return bracketed("{", items, "}")
	case ast.IdentValueNode:
		return string(v.AsIdentifier())
	}
	raw := r.file.NodeInfo(v).RawText()
	return strings.Join(strings.Fields(raw), "")
}

func (r *sourceReader) key(n *ast.FieldReferenceNode) string {
	name := string(n.Name.AsIdentifier())
	switch {
	case n.IsAnyTypeReference():
		return "[" + string(n.URLPrefix.AsIdentifier()) + "/" + name + "]"
	case n.IsExtension():
		return "[" + name + "]"
	}
	return name
}

// Ends of the ranges that "max" stands for.
const (
	maxFieldNumber = 1<<29 - 1
	maxEnumNumber  = 1<<31 - 1
)

func reserved(d *ast.ReservedNode, limit int64) []rangeOrName {
	out := ranges(d.Ranges, limit)
	for _, n := range d.Names {
		out = append(out, rangeOrName{isName: true, name: n.AsString()})
	}
	for _, n := range d.Identifiers {
		out = append(out, rangeOrName{isName: true, name: n.Val, bare: true})
	}
	return out
}

func ranges(list []*ast.RangeNode, limit int64) []rangeOrName {
	out := make([]rangeOrName, 0, len(list))
	for _, n := range list {
		r := rangeOrName{start: number(n.StartVal)}
		switch {
		case n.Max != nil:
			r.end = limit
		case n.EndVal != nil:
			r.end = number(n.EndVal)
		default:
			r.end = r.start
		}
		out = append(out, r)
	}
	return out
}

// number reads an integer; one that does not fit is refused by the parser later.
func number(n ast.IntValueNode) int64 {
	if n == nil {
		return 0
	}
	v, _ := n.AsInt64()
	return v
}
