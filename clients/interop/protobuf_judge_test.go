package interop

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/serde/frame"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
)

// The official test messages, with every kind of field: our JSON of random
// payloads means the same to Google's protobuf, and its JSON the same to us.
func TestProtobufJSON(t *testing.T) {
	t.Parallel()
	version, err := exec.Command(".venv/bin/python", "python/protobuf_judge.py", "version").Output()
	if err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	judge := startLineClient(t, "", []string{".venv/bin/python", "python/protobuf_judge.py"})
	t.Log(strings.TrimSpace(string(version)))
	for name, message := range map[string]protoreflect.Name{
		"proto2": "TestAllTypesProto2", "proto3": "TestAllTypesProto3", "edition2023": "TestAllTypesEdition2023", "proto3_editions": "TestAllTypesProto3",
	} {
		t.Run(name, func(t *testing.T) {
			found, err := filepath.Glob(".venv/lib/python3*/site-packages/protoc/include/conformance/messages/test_messages_" + name + ".proto")
			if err != nil || len(found) != 1 {
				t.Fatalf("the test messages are not installed: run make deps (%v)", err)
			}
			// Message sets are older than proto2; neither Go nor JSON has them.
			text := strings.ReplaceAll(string(readFile(t, found[0])), "option message_set_wire_format = true;", "")
			s, err := compatpb.Parse(compat.Source{Text: text})
			if err != nil {
				t.Fatal(err)
			}
			j := protobufJudge{lineClient: judge, descriptors: descriptorSet(t, s)}
			if j.transcoder, err = serdeprotobuf.NewTranscoder(s); err != nil {
				t.Fatal(err)
			}
			m := s.File().Messages().ByName(message)
			if m == nil {
				t.Fatal("there is no such message")
			}
			for seed := range uint64(200) {
				f := filler{rand.New(rand.NewPCG(seed, 19))}
				want := dynamicpb.NewMessage(m)
				f.fill(want, 2)
				j.check(t, want)
			}
		})
	}
}

type protobufJudge struct {
	*lineClient
	transcoder  *serdeprotobuf.Transcoder
	descriptors []byte
}

func descriptorSet(t *testing.T, s *compatpb.Schema) []byte {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	for _, f := range append(s.Imports(), s.File()) {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (j protobufJudge) ask(t *testing.T, m proto.Message, data []byte, text string) (newData []byte, newText string) {
	t.Helper()
	var a struct {
		Error, Text string
		Data        []byte
	}
	err := j.exchange(map[string]any{"descriptors": j.descriptors, "message": m.ProtoReflect().Descriptor().FullName(), "data": data, "text": text}, &a)
	if err != nil {
		t.Fatal(err)
	}
	if a.Error != "" {
		t.Fatalf("%s\n%s", a.Error, text)
	}
	return a.Data, a.Text
}

func (j protobufJudge) check(t *testing.T, want *dynamicpb.Message) {
	t.Helper()
	data, err := proto.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, b []byte, text string) {
		t.Helper()
		got := dynamicpb.NewMessage(want.Descriptor())
		if err := proto.Unmarshal(b, got); err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: %s\nis %v\nwant %v (%v)", what, text, got, want, err)
		}
	}
	indexes := frame.AppendIndexes(nil, []int{want.Descriptor().Index()})
	ours, err := j.transcoder.AppendJSON(nil, indexes, data)
	if err != nil {
		t.Fatal(err)
	}
	back, _ := j.ask(t, want, nil, string(ours))
	same("the judge reads our JSON", back, string(ours))
	_, theirs := j.ask(t, want, data, "")
	again, err := j.transcoder.AppendPayload(nil, indexes, []byte(theirs))
	if err != nil {
		t.Fatalf("%v in the judge's JSON %s", err, theirs)
	}
	same("we read the judge's JSON", again, theirs)
}

// filler fills messages with random values that JSON has a form for.
type filler struct{ r *rand.Rand }

func (f filler) fill(m protoreflect.Message, depth int) {
	switch m.Descriptor().FullName() {
	case "google.protobuf.Timestamp":
		f.set(m, f.r.Int64N(253402300799+62135596800)-62135596800, int32(f.r.IntN(1e9)))
		return
	case "google.protobuf.Duration":
		seconds, nanos := f.r.Int64N(315576000000), int32(f.r.IntN(1e9))
		if f.r.IntN(2) == 0 {
			seconds, nanos = -seconds, -nanos
		}
		f.set(m, seconds, nanos)
		return
	case "google.protobuf.FieldMask":
		paths := m.Mutable(m.Descriptor().Fields().ByName("paths")).List()
		for range f.r.IntN(3) {
			paths.Append(protoreflect.ValueOfString([]string{"a", "foo_bar", "a.b_c"}[f.r.IntN(3)]))
		}
		return
	case "google.protobuf.Value":
		m.Set(m.Descriptor().Fields().ByName("string_value"), protoreflect.ValueOfString(f.text()))
		return
	}
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		if f.r.IntN(3) > 0 && fd.Cardinality() != protoreflect.Required || unfillable(fd) || fd.Message() != nil && !fd.IsMap() && depth == 0 {
			continue
		}
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil && depth == 0 || unfillable(fd.MapValue()) {
				continue
			}
			entries := m.Mutable(fd).Map()
			for range f.r.IntN(3) {
				v := entries.NewValue()
				if fd.MapValue().Message() != nil {
					f.fill(v.Message(), depth-1)
				} else {
					v = f.scalar(fd.MapValue())
				}
				entries.Set(f.scalar(fd.MapKey()).MapKey(), v)
			}
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range f.r.IntN(3) {
				if fd.Message() != nil {
					f.fill(list.AppendMutable().Message(), depth-1)
				} else {
					list.Append(f.scalar(fd))
				}
			}
		case fd.Message() != nil:
			f.fill(m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, f.scalar(fd))
		}
	}
}

// unfillable are fields whose values JSON changes on purpose: null, and what
// depends on types that only some know.
func unfillable(fd protoreflect.FieldDescriptor) bool {
	if e := fd.Enum(); e != nil {
		return e.FullName() == "google.protobuf.NullValue"
	}
	if m := fd.Message(); m != nil {
		return m.FullName() == "google.protobuf.Any"
	}
	return false
}

func (f filler) set(m protoreflect.Message, seconds int64, nanos int32) {
	m.Set(m.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(seconds))
	m.Set(m.Descriptor().Fields().ByName("nanos"), protoreflect.ValueOfInt32(nanos))
}

func (f filler) text() string {
	return fmt.Sprint([]string{"", "ä\n\"\\", "漢😀", "\u0000\u007f", "</script>"}[f.r.IntN(5)], f.r.IntN(100))
}

func (f filler) scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(f.r.IntN(2) == 0)
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(f.r.IntN(values.Len())).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(f.r.Uint32()) >> f.r.IntN(32))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(f.r.Uint32() >> f.r.IntN(32))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(f.r.Uint64()) >> f.r.IntN(64))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(f.r.Uint64() >> f.r.IntN(64))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(f.r.NormFloat64()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(f.r.NormFloat64() * 1e100)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(f.text()))
	}
	return protoreflect.ValueOfString(f.text())
}
