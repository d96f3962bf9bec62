package protobuf

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// field compares two fields of one number.
func (c *comparison) field(writer, reader protoreflect.FieldDescriptor) {
	if nameOf(writer) != nameOf(reader) {
		c.add(FieldNameChanged)
	}
	if writer.IsMap() && reader.IsMap() {
		c.typeOf(writer.MapKey(), reader.MapKey(), false)
		c.typeOf(writer.MapValue(), reader.MapValue(), false)
		return
	}
	c.typeOf(writer, reader, true)
}

// nameOf is the name that the text gives: a group's has capitals.
func nameOf(f protoreflect.FieldDescriptor) protoreflect.Name {
	if isGroup(f) {
		return f.Message().Name()
	}
	return f.Name()
}

func isGroup(f protoreflect.FieldDescriptor) bool {
	return f.Kind() == protoreflect.GroupKind && f.ParentFile().Syntax() == protoreflect.Proto2
}

// typeOf compares what the fields hold; labels says whether they have any.
func (c *comparison) typeOf(writer, reader protoreflect.FieldDescriptor, labels bool) {
	if shapeOf(writer) != shapeOf(reader) {
		c.add(FieldKindChanged)
		return
	}
	if reader.Message() != nil {
		c.namedType(writer.Message(), reader.Message())
		return
	}
	if scalarGroup(writer.Kind()) != scalarGroup(reader.Kind()) {
		c.add(FieldScalarKindChanged)
		return
	}
	if was, is := labelOf(writer), labelOf(reader); labels && was != "" && is != "" && was != is {
		if scalarGroup(reader.Kind()) == textual {
			c.add(FieldStringOrBytesLabelChanged)
		} else {
			c.add(FieldNumericLabelChanged)
		}
	}
}

type shape uint8

const (
	shapeScalar shape = iota
	shapeMessage
	shapeMap
	shapeGroup
)

// shapeOf tells a group from a message, because their bytes differ.
func shapeOf(f protoreflect.FieldDescriptor) shape {
	switch {
	case f.IsMap():
		return shapeMap
	case f.Kind() == protoreflect.GroupKind:
		return shapeGroup
	case f.Message() != nil:
		return shapeMessage
	}
	return shapeScalar
}

type scalars uint8

const (
	varint scalars = iota
	zigzag
	textual
	fixed32
	fixed64
	float32s
	float64s
)

// scalarGroup names the scalars that one reader takes for each other. See
// https://protobuf.dev/programming-guides/proto3/#updating.
func scalarGroup(k protoreflect.Kind) scalars {
	switch k {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return zigzag
	case protoreflect.StringKind, protoreflect.BytesKind:
		return textual
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return fixed32
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return fixed64
	case protoreflect.FloatKind:
		return float32s
	case protoreflect.DoubleKind:
		return float64s
	}
	return varint
}

// labelOf returns the label that the text spells, empty for none.
func labelOf(f protoreflect.FieldDescriptor) string {
	switch {
	case oneofOf(f) != nil:
		return ""
	case f.Cardinality() == protoreflect.Repeated:
		return "repeated"
	case f.Cardinality() == protoreflect.Required:
		return "required"
	case f.HasOptionalKeyword():
		return "optional"
	}
	return ""
}

// namedType compares the types of two message fields: by name without the
// package, and by content unless both files declare the type themselves, where
// it is compared anyway.
func (c *comparison) namedType(writer, reader protoreflect.MessageDescriptor) {
	local := withoutPackage(reader)
	if withoutPackage(writer) != local {
		c.add(FieldNamedTypeChanged)
		return
	}
	if writer == reader || writer.ParentFile() == c.writer && reader.ParentFile() == c.reader {
		return
	}
	path := c.path
	c.path = strings.Split(local, ".")
	c.message(writer, reader)
	c.path = path
	if c.done[messagePair{writer.FullName(), reader.FullName()}] {
		c.add(FieldNamedTypeChanged)
	}
}

func withoutPackage(m protoreflect.MessageDescriptor) string {
	return strings.TrimPrefix(string(m.FullName()), string(m.ParentFile().Package())+".")
}
