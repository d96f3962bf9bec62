package producer

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/serde"
)

// Codec turns records into those of the Kafka client, for whoever sends them by
// other means than a Producer, such as inside a consumer's transaction.
type Codec[K, V any] struct {
	Key   Encoder[K]
	Value Encoder[V]
	Topic string // of records that name none
}

// scratch holds buffers to serialize into, so that a record keeps exactly the
// bytes it needs. Buffers above scratchBytes are not kept.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

const scratchBytes = 64 << 10

// Encode serializes r. Key and value of the result share one buffer that is
// the caller's.
func (c *Codec[K, V]) Encode(ctx context.Context, r Record[K, V]) (*kgo.Record, error) {
	out := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp}
	if out.Topic == "" {
		out.Topic = c.Topic
	}
	if out.Topic == "" {
		return nil, ErrNoTopic
	}
	pooled := scratch.Get().(*[]byte)
	buf := (*pooled)[:0]
	defer func() {
		if cap(buf) <= scratchBytes {
			*pooled = buf
			scratch.Put(pooled)
		}
	}()
	var keyHeader, valueHeader []byte
	var err error
	if runsRules(c.Key) || runsRules(c.Value) {
		ctx = serde.WithOrigin(ctx, origin(r.Headers, nil))
	}
	if !r.NullKey {
		if buf, keyHeader, err = c.Key.AppendRecord(ctx, buf, out.Topic, r.Key); err != nil {
			return nil, fmt.Errorf("producer: key: %w", err)
		}
	}
	keyEnd := len(buf)
	if !r.NullKey && runsRules(c.Value) {
		ctx = serde.WithOrigin(ctx, origin(r.Headers, append([]byte(nil), buf...)))
	}
	if !r.NullValue {
		if buf, valueHeader, err = c.Value.AppendRecord(ctx, buf, out.Topic, r.Value); err != nil {
			return nil, fmt.Errorf("producer: value: %w", err)
		}
	}
	own := append(make([]byte, 0, len(buf)), buf...)
	if !r.NullKey {
		out.Key = own[:keyEnd:keyEnd]
	}
	if !r.NullValue {
		out.Value = own[keyEnd:]
	}
	out.Headers = headers(r.Headers, c.Key.HeaderName(), keyHeader, c.Value.HeaderName(), valueHeader)
	return out, nil
}

// runsRules reports whether an encoder may want to know the record around what
// it encodes.
func runsRules(encoder any) bool {
	r, ok := encoder.(interface{ RunsRules() bool })
	return ok && r.RunsRules()
}

func origin(headers []Header, key []byte) serde.Origin {
	o := serde.Origin{Key: key}
	for _, h := range headers {
		o.Headers = append(o.Headers, serde.OriginHeader{Key: h.Key, Value: h.Value})
	}
	return o
}

// headers adds the schema headers to the application's without changing those.
func headers(own []Header, keyName string, key []byte, valueName string, value []byte) []Header {
	if key == nil && value == nil {
		return own
	}
	all := make([]Header, 0, len(own)+2)
	all = append(all, own...)
	if key != nil {
		all = append(all, Header{Key: keyName, Value: key})
	}
	if value != nil {
		all = append(all, Header{Key: valueName, Value: value})
	}
	return all
}

// Raw is an encoder of keys or values that are bytes already.
type Raw[T ~string | ~[]byte] struct{}

// AppendRecord appends v as it is.
func (Raw[T]) AppendRecord(_ context.Context, dst []byte, _ string, v T) (out, header []byte, err error) {
	return append(dst, v...), nil, nil
}

// HeaderName returns "": there is no schema to name.
func (Raw[T]) HeaderName() string { return "" }
