package avro

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// Schema is a parsed schema. Two parses of one text are two schemas with
// programs of their own, so parse once and keep it.
type Schema = avro.Schema

// Parse reads a schema text strictly.
func Parse(text string) (*Schema, error) { return avro.ParseText(text) }

// MustParse is Parse for texts in source code: it panics on an error.
func MustParse(text string) *Schema {
	s, err := Parse(text)
	if err != nil {
		panic("avro: " + err.Error())
	}
	return s
}

// Marshal returns the payload of v, a value or a pointer to one.
func Marshal(s *Schema, v any) ([]byte, error) {
	return standard.marshal(s.Root(), v)
}

// marshal makes room for the size of earlier values of the same program, so
// that one allocation does.
func (g *engine) marshal(n *avro.Node, v any) ([]byte, error) {
	t := reflect.TypeOf(v)
	base := (*eface)(unsafe.Pointer(&v)).data
	if t == nil || t.Kind() != reflect.Pointer || t == ratPointerType || base == nil {
		out, err := g.append(make([]byte, 0, 64), n, v)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	prog, err := g.encProg(n, t.Elem())
	if err != nil {
		return nil, err
	}
	hint := int(prog.hint.Load())
	out, err := g.runEncode(make([]byte, 0, max(hint, 32)), prog, base)
	if err != nil {
		return nil, err
	}
	if now, changed := grown(hint, len(out)); changed {
		prog.hint.Store(now)
	}
	return out, nil
}

// mostHint bounds what one huge value makes the next ones reserve.
const mostHint = 1 << 20

// grown returns what to expect of the next value when values with known bytes
// of something were followed by one with the given bytes, and whether that is
// anything new.
func grown(known, bytes int) (int32, bool) {
	if bytes <= known && bytes >= known/2 || min(bytes, known) >= mostHint {
		return 0, false
	}
	return int32(min(bytes+bytes/16, mostHint)), true
}

// Append appends the payload of v, a value or a pointer to one, to dst. It
// does not allocate when dst is large enough and v a pointer. After an error
// dst is returned as it was. Errors are *ValueError, or *TypeError if the
// schema and the type do not go together.
func Append(dst []byte, s *Schema, v any) ([]byte, error) {
	return standard.append(dst, s.Root(), v)
}

// Unmarshal decodes a payload into what v points to. The payload must be
// consumed to its end. Pointers, slices and maps that v holds already are
// reused; fields that the schema does not have stay as they are. After an
// error, a *DataError or a *TypeError, v holds part of the value. Into a
// *any it decodes map[string]any, []any and so on, see the package comment.
func Unmarshal(s *Schema, data []byte, v any) error {
	return standard.unmarshal(s.Root(), s.Root(), data, v)
}

// UnmarshalResolved decodes a payload of the writer as the reader.
func UnmarshalResolved(writer, reader *Schema, data []byte, v any) error {
	return standard.unmarshal(writer.Root(), reader.Root(), data, v)
}

// Resolve tells whether data of the writer can be read with the reader; the
// error is a *ResolveError. Data of a union branch or enum symbol that the
// reader does not have can still be refused.
func Resolve(writer, reader *Schema) error { return standard.plan(writer.Root(), reader.Root()).err }

func (g *engine) append(dst []byte, n *avro.Node, v any) ([]byte, error) {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer && t != ratPointerType && (*eface)(unsafe.Pointer(&v)).data != nil {
		base := (*eface)(unsafe.Pointer(&v)).data
		prog, err := g.encProg(n, t.Elem())
		if err != nil {
			return dst, err
		}
		return g.runEncode(dst, prog, base)
	}
	e := encoder{eng: g}
	p := g.plan(n, n)
	if p.err != nil {
		return dst, p.err
	}
	out := e.any(dst, p.plan, v)
	if e.err != nil {
		return dst, e.fault()
	}
	return out, nil
}

func (g *engine) runEncode(dst []byte, prog *encProg, base unsafe.Pointer) ([]byte, error) {
	if prog.methods != nil {
		e := beginEncoding(g)
		return e.Done(dst, on(prog.methods, base).AvroEncode(e, dst))
	}
	var e encoder
	e.eng = g
	var out []byte
	if prog.recursive {
		out = e.prog(dst, prog, base)
	} else {
		out = e.loop(dst, prog.ops, base, 1, 0)
	}
	if e.err != nil {
		return dst, e.fault()
	}
	return out, nil
}

func (g *engine) unmarshal(w, r *avro.Node, data []byte, v any) error {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer {
		return &TypeError{Schema: describe(r), Type: t, Reason: "decoding needs a pointer to the value"}
	}
	base := (*eface)(unsafe.Pointer(&v)).data
	if base == nil {
		return &TypeError{Schema: describe(r), Type: t, Reason: "the pointer is nil"}
	}
	prog, err := g.decProg(w, r, t.Elem())
	if err != nil {
		return err
	}
	return g.runDecode(prog, data, base)
}

func (g *engine) runDecode(prog *decProg, data []byte, base unsafe.Pointer) error {
	if prog.methods != nil {
		return g.decodeMethods(prog, data, base)
	}
	known := int(prog.texts.Load())
	var d decoder // not a literal: one would be built elsewhere and copied
	d.start(g, data, known)
	return d.finish(prog, known, d.prog(prog, base, 0))
}

func (g *engine) decodeMethods(prog *decProg, data []byte, base unsafe.Pointer) error {
	known := int(prog.texts.Load())
	d := decodings.Get().(*Decoding)
	d.start(g, data, known)
	err := d.finish(prog, known, on(prog.methods, base).AvroDecode(d, 0))
	d.decoder = decoder{}
	decodings.Put(d)
	return err
}

// start prepares d for data, with how many bytes of texts are expected.
func (d *decoder) start(g *engine, data []byte, known int) {
	d.eng, d.text = g, g.text
	d.texts.most, d.texts.long, d.texts.hint = blockBytes, longText, known
	if g.arena {
		d.texts.most, d.texts.long = len(data), math.MaxInt
		if known >= len(data)/2 && known > 0 {
			// Mostly texts: the copy of all costs less than one of each.
			whole := make([]byte, len(data))
			copy(whole, data)
			data = whole
			d.alias = true
		}
	}
	d.buf = data
}

// finish returns the fault of a run that got to pos, if there was one: a payload
// must end there.
func (d *decoder) finish(prog *decProg, known, pos int) error {
	if pos >= 0 && pos != len(d.buf) {
		pos = d.fail(pos, "the end of the data", bytesLeft(len(d.buf)-pos))
	}
	if pos < 0 {
		return d.fault()
	}
	if now, changed := grown(known, d.texts.taken); changed {
		prog.texts.Store(now)
	}
	return nil
}

// Codec encodes and decodes values of T with one schema. It is compiled once
// and safe for concurrent use.
type Codec[T any] struct {
	eng    *engine
	writer *Schema
	reader *Schema
	enc    *encProg
	dec    *decProg
}

// NewCodec compiles the schema for T. T may be a struct, a type such as
// []string or map[string]int64, or any.
func NewCodec[T any](s *Schema, opts ...Option) (*Codec[T], error) {
	return newCodec[T](s, s, opts)
}

// NewResolvingCodec compiles a codec that decodes data of the writer as the
// reader. It encodes with the reader.
func NewResolvingCodec[T any](writer, reader *Schema, opts ...Option) (*Codec[T], error) {
	return newCodec[T](writer, reader, opts)
}

func newCodec[T any](w, r *Schema, opts []Option) (*Codec[T], error) {
	c, err := newDecodingCodec[T](w, r, opts)
	if err != nil {
		return nil, err
	}
	if c.enc, err = c.eng.encProg(r.Root(), reflect.TypeFor[T]()); err != nil {
		return nil, err
	}
	return c, nil
}

// newDecodingCodec compiles a codec that must not encode. T may lack fields of
// the schema, which are then passed over.
func newDecodingCodec[T any](w, r *Schema, opts []Option) (*Codec[T], error) {
	c := &Codec[T]{eng: engineFor(opts), writer: w, reader: r}
	var err error
	if c.dec, err = c.eng.decProg(w.Root(), r.Root(), reflect.TypeFor[T]()); err != nil {
		return nil, err
	}
	return c, nil
}

func apply(opts []Option) settings {
	if len(opts) == 0 {
		return settings{}
	}
	return applied(opts)
}

//go:noinline
func applied(opts []Option) settings {
	var s settings
	for _, o := range opts {
		o(&s)
	}
	return s
}

func engineFor(opts []Option) *engine {
	if len(opts) == 0 {
		return standard
	}
	return &engine{settings: apply(opts)}
}

// Schema returns the schema that values are encoded with.
func (c *Codec[T]) Schema() *Schema { return c.reader }

// Writer returns the schema of the data that is decoded.
func (c *Codec[T]) Writer() *Schema { return c.writer }

// Append appends the payload of v to dst. It does not allocate when dst is
// large enough. After an error dst is returned as it was.
func (c *Codec[T]) Append(dst []byte, v *T) ([]byte, error) {
	if v == nil {
		return dst, &ValueError{Expected: describe(c.reader.Root()), Found: "nil"}
	}
	return c.eng.runEncode(dst, c.enc, unsafe.Pointer(v))
}

// AppendAny appends the payload of v, of any type that fits the schema.
func (c *Codec[T]) AppendAny(dst []byte, v any) ([]byte, error) {
	return c.eng.append(dst, c.reader.Root(), v)
}

// Decode decodes a payload into v; see Unmarshal. Without WithArena nothing of
// v points into data.
func (c *Codec[T]) Decode(data []byte, v *T) error {
	if v == nil {
		return errNilTarget
	}
	return c.eng.runDecode(c.dec, data, unsafe.Pointer(v))
}

var errNilTarget = errors.New("avro: decode into a nil pointer")

// Validate walks a payload without building values: every bound, index and
// length, and with the zero options that strings are UTF-8. It allocates
// nothing unless it fails. The error is a *DataError.
func Validate(s *Schema, data []byte, opts ValidateOptions) error {
	n := s.Root()
	p := standard.plan(n, n)
	if p.err != nil {
		return p.err
	}
	return validate(p, data, !opts.SkipUTF8, &textsBefore{})
}

// ValidateOptions is how strict Validate is; the zero value is strict.
type ValidateOptions struct {
	// SkipUTF8 does not look into strings and map keys.
	SkipUTF8 bool
}

func validate(p planned, data []byte, text bool, before *textsBefore) error {
	if p.walk.walksOver(data, text, before) {
		return nil
	}
	return p.explain(data, text)
}

// explain says why data is no value of p, which a walk found out.
func (p planned) explain(data []byte, text bool) error {
	c := cursor{buf: data}
	pos := c.check(p.plan, 0, text)
	switch {
	case pos == len(data):
		return fmt.Errorf("avro: the two walks of %s disagree", describe(p.plan.w))
	case pos >= 0:
		c.fail(pos, "the end of the data", bytesLeft(len(data)-pos))
	}
	return c.fault()
}

// Validator is Validate with its program at hand.
type Validator struct {
	plan planned
	text bool
	root *avro.Node
}

// NewValidator compiles the walk for a schema.
func NewValidator(s *Schema, opts ValidateOptions) (*Validator, error) {
	p := standard.plan(s.Root(), s.Root())
	if p.err != nil {
		return nil, p.err
	}
	return &Validator{plan: p, text: !opts.SkipUTF8, root: s.Root()}, nil
}

// Validate is the function of the same name. Safe for concurrent use.
func (v *Validator) Validate(data []byte) error {
	return validate(v.plan, data, v.text, &textsBefore{})
}

// ValidateFramed is Validate for what stands behind a schema ID: there a root of
// type bytes has no length before it, so that any bytes are one unless its logical
// type wants more.
func (v *Validator) ValidateFramed(payload []byte) error {
	s := v.Series()
	return s.ValidateFramed(payload)
}

// Series returns a validator of payloads that come one after the other and are
// like each other.
func (v *Validator) Series() Series { return Series{v: v} }

// Series judges as its Validator does, but remembers whether the payloads before
// had text that is not ASCII, for which it pays to begin otherwise. One goroutine
// at a time may use it.
type Series struct {
	v      *Validator
	before textsBefore
}

// ValidateFramed is [Validator.ValidateFramed].
func (s *Series) ValidateFramed(payload []byte) error {
	switch v := s.v; {
	case v.root.Kind != avro.Bytes:
		return validate(v.plan, payload, v.text, &s.before)
	case v.root.Logical != avro.BigDecimal:
		return nil
	default:
		whole, n := withLength(payload)
		return withoutLength(v.Validate(whole), n)
	}
}
