package protobuf

import (
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
)

// file compiles a schema for a test.
func file(t testing.TB, text string, deps ...compat.Dependency) *compatpb.Schema {
	t.Helper()
	s, err := compatpb.Parse(compat.Source{Text: text, Dependencies: deps})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const walkSchema = `
syntax = "proto2";
package w;
message M {
  optional string s = 1;
  optional int32 i = 2;
  repeated int32 many = 3;
  repeated fixed32 four = 4;
  repeated double eight = 5;
  optional M inner = 6;
  map<string, M> by = 7;
  optional group G = 8 { required int32 x = 1; }
  optional bytes b = 40;
  optional R r = 41;
  message R { required string name = 1; required int64 n = 2; }
}
`

const walkProto3 = `
syntax = "proto3";
message P { string s = 1; P p = 2; repeated string list = 3; map<string, string> m = 4; }
`

func tag(n protowire.Number, t protowire.Type) string {
	return string(protowire.AppendTag(nil, n, t))
}

func sized(s string) string { return string(protowire.AppendString(nil, s)) }

func TestWalkAccepts(t *testing.T) {
	two := NewWalker(file(t, walkSchema).File().Messages().Get(0))
	for name, payload := range map[string]string{
		"nothing":           "",
		"scalar":            tag(2, protowire.VarintType) + "\x05",
		"ten byte varint":   tag(2, protowire.VarintType) + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"packed":            tag(3, protowire.BytesType) + sized("\x01\x02\x80\x01"),
		"not packed":        tag(3, protowire.VarintType) + "\x01",
		"packed fixed":      tag(4, protowire.BytesType) + sized("12345678") + tag(5, protowire.BytesType) + sized("12345678"),
		"proto2 string":     tag(1, protowire.BytesType) + sized("\xff"),
		"map without value": tag(7, protowire.BytesType) + sized(""),
		"group":             tag(8, protowire.StartGroupType) + tag(1, protowire.VarintType) + "\x01" + tag(8, protowire.EndGroupType),
		"unknown":           tag(99, protowire.BytesType) + sized("abc") + tag(98, protowire.Fixed64Type) + "12345678",
		"unknown group":     tag(99, protowire.StartGroupType) + tag(2, protowire.BytesType) + sized("x") + tag(99, protowire.EndGroupType),
		"required":          tag(41, protowire.BytesType) + sized(tag(2, protowire.VarintType)+"\x01"+tag(1, protowire.BytesType)+sized("n")),
	} {
		if err := two.Walk([]byte(payload)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWalkRefuses(t *testing.T) {
	two := NewWalker(file(t, walkSchema).File().Messages().Get(0))
	three := NewWalker(file(t, walkProto3).File().Messages().Get(0))
	for _, c := range []struct {
		name    string
		w       *Walker
		payload string
		want    string
	}{
		{"wrong wire type", two, tag(1, protowire.VarintType) + "\x01", "byte 0, field s: wire type varint, want length-delimited"},
		{"packed strings", three, tag(3, protowire.Fixed32Type) + "1234", "byte 0, field list: wire type 32-bit"},
		{"cut varint", two, tag(2, protowire.VarintType) + "\x80", "byte 1, field i: a varint that does not end"},
		{"eleven bytes", two, tag(2, protowire.VarintType) + strings.Repeat("\xff", 10) + "\x01", "byte 1, field i: a varint"},
		{"cut string", two, tag(1, protowire.BytesType) + "\x05abc", "byte 1, field s: a length of 5 bytes with 3 left"},
		{"huge length", two, tag(1, protowire.BytesType) + "\xff\xff\xff\xff\x07", "a length of 2147483647 bytes with 0 left"},
		{"cut fixed", two, tag(4, protowire.Fixed32Type) + "12", "byte 1, field four: the payload ends inside"},
		{"ragged run", two, tag(5, protowire.BytesType) + sized("1234567"), "byte 2, field eight: a packed run that ends inside an element"},
		{"run with cut varint", two, tag(3, protowire.BytesType) + sized("\x01\x80"), "byte 3, field many: a varint"},
		{"nested", two, tag(6, protowire.BytesType) + sized(tag(6, protowire.BytesType)+sized(tag(2, protowire.BytesType)+sized(""))), "byte 4, field inner.inner.i: wire type length-delimited, want varint"},
		{"map value", two, tag(7, protowire.BytesType) + sized(tag(2, protowire.BytesType)+sized(tag(1, protowire.VarintType)+"\x01")), "field by.value.s: wire type varint"},
		{"not UTF-8", three, tag(1, protowire.BytesType) + sized("ab\xff"), "byte 4, field s: a string that is not UTF-8"},
		{"not UTF-8 in a map", three, tag(4, protowire.BytesType) + sized(tag(1, protowire.BytesType)+sized("\xff")), "field m.key: a string that is not UTF-8"},
		{"missing required", two, tag(41, protowire.BytesType) + sized(tag(1, protowire.BytesType)+sized("n")), "field r: required field n is missing"},
		{"missing in a group", two, tag(8, protowire.StartGroupType) + tag(8, protowire.EndGroupType), "byte 1, field g: required field x is missing"},
		{"open group", two, tag(8, protowire.StartGroupType) + tag(1, protowire.VarintType) + "\x01", "field g: a group that does not end"},
		{"stray end", two, tag(8, protowire.EndGroupType), "byte 0: the end of a group that did not begin"},
		{"wrong end", two, tag(99, protowire.StartGroupType) + tag(98, protowire.EndGroupType), "byte 2, field 99: the end of a group"},
		{"number 0", two, "\x00\x01", "byte 0: a field number that cannot be"},
		{"number too large", two, "\x80\x80\x80\x80\x10\x01", "byte 0: a field number that cannot be"},
		{"wire type 6", two, "\x9e\x06", "field 99: a wire type that does not exist"},
		{"cut tag", two, "\x80", "byte 0: the tag of a field does not end"},
		{"unknown too long", two, tag(99, protowire.BytesType) + "\x05", "byte 2, field 99: a length of 5"},
	} {
		err := c.w.Walk([]byte(c.payload))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestWalkBoundsDepth(t *testing.T) {
	w := NewWalker(file(t, walkProto3).File().Messages().Get(0))
	nest := func(n int) []byte {
		var b []byte
		for range n {
			b = append(protowire.AppendTag(nil, 2, protowire.BytesType), protowire.AppendBytes(nil, b)...)
		}
		return b
	}
	if err := w.Walk(nest(99)); err != nil {
		t.Errorf("99 messages inside the first: %v", err)
	}
	if err := w.Walk(nest(100)); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("100 messages inside the first: %v", err)
	}
	groups := []byte(strings.Repeat(tag(99, protowire.StartGroupType), 1_000_000))
	if err := w.Walk(groups); err == nil || !strings.Contains(err.Error(), "nested deeper") {
		t.Errorf("a million groups: %v", err)
	}
}

func TestWalkCountsManyRequiredFields(t *testing.T) {
	var text strings.Builder
	text.WriteString("syntax = \"proto2\"; message M {\n")
	var payload []byte
	for i := 1; i <= 70; i++ {
		text.WriteString("required int32 f" + string(rune('a'+i%26)) + strings.Repeat("x", i) + " = " + strconv.Itoa(i) + ";\n")
		payload = protowire.AppendVarint(protowire.AppendTag(payload, protowire.Number(i), protowire.VarintType), 1)
	}
	text.WriteString("}")
	w := NewWalker(file(t, text.String()).File().Messages().Get(0))
	if err := w.Walk(payload); err != nil {
		t.Errorf("all there: %v", err)
	}
	if err := w.Walk(payload[:len(payload)-3]); err == nil {
		t.Error("the last of 70 required fields is missing, and nobody says so")
	}
	if err := w.Walk(payload[2:]); err == nil {
		t.Error("the first of 70 required fields is missing, and nobody says so")
	}
}

func TestWalkDoesNotAllocate(t *testing.T) {
	w := NewWalker(file(t, walkSchema).File().Messages().Get(0))
	payload := []byte(tag(1, protowire.BytesType) + sized("s") + tag(6, protowire.BytesType) + sized(tag(2, protowire.VarintType)+"\x05") +
		tag(41, protowire.BytesType) + sized(tag(2, protowire.VarintType)+"\x01"+tag(1, protowire.BytesType)+sized("n")))
	if n := testing.AllocsPerRun(100, func() {
		if err := w.Walk(payload); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzWalk holds the walk to what decoders say: what it accepts, dynamicpb and
// hyperpb decode, and to the same message.
func FuzzWalk(f *testing.F) {
	two := file(f, walkSchema).File().Messages().Get(0)
	three := file(f, walkProto3).File().Messages().Get(0)
	type side struct {
		walker  *Walker
		dynamic *Dynamic
	}
	sides := []side{{NewWalker(two), NewDynamic(two)}, {NewWalker(three), NewDynamic(three)}}
	f.Add([]byte(tag(7, protowire.BytesType) + sized(tag(1, protowire.BytesType)+sized("k")+tag(2, protowire.BytesType)+sized(tag(2, protowire.VarintType)+"\x05"))))
	f.Add([]byte(tag(8, protowire.StartGroupType) + tag(1, protowire.VarintType) + "\x01" + tag(8, protowire.EndGroupType)))
	f.Add([]byte(tag(3, protowire.BytesType) + sized("\x01\x02")))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range sides {
			if s.walker.Walk(b) != nil {
				// Decoders are laxer, but may not die of it.
				_, _ = s.dynamic.Decode(b)
				continue
			}
			slow := dynamicpb.NewMessage(s.dynamic.Descriptor())
			if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth + 1}).Unmarshal(b, slow); err != nil {
				t.Fatalf("walked over %x, but: %v", b, err)
			}
			fast, err := s.dynamic.Decode(b)
			if err != nil {
				t.Fatalf("walked over %x, but: %v", b, err)
			}
			if !sameMeaning(fast, slow) {
				t.Fatalf("%x: hyperpb and dynamicpb read different messages", b)
			}
		}
	})
}

// sameMeaning compares what two messages hold, unknown fields aside.
func sameMeaning(a, b proto.Message) bool {
	copyOf := func(m proto.Message) proto.Message {
		out := dynamicpb.NewMessage(m.ProtoReflect().Descriptor())
		proto.Merge(out, m)
		discard(out)
		return out
	}
	return proto.Equal(copyOf(a), copyOf(b))
}

func discard(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			if f.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { discard(v.Message()); return true })
			}
		case f.IsList():
			if f.Message() != nil {
				for i := range v.List().Len() {
					discard(v.List().Get(i).Message())
				}
			}
		case f.Message() != nil:
			discard(v.Message())
		}
		return true
	})
}
