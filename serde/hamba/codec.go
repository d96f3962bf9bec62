package hamba

import (
	"encoding/binary"
	"fmt"
	"sync"

	hamba "github.com/hamba/avro/v2"

	"github.com/dovetail-dev/dovetail/compat"
	ours "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

func parseOurs(text string, deps []serde.Dependency) (*avro.Schema, error) {
	src := compat.Source{Type: schema.Avro, Text: text}
	for _, d := range deps {
		src.Dependencies = append(src.Dependencies, compat.Dependency{Name: d.Name, Text: d.Text})
	}
	return ours.Parse(src)
}

// encoder writes payloads of one schema. writers holds *hamba.Writer.
type encoder[T any] struct {
	schema    *parsed
	validator *avro.Validator
	writers   sync.Pool
}

func newEncoder[T any](api hamba.API, s *parsed) (*encoder[T], error) {
	v, err := avro.NewValidator(s.ours, avro.ValidateOptions{})
	if err != nil {
		return nil, err
	}
	e := &encoder[T]{schema: s, validator: v}
	e.writers.New = func() any { return hamba.NewWriter(nil, 512, hamba.WithWriterConfig(api)) }
	return e, nil
}

// Indexes returns nil: Avro has none.
func (e *encoder[T]) Indexes() []byte { return nil }

// Append appends the payload of v to dst.
func (e *encoder[T]) Append(dst []byte, v T) (out []byte, err error) {
	return e.AppendPointer(dst, &v)
}

// AppendPointer appends the payload of *v to dst. What the library wrote must
// hold under the schema.
func (e *encoder[T]) AppendPointer(dst []byte, v *T) (out []byte, err error) {
	w := e.writers.Get().(*hamba.Writer)
	out = dst
	// A writer that was panicked in is not used again.
	defer recovered("encode", &err)
	w.Reset(nil)
	w.Error = nil
	w.WriteVal(e.schema.theirs, *v)
	payload := w.Buffer()
	if err = w.Error; err != nil {
		err = fmt.Errorf("hamba: %w", err)
	} else if err = e.validator.Validate(payload); err != nil {
		err = fmt.Errorf("hamba: what the library wrote does not hold under the schema: %w", err)
	} else {
		if e.schema.bare() {
			_, n := binary.Varint(payload)
			payload = payload[n:]
		}
		out = append(dst, payload...)
	}
	e.writers.Put(w)
	return out, err
}

// decoder reads payloads of writer into T as reader.
type decoder[T any] struct {
	api       hamba.API
	writer    *parsed
	reader    *parsed
	validator *avro.Validator // of writer

	// For a writer that is not the reader.
	resolve *avro.Codec[any]
	rewrite *avro.Codec[any]
}

func newDecoder[T any](api hamba.API, w, r *parsed) (*decoder[T], error) {
	d := &decoder[T]{api: api, writer: w, reader: r}
	var err error
	if d.validator, err = avro.NewValidator(w.ours, avro.ValidateOptions{}); err != nil {
		return nil, err
	}
	if w == r || w.ours.Canonical() == r.ours.Canonical() {
		d.reader = w
		return d, nil
	}
	if d.resolve, err = avro.NewResolvingCodec[any](w.ours, r.ours); err != nil {
		return nil, err
	}
	d.rewrite, err = avro.NewCodec[any](r.ours)
	return d, err
}

// Decode reads payload into v once it is proven whole.
func (d *decoder[T]) Decode(_, payload []byte, v *T) (err error) {
	if d.writer.bare() {
		whole := binary.AppendVarint(make([]byte, 0, binary.MaxVarintLen64+len(payload)), int64(len(payload)))
		payload = append(whole, payload...)
	}
	if err := d.validator.Validate(payload); err != nil {
		return err
	}
	if d.resolve != nil {
		var value any
		if err := d.resolve.Decode(payload, &value); err != nil {
			return err
		}
		if payload, err = d.rewrite.Append(nil, &value); err != nil {
			return fmt.Errorf("hamba: resolve to the reader's schema: %w", err)
		}
	}
	defer recovered("decode", &err)
	if err := d.api.Unmarshal(d.reader.theirs, payload, v); err != nil {
		return fmt.Errorf("hamba: %w", err)
	}
	return nil
}
