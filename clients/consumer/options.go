package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Defaults.
const (
	DefaultWorkers        = 16
	DefaultMaxBuffered    = 1000
	DefaultMaxPoll        = 500
	DefaultCommitInterval = time.Second
	DefaultDrainTimeout   = 20 * time.Second
	// DefaultFetchWait is how long the broker holds a fetch that finds nothing; a
	// partition that back-pressure had paused waits as long for its turn.
	DefaultFetchWait = 500 * time.Millisecond
)

// Order is which records are handled one after the other.
type Order uint8

// Orders.
const (
	OrderByKey       Order = iota // those of one key; records without a key are free
	OrderByPartition              // those of one partition
	Unordered                     // none
)

// CommitMode is when offsets are committed; see the package comment.
type CommitMode uint8

// Commit modes.
const (
	CommitAsync CommitMode = iota
	CommitSync
	CommitManual
)

// Failure is what becomes of a record that cannot be handled when there is no
// dead-letter topic.
type Failure uint8

// Failures.
const (
	Stop Failure = iota // Run returns the error; the record is not committed
	Skip                // the record is logged and counts as handled
)

// Retry says how often and when a record is handled again. The zero value does
// not retry.
type Retry struct {
	Attempts   int           // in all; 0 and 1: no second one; negative: without end
	Backoff    time.Duration // before the second attempt, doubled for each further one
	MaxBackoff time.Duration // 0: 30 s
}

// DefaultRetry is the policy that WithRetry replaces: four attempts in about a
// second.
var DefaultRetry = Retry{Attempts: 4, Backoff: 100 * time.Millisecond}

func (r Retry) again(attempt int) bool { return r.Attempts < 0 || attempt < r.Attempts }

// delay is the wait after an attempt, of which the first is 1; half of it is
// random.
func (r Retry) delay(attempt int) time.Duration {
	longest := r.MaxBackoff
	if longest <= 0 {
		longest = 30 * time.Second
	}
	d := min(r.Backoff, longest)
	for i := 1; i < attempt && d > 0 && d < longest; i++ {
		if d > longest/2 {
			d = longest
		} else {
			d *= 2
		}
	}
	if d < 2 {
		return max(d, 0)
	}
	return d/2 + rand.N(d/2) //nolint:gosec // jitter
}

// Option configures a Consumer or a Processor.
type Option func(*config)

type config struct {
	seeds           []string
	group           string
	topics          []string
	regex           bool
	transactionalID string

	workers        int
	order          Order
	maxBuffered    int
	maxPoll        int
	commit         CommitMode
	commitInterval time.Duration
	drainTimeout   time.Duration
	retry          Retry
	deadLetter     string
	failure        Failure

	observer Observer
	logger   *slog.Logger
	extra    []kgo.Opt
}

// WithSeeds names brokers to start from, host:port each. Required.
func WithSeeds(brokers ...string) Option { return func(c *config) { c.seeds = brokers } }

// WithGroup names the consumer group. Required.
func WithGroup(group string) Option { return func(c *config) { c.group = group } }

// WithTopics names the topics. Required.
func WithTopics(topics ...string) Option { return func(c *config) { c.topics = topics } }

// WithTopicPatterns names topics by regular expressions.
func WithTopicPatterns(patterns ...string) Option {
	return func(c *config) { c.topics, c.regex = patterns, true }
}

// WithWorkers sets how many handlers run at once.
func WithWorkers(n int) Option { return func(c *config) { c.workers = n } }

// WithOrder sets which records are handled one after the other.
func WithOrder(o Order) Option { return func(c *config) { c.order = o } }

// WithMaxBuffered bounds the records of one partition that wait or run.
func WithMaxBuffered(n int) Option { return func(c *config) { c.maxBuffered = n } }

// WithMaxPoll bounds the records that are taken from the client at a time.
func WithMaxPoll(n int) Option { return func(c *config) { c.maxPoll = n } }

// WithCommit sets when offsets are committed.
func WithCommit(m CommitMode) Option { return func(c *config) { c.commit = m } }

// WithCommitInterval sets how often CommitAsync commits.
func WithCommitInterval(d time.Duration) Option { return func(c *config) { c.commitInterval = d } }

// WithDrainTimeout sets how long handlers may go on when their partition is
// given up or the consumer shuts down. It should be well below the group's
// rebalance time-out.
func WithDrainTimeout(d time.Duration) Option { return func(c *config) { c.drainTimeout = d } }

// WithRetry sets the retries of handlers.
func WithRetry(r Retry) Option { return func(c *config) { c.retry = r } }

// WithDeadLetter names the topic that records go to which cannot be handled. It
// must exist and be none of those that are read.
func WithDeadLetter(topic string) Option { return func(c *config) { c.deadLetter = topic } }

// WithOnFailure sets what becomes of records that cannot be handled when there
// is no dead-letter topic.
func WithOnFailure(f Failure) Option { return func(c *config) { c.failure = f } }

// WithTransactionalID names the transactions of a Processor. It must be one's
// own for every instance of the application and the same after a restart.
func WithTransactionalID(id string) Option { return func(c *config) { c.transactionalID = id } }

// WithObserver watches records and commits.
func WithObserver(o Observer) Option { return func(c *config) { c.observer = o } }

// WithLogger tells logger about rebalances, failed commits and records given up.
// The default is silence.
func WithLogger(l *slog.Logger) Option { return func(c *config) { c.logger = l } }

// WithKafka passes options to the Kafka client: TLS, SASL, balancers, where to
// start without a committed offset (the beginning by default), hooks. Of two
// that set the same, the one here counts.
func WithKafka(opts ...kgo.Opt) Option { return func(c *config) { c.extra = append(c.extra, opts...) } }

// newConfig puts options together and checks them and the decoders.
func newConfig(key, value any, opts []Option) (config, error) {
	c := config{
		workers: DefaultWorkers, maxBuffered: DefaultMaxBuffered, maxPoll: DefaultMaxPoll,
		commitInterval: DefaultCommitInterval, drainTimeout: DefaultDrainTimeout,
		retry: DefaultRetry, logger: slog.New(slog.DiscardHandler), observer: noObserver{},
	}
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("consumer: "+format, args...))
	}
	if key == nil || value == nil {
		fault("the key's or value's decoder is nil: give a serde.Deserializer, or Raw for bytes")
	}
	for i, o := range opts {
		if o == nil {
			fault("option %d of %d is nil", i+1, len(opts))
			continue
		}
		o(&c)
	}
	if slices.Contains(c.extra, nil) {
		fault("an option given to WithKafka is nil")
	}
	if c.deadLetter != "" && !c.regex && slices.Contains(c.topics, c.deadLetter) {
		fault("the dead-letter topic %q is one of the topics that are read: its records would go round in circles; use another one", c.deadLetter)
	}
	if len(c.seeds) == 0 {
		fault("no brokers: use WithSeeds")
	}
	if c.group == "" {
		fault("no group: use WithGroup")
	}
	if len(c.topics) == 0 {
		fault("no topics: use WithTopics or WithTopicPatterns")
	}
	if c.workers < 1 || c.maxBuffered < 1 || c.maxPoll < 1 {
		fault("%d workers, %d buffered, %d in a poll: want at least 1 of each", c.workers, c.maxBuffered, c.maxPoll)
	}
	if c.commitInterval <= 0 || c.drainTimeout <= 0 {
		fault("commit interval %v and drain time-out %v: want more than 0", c.commitInterval, c.drainTimeout)
	}
	if c.retry.Backoff < 0 || c.retry.MaxBackoff < 0 {
		fault("a negative back-off")
	}
	if c.logger == nil || c.observer == nil {
		fault("the logger or observer is nil")
	}
	return c, errors.Join(faults...)
}

func (c *config) kafka() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.seeds...),
		kgo.ConsumerGroup(c.group),
		kgo.ConsumeTopics(c.topics...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
		kgo.FetchMaxWait(DefaultFetchWait),
	}
	if c.regex {
		opts = append(opts, kgo.ConsumeRegex())
	}
	return append(opts, c.extra...)
}
