package protobuf

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/serde"
)

// Transcoder turns payloads of one schema into JSON and back, by the JSON
// mapping of the language (field names in lowerCamelCase or as the schema has
// them on the way in, 64-bit integers as strings, bytes as base64). It
// implements serde.Transcoder.
type Transcoder struct {
	types byIndexes[*Dynamic]
	any   *dynamicpb.Types // what google.protobuf.Any may hold
}

var _ serde.Transcoder = (*Transcoder)(nil)

// NewTranscoder returns a transcoder of s.
func NewTranscoder(s *compatpb.Schema) (*Transcoder, error) {
	files := &protoregistry.Files{}
	for _, f := range append(s.Imports(), s.File()) {
		if err := files.RegisterFile(f); err != nil {
			return nil, fmt.Errorf("protobuf: %w", err)
		}
	}
	t := &Transcoder{any: dynamicpb.NewTypes(files)}
	t.types.file = s.File()
	t.types.make = func(m protoreflect.MessageDescriptor) (*Dynamic, error) { return NewDynamic(m), nil }
	return t, nil
}

// Transcoder returns a transcoder of s.
func (f *Format[T]) Transcoder(s *serde.Schema) (serde.Transcoder, error) {
	parsed, err := parse(s.Text, s.Dependencies)
	if err != nil {
		return nil, err
	}
	return NewTranscoder(parsed)
}

// AppendJSON appends the JSON of a payload to dst, on one line without spaces.
// Fields that are not set are left out. indexes are encoded message indexes; nil
// stands for the first message.
func (t *Transcoder) AppendJSON(dst, indexes, payload []byte) ([]byte, error) {
	d, err := t.types.get(indexes)
	if err != nil {
		return dst, err
	}
	m, err := d.Decode(payload)
	if err != nil {
		return dst, err
	}
	text, err := protojson.MarshalOptions{Resolver: t.any}.Marshal(m)
	if err != nil {
		return dst, err
	}
	// protojson varies its spaces on purpose; what we write does not vary.
	out := bytes.NewBuffer(dst)
	if err := json.Compact(out, text); err != nil {
		return dst, err
	}
	return out.Bytes(), nil
}

// AppendPayload appends the payload that a JSON object stands for to dst.
// Members that the schema does not know are an error. The same JSON always gives
// the same bytes.
func (t *Transcoder) AppendPayload(dst, indexes, text []byte) ([]byte, error) {
	d, err := t.types.get(indexes)
	if err != nil {
		return dst, err
	}
	m := dynamicpb.NewMessage(d.Descriptor())
	if err := (protojson.UnmarshalOptions{Resolver: t.any, RecursionLimit: maxDepth}).Unmarshal(text, m); err != nil {
		return dst, err
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
	if err != nil {
		return dst, err
	}
	return out, nil
}
