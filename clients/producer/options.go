package producer

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Defaults.
const (
	DefaultMaxRecords      = 10_000
	DefaultMaxBytes        = 256 << 20
	DefaultDeliveryTimeout = 2 * time.Minute
	DefaultAbortTimeout    = 30 * time.Second
)

// Option configures a Producer.
type Option func(*config)

type config struct {
	seeds           []string
	topic           string
	partitioner     kgo.Partitioner
	maxRecords      int
	maxBytes        int
	failWhenFull    bool
	deliveryTimeout time.Duration
	abortTimeout    time.Duration
	transactionalID string
	linger          time.Duration
	observer        Observer
	extra           []kgo.Opt
}

// WithSeeds names brokers to start from, host:port each. Required.
func WithSeeds(brokers ...string) Option { return func(c *config) { c.seeds = brokers } }

// WithTopic names the topic of records that name none.
func WithTopic(topic string) Option { return func(c *config) { c.topic = topic } }

// WithPartitioner chooses partitions. The default is Kafka's own: by hash of the
// key, records without one in batches to one partition after the other.
// kgo.ManualPartitioner takes Record.Partition.
func WithPartitioner(p kgo.Partitioner) Option { return func(c *config) { c.partitioner = p } }

// WithMaxInFlight bounds what is sent but has no outcome yet. The defaults are
// DefaultMaxRecords and DefaultMaxBytes.
func WithMaxInFlight(records, bytes int) Option {
	return func(c *config) { c.maxRecords, c.maxBytes = records, bytes }
}

// WithFailWhenFull reports ErrFull where the default is to wait for room.
func WithFailWhenFull() Option { return func(c *config) { c.failWhenFull = true } }

// WithDeliveryTimeout bounds the time from send to outcome (up to a sixteenth
// longer) of records whose context has no deadline. The default is
// DefaultDeliveryTimeout.
func WithDeliveryTimeout(d time.Duration) Option { return func(c *config) { c.deliveryTimeout = d } }

// WithAbortTimeout bounds the abort of a transaction. The default is
// DefaultAbortTimeout.
func WithAbortTimeout(d time.Duration) Option { return func(c *config) { c.abortTimeout = d } }

// WithLinger waits up to d for more records of a partition before a batch is
// sent. The default is not to wait.
func WithLinger(d time.Duration) Option { return func(c *config) { c.linger = d } }

// WithTransactionalID makes the producer transactional. Of all producers with
// one ID the newest one fences off the others.
func WithTransactionalID(id string) Option { return func(c *config) { c.transactionalID = id } }

// WithObserver watches every record.
func WithObserver(o Observer) Option { return func(c *config) { c.observer = o } }

// WithKafka passes options to the Kafka client: TLS, SASL, compression,
// acknowledgements, hooks. Of two that set the same, the one here counts.
func WithKafka(opts ...kgo.Opt) Option { return func(c *config) { c.extra = append(c.extra, opts...) } }

// newConfig puts options together and checks them and the encoders.
func newConfig(key, value any, opts []Option) (config, error) {
	c := config{
		maxRecords: DefaultMaxRecords, maxBytes: DefaultMaxBytes,
		deliveryTimeout: DefaultDeliveryTimeout, abortTimeout: DefaultAbortTimeout,
	}
	var faults []error
	if key == nil || value == nil {
		faults = append(faults, errors.New("producer: the key's or value's encoder is nil: give a serde.Serializer, or Raw for bytes"))
	}
	for i, o := range opts {
		if o == nil {
			faults = append(faults, fmt.Errorf("producer: option %d of %d is nil", i+1, len(opts)))
			continue
		}
		o(&c)
	}
	for _, o := range c.extra {
		if o == nil {
			faults = append(faults, errors.New("producer: an option given to WithKafka is nil"))
			break
		}
	}
	if len(c.seeds) == 0 {
		faults = append(faults, errors.New("producer: no brokers: use WithSeeds"))
	}
	if c.maxRecords < 1 || c.maxBytes < 1 {
		faults = append(faults, fmt.Errorf("producer: %d records and %d bytes in flight, want at least 1 of each", c.maxRecords, c.maxBytes))
	}
	if c.deliveryTimeout < time.Second {
		faults = append(faults, fmt.Errorf("producer: delivery time-out %v, want at least 1s", c.deliveryTimeout))
	}
	if c.abortTimeout <= 0 || c.linger < 0 {
		faults = append(faults, fmt.Errorf("producer: abort time-out %v or linger %v out of range", c.abortTimeout, c.linger))
	}
	return c, errors.Join(faults...)
}

func (c *config) kafka() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.seeds...),
		kgo.MaxBufferedRecords(c.maxRecords),
		kgo.MaxBufferedBytes(c.maxBytes),
		kgo.ProducerLinger(c.linger),
	}
	if c.partitioner != nil {
		opts = append(opts, kgo.RecordPartitioner(c.partitioner))
	}
	if c.transactionalID != "" {
		opts = append(opts, kgo.TransactionalID(c.transactionalID))
	}
	return append(opts, c.extra...)
}

type counters struct {
	records, bytes, errors, inFlight atomic.Int64
}

// Stats is what a producer has done so far.
type Stats struct {
	Records       int64 // delivered
	Bytes         int64 // delivered, key and value
	Errors        int64 // sends whose outcome is an error
	InFlight      int64 // sent and without outcome, waiting for room included
	BufferedBytes int64 // accepted and without outcome
}

// Stats returns a snapshot.
func (p *Producer[K, V]) Stats() Stats {
	return Stats{
		Records: p.stats.records.Load(), Bytes: p.stats.bytes.Load(), Errors: p.stats.errors.Load(),
		InFlight: p.stats.inFlight.Load(), BufferedBytes: p.client.BufferedProduceBytes(),
	}
}
