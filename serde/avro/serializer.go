package avro

import (
	"errors"
	"fmt"
	"sync"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// NewSerializer returns a serializer of T, which has the schema text. With an
// empty text an option must name a schema of the registry: serde.WithLatest,
// serde.WithLatestMetadata, serde.WithSchemaID or serde.WithSchemaGUID.
func NewSerializer[T any](registry serde.Registry, text string, opts ...serde.Option) (*serde.Serializer[T], error) {
	f, err := NewFormat[T](FormatOptions{Text: text})
	if err != nil {
		return nil, err
	}
	return serde.NewSerializer(registry, f, opts...)
}

// NewDeserializer returns a deserializer into T, which has the schema text:
// records of earlier and later versions are resolved to it while they are
// decoded. With an empty text each record is decoded as its writer wrote it.
func NewDeserializer[T any](registry serde.Registry, text string, opts ...serde.Option) (*serde.Deserializer[T], error) {
	f, err := NewFormat[T](FormatOptions{Text: text})
	if err != nil {
		return nil, err
	}
	return serde.NewDeserializer(registry, f, opts...)
}

// FormatOptions is what NewFormat needs to know. The zero value stands for
// whatever schemas the registry has.
type FormatOptions struct {
	Text string // schema of T; empty for none

	// References and Dependencies belong together: what the text refers to,
	// as it is registered and as texts, each before whatever uses it.
	References   []schema.Reference
	Dependencies []serde.Dependency

	// Metadata and RuleSet are registered with the text.
	Metadata *schema.Metadata
	RuleSet  *schema.RuleSet

	Codec []Option // of the codecs that are compiled
}

// Format is Avro for values of T. It implements serde.Format, serde.Checker and
// serde.Transcoders.
type Format[T any] struct {
	local *serde.Local // nil for none
	own   *Schema      // of local
	opts  []Option
}

var (
	_ serde.Format[any] = (*Format[any])(nil)
	_ serde.Checker     = (*Format[any])(nil)
	_ serde.Transcoders = (*Format[any])(nil)
	_ serde.Uniform     = (*Format[any])(nil)
)

// NewFormat returns the format for T. The text must parse, and fit T.
func NewFormat[T any](o FormatOptions) (*Format[T], error) {
	f := &Format[T]{opts: o.Codec}
	if o.Text == "" {
		if len(o.References) > 0 || len(o.Dependencies) > 0 || o.Metadata != nil || o.RuleSet != nil {
			return nil, errors.New("avro: references, metadata or rules without a schema text")
		}
		return f, nil
	}
	f.local = &serde.Local{
		Definition:   schema.Definition{Type: schema.Avro, Text: o.Text, References: o.References, Metadata: o.Metadata, RuleSet: o.RuleSet},
		Dependencies: o.Dependencies,
	}
	var err error
	if f.own, err = parseDefinition(o.Text, o.Dependencies, true); err != nil {
		return nil, err
	}
	f.local.Name = f.own.Name()
	if _, err := NewCodec[T](f.own, o.Codec...); err != nil {
		return nil, err
	}
	return f, nil
}

// Type returns schema.Avro.
func (f *Format[T]) Type() schema.Type { return schema.Avro }

// Local returns the schema of T.
func (f *Format[T]) Local(T) *serde.Local { return f.local }

// Uniform returns the schema of T, which all values have.
func (f *Format[T]) Uniform() (*serde.Local, bool) { return f.local, true }

// Reader returns the schema of T.
func (f *Format[T]) Reader() *serde.Local { return f.local }

// Encoder compiles the writing of T as writer.
func (f *Format[T]) Encoder(writer *serde.Schema, local *serde.Local) (serde.Encoder[T], error) {
	s, err := f.schemaOf(writer)
	if err != nil {
		return nil, err
	}
	codec, err := NewCodec[T](s, f.opts...)
	if err != nil {
		return nil, err
	}
	e := &encoderOf[T]{codec: codec}
	e.boxes.New = func() any { return new(T) }
	if isBare(s) {
		return &bareEncoder[T]{e}, nil
	}
	return e, nil
}

// Decoder compiles the resolution from writer to reader.
func (f *Format[T]) Decoder(writer *serde.Schema, reader *serde.Local) (serde.Decoder[T], error) {
	w, err := f.schemaOf(writer)
	if err != nil {
		return nil, err
	}
	r := w
	if reader == f.local && f.own != nil {
		r = f.own
	} else if reader != nil {
		if r, err = parseDefinition(reader.Text, reader.Dependencies, false); err != nil {
			return nil, err
		}
	}
	codec, err := newDecodingCodec[T](w, r, f.opts)
	if err != nil {
		return nil, err
	}
	if isBare(w) {
		return bareDecoder[T]{codec}, nil
	}
	return decoderOf[T]{codec}, nil
}

// Check compares two schemas by the rules of the registry.
func (f *Format[T]) Check(reader, writer *serde.Schema) error {
	r, err := f.schemaOf(reader)
	if err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	w, err := f.schemaOf(writer)
	if err != nil {
		return fmt.Errorf("writer: %w", err)
	}
	for _, d := range r.Differences(w, compat.Options{}) {
		if !d.Compatible {
			return errors.New(r.Describe(d, compat.Backward))
		}
	}
	return nil
}

// Transcoder returns the conversion of payloads of s from and to JSON.
func (f *Format[T]) Transcoder(s *serde.Schema) (serde.Transcoder, error) {
	parsed, err := f.schemaOf(s)
	if err != nil {
		return nil, err
	}
	if isBare(parsed) {
		return bareTranscoder{transcoder{parsed}}, nil
	}
	return transcoder{parsed}, nil
}

// schemaOf parses s, or returns the schema of T if that is what s is.
func (f *Format[T]) schemaOf(s *serde.Schema) (*Schema, error) {
	if f.own != nil && (s.Text == "" || s.Text == f.local.Text) {
		return f.own, nil
	}
	return parseDefinition(s.Text, s.Dependencies, false)
}

func parseDefinition(text string, deps []serde.Dependency, strict bool) (*Schema, error) {
	src := compat.Source{Type: schema.Avro, Text: text, Strict: strict, Dependencies: make([]compat.Dependency, len(deps))}
	for i, d := range deps {
		src.Dependencies[i] = compat.Dependency{Name: d.Name, Text: d.Text}
	}
	return avro.Parse(src)
}

type encoderOf[T any] struct {
	codec *Codec[T]
	boxes sync.Pool // of *T: a pointer for the codec that costs no allocation
}

func (e *encoderOf[T]) Indexes() []byte { return nil }

func (e *encoderOf[T]) Append(dst []byte, v T) ([]byte, error) {
	box := e.boxes.Get().(*T)
	*box = v
	out, err := e.codec.Append(dst, box)
	var zero T
	*box = zero // do not keep what v points to
	e.boxes.Put(box)
	return out, err
}

func (e *encoderOf[T]) AppendPointer(dst []byte, v *T) ([]byte, error) { return e.codec.Append(dst, v) }

type decoderOf[T any] struct{ codec *Codec[T] }

func (d decoderOf[T]) Decode(_, payload []byte, v *T) error { return d.codec.Decode(payload, v) }

type transcoder struct{ schema *Schema }

func (t transcoder) AppendJSON(dst, _, payload []byte) ([]byte, error) {
	return AppendJSON(dst, t.schema, payload)
}

func (t transcoder) AppendPayload(dst, _, json []byte) ([]byte, error) {
	return FromJSON(dst, t.schema, json)
}
