package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// clientID is the one that may write to internal topics; without it a client's
// mistake is refused.
const clientID = "__admin_client"

// produceRetries bounds how long an append waits for a cluster that is away: with
// the client's pauses about half a minute. A delivery timeout would count from
// the timestamp of the record, which is years ago.
const produceRetries = 15

// Topic is `_schemas` of a cluster: a Source from an offset on, and a Sink.
// Everything that waits for the cluster is bounded by Timeout.
type Topic struct {
	name    string
	timeout time.Duration
	client  *kgo.Client
	next    int64 // offset to read
	end     int64 // as of the opening
	start   int64
	last    int64
	pending []*kgo.Record
	failed  chan error // capacity 1: the first failure of an append
	most    int32      // bytes of a batch that the topic takes; 0 if unknown
}

// TopicOptions configure OpenTopic.
type TopicOptions struct {
	Brokers []string
	Topic   string
	From    int64         // first offset to read
	Create  bool          // if it is not there
	Timeout time.Duration // zero means 30 seconds
	Client  []kgo.Opt     // further options of clients: TLS, SASL
}

// OpenTopic connects to a cluster. Close it.
func OpenTopic(ctx context.Context, o TopicOptions) (*Topic, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	t := &Topic{name: o.Topic, timeout: o.Timeout, last: -1, failed: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	plain, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Brokers...), kgo.ClientID(clientID), kgo.RetryTimeout(o.Timeout)}, o.Client...)...)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	if err := t.find(ctx, kadm.NewClient(plain), o); err != nil {
		return nil, fmt.Errorf("topic %s at %s: %w", o.Topic, o.Brokers[0], err)
	}
	t.next = max(o.From, t.start)
	opts := []kgo.Opt{kgo.SeedBrokers(o.Brokers...), kgo.ClientID(clientID), kgo.RetryTimeout(o.Timeout),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: {0: kgo.NewOffset().At(t.next)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(produceRetries), kgo.ProducerLinger(5 * time.Millisecond)}
	if t.most > 0 {
		opts = append(opts, kgo.ProducerBatchMaxBytes(min(t.most, 64<<20)))
	}
	t.client, err = kgo.NewClient(append(opts, o.Client...)...)
	return t, err
}

// find learns where the topic begins and ends, and creates it if asked to.
func (t *Topic) find(ctx context.Context, admin *kadm.Client, o TopicOptions) error {
	details, err := admin.ListTopics(ctx, t.name)
	if err != nil {
		return err
	}
	d, ok := details[t.name]
	switch {
	case !ok || errors.Is(d.Err, kerr.UnknownTopicOrPartition):
		if !o.Create {
			return errors.New("there is no such topic")
		}
		policy := "compact"
		_, err := admin.CreateTopic(ctx, 1, -1, map[string]*string{"cleanup.policy": &policy}, t.name)
		return err
	case d.Err != nil:
		return d.Err
	case len(d.Partitions) != 1:
		return fmt.Errorf("it has %d partitions; a registry's has one", len(d.Partitions))
	}
	starts, err := admin.ListStartOffsets(ctx, t.name)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return err
	}
	ends, err := admin.ListCommittedOffsets(ctx, t.name)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	configs, err := admin.DescribeTopicConfigs(ctx, t.name)
	if err != nil {
		return err
	}
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if n, err := strconv.ParseInt(c.MaybeValue(), 10, 32); err == nil && c.Key == "max.message.bytes" {
				t.most = int32(n)
			}
		}
	}
	first, _ := starts.Lookup(t.name, 0)
	end, _ := ends.Lookup(t.name, 0)
	t.start, t.end = first.Offset, end.Offset
	return nil
}

// Next implements Source: up to where the topic ended when it was opened.
func (t *Topic) Next(ctx context.Context) (Record, error) {
	for len(t.pending) == 0 {
		if t.next >= t.end {
			return Record{}, io.EOF
		}
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		fetches := t.client.PollFetches(ctx)
		cancel()
		for _, e := range fetches.Errors() {
			return Record{}, fmt.Errorf("topic %s at offset %d: %w", t.name, t.next, e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			t.next = r.Offset + 1
			if !r.Attrs.IsControl() && r.Offset < t.end {
				t.pending = append(t.pending, r)
			}
		})
	}
	r := t.pending[0]
	t.pending = t.pending[1:]
	t.last = r.Offset
	return Record{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}, nil
}

// Done implements Source.
func (t *Topic) Done() float64 {
	if t.end <= t.start {
		return 1
	}
	return min(float64(t.last+1-t.start)/float64(t.end-t.start), 1)
}

// Place implements Source.
func (t *Topic) Place() string { return fmt.Sprintf("topic %s, offset %d", t.name, t.last) }

// Append implements Sink: acknowledged by all in-sync replicas, once each, in
// order. It waits while too much is on its way.
func (t *Topic) Append(ctx context.Context, r Record) error {
	select {
	case err := <-t.failed:
		return err
	default:
	}
	rec := &kgo.Record{Topic: t.name, Partition: 0, Key: r.Key, Value: r.Value}
	if r.Timestamp > 0 {
		rec.Timestamp = time.UnixMilli(r.Timestamp)
	}
	t.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case t.failed <- fmt.Errorf("topic %s: %w", t.name, err):
			default: // the first failure says why
			}
		}
	})
	return nil
}

// Flush implements Sink.
func (t *Topic) Flush(ctx context.Context) error {
	if err := t.client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-t.failed:
		return err
	default:
		return nil
	}
}

// Close lets go of the cluster.
func (t *Topic) Close() { t.client.Close() }
