package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// MaxTail bounds what one Tail reads of each partition.
const MaxTail = 1000

// Tail returns the last records of a topic, at most n, the newest first: of all
// partitions, or of one if partition is not negative. Aborted records are left
// out. When the context ends, what was read until then is returned.
func (v *View) Tail(ctx context.Context, topic string, partition int32, n int) ([]*kgo.Record, error) {
	n = min(n, MaxTail)
	topics, err := v.Topics(ctx, true, topic)
	if err != nil {
		return nil, err
	}
	from := map[int32]kgo.Offset{}
	until := map[int32]int64{}
	committed, err := led(v.admin.ListCommittedOffsets(ctx, topic))
	if err != nil {
		return nil, err
	}
	for _, p := range topics[0].Partitions {
		if partition >= 0 && p.Partition != partition {
			continue
		}
		end, ok := committed.Lookup(topic, p.Partition)
		if !ok || end.Err != nil || end.Offset <= p.StartOffset {
			continue
		}
		// Control records take offsets, too: read a few more.
		from[p.Partition] = kgo.NewOffset().At(max(p.StartOffset, end.Offset-int64(n)-int64(n)/4-2))
		until[p.Partition] = end.Offset
	}
	if len(from) == 0 || n <= 0 {
		return nil, nil
	}
	reader, err := kgo.NewClient(append(v.client.Opts(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last record of a partition may be one
		kgo.FetchMaxPartitionBytes(1<<20),
	)...)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var records []*kgo.Record
	for len(until) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		if err := fetches.Err0(); err != nil {
			return nil, err
		}
		var fault error
		fetches.EachError(func(_ string, p int32, err error) {
			delete(until, p)
			fault = errors.Join(fault, err)
		})
		if fault != nil {
			return nil, &TopicError{Topic: topic, Err: fault}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, open := until[r.Partition]
			if open && r.Offset >= end-1 {
				delete(until, r.Partition)
			}
			if r.Offset < end && !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	slices.SortStableFunc(records, func(a, b *kgo.Record) int {
		return cmp.Or(b.Timestamp.Compare(a.Timestamp), cmp.Compare(a.Partition, b.Partition), cmp.Compare(b.Offset, a.Offset))
	})
	return records[:min(n, len(records))], nil
}
