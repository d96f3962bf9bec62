package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// target is how far a run without --follow goes: the partitions that have
// something left.
type target struct {
	mu        sync.Mutex
	known     bool // the partitions have been found out
	remaining map[int32]span
	err       error
	changed   chan struct{} // signalled after an assignment
}

// span is what is left of a partition: from the next offset to read to the end,
// which is exclusive.
type span struct{ next, end int64 }

func newTarget() *target {
	return &target{remaining: map[int32]span{}, changed: make(chan struct{}, 1)}
}

func (t *target) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = true
	t.err = errors.Join(t.err, err)
	select {
	case t.changed <- struct{}{}:
	default:
	}
}

func (t *target) drop(partitions []int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range partitions {
		delete(t.remaining, p)
	}
}

func (t *target) read(partition int32, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left, ok := t.remaining[partition]
	switch {
	case !ok:
	case offset >= left.end-1:
		delete(t.remaining, partition)
	case offset >= left.next:
		t.remaining[partition] = span{next: offset + 1, end: left.end}
	}
}

// reached reports whether everything that was there has been read.
func (t *target) reached() (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known && len(t.remaining) == 0, t.err
}

// settle drops the partitions in which nothing is left to read although their
// end has not been reached: a broker that keeps records up to the end, but
// answers a fetch with none, has lost the rest to compaction.
func (t *target) settle(ctx context.Context, client *kgo.Client, topic string, committed bool) error {
	t.mu.Lock()
	left := map[int32]span{}
	for p, s := range t.remaining {
		left[p] = s
	}
	t.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	details, err := kadm.NewClient(client).ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return err
	}
	d := details[topic]
	if d.Err != nil {
		return fmt.Errorf("topic %s: %w", topic, d.Err)
	}
	for p, s := range left {
		empty, err := nothingIn(ctx, client, d, p, s, committed)
		if err != nil {
			return fmt.Errorf("topic %s, partition %d: %w", topic, p, err)
		}
		if empty {
			t.read(p, s.end-1)
		}
	}
	return nil
}

// nothingIn fetches the span of a partition and reports whether there is no
// record in it. What may pass by itself counts as something.
func nothingIn(ctx context.Context, client *kgo.Client, d kadm.TopicDetail, partition int32, s span, committed bool) (bool, error) {
	place, ok := d.Partitions[partition]
	if !ok || place.Err != nil {
		return false, place.Err
	}
	isolation := kgo.ReadUncommitted()
	if committed {
		isolation = kgo.ReadCommitted()
	}
	for next := s.next; next < s.end; {
		p, err := fetchOnce(ctx, client.Broker(int(place.Leader)), d, partition, next, committed)
		switch {
		case kerr.IsRetriable(err):
			return false, nil
		case errors.Is(err, kerr.OffsetOutOfRange): // the beginning has moved
			return p.LogStartOffset >= s.end, nil
		case err != nil:
			return false, err
		}
		until := p.HighWatermark
		if committed && p.LastStableOffset >= 0 {
			until = p.LastStableOffset
		}
		if len(p.RecordBatches) == 0 {
			return until >= s.end, nil
		}
		found, after := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
			Offset: next, IsolationLevel: isolation, KeepControlRecords: true, Topic: d.Topic, Partition: partition,
		}, p, kgo.DefaultDecompressor(), nil)
		if found.Err != nil || len(found.Records) > 0 || after <= next {
			return false, nil
		}
		next = after
	}
	return true, nil
}

// fetchOnce asks for what a partition has from an offset on, without waiting.
func fetchOnce(ctx context.Context, broker *kgo.Broker, d kadm.TopicDetail, partition int32, offset int64, committed bool) (*kmsg.FetchResponseTopicPartition, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes = 1 << 20
	if committed {
		req.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = d.Topic, d.ID
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = partition, offset, 1<<20
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	answer, err := req.RequestWith(ctx, broker)
	if err != nil {
		return nil, err
	}
	for i := range answer.Topics {
		for j := range answer.Topics[i].Partitions {
			p := &answer.Topics[i].Partitions[j]
			return p, kerr.ErrorForCode(p.ErrorCode)
		}
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	return nil, errors.New("a fetch was answered without the partition")
}
