package serde

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Deserializer reads framed record bytes into values of T, whichever schema
// they were written with.
type Deserializer[T any] struct {
	cfg        config
	format     Format[T]
	registry   Registry
	references *References

	last    atomic.Pointer[decoding[T]]
	entries *cache[decodingKey, *decoding[T]]
}

// decodingKey is what decides how a payload is read.
type decodingKey struct {
	topic string
	ref   frame.Ref
}

// decoding is everything that is known about one key. It is immutable.
type decoding[T any] struct {
	decodingKey
	subject  schema.Subject
	schema   *Schema
	decoder  Decoder[T]
	rules    RuleProgram // nil for none
	migrated Decoder[T]  // reads what rules.Migrate returned; nil without rules
}

// NewDeserializer returns a deserializer of format f. The format packages have
// constructors that need no format.
func NewDeserializer[T any](registry Registry, f Format[T], opts ...Option) (*Deserializer[T], error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if registry == nil {
		return nil, errNoRegistry
	}
	d := &Deserializer[T]{cfg: cfg, format: f, registry: registry}
	d.entries = newCache[decodingKey, *decoding[T]](&d.cfg)
	d.references = newReferences(registry, &d.cfg)
	return d, nil
}

// HeaderName returns the name of the record header that DecodeRecord wants the
// value of.
func (d *Deserializer[T]) HeaderName() string { return frame.HeaderName(d.cfg.key) }

// Decode reads a record of topic that is framed by prefix into v. On error v
// may be half written. It keeps nothing of b.
//
// It blocks only for a schema ID that is new to d; a warm call allocates only
// what the value needs.
func (d *Deserializer[T]) Decode(ctx context.Context, topic string, b []byte, v *T) error {
	return d.DecodeRecord(ctx, topic, nil, b, v)
}

// DecodeRecord is Decode for either framing: header is the value of the last
// record header named HeaderName, nil if the record has none.
func (d *Deserializer[T]) DecodeRecord(ctx context.Context, topic string, header, b []byte, v *T) error {
	ref, indexes, payload, err := d.split(header, b)
	if err != nil {
		return d.fail(topic, "", frame.Ref{}, err)
	}
	e := d.last.Load()
	if e == nil || e.ref != ref || e.topic != topic {
		if e, err = d.decoding(ctx, decodingKey{topic, ref}); err != nil {
			return err
		}
	}
	if e.rules != nil {
		err = d.decodeWithRules(ctx, e, indexes, payload, v)
	} else {
		err = e.decoder.Decode(indexes, payload, v)
	}
	if err != nil {
		return d.fail(topic, e.subject, ref, err)
	}
	return nil
}

// Schema returns the schema that a record was written with, asking the registry
// if it is not known yet.
func (d *Deserializer[T]) Schema(ctx context.Context, topic string, header, b []byte) (*Schema, error) {
	ref, _, _, err := d.split(header, b)
	if err != nil {
		return nil, d.fail(topic, "", frame.Ref{}, err)
	}
	e, err := d.decoding(ctx, decodingKey{topic, ref})
	if err != nil {
		return nil, err
	}
	return e.schema, nil
}

// split takes the frame apart. indexes is nil but for Protobuf.
func (d *Deserializer[T]) split(header, b []byte) (ref frame.Ref, indexes, payload []byte, err error) {
	if len(b) > d.cfg.maxPayload {
		return ref, nil, nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(b), d.cfg.maxPayload)
	}
	rest := b
	if header == nil {
		if len(b) == 0 {
			return ref, nil, nil, ErrNoPayload
		}
		if ref.ID, rest, err = frame.Split(b); err != nil {
			return ref, nil, nil, err
		}
	} else if ref, indexes, err = frame.SplitHeader(header); err != nil {
		return ref, nil, nil, err
	}
	if d.format.Type() != schema.Protobuf {
		return ref, nil, rest, nil
	}
	if header == nil {
		indexes, rest, err = frame.CutIndexes(rest)
	} else {
		indexes, _, err = frame.CutIndexes(indexes)
	}
	return ref, indexes, rest, err
}

func (d *Deserializer[T]) decodeWithRules(ctx context.Context, e *decoding[T], indexes, payload []byte, v *T) error {
	payload, err := e.rules.Bytes(ctx, payload)
	if err != nil {
		return err
	}
	decoder := e.decoder
	migrated, ok, err := e.rules.Migrate(ctx, indexes, payload)
	if err != nil {
		return err
	}
	if ok {
		decoder, payload = e.migrated, migrated
	}
	if err := decoder.Decode(indexes, payload, v); err != nil {
		return err
	}
	changed, err := e.rules.Value(ctx, *v)
	if err != nil {
		return err
	}
	value, ok := changed.(T)
	if !ok {
		return fmt.Errorf("a rule returned %T for a %T", changed, *v)
	}
	*v = value
	return nil
}

func (d *Deserializer[T]) fail(topic string, subject schema.Subject, ref frame.Ref, err error) error {
	return &Error{Op: "deserialize", Topic: topic, Key: d.cfg.key, Subject: subject, Ref: ref, Err: err}
}

func (d *Deserializer[T]) decoding(ctx context.Context, k decodingKey) (*decoding[T], error) {
	if e, ok := d.entries.lookup(k); ok {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.timeout)
	defer cancel()
	e, err := d.entries.get(ctx, k, func(ctx context.Context) (*decoding[T], error) {
		e, err := d.compile(ctx, k)
		if err == nil {
			d.last.Store(e)
		}
		return e, err
	})
	if err != nil {
		var done *Error
		if !errors.As(err, &done) {
			err = d.fail(k.topic, "", k.ref, err)
		}
		return nil, err
	}
	return e, nil
}

// compile asks the registry and prepares everything for k.
func (d *Deserializer[T]) compile(ctx context.Context, k decodingKey) (*decoding[T], error) {
	e := &decoding[T]{decodingKey: k}
	fail := func(err error) (*decoding[T], error) { return nil, d.fail(k.topic, e.subject, k.ref, err) }

	reader := d.format.Reader()
	in := SubjectInput{Topic: k.topic, Key: d.cfg.key}
	if reader != nil {
		in.RecordName = reader.Name
	}
	subject, err := d.cfg.strategy(ctx, in)
	if err != nil && !errors.Is(err, ErrNoRecordName) {
		return fail(err)
	}
	e.subject = subject.In(d.cfg.context)

	if e.schema, err = d.fetch(ctx, e.subject, k.ref); err != nil {
		return fail(err)
	}
	if got := e.schema.Type.OrDefault(); got != d.format.Type() {
		return fail(fmt.Errorf("the schema is of type %s, this deserializer reads %s", got, d.format.Type()))
	}
	if e.decoder, err = d.format.Decoder(e.schema, reader); err != nil {
		return fail(err)
	}
	if d.cfg.rules != nil {
		if err = d.prepareRules(ctx, e, reader); err != nil {
			return fail(err)
		}
	}
	return e, nil
}

func (d *Deserializer[T]) fetch(ctx context.Context, subject schema.Subject, ref frame.Ref) (*Schema, error) {
	var got Registered
	var err error
	if ref.ByGUID() {
		got, err = d.registry.SchemaByGUID(ctx, ref.GUID)
		got.GUID = ref.GUID
	} else {
		got, err = d.registry.SchemaByID(ctx, ref.ID, subject)
		got.ID = ref.ID
	}
	if err != nil {
		return nil, err
	}
	return d.complete(ctx, subject, got)
}

// complete resolves the references of got.
func (d *Deserializer[T]) complete(ctx context.Context, subject schema.Subject, got Registered) (*Schema, error) {
	in := subject.Context()
	if got.Subject != "" {
		in = got.Subject.Context()
	}
	deps, err := d.references.Resolve(ctx, in, got.References)
	if err != nil {
		return nil, err
	}
	return &Schema{Registered: got, Dependencies: deps}, nil
}

// prepareRules compiles the rules of e, and the decoder for migrated payloads.
func (d *Deserializer[T]) prepareRules(ctx context.Context, e *decoding[T], reader *Local) error {
	t := RuleTarget{Topic: e.topic, Key: d.cfg.key, Subject: e.subject, Registry: d.registry, Schema: e.schema}
	t.Transcoders, _ = d.format.(Transcoders)
	target, err := d.target(ctx, e)
	if err != nil {
		return err
	}
	t.Reader = target
	if target == nil && e.schema.RuleSet == nil {
		return nil
	}
	if e.rules, err = d.cfg.rules.ReadRules(ctx, t); err != nil || e.rules == nil {
		return err
	}
	e.migrated = e.decoder
	if target != nil {
		e.migrated, err = d.format.Decoder(target, reader)
	}
	return err
}

// target returns the version that migrations lead to, nil if no option names
// one.
func (d *Deserializer[T]) target(ctx context.Context, e *decoding[T]) (*Schema, error) {
	var got Registered
	var err error
	switch d.cfg.source {
	case latest:
		got, err = d.registry.Version(ctx, e.subject, schema.Latest, false)
	case latestWithMetadata:
		got, err = d.registry.LatestWithMetadata(ctx, e.subject, d.cfg.metadata)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return d.complete(ctx, e.subject, got)
}
