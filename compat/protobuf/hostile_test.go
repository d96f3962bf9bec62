package protobuf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
)

const head = "syntax = \"proto3\";\n"

// refuse parses a text that is not a schema and returns the error.
func refuse(t *testing.T, text string, deps ...compat.Dependency) *compat.SyntaxError {
	t.Helper()
	s, err := Parse(compat.Source{Text: text, Dependencies: deps})
	if err == nil {
		t.Fatalf("was read: %.200q as\n%.500s", text, s.Canonical())
	}
	var syntax *compat.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("not a syntax error: %T %v", err, err)
	}
	if len(err.Error()) > 4096 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	return syntax
}

func TestRefusedSources(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no schema", "hello", "1:1: syntax error"},
		{"cut", head + "message M {", "2:12: syntax error: unexpected end of text"},
		{"unknown type", head + "message M {\n  Foo a = 1;\n}", "3:3: "},
		{"type of a file that is not imported", head + "message M {\n  google.protobuf.Timestamp a = 1;\n}", "3:3: "},
		{"missing import", head + "import \"a/b.proto\";\nmessage M {}", `2:8: import "a/b.proto" is not known: add a reference with the name "a/b.proto"`},
		{"edition 2024", "edition = \"2024\";\nmessage M {}", `edition "2024" is not supported: use edition "2023"`},
		{"edition of nowhere", "edition = \"1999\";", "edition"},
		{"syntax of nowhere", "syntax = \"proto4\";", "1:10: "},
		{"number twice", head + "message M {\n  int32 a = 1;\n  int32 b = 1;\n}", "4:13: "},
		{"name twice", head + "message M {}\nmessage M {}", "3:9: "},
		{"number 0", head + "message M { int32 a = 0; }", "2:23: "},
		{"required in proto3", head + "message M { required int32 a = 1; }", "2:13: "},
		{"enum without zero", head + "enum E { A = 1; }", "2:14: "},
		{"wrong map entry", head + "message M {\n  repeated MapEntry a = 1;\n  message MapEntry {\n    option map_entry = true;\n    string key = 1;\n  }\n}", "map entry"},
		{"deep messages", head + strings.Repeat("message M {", 100_000) + strings.Repeat("}", 100_000), "more than 64 brackets are open"},
		{"messages as deep as brackets may be", head + strings.Repeat("message M {", 60) + strings.Repeat("}", 60), "nest"},
		{"deep option", head + "option (x) = " + strings.Repeat("{a: ", 100_000), "more than 64 brackets are open"},
		{"deep list", head + "option (x) = " + strings.Repeat("[", 100_000), "more than 64 brackets are open"},
		{"deep angle", head + "option (x) = " + strings.Repeat("<a:", 100_000), "more than 64 brackets are open"},
		{"deep groups", "syntax = \"proto2\"; message M {" + strings.Repeat("optional group G = 1 {", 100_000), "more than 64 brackets are open"},
		{"long name", head + "message " + strings.Repeat("M", 100_000) + " {}", "2:9: a name of more than 1024 bytes"},
		{"long package", head + "package " + strings.Repeat("a.", 100_000) + "a;", "a name of more than 1024 bytes"},
		{"long package with spaces", head + "package " + strings.Repeat("a . ", 100_000) + "a;", "package name"},
		{"long type with spaces", head + "message M { " + strings.Repeat("a . ", 100_000) + "a f = 1; }", "name of 200001 bytes"},
		{"zero byte", head + "message \x00", "2:9: a zero byte"},
		{"large", strings.Repeat(" ", maxTextBytes+1), "at most 4194304 are read"},
		{"open comment", head + "/* message M {}", ""},
		{"open string", head + "import \"a", "2:"},
		{"cycle of one", head + "import \"default\";", "2:8: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := refuse(t, c.text); !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestNamesMultiply holds texts whose full names come to much more than the
// text itself.
func TestNamesMultiply(t *testing.T) {
	var fields strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&fields, "int32 a%d = %d;", i, i+1)
	}
	text := head + "package " + strings.Repeat("p", 1000) + "; message " + strings.Repeat("M", 1000) + "{" + fields.String() + "}"
	if err := refuse(t, text); !strings.Contains(err.Error(), "full names of the file come to more than") {
		t.Error(err)
	}
}

func TestImports(t *testing.T) {
	a := compat.Dependency{Name: "a.proto", Text: head + "import \"b.proto\"; message A { B b = 1; }"}
	b := compat.Dependency{Name: "b.proto", Text: head + "message B {}"}
	use := head + "import \"a.proto\"; message M { A a = 1; }"
	if _, err := Parse(compat.Source{Text: use, Dependencies: []compat.Dependency{b, a}}); err != nil {
		t.Error(err)
	}
	if _, err := Parse(compat.Source{Text: use, Dependencies: []compat.Dependency{a, b}}); err != nil {
		t.Errorf("in another order: %v", err)
	}
	err := refuse(t, use, a)
	if err.Path != "a.proto" || !strings.Contains(err.Error(), `import "b.proto" is not known: add a reference`) {
		t.Errorf("missing import of an import: %v", err)
	}
	// What an import imports is not imported, unless publicly.
	indirect := head + "import \"a.proto\"; message M { B b = 1; }"
	if err := refuse(t, indirect, a, b); err.Position.Line != 2 {
		t.Error(err)
	}
	a.Text = strings.Replace(a.Text, "import", "import public", 1)
	if _, err := Parse(compat.Source{Text: indirect, Dependencies: []compat.Dependency{a, b}}); err != nil {
		t.Errorf("public import: %v", err)
	}
	// The first text of a name counts, and one that nobody imports is not read.
	if _, err := Parse(compat.Source{Text: use, Dependencies: []compat.Dependency{a, b, {Name: "b.proto", Text: "?"}, {Name: "c.proto", Text: "?"}}}); err != nil {
		t.Error(err)
	}
	b.Text = head + "import \"a.proto\"; message B {}"
	if err := refuse(t, use, a, b); !strings.Contains(err.Error(), "imports may not form a cycle") || err.Path != "b.proto" {
		t.Errorf("cycle: %v", err)
	}
	var many strings.Builder
	for i := range maxImports + 1 {
		fmt.Fprintf(&many, "import weak \"google/protobuf/any.proto\"; // %d\n", i)
	}
	if err := refuse(t, head+many.String()); err.Reason == "" {
		t.Error(err)
	}
	// A long chain is a chain, not a stack that overflows.
	var chain []compat.Dependency
	for i := range maxDependencies - 1 {
		chain = append(chain, compat.Dependency{Name: fmt.Sprintf("f%d.proto", i), Text: fmt.Sprintf("%simport \"f%d.proto\"; message F%d {}", head, i+1, i)})
	}
	last := compat.Dependency{Name: fmt.Sprintf("f%d.proto", maxDependencies-1), Text: head}
	if _, err := Parse(compat.Source{Text: head + "import \"f0.proto\";", Dependencies: append(chain, last)}); err != nil {
		t.Error(err)
	}
	if err := refuse(t, head, append(chain, last, b)...); !strings.Contains(err.Error(), "at most 1000 are read") {
		t.Error(err)
	}
}

func TestDescriptorsAsDependencies(t *testing.T) {
	dep, err := Parse(compat.Source{Text: head + "package d; message D { int32 a = 1; }"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := dep.Format("serialized")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(compat.Source{Text: head + "import \"d.proto\"; message M { d.D d = 1; }", Dependencies: []compat.Dependency{{Name: "d.proto", Text: text}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Imports(); len(got) != 1 || got[0].Path() != "d.proto" {
		t.Error(got)
	}
	// A source, a descriptor that imports it, and a source that imports both.
	e := compat.Dependency{Name: "e.proto", Text: head + "package e; message E { int32 a = 1; }"}
	dep, err = Parse(compat.Source{Text: head + "package d; import \"e.proto\"; message D { e.E a = 1; }", Dependencies: []compat.Dependency{e}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err = dep.Format("serialized"); err != nil {
		t.Fatal(err)
	}
	s, err = Parse(compat.Source{
		Text:         head + "import \"d.proto\"; import \"e.proto\"; message M { d.D d = 1; e.E e = 2; }",
		Dependencies: []compat.Dependency{e, {Name: "d.proto", Text: text}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Imports(); len(got) != 2 || got[0].Path() != "e.proto" || got[1].Path() != "d.proto" {
		t.Error(got)
	}
}

func base64Of(t *testing.T, f *descriptorpb.FileDescriptorProto) string {
	t.Helper()
	b, err := proto.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b)
}

// TestLyingDescriptors holds descriptors that decode and contradict themselves.
func TestLyingDescriptors(t *testing.T) {
	type file = descriptorpb.FileDescriptorProto
	type msg = descriptorpb.DescriptorProto
	type fld = descriptorpb.FieldDescriptorProto
	num := proto.Int32
	str := proto.String
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	int32Type := descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum()
	messageType := descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	one := func(f *fld) *file {
		return &file{Name: str("a"), Syntax: str("proto3"), MessageType: []*msg{{Name: str("M"), Field: []*fld{f}}}}
	}
	nested := &msg{Name: str("M")}
	for range 40 {
		nested = &msg{Name: str("M"), NestedType: []*msg{nested}}
	}
	for name, f := range map[string]*file{
		"oneof that is not there":  one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: int32Type, OneofIndex: num(7)}),
		"negative oneof":           one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: int32Type, OneofIndex: num(-1)}),
		"negative number":          one(&fld{Name: str("a"), Number: num(-1), Label: optional, Type: int32Type}),
		"number 0":                 one(&fld{Name: str("a"), Number: num(0), Label: optional, Type: int32Type}),
		"type that is not there":   one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: messageType, TypeName: str(".X")}),
		"type without name":        one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: messageType}),
		"no type":                  one(&fld{Name: str("a"), Number: num(1), Label: optional}),
		"type 99":                  one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: descriptorpb.FieldDescriptorProto_Type(99).Enum()}),
		"scalar with a type name":  one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: int32Type, TypeName: str(".M")}),
		"enum that is a message":   one(&fld{Name: str("a"), Number: num(1), Label: optional, Type: descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), TypeName: str(".M")}),
		"name with a brace":        one(&fld{Name: str("a; } message X {"), Number: num(1), Label: optional, Type: int32Type}),
		"no field name":            one(&fld{Number: num(1), Label: optional, Type: int32Type}),
		"label 9":                  one(&fld{Name: str("a"), Number: num(1), Label: descriptorpb.FieldDescriptorProto_Label(9).Enum(), Type: int32Type}),
		"default of another type":  {Name: str("a"), MessageType: []*msg{{Name: str("M"), Field: []*fld{{Name: str("a"), Number: num(1), Label: optional, Type: int32Type, DefaultValue: str("x; } message X {")}}}}},
		"package with a brace":     {Name: str("a"), Package: str("a; message X {}")},
		"syntax of nowhere":        {Name: str("a"), Syntax: str("proto9")},
		"edition 2024":             {Name: str("a"), Syntax: str("editions"), Edition: descriptorpb.Edition_EDITION_2024.Enum()},
		"edition 99997":            {Name: str("a"), Syntax: str("editions"), Edition: descriptorpb.Edition(99997).Enum()},
		"public import of nothing": {Name: str("a"), PublicDependency: []int32{5}},
		"weak import of nothing":   {Name: str("a"), WeakDependency: []int32{-5}},
		"missing import":           {Name: str("a"), Dependency: []string{"b.proto"}},
		"imports itself":           {Name: str("a"), Dependency: []string{"default"}},
		"map entry alone":          {Name: str("a"), MessageType: []*msg{{Name: str("M"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}}},
		"same name twice":          {Name: str("a"), MessageType: []*msg{{Name: str("M")}, {Name: str("M")}}},
		"enum without values":      {Name: str("a"), EnumType: []*descriptorpb.EnumDescriptorProto{{Name: str("E")}}},
		"deep":                     {Name: str("a"), MessageType: []*msg{nested}},
		"inverted range":           {Name: str("a"), MessageType: []*msg{{Name: str("M"), ReservedRange: []*descriptorpb.DescriptorProto_ReservedRange{{Start: num(9), End: num(1)}}}}},
		"long name":                {Name: str("a"), MessageType: []*msg{{Name: str(strings.Repeat("M", 5000))}}},
		"rpc without types":        {Name: str("a"), Service: []*descriptorpb.ServiceDescriptorProto{{Name: str("S"), Method: []*descriptorpb.MethodDescriptorProto{{Name: str("R")}}}}},
		"extension of nothing":     {Name: str("a"), Extension: []*fld{{Name: str("a"), Number: num(1), Label: optional, Type: int32Type, Extendee: str(".X")}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Log(refuse(t, base64Of(t, f)))
		})
	}
}

func TestBytesThatAreNoDescriptor(t *testing.T) {
	deep := []byte{}
	for range 2000 { // field 4 of the file, then field 3 of each message
		number := protowire.Number(3)
		deep = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), deep)
	}
	deep = protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), deep)
	for name, raw := range map[string][]byte{
		"nothing in it":     {0xf8, 0x01, 0x01},
		"cut":               {0x0a, 0x05, 'a'},
		"2 GB in six bytes": {0x22, 0xff, 0xff, 0xff, 0xff, 0x07},
		"deep":              deep,
	} {
		t.Run(name, func(t *testing.T) { t.Log(refuse(t, base64.StdEncoding.EncodeToString(raw))) })
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + "message M { map<string, M> a = 1; oneof o { int32 b = 2; } }")
	f.Add("syntax = \"proto2\"; message M { optional group G = 1 { extensions 5 to max; } reserved 9; reserved \"x\"; }")
	f.Add("edition = \"2023\"; option features.field_presence = IMPLICIT; enum E { A = 0; }")
	f.Add(head + "import \"confluent/meta.proto\"; message M { option (confluent.message_meta) = { doc: \"x\" params: [{ key: \"a\" }] }; }")
	f.Add(head + "service S { rpc R (stream M) returns (M) { option deprecated = true; } } message M {}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(compat.Source{Text: text})
		if err != nil {
			var syntax *compat.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		checkForms(t, s, nil)
	})
}

func FuzzParseDescriptor(f *testing.F) {
	for _, text := range []string{
		head + "message M { map<string, M> a = 1; oneof o { int32 b = 2; } }",
		"syntax = \"proto2\"; message M { optional group G = 1 { optional int32 a = 1 [default = 3]; } extensions 5 to max; } extend M { optional E e = 7; } enum E { A = 0; }",
		head + "import \"confluent/meta.proto\"; message M { option (confluent.message_meta) = { doc: \"x\" }; }",
		"edition = \"2023\"; option features.field_presence = IMPLICIT; enum E { A = 0; }",
	} {
		s, err := Parse(compat.Source{Text: text})
		if err != nil {
			f.Fatal(err)
		}
		raw, err := proto.Marshal(s.proto)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := Parse(compat.Source{Text: base64.StdEncoding.EncodeToString(raw)})
		if err != nil {
			return
		}
		for _, again := range []string{s.Canonical(), s.Normalized()} {
			_ = s.Differences(s, compat.Options{})
			_, _ = Parse(compat.Source{Text: again})
		}
	})
}
