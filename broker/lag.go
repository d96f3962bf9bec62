package broker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// GroupLag is how far a group is behind the partitions that it has committed
// offsets of, or that its members have.
//
//	 committed          high watermark
//	     ▼                    ▼
//	─────┬────┬────┬────┬─────
//	     │ 17 │ 18 │ 19 │            lag: 3 records
//	─────┴────┴────┴────┴─────       lag in time: the age of record 17
//
// The lag in time is the age of the oldest record that was not consumed, by the
// time that its batch bears; with nothing to consume it is zero. Where nothing was
// committed nothing is known to be consumed: all counts that there is.
type GroupLag struct {
	Group      string
	State      string
	Members    int
	Records    int64         // of all partitions
	Time       time.Duration // of the partition that is furthest behind
	Partitions []PartitionLag
}

// PartitionLag is the lag of a group in one partition.
type PartitionLag struct {
	Topic      string
	Partition  int32
	Committed  int64     // the next offset to consume, or -1
	CommitTime time.Time // or zero
	LogStart   int64
	LogEnd     int64 // the high watermark
	Records    int64
	Time       time.Duration
}

// Lags returns the lag of groups by name: of the named ones that are there, or of
// all.
func (b *Broker) Lags(ctx context.Context, v Viewer, names ...string) ([]GroupLag, error) {
	if !b.isRunning() {
		return nil, ErrClosed
	}
	all, err := b.groups.positions(ctx)
	if err != nil {
		return nil, err
	}
	now := b.opts.Now()
	out := []GroupLag{}
	for _, g := range all {
		if len(names) > 0 && !slices.Contains(names, g.Group) || !b.shows(v, kmsg.ACLResourceTypeGroup, g.Group) {
			continue
		}
		lag := GroupLag{Group: g.Group, State: string(g.State), Members: g.Members, Partitions: []PartitionLag{}}
		for _, at := range g.At {
			if !b.shows(v, kmsg.ACLResourceTypeTopic, at.Topic) {
				continue
			}
			if one, ok := b.lagAt(now, at); ok {
				lag.Records += one.Records
				lag.Time = max(lag.Time, one.Time)
				lag.Partitions = append(lag.Partitions, one)
			}
		}
		out = append(out, lag)
	}
	return out, nil
}

// lagAt is false for partitions that are gone or offline.
func (b *Broker) lagAt(now time.Time, at group.Position) (PartitionLag, bool) {
	p, err := b.partition(at.Topic, at.Partition)
	if err != nil {
		return PartitionLag{}, false
	}
	o := p.offsets()
	lag := PartitionLag{Topic: at.Topic, Partition: at.Partition, Committed: at.Offset, LogStart: o.Start, LogEnd: o.HighWatermark}
	if at.CommitMillis > 0 {
		lag.CommitTime = time.UnixMilli(at.CommitMillis)
	}
	next := max(at.Offset, o.Start)
	if lag.Records = o.HighWatermark - next; lag.Records <= 0 {
		lag.Records = 0
		return lag, true
	}
	if ms, ok, err := p.log.TimestampAt(next); err == nil && ok && ms >= 0 {
		lag.Time = max(0, now.Sub(time.UnixMilli(ms)))
	}
	return lag, true
}

// positions asks all coordinators for the offsets of their groups. One that is not
// there now has none to tell.
func (g *groupCoordinators) positions(ctx context.Context) ([]group.Positions, error) {
	shards, err := g.open(false)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var out []group.Positions
	var all sync.WaitGroup
	for _, s := range shards {
		all.Add(1)
		s.do(func(time.Time) group.Effects {
			got := s.c.AllPositions()
			mu.Lock()
			defer mu.Unlock()
			out = append(out, got...)
			return group.Effects{}
		}, func(int16) { all.Done() })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(out, func(a, b group.Positions) int { return strings.Compare(a.Group, b.Group) })
	return out, nil
}
