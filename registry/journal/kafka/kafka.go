// Package kafka keeps a registry's journal in a topic of a Kafka cluster: the
// `_schemas` topic, in the format that Confluent's registry reads and writes.
//
// A Kafka topic knows no conditional append, so there is one writer. Appends
// are transactions under one transactional ID per topic; whoever appended last
// has fenced everybody before, and a fenced journal says ErrFenced and goes on
// as a reader. Within its turn the writer looks where the topic ends and writes
// only there.
//
//	offset   7   8   9     10      11
//	       ┌───┬───┬───┬────────┬
//	       │ r │ r │ r │ commit │  ◀── end = 11: the last stable offset
//	       └───┴───┴───┴────────┴
//
// The mark of a committed transaction takes an offset of its own, so the
// offsets of a journal have holes.
//
// The topic must have one partition and be compacted; Open creates it so.
// Acknowledged means what acks=all means in that cluster. All methods may be
// called concurrently.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// ErrFenced means that another instance writes the journal since. This one can
// read on; to write again it must be opened anew.
var ErrFenced = errors.New("kafka journal: another instance writes this topic now; restart this one to take over")

// Options configure a Journal. Only Brokers is required.
type Options struct {
	// Brokers are host:port of some brokers of the cluster.
	Brokers []string
	// Topic is the journal's topic. Empty means "_schemas".
	Topic string
	// ReplicationFactor of the topic, if it has to be created. Zero means 3,
	// or as many brokers as there are if they are fewer.
	ReplicationFactor int16
	// ClientOptions are given to every client: TLS, SASL.
	ClientOptions []kgo.Opt
	// Timeout bounds every operation. Zero means 30 seconds.
	Timeout time.Duration
	// Logger receives what an operator should know. Nil means none.
	Logger *slog.Logger
}

// Journal is a journal.Journal in a Kafka topic.
type Journal struct {
	opts    Options
	admin   *kadm.Client
	topicID kadm.TopicID
	log     *slog.Logger

	write  sync.Mutex // held for a whole append
	writer *kgo.Client
	fenced atomic.Bool

	read     sync.Mutex // held for a whole read
	reader   *kgo.Client
	position journal.Offset // that reader goes on from

	mu   sync.Mutex
	seen journal.Offset // the furthest end that was seen
	lost error
}

// Open connects to the cluster, and creates the topic if it is not there.
func Open(ctx context.Context, opts Options) (*Journal, error) {
	if len(opts.Brokers) == 0 {
		return nil, errors.New("kafka journal: no brokers given")
	}
	if opts.Topic == "" {
		opts.Topic = "_schemas"
	}
	if opts.Timeout == 0 {
		opts.Timeout = 30 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	client, err := newClient(opts)
	if err != nil {
		return nil, err
	}
	j := &Journal{opts: opts, admin: kadm.NewClient(client), log: opts.Logger, position: -1}
	ctx, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	if err := j.prepareTopic(ctx); err != nil {
		j.admin.Close()
		return nil, err
	}
	return j, nil
}

func newClient(opts Options, more ...kgo.Opt) (*kgo.Client, error) {
	all := append([]kgo.Opt{
		kgo.SeedBrokers(opts.Brokers...),
		kgo.ClientID("dovetail-registry"),
		kgo.RetryTimeout(opts.Timeout),
	}, opts.ClientOptions...)
	client, err := kgo.NewClient(append(all, more...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka journal: %w", err)
	}
	return client, nil
}

// prepareTopic creates the topic or checks that it can be a journal.
func (j *Journal) prepareTopic(ctx context.Context) error {
	topics, err := j.admin.ListTopics(ctx, j.opts.Topic)
	if err != nil {
		return fmt.Errorf("kafka journal: %w", err)
	}
	detail, known := topics[j.opts.Topic]
	if !known || errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
		if err := j.createTopic(ctx); err != nil {
			return err
		}
		// This client remembers for seconds that there was no such topic.
		client, err := newClient(j.opts)
		if err != nil {
			return err
		}
		j.admin.Close()
		j.admin = kadm.NewClient(client)
		return j.prepareTopic(ctx)
	}
	if detail.Err != nil {
		return fmt.Errorf("kafka journal: topic %s: %w", j.opts.Topic, detail.Err)
	}
	if n := len(detail.Partitions); n != 1 {
		return fmt.Errorf("kafka journal: topic %s has %d partitions, a journal has one", j.opts.Topic, n)
	}
	j.topicID = detail.ID
	configs, err := j.admin.DescribeTopicConfigs(ctx, j.opts.Topic)
	if err != nil {
		return fmt.Errorf("kafka journal: %w", err)
	}
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
				return fmt.Errorf("kafka journal: topic %s has cleanup.policy=%s, which would delete schemas: set it to compact", j.opts.Topic, c.MaybeValue())
			}
		}
	}
	return nil
}

func (j *Journal) createTopic(ctx context.Context) error {
	brokers, err := j.admin.ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("kafka journal: %w", err)
	}
	factor := j.opts.ReplicationFactor
	if factor == 0 {
		factor = int16(min(3, len(brokers)))
	}
	if factor < 3 {
		j.log.Warn("the journal's topic gets few replicas", "topic", j.opts.Topic, "replicas", factor)
	}
	policy := "compact"
	_, err = j.admin.CreateTopic(ctx, 1, factor, map[string]*string{"cleanup.policy": &policy}, j.opts.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("kafka journal: create topic %s: %w", j.opts.Topic, err)
	}
	return nil
}

// Append implements journal.Journal. Besides its errors it returns ErrFenced.
func (j *Journal) Append(ctx context.Context, at journal.Offset, records []journal.Record) (journal.Offset, error) {
	j.write.Lock()
	defer j.write.Unlock()
	if j.fenced.Load() {
		return 0, ErrFenced
	}
	ctx, cancel := context.WithTimeout(ctx, j.opts.Timeout)
	defer cancel()
	// The transaction is begun before the end is looked up: from then on
	// whoever wrote before is fenced, and the end stays where it is.
	if err := j.begin(ctx); err != nil {
		return 0, err
	}
	end, err := j.End(ctx)
	if err == nil && end != at {
		err = journal.ErrMoved
	}
	if err != nil || len(records) == 0 {
		return at, errors.Join(err, j.finish(ctx, kgo.TryAbort))
	}
	batch := make([]*kgo.Record, len(records))
	for i, r := range records {
		batch[i] = &kgo.Record{Topic: j.opts.Topic, Key: r.Key, Value: r.Value}
	}
	results := j.writer.ProduceSync(ctx, batch...)
	err = results.FirstErr()
	if err == nil {
		err = j.settle(ctx)
	}
	if err != nil {
		abort := j.finish(ctx, kgo.TryAbort)
		return 0, errors.Join(j.classify("append", err), abort)
	}
	if err := j.finish(ctx, kgo.TryCommit); err != nil {
		return 0, err
	}
	last := journal.Offset(results[len(results)-1].Record.Offset)
	if end, err = j.awaitEnd(ctx, last+1); err != nil {
		return 0, err
	}
	return end, j.confirm(ctx, results[0].Record)
}

// begin starts a transaction, with a producer that fences all before it.
func (j *Journal) begin(ctx context.Context) error {
	if j.writer == nil {
		writer, err := newClient(j.opts,
			kgo.TransactionalID("dovetail-registry-"+j.opts.Topic),
			kgo.TransactionTimeout(j.opts.Timeout),
			kgo.RecordPartitioner(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
				return func(*kgo.Record, int) int { return 0 }
			})),
			kgo.ProducerLinger(0))
		if err != nil {
			return err
		}
		j.writer = writer
		// Fence now, not with the first record.
		if _, _, err := writer.ProducerID(ctx); err != nil {
			return j.classify("become the writer", err)
		}
	}
	if err := j.writer.BeginTransaction(); err != nil {
		return j.classify("begin", err)
	}
	return nil
}

func (j *Journal) finish(ctx context.Context, how kgo.TransactionEndTry) error {
	if err := j.writer.EndTransaction(context.WithoutCancel(ctx), how); err != nil {
		return j.classify("end the transaction", err)
	}
	return nil
}

// classify finds out whether an error means that this writer is done for.
func (j *Journal) classify(op string, err error) error {
	for _, fence := range []error{kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping, kerr.FencedLeaderEpoch} {
		if errors.Is(err, fence) {
			j.fenced.Store(true)
			j.log.Warn("another instance writes the journal now; this one reads on", "topic", j.opts.Topic)
			return fmt.Errorf("%w (%s: %w)", ErrFenced, op, err)
		}
	}
	// A producer that failed otherwise is replaced: its successor fences it.
	if j.writer != nil {
		j.writer.Close()
		j.writer = nil
	}
	return fmt.Errorf("kafka journal: %s: %w", op, err)
}

// Ready returns ErrFenced once another instance has taken over, and what End
// returns while the topic cannot be read.
func (j *Journal) Ready(ctx context.Context) error {
	if j.fenced.Load() {
		return ErrFenced
	}
	_, err := j.End(ctx)
	return err
}

// awaitEnd waits until the transaction's mark behind offset mark-1 is written.
func (j *Journal) awaitEnd(ctx context.Context, mark journal.Offset) (journal.Offset, error) {
	for {
		end, err := j.End(ctx)
		if err != nil {
			return 0, err
		}
		if end > mark {
			return end, nil
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// End implements journal.Journal: the last stable offset.
func (j *Journal) End(ctx context.Context) (journal.Offset, error) {
	if err := j.lostError(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, j.opts.Timeout)
	defer cancel()
	offsets, err := j.admin.ListCommittedOffsets(ctx, j.opts.Topic)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			return 0, j.lose("the topic is gone")
		}
		return 0, fmt.Errorf("kafka journal: read the end of %s: %w", j.opts.Topic, err)
	}
	o, ok := offsets.Lookup(j.opts.Topic, 0)
	if !ok {
		return 0, j.lose("the topic is gone")
	}
	end := journal.Offset(o.Offset)
	j.mu.Lock()
	seen := j.seen
	j.seen = max(seen, end)
	j.mu.Unlock()
	if end < seen {
		return 0, j.lose(fmt.Sprintf("it ends at offset %d and has ended at %d before", end, seen))
	}
	return end, nil
}

// Read implements journal.Journal.
func (j *Journal) Read(ctx context.Context, from journal.Offset, limit int) ([]journal.Record, journal.Offset, error) {
	j.read.Lock()
	defer j.read.Unlock()
	end, err := j.End(ctx)
	if err != nil {
		return nil, from, err
	}
	if from > end {
		return nil, from, j.lose(fmt.Sprintf("it ends at offset %d and was read up to %d", end, from))
	}
	if from == end {
		return nil, from, nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.opts.Timeout)
	defer cancel()
	if err := j.seek(from); err != nil {
		return nil, from, err
	}
	var records []journal.Record
	for len(records) == 0 && j.position < end {
		fetches := j.reader.PollRecords(ctx, limit)
		if err := fetches.Err0(); err != nil {
			return nil, from, fmt.Errorf("kafka journal: read at %d: %w", j.position, err)
		}
		for _, e := range fetches.Errors() {
			var loss *kgo.ErrDataLoss
			if errors.As(e.Err, &loss) || errors.Is(e.Err, kerr.OffsetOutOfRange) {
				return nil, from, j.lose(e.Err.Error())
			}
			return nil, from, fmt.Errorf("kafka journal: read at %d: %w", j.position, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			j.position = journal.Offset(r.Offset) + 1
			if !r.Attrs.IsControl() {
				records = append(records, journal.Record{
					Offset: journal.Offset(r.Offset), Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value,
				})
			}
		})
	}
	return records, j.position, nil
}

// seek makes the reader go on from an offset.
func (j *Journal) seek(from journal.Offset) error {
	if j.reader != nil && j.position == from {
		return nil
	}
	if j.reader != nil {
		j.reader.Close()
	}
	reader, err := newClient(j.opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{j.opts.Topic: {0: kgo.NewOffset().At(int64(from))}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(100*time.Millisecond))
	j.reader = reader
	if err != nil {
		j.reader = nil
		return err
	}
	j.position = from
	return nil
}

// Wait implements journal.Journal.
func (j *Journal) Wait(ctx context.Context, end journal.Offset) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		now, err := j.End(ctx)
		if err != nil {
			return err
		}
		if now > end {
			return nil
		}
		if now < end {
			return j.lose(fmt.Sprintf("it ends at offset %d and was read up to %d", now, end))
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Close implements journal.Journal.
func (j *Journal) Close() error {
	j.write.Lock()
	defer j.write.Unlock()
	j.read.Lock()
	defer j.read.Unlock()
	for _, c := range []*kgo.Client{j.writer, j.reader} {
		if c != nil {
			c.Close()
		}
	}
	j.writer, j.reader = nil, nil
	j.fenced.Store(true)
	j.admin.Close()
	return nil
}

func (j *Journal) lostError() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lost
}

// lose notes that the topic no longer holds what was read from it, for good.
func (j *Journal) lose(why string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lost == nil {
		j.lost = fmt.Errorf("%w: topic %s: %s", journal.ErrLost, j.opts.Topic, why)
		j.log.Error("the journal has lost records", "topic", j.opts.Topic, "reason", why)
	}
	return j.lost
}
