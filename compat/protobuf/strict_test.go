package protobuf

import (
	"encoding/base64"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
)

// New and stored sources are held to the same rules, those of protoc. Of a
// descriptor more is demanded when it is new: that its text is a source.
func TestStrictness(t *testing.T) {
	descriptor := func(f *descriptorpb.FileDescriptorProto) string {
		b, err := proto.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	field := func(name string, number int32) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: descriptorpb.FieldDescriptorProto_TYPE_INT32.Enum(),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	message := func(name string, fields ...*descriptorpb.FieldDescriptorProto) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{Name: proto.String("default"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: &name, Field: fields}}}
	}
	for name, c := range map[string]struct {
		text           string
		stored, strict bool // whether it is taken
	}{
		"plain":                        {head + "message M { int32 a = 1; }", true, true},
		"unused import":                {head + "import \"google/protobuf/any.proto\"; message M {}", true, true},
		"map entry spelled out":        {head + "message M {\n  repeated AEntry a = 1;\n  message AEntry {\n    option map_entry = true;\n    string key = 1;\n    string value = 2;\n  }\n}", true, true},
		"map entry of no map":          {head + "message M {\n  message AEntry {\n    option map_entry = true;\n    string key = 1;\n    string value = 2;\n  }\n}", false, false},
		"one JSON name":                {head + "message M { int32 foo_bar = 1; int32 fooBar = 2; }", false, false},
		"reserved number":              {head + "message M { reserved 1; int32 a = 1; }", false, false},
		"reserved name":                {head + "message M { reserved \"a\"; int32 a = 1; }", false, false},
		"number of protoc":             {head + "message M { int32 a = 19000; }", false, false},
		"alias":                        {head + "enum E { A = 0; B = 0; }", false, false},
		"default in proto3":            {head + "message M { int32 a = 1 [default = 2]; }", false, false},
		"unknown option":               {head + "message M { int32 a = 1 [what = 2]; }", false, false},
		"enum not closed":              {"syntax = \"proto2\"; enum E { A = 1; } message M { required E e = 1; }", true, true},
		"descriptor":                   {descriptor(message("M", field("a", 1))), true, true},
		"descriptor, one name":         {descriptor(message("M", field("a", 1), field("a", 2))), false, false},
		"descriptor, number 0":         {descriptor(message("M", field("a", 0))), false, false},
		"descriptor, no name":          {descriptor(message("1M", field("a", 1))), false, false},
		"descriptor, number of protoc": {descriptor(message("M", field("a", 19000))), true, false},
		"descriptor, one JSON name":    {descriptor(message("M", field("foo_bar", 1), field("fooBar", 2))), true, false},
		"dependency":                   {head + "import \"b.proto\"; message M { B b = 1; }", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			src := compat.Source{Text: c.text, Dependencies: []compat.Dependency{{Name: "b.proto", Text: head + "message B {}"}}}
			for strict, taken := range map[bool]bool{false: c.stored, true: c.strict} {
				src.Strict = strict
				s, err := Parse(src)
				if (err == nil) != taken {
					t.Errorf("strict %v: %v", strict, err)
				}
				var syntax *compat.SyntaxError
				switch {
				case err != nil:
					if !errors.As(err, &syntax) {
						t.Errorf("strict %v: a %T", strict, err)
					}
				case strict: // what is taken strictly can be read again, as source
					if again, err := Parse(compat.Source{Text: s.Canonical(), Dependencies: src.Dependencies, Strict: true}); err != nil || again.Canonical() != s.Canonical() {
						t.Errorf("the canonical text is not read again: %v", err)
					}
				}
			}
		})
	}
}
