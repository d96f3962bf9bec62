package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// View asks one cluster.
type View struct {
	client *kgo.Client
	admin  *kadm.Client
}

// New returns a view through client, which stays the caller's to close.
func New(client *kgo.Client) *View { return &View{client, kadm.NewClient(client)} }

// Topic is a topic with its partitions.
type Topic struct {
	Name       string      `json:"topic"`
	Internal   bool        `json:"internal,omitempty"`
	Records    int64       `json:"records"`             // end offsets less first offsets: at most so many, see Compacted
	Compacted  bool        `json:"compacted,omitempty"` // compaction may have removed some of Records
	Bytes      int64       `json:"bytes"`               // on disk; 0 if the broker does not tell
	Skew       float64     `json:"skew"`                // see the package comment; 0 without records
	Partitions []Partition `json:"partitions"`
}

// Partition is one partition; shares are of the topic, from 0 to 1.
type Partition struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	StartOffset int64   `json:"startOffset"`
	EndOffset   int64   `json:"endOffset"` // exclusive
	Records     int64   `json:"records"`
	RecordShare float64 `json:"recordShare"`
	Bytes       int64   `json:"bytes"`
	ByteShare   float64 `json:"byteShare"`
	// Fault is why nothing else is known of it: it is offline, most likely.
	Fault string `json:"fault,omitempty"`
}

// TopicError names the topic of an error and what the broker said about it.
type TopicError struct {
	Topic   string
	Message string // may be empty
	Err     error
}

func (e *TopicError) Error() string {
	if e.Message != "" {
		return fmt.Sprintf("topic %s: %s (%v)", e.Topic, e.Message, e.Err)
	}
	return fmt.Sprintf("topic %s: %v", e.Topic, e.Err)
}

// Unwrap returns the broker's error.
func (e *TopicError) Unwrap() error { return e.Err }

// Topics describes topics in the order of their names: the named ones, else all,
// internal ones only if asked for. A named topic that is not there is a
// *TopicError. A partition that is offline has a Fault and hides no other.
func (v *View) Topics(ctx context.Context, internal bool, names ...string) ([]Topic, error) {
	list := v.admin.ListTopics
	if internal || len(names) > 0 {
		list = v.admin.ListTopicsWithInternal
	}
	details, err := list(ctx, names...)
	if err != nil {
		return nil, err
	}
	topics := make([]Topic, 0, len(details))
	if len(details) == 0 {
		return topics, nil
	}
	for _, d := range details.Sorted() {
		if d.Err != nil {
			return nil, &TopicError{Topic: d.Topic, Err: d.Err}
		}
	}
	starts, err := led(v.admin.ListStartOffsets(ctx, details.Names()...))
	if err != nil {
		return nil, err
	}
	ends, err := led(v.admin.ListEndOffsets(ctx, details.Names()...))
	if err != nil {
		return nil, err
	}
	sizes := v.sizes(ctx, details.TopicsSet())
	compacted := v.compacted(ctx, details.Names())
	for _, d := range details.Sorted() {
		t := Topic{Name: d.Topic, Internal: d.IsInternal, Compacted: compacted[d.Topic], Partitions: make([]Partition, 0, len(d.Partitions))}
		for _, p := range d.Partitions.Sorted() {
			start, known := starts.Lookup(d.Topic, p.Partition)
			end, alsoKnown := ends.Lookup(d.Topic, p.Partition)
			if !known || !alsoKnown {
				end.Err = kerr.LeaderNotAvailable
			}
			one := Partition{Partition: p.Partition, Leader: p.Leader, Bytes: sizes[place{d.Topic, p.Partition}]}
			if err := cmp.Or(p.Err, start.Err, end.Err, ctx.Err()); err != nil {
				if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
					return nil, &TopicError{d.Topic, fmt.Sprintf("partition %d", p.Partition), err}
				}
				one.Fault = faultText(p.Leader, err)
			} else {
				one.StartOffset, one.EndOffset, one.Records = start.Offset, end.Offset, end.Offset-start.Offset
			}
			t.Partitions = append(t.Partitions, one)
		}
		t.share()
		topics = append(topics, t)
	}
	return topics, nil
}

// led drops the error that some partitions have no leader: their offsets are not among
// those listed.
func led(offsets kadm.ListedOffsets, err error) (kadm.ListedOffsets, error) {
	var shards *kadm.ShardErrors
	if !errors.As(err, &shards) {
		return offsets, err
	}
	for _, s := range shards.Errs {
		if !errors.Is(s.Err, kerr.LeaderNotAvailable) {
			return offsets, err
		}
	}
	return offsets, nil
}

// faultText says what is wrong with a partition.
func faultText(leader int32, err error) string {
	if leader < 0 || errors.Is(err, kerr.LeaderNotAvailable) {
		return "offline: it has no leader"
	}
	return err.Error()
}

// compacted says which topics are compacted. Whoever may not know counts as if they
// were not: it is a detail, and not worth an error.
func (v *View) compacted(ctx context.Context, names []string) map[string]bool {
	const policy = "cleanup.policy"
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName, r.ConfigNames = kmsg.ConfigResourceTypeTopic, name, []string{policy}
		req.Resources = append(req.Resources, r)
	}
	out := map[string]bool{}
	resp, err := req.RequestWith(ctx, v.client)
	if err != nil {
		return out
	}
	for _, r := range resp.Resources {
		for _, c := range r.Configs {
			if c.Name == policy && c.Value != nil {
				out[r.ResourceName] = strings.Contains(*c.Value, "compact")
			}
		}
	}
	return out
}

type place struct {
	topic     string
	partition int32
}

// sizes are of the largest replica of each partition, none if the brokers do not
// tell them: a size is not worth an error.
func (v *View) sizes(ctx context.Context, topics kadm.TopicsSet) map[place]int64 {
	sizes := map[place]int64{}
	brokers, _ := v.admin.DescribeAllLogDirs(ctx, topics) // what is told beside an error counts
	for _, dirs := range brokers {
		dirs.EachPartition(func(p kadm.DescribedLogDirPartition) {
			at := place{p.Topic, p.Partition}
			sizes[at] = max(sizes[at], p.Size)
		})
	}
	return sizes
}

// share adds up the partitions and says what part of the sum each is.
func (t *Topic) share() {
	fullest := int64(0)
	for _, p := range t.Partitions {
		t.Records += p.Records
		t.Bytes += p.Bytes
		fullest = max(fullest, p.Records)
	}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if t.Records > 0 {
			p.RecordShare = float64(p.Records) / float64(t.Records)
		}
		if t.Bytes > 0 {
			p.ByteShare = float64(p.Bytes) / float64(t.Bytes)
		}
	}
	if t.Records > 0 {
		t.Skew = float64(fullest) * float64(len(t.Partitions)) / float64(t.Records)
	}
}
