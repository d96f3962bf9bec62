// Package producer sends typed records to Kafka topics: serde for the bytes,
// franz-go for the wire. It works the same against Dovetail and Apache Kafka.
//
//	Record[K, V] ─ Encoder[K], Encoder[V] ─ partitioner ─ batches ─▶ broker
//	                                                          │
//	             done(Delivery, error), once per record ◀─────┘
//
// # Delivery
//
// SendAsync calls done exactly once for every record, with the partition and
// offset that the broker gave it or with the error that kept it from getting
// there. Records of one partition are delivered in the order in which they were
// sent; the producer is idempotent, so that a retry writes nothing twice. done
// runs on the client's goroutine and must not block for long.
//
// # Back-pressure
//
// At most WithMaxInFlight records (and bytes) are on their way. Beyond that
// SendAsync blocks until there is room or its context ends; with WithFailWhenFull
// it reports ErrFull at once instead.
//
// # Contexts
//
// The context of a send covers serialization (which may ask the registry), the
// wait for room and the time until the record is written to a connection. If it
// has no deadline, WithDeliveryTimeout sets one. A record that may have reached a
// broker is not given up because a context ends: only the broker's answer tells,
// and until then the records behind it in its partition wait as well.
//
// # Transactions
//
// With WithTransactionalID records are sent in Transact alone: all records of one
// call become visible together or not at all.
//
// A Producer is safe for concurrent use. Close it to get what is in flight
// delivered.
package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/internal/dials"
)

// Errors, for errors.Is.
var (
	ErrFull          = errors.New("producer: too many records in flight")
	ErrClosed        = errors.New("producer: closed")
	ErrNoTopic       = errors.New("producer: the record names no topic and the producer has none")
	ErrNoTransaction = errors.New("producer: a transactional producer sends inside Transact only")
	ErrNoID          = errors.New("producer: Transact needs WithTransactionalID")
)

// Encoder turns keys or values into bytes. *serde.Serializer is one; Raw is
// another. header is the value of a record header called HeaderName, nil for
// none.
type Encoder[T any] interface {
	AppendRecord(ctx context.Context, dst []byte, topic string, v T) (out, header []byte, err error)
	HeaderName() string
}

// Record is one message.
type Record[K, V any] struct {
	Topic     string // empty: that of WithTopic
	Key       K
	Value     V
	NullKey   bool // no key: the partitioner spreads such records
	NullValue bool // a tombstone
	Partition int32
	Timestamp time.Time // zero: when it is sent
	Headers   []Header
}

// Header is a record header.
type Header = kgo.RecordHeader

// Delivery is where a record went.
type Delivery struct {
	Topic       string
	Partition   int32
	Offset      int64 // -1 without acknowledgements
	LeaderEpoch int32
	Timestamp   time.Time
	Bytes       int // key and value
}

// Observer watches records on their way, for traces and metrics.
type Observer interface {
	// Sending is called with a record that is serialized but not sent; it may
	// add headers. The function it returns, if any, is called with the
	// outcome.
	Sending(ctx context.Context, r *kgo.Record) func(Delivery, error)
}

// Producer sends records.
type Producer[K, V any] struct {
	codec  Codec[K, V]
	cfg    config
	client *kgo.Client

	closed atomic.Bool
	bounds deadlines
	dials  dials.Failures

	tx    sync.Mutex // one transaction at a time
	inTx  atomic.Bool
	stats counters
}

// New returns a producer of records whose keys and values are written by key
// and value.
func New[K, V any](key Encoder[K], value Encoder[V], opts ...Option) (*Producer[K, V], error) {
	cfg, err := newConfig(key, value, opts)
	if err != nil {
		return nil, err
	}
	p := &Producer[K, V]{codec: Codec[K, V]{Key: key, Value: value, Topic: cfg.topic}, cfg: cfg}
	p.bounds.timeout = cfg.deliveryTimeout
	if p.client, err = kgo.NewClient(append(cfg.kafka(), kgo.WithHooks(&p.dials))...); err != nil {
		return nil, fmt.Errorf("producer: %w", err)
	}
	return p, nil
}

// Client returns the Kafka client underneath, for what this package does not
// wrap.
func (p *Producer[K, V]) Client() *kgo.Client { return p.client }

// SendAsync serializes r and hands it over; see the package comment. done may be
// nil, and may be called before SendAsync returns.
func (p *Producer[K, V]) SendAsync(ctx context.Context, r Record[K, V], done func(Delivery, error)) {
	if p.cfg.transactionalID != "" && !p.inTx.Load() {
		p.finish(Delivery{}, ErrNoTransaction, done)
		return
	}
	p.send(ctx, r, done)
}

func (p *Producer[K, V]) send(ctx context.Context, r Record[K, V], done func(Delivery, error)) {
	if p.closed.Load() {
		p.finish(Delivery{}, ErrClosed, done)
		return
	}
	kr, err := p.codec.Encode(ctx, r)
	if err != nil {
		p.finish(Delivery{}, err, done)
		return
	}
	var observed func(Delivery, error)
	if p.cfg.observer != nil {
		observed = p.cfg.observer.Sending(ctx, kr)
	}
	p.stats.inFlight.Add(1)
	_, limited := ctx.Deadline()
	ctx, release := p.bounds.bound(ctx, time.Now())
	promise := func(kr *kgo.Record, err error) {
		p.stats.inFlight.Add(-1)
		if release != nil {
			release()
		}
		d := delivery(kr)
		err = p.explain(err, kr.Topic, limited)
		if observed != nil {
			observed(d, err)
		}
		p.finish(d, err, done)
	}
	if p.cfg.failWhenFull {
		p.client.TryProduce(ctx, kr, promise)
	} else {
		p.client.Produce(ctx, kr, promise)
	}
}

func (p *Producer[K, V]) finish(d Delivery, err error, done func(Delivery, error)) {
	if err != nil {
		p.stats.errors.Add(1)
	} else {
		p.stats.records.Add(1)
		p.stats.bytes.Add(int64(d.Bytes))
	}
	if done != nil {
		done(d, err)
	}
}

// explain says what became of a record for topic; limited tells that its context
// had a deadline when it was sent.
func (p *Producer[K, V]) explain(err error, topic string, limited bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kgo.ErrMaxBuffered):
		return fmt.Errorf("%w: at most %d records and %d bytes", ErrFull, p.cfg.maxRecords, p.cfg.maxBytes)
	case errors.Is(err, kgo.ErrClientClosed):
		return fmt.Errorf("%w: %v", ErrClosed, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("producer: topic %q does not exist: create it, or have it created by WithKafka(kgo.AllowAutoTopicCreation()): %w", topic, err)
	case errors.Is(err, context.DeadlineExceeded) && !limited:
		return fmt.Errorf("producer: topic %q: not delivered within the delivery time-out of %v (WithDeliveryTimeout): %w%s", topic, p.cfg.deliveryTimeout, err, p.dials.String())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("producer: topic %q: not delivered before the deadline of the context: %w%s", topic, err, p.dials.String())
	}
	return fmt.Errorf("producer: topic %q: %w%s", topic, err, p.dials.String())
}

func delivery(r *kgo.Record) Delivery {
	return Delivery{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Timestamp: r.Timestamp, Bytes: len(r.Key) + len(r.Value),
	}
}

// Send sends r and waits for its delivery. One send after the other takes a
// round trip each; SendAll and SendAsync share them.
func (p *Producer[K, V]) Send(ctx context.Context, r Record[K, V]) (Delivery, error) {
	type result struct {
		d   Delivery
		err error
	}
	c := make(chan result, 1)
	p.SendAsync(ctx, r, func(d Delivery, err error) { c <- result{d, err} })
	got := <-c
	return got.d, got.err
}

// Result is the outcome of one record of SendAll.
type Result struct {
	Delivery Delivery
	Err      error
}

// SendAll sends records and waits for all of them. Results are in the order of
// the records; the error joins those of the records that failed.
func (p *Producer[K, V]) SendAll(ctx context.Context, records []Record[K, V]) ([]Result, error) {
	results := make([]Result, len(records))
	var wg sync.WaitGroup
	wg.Add(len(records))
	for i, r := range records {
		p.SendAsync(ctx, r, func(d Delivery, err error) {
			results[i] = Result{d, err}
			wg.Done()
		})
	}
	wg.Wait()
	var errs []error
	for i, r := range results {
		if r.Err != nil {
			errs = append(errs, fmt.Errorf("record %d: %w", i, r.Err))
		}
	}
	return results, errors.Join(errs...)
}

// Flush waits until everything that was sent before has an outcome, or ctx
// ends. It does not stop other goroutines from sending more.
func (p *Producer[K, V]) Flush(ctx context.Context) error {
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("producer: flush: %d records still in flight: %w", p.stats.inFlight.Load(), err)
	}
	return nil
}

// Close refuses further sends, waits until everything in flight has an outcome
// or ctx ends, and closes the client. What is left then is reported to its done
// as ErrClosed. It returns the flush's error; closing twice is no error.
func (p *Producer[K, V]) Close(ctx context.Context) error {
	if p.closed.Swap(true) {
		return nil
	}
	err := p.Flush(ctx)
	p.client.Close()
	p.bounds.close()
	return err
}
