package hamba

import (
	"errors"
	"fmt"

	hamba "github.com/hamba/avro/v2"

	ours "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
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
// records of other versions are resolved to it. With an empty text each record
// is decoded as its writer wrote it.
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

	// API is the application's configuration of the library, with the names and
	// converters it registered. Nil is the default one, but without a bound on
	// strings: a payload that was proven whole has the bytes it says. An API
	// that has a bound keeps it.
	API hamba.API
}

// Format is Avro by hamba for values of T. It implements serde.Format,
// serde.Checker, serde.Transcoders and serde.Uniform.
type Format[T any] struct {
	api   hamba.API
	local *serde.Local // nil for none
	own   *parsed      // of local
	plain *avro.Format[any]
}

var (
	_ serde.Format[any] = (*Format[any])(nil)
	_ serde.Checker     = (*Format[any])(nil)
	_ serde.Transcoders = (*Format[any])(nil)
	_ serde.Uniform     = (*Format[any])(nil)
)

// NewFormat returns the format for T. The text must parse, by serde/avro and by
// hamba.
func NewFormat[T any](o FormatOptions) (*Format[T], error) {
	f := &Format[T]{api: o.API}
	if f.api == nil {
		f.api = hamba.Config{MaxByteSliceSize: -1}.Freeze()
	}
	var err error
	f.plain, err = avro.NewFormat[any](avro.FormatOptions{
		Text: o.Text, References: o.References, Dependencies: o.Dependencies, Metadata: o.Metadata, RuleSet: o.RuleSet,
	})
	if err != nil || o.Text == "" {
		return f, err
	}
	f.local = f.plain.Reader()
	f.own, err = parse(o.Text, o.Dependencies)
	return f, err
}

// Type returns schema.Avro.
func (f *Format[T]) Type() schema.Type { return schema.Avro }

// Local returns the schema of T.
func (f *Format[T]) Local(T) *serde.Local { return f.local }

// Uniform returns the schema of T, which all values have.
func (f *Format[T]) Uniform() (*serde.Local, bool) { return f.local, true }

// Reader returns the schema of T.
func (f *Format[T]) Reader() *serde.Local { return f.local }

// Check compares two schemas by the rules of the registry.
func (f *Format[T]) Check(reader, writer *serde.Schema) error { return f.plain.Check(reader, writer) }

// Transcoder returns the conversion of payloads of s from and to JSON, by
// serde/avro.
func (f *Format[T]) Transcoder(s *serde.Schema) (serde.Transcoder, error) {
	return f.plain.Transcoder(s)
}

// Encoder returns what writes T as writer.
func (f *Format[T]) Encoder(writer *serde.Schema, _ *serde.Local) (serde.Encoder[T], error) {
	w, err := f.schemaOf(writer)
	if err != nil {
		return nil, err
	}
	return newEncoder[T](f.api, w)
}

// Decoder returns what reads payloads of writer into T as reader.
func (f *Format[T]) Decoder(writer *serde.Schema, reader *serde.Local) (serde.Decoder[T], error) {
	w, err := f.schemaOf(writer)
	if err != nil {
		return nil, err
	}
	r := w
	if reader == f.local && f.own != nil {
		r = f.own
	} else if reader != nil {
		if r, err = parse(reader.Text, reader.Dependencies); err != nil {
			return nil, err
		}
	}
	return newDecoder[T](f.api, w, r)
}

// schemaOf parses s, or returns the schema of T if that is what s is.
func (f *Format[T]) schemaOf(s *serde.Schema) (*parsed, error) {
	if f.own != nil && (s.Text == "" || s.Text == f.local.Text) {
		return f.own, nil
	}
	return parse(s.Text, s.Dependencies)
}

// parsed is one schema as both libraries know it.
type parsed struct {
	ours   *avro.Schema
	theirs hamba.Schema
}

// bare reports whether the root is bytes, which stand in a framed record
// without a length.
func (p *parsed) bare() bool { return p.ours.Root().Kind == ours.Bytes }

// parse reads a text and what it refers to; our parser first, for its limits.
func parse(text string, deps []serde.Dependency) (p *parsed, err error) {
	defer recovered("parse the schema", &err)
	s, err := parseOurs(text, deps)
	if err != nil {
		return nil, err
	}
	// A cache of its own: with the library's global one a schema would see the
	// types of every other.
	cache := &hamba.SchemaCache{}
	for _, d := range deps {
		if _, err := hamba.ParseWithCache(d.Text, "", cache); err != nil {
			return nil, fmt.Errorf("hamba: reference %q: %w", d.Name, err)
		}
	}
	t, err := hamba.ParseWithCache(text, "", cache)
	if err != nil {
		return nil, fmt.Errorf("hamba: %w", err)
	}
	return &parsed{s, t}, nil
}

// recovered turns a panic into an error.
func recovered(doing string, err *error) {
	if cause := recover(); cause != nil {
		*err = errors.Join(*err, fmt.Errorf("hamba: %s: the library panicked: %v", doing, cause))
	}
}
