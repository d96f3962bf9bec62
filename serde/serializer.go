package serde

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Serializer writes values of T as framed record bytes.
type Serializer[T any] struct {
	cfg     config
	format  Format[T]
	uniform bool   // every value has the schema local
	local   *Local // nil for none
	writers writers

	last    atomic.Pointer[encoding[T]] // the newest encoding; most serializers have one
	entries *cache[encodingKey, *encoding[T]]
}

// encodingKey is what decides how a value is written.
type encodingKey struct {
	topic string
	local *Local
}

// encoding is everything that is known about one key. It is immutable but for
// its age.
type encoding[T any] struct {
	encodingKey
	subject schema.Subject
	schema  *Schema
	prefix  []byte // ID and indexes; empty with header framing
	header  []byte // nil with prefix framing
	encoder Encoder[T]
	pointer PointerEncoder[T] // encoder again, nil if it is none
	rules   RuleProgram       // nil for none

	expires atomic.Int64 // Unix nanoseconds; 0 for never
	bytes   atomic.Int64 // how long records have been lately, to make room at once
}

// start appends the prefix. Where there is no buffer it makes one of the size
// that records have had lately.
func (e *encoding[T]) start(dst []byte) []byte {
	if cap(dst) == 0 {
		dst = make([]byte, 0, max(int(e.bytes.Load()), 64))
	}
	return append(dst, e.prefix...)
}

// grew notes the size of a record. A value like the ones before changes
// nothing, so that goroutines do not take the cache line from one another.
func (e *encoding[T]) grew(n int) {
	if known := int(e.bytes.Load()); n > known || n < known/2 {
		e.bytes.Store(int64(n))
	}
}

// NewSerializer returns a serializer of format f. The format packages have
// constructors that need no format. If no value of f can have a schema of its own,
// an option must name one of the registry: else the error is ErrNoSchema.
func NewSerializer[T any](registry Registry, f Format[T], opts ...Option) (*Serializer[T], error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if registry == nil {
		return nil, errNoRegistry
	}
	s := &Serializer[T]{cfg: cfg, format: f}
	s.entries = newCache[encodingKey, *encoding[T]](&s.cfg)
	s.writers = writers{cfg: &s.cfg, registry: registry, references: newReferences(registry, &s.cfg)}
	s.writers.checker, _ = f.(Checker)
	if u, ok := f.(Uniform); ok {
		s.local, s.uniform = u.Uniform()
	}
	if s.uniform && s.local == nil && s.cfg.ownSchema() {
		return nil, errNothingNamed()
	}
	return s, nil
}

// HeaderName returns the name of the record header that AppendRecord's header
// belongs under, or "" with prefix framing.
func (s *Serializer[T]) HeaderName() string {
	if !s.cfg.header {
		return ""
	}
	return frame.HeaderName(s.cfg.key)
}

// Append appends v to dst, framed for topic by prefix. On error it returns dst
// as it was. Topic may be empty if the subject-name strategy needs none.
//
// It blocks only for a topic and schema that are new to s. A warm call does
// not allocate if dst has room.
func (s *Serializer[T]) Append(ctx context.Context, dst []byte, topic string, v T) ([]byte, error) {
	out, header, err := s.AppendRecord(ctx, dst, topic, v)
	if err == nil && header != nil {
		return dst, s.fail(nil, topic, errors.New("header framing needs AppendRecord"))
	}
	return out, err
}

// AppendRecord is Append for either framing: with header framing dst gets the
// bare payload, and header is the value of the record header HeaderName. The
// header is shared and must not be changed; it is nil with prefix framing.
func (s *Serializer[T]) AppendRecord(ctx context.Context, dst []byte, topic string, v T) (out, header []byte, err error) {
	e, err := s.encodingOf(ctx, topic, &v)
	if err != nil {
		return dst, nil, err
	}
	if e.rules != nil {
		return s.appendWithRules(ctx, dst, e, v)
	}
	out, err = e.encoder.Append(e.start(dst), v)
	return s.finish(e, dst, out, err)
}

// AppendPointer is AppendRecord for *v, which must not be nil. It spares large
// values that live on the heap already a copy.
func (s *Serializer[T]) AppendPointer(ctx context.Context, dst []byte, topic string, v *T) (out, header []byte, err error) {
	e, err := s.encodingOf(ctx, topic, v)
	if err != nil {
		return dst, nil, err
	}
	if e.rules != nil {
		return s.appendWithRules(ctx, dst, e, *v)
	}
	if out = e.start(dst); e.pointer != nil {
		out, err = e.pointer.AppendPointer(out, v)
	} else {
		out, err = e.encoder.Append(out, *v)
	}
	return s.finish(e, dst, out, err)
}

// encodingOf returns what is known about the schema of *v. v does not escape.
func (s *Serializer[T]) encodingOf(ctx context.Context, topic string, v *T) (*encoding[T], error) {
	local := s.local
	if !s.uniform {
		local = s.format.Local(*v)
	}
	e := s.last.Load()
	if e == nil || e.local != local || e.topic != topic || e.aged(s.cfg.clock) {
		return s.encoding(ctx, encodingKey{topic, local})
	}
	return e, nil
}

func (s *Serializer[T]) finish(e *encoding[T], dst, out []byte, err error) ([]byte, []byte, error) {
	if err != nil {
		return dst, nil, s.fail(e, e.topic, err)
	}
	if len(out)-len(dst) > s.cfg.maxPayload {
		return dst, nil, s.fail(e, e.topic, s.tooLarge(len(out)-len(dst)))
	}
	if cap(dst) == 0 {
		e.grew(len(out))
	}
	return out, e.header, nil
}

// appendWithRules runs domain rules on the value and encoding rules on the
// payload.
func (s *Serializer[T]) appendWithRules(ctx context.Context, dst []byte, e *encoding[T], v T) (out, header []byte, err error) {
	changed, err := e.rules.Value(ctx, v)
	if err != nil {
		return dst, nil, s.fail(e, e.topic, err)
	}
	value, ok := changed.(T)
	if !ok && changed != nil {
		return dst, nil, s.fail(e, e.topic, fmt.Errorf("a rule returned %T for a %T", changed, v))
	}
	payload, err := e.encoder.Append(nil, value)
	if err == nil {
		payload, err = e.rules.Bytes(ctx, payload)
	}
	if err != nil {
		return dst, nil, s.fail(e, e.topic, err)
	}
	if n := len(e.prefix) + len(payload); n > s.cfg.maxPayload {
		return dst, nil, s.fail(e, e.topic, s.tooLarge(n))
	}
	return append(append(dst, e.prefix...), payload...), e.header, nil
}

// Schema returns the schema that v is written with for topic, asking the
// registry if it is not known yet.
func (s *Serializer[T]) Schema(ctx context.Context, topic string, v T) (*Schema, error) {
	e, err := s.encoding(ctx, encodingKey{topic, s.format.Local(v)})
	if err != nil {
		return nil, err
	}
	return e.schema, nil
}

func (s *Serializer[T]) tooLarge(n int) error {
	return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, n, s.cfg.maxPayload)
}

func (s *Serializer[T]) fail(e *encoding[T], topic string, err error) error {
	out := &Error{Op: "serialize", Topic: topic, Key: s.cfg.key, Err: err}
	if e != nil {
		out.Subject, out.Ref = e.subject, e.schema.ref()
	}
	return out
}

// encoding returns what is known about k, fresh enough to use.
func (s *Serializer[T]) encoding(ctx context.Context, k encodingKey) (*encoding[T], error) {
	e, ok := s.entries.lookup(k)
	if !ok {
		return s.load(ctx, k)
	}
	if !e.aged(s.cfg.clock) {
		return e, nil
	}
	return s.refresh(ctx, e)
}

func (s *Serializer[T]) load(ctx context.Context, k encodingKey) (*encoding[T], error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout)
	defer cancel()
	e, err := s.entries.get(ctx, k, func(ctx context.Context) (*encoding[T], error) {
		e, err := s.compile(ctx, k)
		if err == nil {
			s.last.Store(e)
		}
		return e, err
	})
	if err == nil {
		return e, nil
	}
	var done *Error
	if errors.As(err, &done) {
		return nil, err
	}
	return nil, s.fail(nil, k.topic, err)
}

// refresh replaces an aged encoding. Only one caller comes here at a time: the
// age is put forward first, so that the others use the old one meanwhile.
func (s *Serializer[T]) refresh(ctx context.Context, e *encoding[T]) (*encoding[T], error) {
	old := e.expires.Load()
	next := s.cfg.clock().Add(max(s.cfg.retryAfter, time.Millisecond)).UnixNano()
	if !e.expires.CompareAndSwap(old, next) {
		return e, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout)
	defer cancel()
	fresh, err := s.compile(ctx, e.encodingKey)
	switch {
	case err == nil:
		s.entries.put(e.encodingKey, fresh)
		s.last.CompareAndSwap(e, fresh)
		return fresh, nil
	case settled(err):
		s.entries.drop(e.encodingKey)
		s.last.CompareAndSwap(e, nil)
		return nil, err
	}
	s.cfg.logger.WarnContext(ctx, "registry not reached, writing on with the last known schema",
		"topic", e.topic, "subject", string(e.subject), "schema", e.schema.ref().String(), "error", err)
	return e, nil
}

// compile asks the registry and prepares everything for k.
func (s *Serializer[T]) compile(ctx context.Context, k encodingKey) (*encoding[T], error) {
	e := &encoding[T]{encodingKey: k}
	fail := func(err error) (*encoding[T], error) {
		return nil, &Error{Op: "serialize", Topic: k.topic, Key: s.cfg.key, Subject: e.subject, Err: err}
	}
	var err error
	if e.subject, err = s.writers.subject(ctx, k.topic, k.local); err != nil && !s.subjectless(err) {
		return fail(err)
	}
	if e.schema, err = s.writers.schema(ctx, e.subject, k.local); err != nil {
		return fail(err)
	}
	if e.encoder, err = s.format.Encoder(e.schema, k.local); err != nil {
		return fail(err)
	}
	e.pointer, _ = e.encoder.(PointerEncoder[T])
	if e.prefix, e.header, err = s.writers.frameOf(ctx, e.schema, e.encoder.Indexes()); err != nil {
		return fail(err)
	}
	if s.cfg.rules != nil {
		if e.rules, err = s.cfg.rules.WriteRules(ctx, s.ruleTarget(e)); err != nil {
			return fail(err)
		}
	}
	if s.cfg.latestTTL > 0 && (s.cfg.source == latest || s.cfg.source == latestWithMetadata) {
		e.expires.Store(s.cfg.clock().Add(s.cfg.latestTTL).UnixNano())
	}
	return e, nil
}

// subjectless reports whether the schema can be had without the subject that
// the strategy could not derive.
func (s *Serializer[T]) subjectless(err error) bool {
	return errors.Is(err, ErrNoRecordName) && (s.cfg.source == pinnedID || s.cfg.source == pinnedGUID)
}

func (s *Serializer[T]) ruleTarget(e *encoding[T]) RuleTarget {
	t := RuleTarget{Topic: e.topic, Key: s.cfg.key, Subject: e.subject, Registry: s.writers.registry, Schema: e.schema}
	t.Transcoders, _ = s.format.(Transcoders)
	return t
}

func (e *encoding[T]) aged(clock func() time.Time) bool {
	at := e.expires.Load()
	return at != 0 && clock().UnixNano() >= at
}
