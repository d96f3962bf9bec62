package protobuf

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// NewSerializer returns a serializer of T: a generated message type, or
// proto.Message for messages of any type.
func NewSerializer[T proto.Message](registry serde.Registry, opts ...serde.Option) (*serde.Serializer[T], error) {
	return serde.NewSerializer(registry, NewFormat[T](FormatOptions{}), opts...)
}

// NewDeserializer returns a deserializer into T: a generated message type, or
// proto.Message for messages of any type, which then come out as their writers
// wrote them, read-only.
func NewDeserializer[T proto.Message](registry serde.Registry, opts ...serde.Option) (*serde.Deserializer[T], error) {
	return serde.NewDeserializer(registry, NewFormat[T](FormatOptions{}), opts...)
}

// FormatOptions is what NewFormat may be told. The zero value is right for most.
type FormatOptions struct {
	// Metadata and RuleSet are registered with the schema of every message.
	Metadata *schema.Metadata
	RuleSet  *schema.RuleSet
}

// Format is Protobuf for values of T. It implements serde.Format, serde.Checker
// and serde.Transcoders.
type Format[T proto.Message] struct {
	zero     protoreflect.Message // of T; nil if T stands for many messages
	reader   *serde.Local         // of T; nil if T stands for many messages
	missing  error                // why reader could not be made
	writable bool                 // T is *dynamicpb.Message
	locals   locals
}

// NewFormat returns the format for T: a generated message type, *dynamicpb.Message
// or proto.Message.
func NewFormat[T proto.Message](o FormatOptions) *Format[T] {
	f := &Format[T]{locals: locals{options: o}}
	var zero T
	switch any(zero).(type) {
	case nil:
	case *dynamicpb.Message:
		f.writable = true
	default:
		f.zero = zero.ProtoReflect()
		f.reader, f.missing = f.locals.of(f.zero.Descriptor())
	}
	return f
}

var (
	_ serde.Format[proto.Message] = (*Format[proto.Message])(nil)
	_ serde.Checker               = (*Format[proto.Message])(nil)
	_ serde.Transcoders           = (*Format[proto.Message])(nil)
)

// Type returns schema.Protobuf.
func (f *Format[T]) Type() schema.Type { return schema.Protobuf }

// Reader returns the schema of T, nil if T is proto.Message.
func (f *Format[T]) Reader() *serde.Local { return f.reader }

// Local returns the schema of v's file; its Name is that of v's message.
func (f *Format[T]) Local(v T) *serde.Local {
	if f.reader != nil {
		return f.reader
	}
	if any(v) == nil || f.writable && !v.ProtoReflect().IsValid() {
		return nil
	}
	local, err := f.locals.of(v.ProtoReflect().Descriptor())
	if err != nil {
		return nil
	}
	return local
}

// Encoder finds the message that values are of in the writer's schema.
func (f *Format[T]) Encoder(writer *serde.Schema, local *serde.Local) (serde.Encoder[T], error) {
	if local == nil {
		if f.missing != nil {
			return nil, f.missing
		}
		return nil, fmt.Errorf("protobuf: a nil message, or one whose imports are not linked in, has no schema")
	}
	s, err := parseWriter(writer, local)
	if err != nil {
		return nil, err
	}
	m := s.Message(protoreflect.FullName(local.Name))
	if m == nil {
		return nil, fmt.Errorf("protobuf: the schema to write with has no message %s", local.Name)
	}
	return &encoder[T]{indexes: frame.AppendIndexes(nil, IndexesOf(m)), name: protoreflect.FullName(local.Name)}, nil
}

// parseWriter reads the schema of the registry, or the local one if the
// registry told no text.
func parseWriter(writer *serde.Schema, local *serde.Local) (*compatpb.Schema, error) {
	if writer.Text == "" {
		return parse(local.Text, local.Dependencies)
	}
	if writer.Text == local.Text && len(writer.Dependencies) == 0 {
		return parse(local.Text, local.Dependencies)
	}
	return parse(writer.Text, writer.Dependencies)
}

func parse(text string, deps []serde.Dependency) (*compatpb.Schema, error) {
	src := compat.Source{Type: schema.Protobuf, Text: text, Dependencies: make([]compat.Dependency, len(deps))}
	for i, d := range deps {
		src.Dependencies[i] = compat.Dependency{Name: d.Name, Text: d.Text}
	}
	return compatpb.Parse(src)
}

type encoder[T proto.Message] struct {
	indexes []byte
	name    protoreflect.FullName
}

func (e *encoder[T]) Indexes() []byte { return e.indexes }

func (e *encoder[T]) Append(dst []byte, v T) ([]byte, error) {
	if any(v) == nil {
		return dst, fmt.Errorf("protobuf: a nil message cannot be written")
	}
	if m := v.ProtoReflect(); !m.IsValid() {
		return dst, fmt.Errorf("protobuf: a nil %s cannot be written", m.Descriptor().FullName())
	}
	out, err := proto.MarshalOptions{}.MarshalAppend(dst, v)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Decoder prepares reading of what was written with writer.
func (f *Format[T]) Decoder(writer *serde.Schema, reader *serde.Local) (serde.Decoder[T], error) {
	s, err := parse(writer.Text, writer.Dependencies)
	if err != nil {
		return nil, err
	}
	if f.zero == nil {
		return newDynamicDecoder[T](s.File(), f.writable), nil
	}
	name := f.zero.Descriptor().FullName()
	m := s.Message(name)
	d := &typedDecoder[T]{file: s.File(), zero: f.zero, name: name}
	if m != nil {
		d.indexes = frame.AppendIndexes(nil, IndexesOf(m))
	}
	return d, nil
}

// typedDecoder reads into a generated type.
type typedDecoder[T proto.Message] struct {
	file    protoreflect.FileDescriptor
	zero    protoreflect.Message
	name    protoreflect.FullName
	indexes []byte // of that message in the writer's schema; nil if it has none
}

func (d *typedDecoder[T]) Decode(indexes, payload []byte, v *T) error {
	if d.indexes == nil || !bytes.Equal(indexes, d.indexes) {
		if err := d.check(indexes); err != nil {
			return err
		}
	}
	if any(*v) == nil || !(*v).ProtoReflect().IsValid() {
		*v = d.zero.New().Interface().(T)
	}
	return proto.UnmarshalOptions{RecursionLimit: maxDepth}.Unmarshal(payload, *v)
}

// check refuses a record that holds another message. The indexes may also be
// the right ones in another spelling.
func (d *typedDecoder[T]) check(indexes []byte) error {
	m, err := messageOf(d.file, indexes)
	if err != nil {
		return err
	}
	if m.FullName() != d.name {
		return fmt.Errorf("protobuf: the record holds a %s, not a %s", m.FullName(), d.name)
	}
	return nil
}

// dynamicDecoder reads any message of the writer's schema.
type dynamicDecoder[T proto.Message] struct {
	types    byIndexes[*Dynamic]
	writable bool
}

func newDynamicDecoder[T proto.Message](file protoreflect.FileDescriptor, writable bool) *dynamicDecoder[T] {
	return &dynamicDecoder[T]{writable: writable, types: byIndexes[*Dynamic]{file: file, make: func(m protoreflect.MessageDescriptor) (*Dynamic, error) {
		return NewDynamic(m), nil
	}}}
}

func (d *dynamicDecoder[T]) Decode(indexes, payload []byte, v *T) error {
	t, err := d.types.get(indexes)
	if err != nil {
		return err
	}
	decode := t.Decode
	if d.writable {
		decode = t.decodePortable
	}
	m, err := decode(payload)
	if err != nil {
		return err
	}
	got, ok := m.(T)
	if !ok {
		return fmt.Errorf("protobuf: a %T cannot be held by a %T", m, *v)
	}
	*v = got
	return nil
}

// Check compares two schemas by the rules of the registry.
func (f *Format[T]) Check(reader, writer *serde.Schema) error {
	r, err := parse(reader.Text, reader.Dependencies)
	if err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	w, err := parse(writer.Text, writer.Dependencies)
	if err != nil {
		return fmt.Errorf("writer: %w", err)
	}
	for _, d := range r.Differences(w, compat.Options{}) {
		if !d.Compatible {
			return fmt.Errorf("the reader's schema does not fit: %s", r.Describe(d, compat.Backward))
		}
	}
	return nil
}
