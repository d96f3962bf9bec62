package protobuf

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
)

// TestWhatTheRulesAcceptDecodes is the promise of the compatibility rules: when
// they find nothing that breaks, whatever the writer can write comes out of the
// reader with its meaning. What the rules let through although it may lose
// meaning is listed in TestKnownLosses, and left out here.
func TestWhatTheRulesAcceptDecodes(t *testing.T) {
	accepted, compared := 0, 0
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 1))
		writerModel := randomModel(r)
		readerModel := writerModel.mutate(r)
		writer, reader := file(t, writerModel.String()), file(t, readerModel.String())
		if breaks(reader, writer) {
			continue
		}
		accepted++
		wm, rm := writer.File().Messages().Get(0), reader.File().Messages().Get(0)
		dynamic := NewDynamic(rm)
		for range 5 {
			sent := randomMessage(r, wm, 3)
			payload, err := proto.Marshal(sent)
			if err != nil {
				t.Fatal(err)
			}
			if err := NewWalker(wm).Walk(payload); err != nil {
				t.Fatalf("seed %d: the writer's own walker: %v", seed, err)
			}
			got, err := dynamic.Decode(payload)
			if err != nil {
				t.Fatalf("seed %d: %v\nwriter\n%s\nreader\n%s\npayload %x", seed, err, writerModel, readerModel, payload)
			}
			n, err := sameFields(sent.ProtoReflect(), got.ProtoReflect())
			if err != nil {
				t.Fatalf("seed %d: %v\nwriter\n%s\nreader\n%s\npayload %x", seed, err, writerModel, readerModel, payload)
			}
			compared += n
		}
	}
	if accepted < 150 || compared < 1500 {
		t.Errorf("only %d pairs were accepted and %d fields compared: the test has lost its point", accepted, compared)
	}
}

func breaks(reader, writer *compatpb.Schema) bool {
	for _, d := range reader.Differences(writer, compat.Options{}) {
		if !d.Compatible {
			return true
		}
	}
	return false
}

// A model is a file with message M, message N and enum E.
type model struct {
	m, n []modelField
}

type modelField struct {
	number int
	typ    string // a scalar, "E", "N" or "map<K, V>"
	label  string // "", "optional ", "repeated "
	oneof  string
	name   string
}

var (
	modelScalars = []string{"int32", "int64", "uint32", "uint64", "bool", "sint32", "sint64", "fixed32", "sfixed32", "fixed64", "sfixed64", "float", "double", "string", "bytes", "E"}
	modelKeys    = []string{"int32", "int64", "uint32", "bool", "string"}
)

func randomModel(r *rand.Rand) *model {
	fields := func(n int, withMessages bool) []modelField {
		var out []modelField
		for i := range n {
			f := modelField{number: i + 1, typ: modelScalars[r.IntN(len(modelScalars))], name: fmt.Sprintf("f%d", i)}
			switch r.IntN(8) {
			case 0:
				f.label = "optional "
			case 1, 2:
				f.label = "repeated "
			case 3:
				f.oneof = "o"
			}
			if withMessages && r.IntN(4) == 0 {
				f.typ = "N"
			} else if f.oneof == "" && f.label == "" && r.IntN(5) == 0 {
				f.typ = "map<" + modelKeys[r.IntN(len(modelKeys))] + ", " + modelScalars[r.IntN(len(modelScalars))] + ">"
			}
			out = append(out, f)
		}
		return out
	}
	return &model{m: fields(1+r.IntN(6), true), n: fields(1+r.IntN(3), false)}
}

// mutate returns a later version: fields come, go, are renamed, change their
// type or label, or move into and out of the oneof.
func (m *model) mutate(r *rand.Rand) *model {
	change := func(list []modelField) []modelField {
		var out []modelField
		for _, f := range list {
			switch r.IntN(12) {
			case 0:
				continue
			case 1:
				f.name = "x" + f.name
			case 2, 3:
				if !strings.HasPrefix(f.typ, "map") && f.typ != "N" {
					f.typ = modelScalars[r.IntN(len(modelScalars))]
				}
			case 4:
				if f.oneof == "" && !strings.HasPrefix(f.typ, "map") {
					f.label = []string{"", "optional ", "repeated "}[r.IntN(3)]
				}
			case 5:
				if f.label == "" && !strings.HasPrefix(f.typ, "map") {
					f.oneof = []string{"", "o", "p"}[r.IntN(3)]
				}
			}
			out = append(out, f)
		}
		if r.IntN(2) == 0 {
			out = append(out, modelField{number: 20, typ: "string", name: "added"})
		}
		return out
	}
	return &model{m: change(m.m), n: change(m.n)}
}

func (m *model) String() string {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\n")
	write := func(name string, list []modelField) {
		fmt.Fprintf(&b, "message %s {\n", name)
		for _, oneof := range []string{"", "o", "p"} {
			var body strings.Builder
			for _, f := range list {
				if f.oneof == oneof {
					fmt.Fprintf(&body, "  %s%s %s = %d;\n", f.label, f.typ, f.name, f.number)
				}
			}
			switch {
			case oneof == "":
				b.WriteString(body.String())
			case body.Len() > 0:
				fmt.Fprintf(&b, "  oneof %s {\n%s  }\n", oneof, body.String())
			}
		}
		b.WriteString("}\n")
	}
	write("M", m.m)
	write("N", m.n)
	b.WriteString("enum E { ZERO = 0; ONE = 1; TWO = 2; }\n")
	return b.String()
}

// randomMessage fills a message with values at and between the ends of their
// types.
func randomMessage(r *rand.Rand, d protoreflect.MessageDescriptor, depth int) proto.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		if r.IntN(5) == 0 {
			continue
		}
		switch {
		case f.IsMap():
			for range r.IntN(4) {
				m.Mutable(f).Map().Set(randomValue(r, f.MapKey(), depth).MapKey(), randomValue(r, f.MapValue(), depth))
			}
		case f.IsList():
			for range r.IntN(4) {
				m.Mutable(f).List().Append(randomValue(r, f, depth))
			}
		default:
			m.Set(f, randomValue(r, f, depth))
		}
	}
	return m
}

func randomValue(r *rand.Rand, f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	ints := []uint64{0, 1, 2, 127, 128, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 40, math.MaxInt64, 1 << 63, math.MaxUint64}
	u := ints[r.IntN(len(ints))]
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(u&1 == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(u % 3))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(u))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(u))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(u))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(u)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(r.NormFloat64()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(r.NormFloat64())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "a", "häßlich", "長い"}[r.IntN(4)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte([]string{"", "b", "ü"}[r.IntN(3)]))
	}
	if depth == 0 {
		return protoreflect.ValueOfMessage(dynamicpb.NewMessage(f.Message()))
	}
	return protoreflect.ValueOfMessage(randomMessage(r, f.Message(), depth-1).ProtoReflect())
}

// sameFields compares the fields that both messages can have, and returns how
// many values it compared.
func sameFields(sent, got protoreflect.Message) (n int, err error) {
	sent.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		g := got.Descriptor().Fields().ByNumber(f.Number())
		if g == nil || f.IsList() && !g.IsList() {
			return true // removed, or one of many: a known loss
		}
		var more int
		switch {
		case f.IsMap():
			more, err = sameMaps(f, v.Map(), g, got.Get(g).Map())
		case f.IsList():
			list := got.Get(g).List()
			if list.Len() != v.List().Len() {
				err = fmt.Errorf("%d elements became %d", v.List().Len(), list.Len())
				break
			}
			for i := 0; i < list.Len() && err == nil; i++ {
				var one int
				one, err = sameValue(f, v.List().Get(i), g, list.Get(i))
				more += one
			}
		case g.IsList():
			if list := got.Get(g).List(); list.Len() != 1 {
				err = fmt.Errorf("one value became %d", list.Len())
			} else {
				more, err = sameValue(f, v, g, list.Get(0))
			}
		default:
			more, err = sameValue(f, v, g, got.Get(g))
		}
		n += more
		if err != nil {
			err = fmt.Errorf("field %d: %w", f.Number(), err)
		}
		return err == nil
	})
	return n, err
}

func sameMaps(f protoreflect.FieldDescriptor, sent protoreflect.Map, g protoreflect.FieldDescriptor, got protoreflect.Map) (n int, err error) {
	sent.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		found := false
		got.Range(func(k2 protoreflect.MapKey, v2 protoreflect.Value) bool {
			if one, e := sameValue(f.MapKey(), k.Value(), g.MapKey(), k2.Value()); e == nil && one == 1 {
				found = true
				one, err = sameValue(f.MapValue(), v, g.MapValue(), v2)
				n += one
			}
			return !found
		})
		if !found && fits(f.MapKey(), k.Value(), g.MapKey()) {
			err = fmt.Errorf("key %v is gone", k)
		}
		return err == nil
	})
	if sent.Len() > got.Len() && f.MapKey().Kind() == g.MapKey().Kind() {
		err = fmt.Errorf("%d members became %d", sent.Len(), got.Len())
	}
	return n, err
}

// sameValue compares one value; a value that the reader's type cannot hold is
// not compared.
func sameValue(f protoreflect.FieldDescriptor, sent protoreflect.Value, g protoreflect.FieldDescriptor, got protoreflect.Value) (int, error) {
	if f.Message() != nil {
		return sameFields(sent.Message(), got.Message())
	}
	if !fits(f, sent, g) {
		return 0, nil
	}
	a, b := textOf(f, sent), textOf(g, got)
	if a != b {
		return 0, fmt.Errorf("%s %v became %s %v", f.Kind(), sent, g.Kind(), got)
	}
	return 1, nil
}

// fits reports whether a value of f has a place in g.
func fits(f protoreflect.FieldDescriptor, v protoreflect.Value, g protoreflect.FieldDescriptor) bool {
	text := textOf(f, v)
	var limits [2]string
	switch g.Kind() {
	case protoreflect.BoolKind:
		return text == "0" || text == "1"
	case protoreflect.EnumKind, protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		limits = [2]string{"-2147483648", "2147483647"}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		limits = [2]string{"0", "4294967295"}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		limits = [2]string{"-9223372036854775808", "9223372036854775807"}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		limits = [2]string{"0", "18446744073709551615"}
	default:
		return true
	}
	return !lessNumber(text, limits[0]) && !lessNumber(limits[1], text)
}

func lessNumber(a, b string) bool {
	negA, negB := strings.HasPrefix(a, "-"), strings.HasPrefix(b, "-")
	if negA != negB {
		return negA
	}
	if negA {
		a, b = b[1:], a[1:]
	}
	return len(a) < len(b) || len(a) == len(b) && a < b
}

// textOf writes numbers, enums and booleans alike.
func textOf(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.BoolKind:
		if v.Bool() {
			return "1"
		}
		return "0"
	case protoreflect.EnumKind:
		return fmt.Sprint(int32(v.Enum()))
	case protoreflect.BytesKind:
		return string(v.Bytes())
	}
	return v.String()
}

// TestDynamicDecodersAgree holds the fast decoder, where it is used, to the
// standard library's.
func TestDynamicDecodersAgree(t *testing.T) {
	fast := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 2))
		text := randomModel(r)
		m := file(t, text.String()).File().Messages().Get(0)
		d := NewDynamic(m)
		if d.fast != nil {
			fast++
		}
		for range 4 {
			payload, err := proto.Marshal(randomMessage(r, m, 3))
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.Decode(payload)
			if err != nil {
				t.Fatal(err)
			}
			want, err := d.decodePortable(payload)
			if err != nil {
				t.Fatal(err)
			}
			if !sameMeaning(got, want) {
				t.Fatalf("seed %d: payload %x of\n%s\nfast %v\nslow %v", seed, payload, text, got, want)
			}
		}
	}
	if hyperpbRuns && fast < 200 {
		t.Errorf("only %d of 600 schemas are decoded fast", fast)
	}
}

// TestKnownLosses lists what the rules accept, as the reference server does,
// although a value may lose its meaning or a payload cannot be read.
func TestKnownLosses(t *testing.T) {
	p3, p2 := "syntax = \"proto3\"; message M { ", "syntax = \"proto2\"; message M { "
	varint := func(v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), v)
	}
	text := func(list ...string) (b []byte) {
		for _, s := range list {
			b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), s)
		}
		return b
	}
	for _, c := range []struct {
		name, writer, reader string
		payload              []byte
		want                 string // of the reader's field 1; "error" if it cannot be read
	}{
		{"a number is cut to the reader's size", p3 + "int64 a = 1; }", p3 + "int32 a = 1; }", varint(1<<32 + 5), "5"},
		{"a negative number is large without a sign", p3 + "int32 a = 1; }", p3 + "uint64 a = 1; }", varint(math.MaxUint64), "18446744073709551615"},
		{"every number but 0 is true", p3 + "int32 a = 1; }", p3 + "bool a = 1; }", varint(7), "true"},
		{"a large fixed number is negative with a sign", p3 + "fixed32 a = 1; }", p3 + "sfixed32 a = 1; }", protowire.AppendFixed32(protowire.AppendTag(nil, 1, protowire.Fixed32Type), math.MaxUint32), "-1"},
		{"bytes that are not UTF-8 are no string", p3 + "bytes a = 1; }", p3 + "string a = 1; }", text("\xff"), "error"},
		{"of several strings the last counts", p3 + "repeated string a = 1; }", p3 + "optional string a = 1; }", text("x", "y"), "y"},
		{"packed numbers are not seen without a label", p3 + "repeated int32 a = 1; }", p3 + "int32 a = 1; }", text("\x01\x02"), "0"},
		{"a string that was optional is required", p2 + "optional string a = 1; }", p2 + "required string a = 1; }", nil, "error"},
		{"a message that was optional is required", p2 + "optional M a = 1; }", p2 + "required M a = 1; }", nil, "error"},
		{"a number that lost its constant has no name", p2 + "optional E a = 1; } enum E { A = 0; B = 1; }", p2 + "optional E a = 1; } enum E { A = 0; }", varint(1), "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			writer, reader := file(t, c.writer), file(t, c.reader)
			if breaks(reader, writer) {
				t.Fatal("the rules do not accept it any more: move it to the rules' own tests")
			}
			if _, err := NewDynamic(writer.File().Messages().Get(0)).Decode(c.payload); err != nil {
				t.Fatalf("the writer could not have written it: %v", err)
			}
			m, err := NewDynamic(reader.File().Messages().Get(0)).Decode(c.payload)
			got := "error"
			if err == nil {
				f := m.ProtoReflect().Descriptor().Fields().ByNumber(1)
				got = m.ProtoReflect().Get(f).String()
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestAddedFieldsSurviveOldReaders passes a payload through a reader that does
// not know all of it.
func TestAddedFieldsSurviveOldReaders(t *testing.T) {
	old := file(t, "syntax = \"proto3\"; message M { string a = 1; }").File().Messages().Get(0)
	payload := append(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "x"),
		protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "new")...)
	m, err := NewDynamic(old).Decode(payload)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := proto.Marshal(m); err != nil || !bytes.Equal(out, payload) {
		t.Errorf("%x became %x, %v", payload, out, err)
	}
}
