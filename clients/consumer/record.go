package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/serde"
)

// Decoder turns bytes into keys or values. *serde.Deserializer is one; Raw is
// another. header is the value of the last record header called HeaderName, nil
// if there is none.
type Decoder[T any] interface {
	DecodeRecord(ctx context.Context, topic string, header, b []byte, v *T) error
	HeaderName() string
}

// Header is a record header.
type Header = kgo.RecordHeader

// Record is one message.
type Record[K, V any] struct {
	Topic       string
	Partition   int32
	Offset      int64
	LeaderEpoch int32
	Timestamp   time.Time
	Key         K
	Value       V
	NullKey     bool // no key; Key is zero
	NullValue   bool // a tombstone; Value is zero
	Headers     []Header
	Attempt     int // 1 for the first

	// Err says why key or value could not be decoded. Handlers never see such
	// a record, Poll returns it.
	Err error

	raw *kgo.Record
}

// Raw returns the record as it was fetched. It must not be changed.
func (r *Record[K, V]) Raw() *kgo.Record { return r.raw }

// Handler handles a record. Several run at once; see the package comment for
// what an error means. The record is the handler's to keep.
type Handler[K, V any] func(ctx context.Context, r *Record[K, V]) error

// Permanent marks an error that another attempt would not get rid of.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

func permanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}

// codec decodes keys and values.
type codec[K, V any] struct {
	key   Decoder[K]
	value Decoder[V]
}

func (c *codec[K, V]) decode(ctx context.Context, raw *kgo.Record) (*Record[K, V], error) {
	r := &Record[K, V]{
		Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset, LeaderEpoch: raw.LeaderEpoch,
		Timestamp: raw.Timestamp, Headers: raw.Headers, NullKey: raw.Key == nil, NullValue: raw.Value == nil,
		Attempt: 1, raw: raw,
	}
	if runsRules(c.key) || runsRules(c.value) {
		o := serde.Origin{Key: raw.Key, Value: raw.Value}
		for _, h := range raw.Headers {
			o.Headers = append(o.Headers, serde.OriginHeader{Key: h.Key, Value: h.Value})
		}
		ctx = serde.WithOrigin(ctx, o)
	}
	if !r.NullKey {
		if err := c.key.DecodeRecord(ctx, raw.Topic, header(raw, c.key.HeaderName()), raw.Key, &r.Key); err != nil {
			return r, &DecodeError{Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset, Key: true, Err: err}
		}
	}
	if !r.NullValue {
		if err := c.value.DecodeRecord(ctx, raw.Topic, header(raw, c.value.HeaderName()), raw.Value, &r.Value); err != nil {
			return r, &DecodeError{Topic: raw.Topic, Partition: raw.Partition, Offset: raw.Offset, Err: err}
		}
	}
	return r, nil
}

// runsRules reports whether a decoder may want to know the record around what it
// decodes.
func runsRules(decoder any) bool {
	r, ok := decoder.(interface{ RunsRules() bool })
	return ok && r.RunsRules()
}

// header returns the value of the last header called name, nil if there is
// none.
func header(r *kgo.Record, name string) []byte {
	if name == "" {
		return nil
	}
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			if r.Headers[i].Value == nil {
				return []byte{}
			}
			return r.Headers[i].Value
		}
	}
	return nil
}

// DecodeError says which record could not be decoded.
type DecodeError struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       bool // the key, not the value
	Err       error
}

func (e *DecodeError) Error() string {
	part := "value"
	if e.Key {
		part = "key"
	}
	return fmt.Sprintf("consumer: %s of %s/%d offset %d: %v", part, e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap returns the decoder's error.
func (e *DecodeError) Unwrap() error { return e.Err }

// Raw is a decoder of keys or values that stay bytes.
type Raw[T ~string | ~[]byte] struct{}

// DecodeRecord copies b.
func (Raw[T]) DecodeRecord(_ context.Context, _ string, _, b []byte, v *T) error {
	*v = T(append(make([]byte, 0, len(b)), b...))
	return nil
}

// HeaderName returns "": no header is looked at.
func (Raw[T]) HeaderName() string { return "" }
