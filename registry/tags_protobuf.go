package registry

import (
	"encoding/base64"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
)

// Inline tags of Protobuf stand in the options (confluent.message_meta).tags
// and (confluent.field_meta).tags of confluent/meta.proto. The options are
// edited as bytes, so nothing beside them is touched.
const (
	metaImport    = "confluent/meta.proto"
	metaOption    = protowire.Number(1088) // extension of every kind of options
	metaTagsField = protowire.Number(3)
)

func openProtobufTags(s compat.Schema) (*taggedText, error) {
	file, err := descriptorOf(s)
	if err != nil {
		return nil, err
	}
	t := &taggedText{text: func() (string, error) {
		if !slices.Contains(file.Dependency, metaImport) {
			file.Dependency = append(file.Dependency, metaImport)
		}
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(file)
		return base64.StdEncoding.EncodeToString(b), err
	}}
	for _, m := range file.GetMessageType() {
		scope := ""
		if file.GetPackage() != "" {
			scope = file.GetPackage() + "."
		}
		t.walkMessage(m, scope)
	}
	return t, nil
}

func (t *taggedText) walkMessage(m *descriptorpb.DescriptorProto, scope string) {
	if m.GetOptions().GetMapEntry() {
		return
	}
	path := scope + m.GetName()
	t.entities = append(t.entities, &entity{path: path, typ: recordEntity, tags: tagsOf(m.GetOptions()), set: func(tags []string) {
		if m.Options == nil {
			m.Options = &descriptorpb.MessageOptions{}
		}
		setTags(m.Options, tags)
	}})
	for _, f := range m.GetField() {
		t.entities = append(t.entities, &entity{path: path + "." + f.GetName(), typ: fieldEntity, tags: tagsOf(f.GetOptions()), set: func(tags []string) {
			if f.Options == nil {
				f.Options = &descriptorpb.FieldOptions{}
			}
			setTags(f.Options, tags)
		}})
	}
	for _, nested := range m.GetNestedType() {
		t.walkMessage(nested, path+".")
	}
}

// metaOf returns the bytes of an options message and of the meta option in it,
// several of which are merged by appending.
func metaOf(options proto.Message) (rest, meta []byte) {
	b, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(options)
	if err != nil {
		return nil, nil
	}
	eachField(b, func(n protowire.Number, typ protowire.Type, field, value []byte) {
		if n == metaOption && typ == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(value)
			meta = append(meta, inner...)
			return
		}
		rest = append(rest, field...)
	})
	return rest, meta
}

func tagsOf(options proto.Message) []string {
	if !options.ProtoReflect().IsValid() {
		return nil
	}
	_, meta := metaOf(options)
	var tags []string
	eachField(meta, func(n protowire.Number, typ protowire.Type, _, value []byte) {
		if n == metaTagsField && typ == protowire.BytesType {
			tag, _ := protowire.ConsumeBytes(value)
			tags = append(tags, string(tag))
		}
	})
	return tags
}

func setTags(options proto.Message, tags []string) {
	rest, meta := metaOf(options)
	var changed []byte
	eachField(meta, func(n protowire.Number, _ protowire.Type, field, _ []byte) {
		if n != metaTagsField {
			changed = append(changed, field...)
		}
	})
	for _, tag := range tags {
		changed = protowire.AppendTag(changed, metaTagsField, protowire.BytesType)
		changed = protowire.AppendString(changed, tag)
	}
	if len(changed) > 0 {
		rest = protowire.AppendTag(rest, metaOption, protowire.BytesType)
		rest = protowire.AppendBytes(rest, changed)
	}
	proto.Reset(options)
	// The bytes were marshalled above; parsing them again cannot fail.
	_ = proto.UnmarshalOptions{AllowPartial: true, DiscardUnknown: false}.Unmarshal(rest, options)
}

// eachField calls visit with every field of a message: number, type, all its
// bytes and those of its value.
func eachField(b []byte, visit func(n protowire.Number, typ protowire.Type, field, value []byte)) {
	for len(b) > 0 {
		n, typ, tagBytes := protowire.ConsumeTag(b)
		if tagBytes < 0 {
			return
		}
		valueBytes := protowire.ConsumeFieldValue(n, typ, b[tagBytes:])
		if valueBytes < 0 {
			return
		}
		visit(n, typ, b[:tagBytes+valueBytes], b[tagBytes:tagBytes+valueBytes])
		b = b[tagBytes+valueBytes:]
	}
}
