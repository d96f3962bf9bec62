package jsonschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/jsonschema"
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

// NewDeserializer returns a deserializer into T by package encoding/json. Each
// payload is validated under the schema it was written with.
func NewDeserializer[T any](registry serde.Registry, text string, opts ...serde.Option) (*serde.Deserializer[T], error) {
	f, err := NewFormat[T](FormatOptions{Text: text})
	if err != nil {
		return nil, err
	}
	return serde.NewDeserializer(registry, f, opts...)
}

// FormatOptions is what NewFormat needs to know. The zero value stands for
// whatever schemas the registry has, with validation.
type FormatOptions struct {
	Text string // schema of T; empty for none

	// References and Dependencies belong together: what the text refers to,
	// as it is registered and as texts, each before whatever uses it.
	References   []schema.Reference
	Dependencies []serde.Dependency

	// Metadata and RuleSet are registered with the text.
	Metadata *schema.Metadata
	RuleSet  *schema.RuleSet

	// Unvalidated leaves out the check of payloads, written and read, against
	// the writer's schema. What is read must be JSON all the same.
	Unvalidated bool
	// UseNumber decodes numbers in an any into json.Number, which keeps all
	// their digits.
	UseNumber bool
}

// Format is JSON Schema for values of T, which encoding/json marshals and
// unmarshals. It implements serde.Format, serde.Checker, serde.Uniform and
// serde.Transcoders.
type Format[T any] struct {
	local   *serde.Local // nil for none
	own     *jsonschema.Schema
	options FormatOptions
}

var (
	_ serde.Format[any] = (*Format[any])(nil)
	_ serde.Checker     = (*Format[any])(nil)
	_ serde.Uniform     = (*Format[any])(nil)
	_ serde.Transcoders = (*Format[any])(nil)
)

// NewFormat returns the format for T. The text must be a valid schema.
func NewFormat[T any](o FormatOptions) (*Format[T], error) {
	f := &Format[T]{options: o}
	if o.Text == "" {
		if len(o.References) > 0 || len(o.Dependencies) > 0 || o.Metadata != nil || o.RuleSet != nil {
			return nil, errors.New("jsonschema: references, metadata or rules without a schema text")
		}
		return f, nil
	}
	f.local = &serde.Local{
		Definition:   schema.Definition{Type: schema.JSON, Text: o.Text, References: o.References, Metadata: o.Metadata, RuleSet: o.RuleSet},
		Dependencies: o.Dependencies,
	}
	var err error
	if f.own, err = parse(o.Text, o.Dependencies, true); err != nil {
		return nil, err
	}
	f.local.Name = f.own.Name()
	if _, err := f.validator(f.own); err != nil {
		return nil, err
	}
	return f, nil
}

// Type returns schema.JSON.
func (f *Format[T]) Type() schema.Type { return schema.JSON }

// Local returns the schema of T.
func (f *Format[T]) Local(T) *serde.Local { return f.local }

// Uniform returns the schema of T, which all values have.
func (f *Format[T]) Uniform() (*serde.Local, bool) { return f.local, true }

// Reader returns the schema of T.
func (f *Format[T]) Reader() *serde.Local { return f.local }

// Encoder prepares the writing of T under the schema writer.
func (f *Format[T]) Encoder(writer *serde.Schema, _ *serde.Local) (serde.Encoder[T], error) {
	v, err := f.validatorOf(writer)
	if err != nil {
		return nil, err
	}
	return &encoder[T]{v}, nil
}

// Decoder prepares the reading of what was written with writer. JSON needs no
// resolution: members that T lacks are left out, and those that the payload
// lacks stay as they are in T.
func (f *Format[T]) Decoder(writer *serde.Schema, _ *serde.Local) (serde.Decoder[T], error) {
	v, err := f.validatorOf(writer)
	if err != nil {
		return nil, err
	}
	return &decoder[T]{v, f.options.UseNumber}, nil
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

// Transcoder returns the conversion of payloads of s, which are JSON, from and
// to JSON. What becomes a payload is validated.
func (f *Format[T]) Transcoder(s *serde.Schema) (serde.Transcoder, error) {
	v, err := f.validatorOf(s)
	if err != nil {
		return nil, err
	}
	return transcoder{v}, nil
}

// schemaOf parses s, or returns the schema of T if that is what s is.
func (f *Format[T]) schemaOf(s *serde.Schema) (*jsonschema.Schema, error) {
	if f.own != nil && (s.Text == "" || s.Text == f.local.Text) {
		return f.own, nil
	}
	return parse(s.Text, s.Dependencies, false)
}

// validatorOf returns the validator of s; nil if nothing is to be validated.
func (f *Format[T]) validatorOf(s *serde.Schema) (*Validator, error) {
	if f.options.Unvalidated {
		return nil, nil
	}
	parsed, err := f.schemaOf(s)
	if err != nil {
		return nil, err
	}
	return NewValidator(parsed)
}

func (f *Format[T]) validator(s *jsonschema.Schema) (*Validator, error) {
	if f.options.Unvalidated {
		return nil, nil
	}
	return NewValidator(s)
}

func parse(text string, deps []serde.Dependency, strict bool) (*jsonschema.Schema, error) {
	src := compat.Source{Type: schema.JSON, Text: text, Strict: strict, Dependencies: make([]compat.Dependency, len(deps))}
	for i, d := range deps {
		src.Dependencies[i] = compat.Dependency{Name: d.Name, Text: d.Text}
	}
	return jsonschema.Parse(src)
}

type encoder[T any] struct{ validator *Validator }

func (e *encoder[T]) Indexes() []byte { return nil }

func (e *encoder[T]) Append(dst []byte, v T) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	j := json.NewEncoder(out)
	j.SetEscapeHTML(false)
	if err := j.Encode(v); err != nil {
		return dst, fmt.Errorf("jsonschema: %w", err)
	}
	payload := out.Bytes()
	payload = payload[:len(payload)-1] // the line break that Encode adds
	if e.validator != nil {
		if err := e.validator.Validate(payload[len(dst):]); err != nil {
			return dst, fmt.Errorf("jsonschema: the value is not what its schema says: %w", err)
		}
	}
	return payload, nil
}

type decoder[T any] struct {
	validator *Validator
	useNumber bool
}

func (d *decoder[T]) Decode(_, payload []byte, v *T) error {
	if d.validator != nil {
		if err := d.validator.Validate(payload); err != nil {
			return fmt.Errorf("jsonschema: the payload is not what its schema says: %w", err)
		}
	}
	if !d.useNumber {
		if err := json.Unmarshal(payload, v); err != nil {
			return fmt.Errorf("jsonschema: %w", err)
		}
		return nil
	}
	j := json.NewDecoder(bytes.NewReader(payload))
	j.UseNumber()
	if err := j.Decode(v); err != nil {
		return fmt.Errorf("jsonschema: %w", err)
	}
	if _, err := j.Token(); err != io.EOF {
		return errors.New("jsonschema: something follows the JSON value")
	}
	return nil
}

type transcoder struct{ validator *Validator }

// AppendJSON appends the payload without white space.
func (t transcoder) AppendJSON(dst, _, payload []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	if err := json.Compact(out, payload); err != nil {
		return dst, fmt.Errorf("jsonschema: %w", err)
	}
	return out.Bytes(), nil
}

// AppendPayload appends a JSON text without white space, if it is a value of the
// schema.
func (t transcoder) AppendPayload(dst, _, text []byte) ([]byte, error) {
	if t.validator != nil {
		if err := t.validator.Validate(text); err != nil {
			return dst, err
		}
	}
	return t.AppendJSON(dst, nil, text)
}
