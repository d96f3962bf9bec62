package broker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// shareTopic is where the delivery state of share groups is kept. Its records
// are laid over one another, so it is cut at the front and not compacted.
const shareTopic = "__share_group_state"

var shareTopicConfigs = map[string]string{
	"cleanup.policy":    "delete",
	"retention.ms":      "-1",
	"retention.bytes":   "-1",
	"compression.type":  "producer",
	"segment.bytes":     "104857600",
	"max.message.bytes": "104857600",
}

// shareCoordinators keep the delivery state of share groups, one coordinator per
// partition of `__share_group_state`.
type shareCoordinators struct {
	shards[*shareShard]
	opts    share.Options
	waiting shareWaiting
}

// shareShard is the coordinator of one partition.
type shareShard struct {
	*coordinatorShard
	of    *shareCoordinators
	c     *share.Coordinator
	known *catalogState // for which deleted topics were last looked for

	// whole is where the last record lies that tells all of a share partition:
	// what is before the first of them is not needed. pruneAt is when it is to
	// be cut off.
	whole   map[share.Key]int64
	pruneAt time.Time
}

// shareWaiting is who waits for records of share partitions to be available.
type shareWaiting struct {
	mu    sync.Mutex
	byKey map[share.Key]map[chan struct{}]struct{}
}

func (w *shareWaiting) add(k share.Key, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byKey == nil {
		w.byKey = map[share.Key]map[chan struct{}]struct{}{}
	}
	if w.byKey[k] == nil {
		w.byKey[k] = map[chan struct{}]struct{}{}
	}
	w.byKey[k][c] = struct{}{}
}

func (w *shareWaiting) remove(k share.Key, c chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.byKey[k], c); len(w.byKey[k]) == 0 {
		delete(w.byKey, k)
	}
}

func (w *shareWaiting) signal(k share.Key) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.byKey[k] {
		signal(c)
	}
}

func newShareCoordinators(b *Broker, opts share.Options) *shareCoordinators {
	s := &shareCoordinators{opts: opts}
	s.shards = shards[*shareShard]{b: b, topic: shareTopic, configs: shareTopicConfigs, keeps: "share groups",
		on: func(c *coordinatorShard) (*shareShard, machine) {
			shard := &shareShard{of: s, coordinatorShard: c}
			return shard, shard
		}}
	return s
}

// shard returns the coordinator of a share partition.
func (s *shareCoordinators) shard(k share.Key) (*shareShard, error) {
	return s.shards.shard(shareKeyText(k))
}

func (s *shareShard) fresh() {
	s.c = share.New(s.of.opts, s.log)
	s.known, s.whole = nil, map[share.Key]int64{}
}

func (s *shareShard) replayRecord(b record.Batch, key, value []byte) error {
	if err := s.c.Replay(key, value); err != nil {
		return err
	}
	if k, whole, ok := share.Of(key); ok && whole {
		s.note(k, b.BaseOffset(), value == nil)
	}
	return nil
}

// note remembers where a share partition was last written whole.
func (s *shareShard) note(k share.Key, offset int64, deleted bool) {
	if deleted {
		delete(s.whole, k)
	} else {
		s.whole[k] = offset
	}
}

func (s *shareShard) replayMarker(record.Batch, record.Marker) {}

func (s *shareShard) loaded(now time.Time) {
	s.pruneAt = now.Add(sharePruneEvery)
	s.refreshTopics(now)
}

func (s *shareShard) tick(now time.Time) {
	s.refreshTopics(now)
	s.carryOut(now, s.c.Tick(now), nil)
	if !s.pruneAt.After(now) {
		s.pruneAt = now.Add(sharePruneEvery)
		s.prune(now)
	}
}

func (s *shareShard) next() time.Time {
	if t := s.c.NextTimer(); !t.IsZero() && t.Before(s.pruneAt) {
		return t
	}
	return s.pruneAt
}

func (s *shareShard) lost() {}

const (
	// sharePruneEvery is how often records that are not needed are cut off.
	sharePruneEvery = 5 * time.Minute
	// shareStale is how many records may follow on the last snapshot of a share
	// partition before it is written anew, so that it holds nothing up.
	shareStale = 10_000
)

// prune writes share partitions whole whose last snapshot is far back, and cuts
// off what lies before all snapshots.
func (s *shareShard) prune(now time.Time) {
	stale := s.last - shareStale
	for k, offset := range s.whole {
		if offset < stale {
			s.carryOut(now, s.c.Snapshot(now, k), nil)
		}
	}
	needed := s.last
	for _, offset := range s.whole {
		needed = min(needed, offset)
	}
	part := s.part()
	if part == nil || part.log == nil || needed <= part.log.StartOffset() {
		return
	}
	s.write(nil, func(err error) { // once the snapshots are on the disk
		if err != nil {
			return
		}
		if _, err := part.log.DeleteRecordsBefore(needed); err != nil {
			s.log.Error("records that are not needed could not be cut off", "err", err)
		}
	})
}

// refreshTopics drops the share partitions of topics that are gone.
func (s *shareShard) refreshTopics(now time.Time) {
	state := s.b.topics.state.Load()
	if state == s.known {
		return
	}
	s.known = state
	var gone []share.Key
	s.c.Keys(func(k share.Key) {
		if state.ids[k.Topic] == nil {
			gone = append(gone, k)
		}
	})
	for _, k := range gone {
		s.carryOut(now, s.c.Delete(k), nil)
	}
}

// carryOut does what the machine asks for, and calls then, if it is not nil,
// once all is durable or lost. What wrote nothing is told at once.
func (s *shareShard) carryOut(now time.Time, e share.Effects, then func(err error)) {
	s.b.metrics.shared(e.Counts)
	batch, err := coordinatorBatch(now, nil, func(add func(key, value []byte)) {
		for _, r := range e.Records {
			add(r.Key, r.Value)
		}
	})
	deliver := func(err error) {
		if then != nil {
			then(err)
		}
	}
	switch {
	case err != nil:
		s.log.Error("coordinator cannot make a batch", "err", err)
		s.failed.Store(true)
		deliver(err)
		return
	case batch == nil:
		deliver(nil)
	default:
		s.write(batch, deliver)
		base := s.last - int64(len(e.Records))
		for i, r := range e.Records {
			if r.Whole {
				s.note(r.Of, base+int64(i), r.Value == nil)
			}
		}
	}
	for _, k := range e.Ready {
		s.of.waiting.signal(k)
	}
}

// do runs op on the machine and calls then once what it did is durable; a code
// other than 0 says that the coordinator is not there, or that its writes are lost.
func (s *shareShard) do(op func(now time.Time) share.Effects, then func(code int16)) {
	s.call(func(now time.Time) {
		if !s.usable() {
			then(s.unavailable())
			return
		}
		s.refreshTopics(now)
		s.carryOut(now, op(now), func(err error) {
			if err != nil {
				then(s.unavailable())
				return
			}
			then(0)
		})
	})
}

// ask is do for who can wait.
func (s *shareShard) ask(ctx context.Context, op func(now time.Time) share.Effects) (code int16) {
	done := make(chan int16, 1)
	s.do(op, func(code int16) { done <- code })
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
		return kerr.CoordinatorNotAvailable.Code
	}
}

// release gives back everything that a member of a group has. delivered says that
// the member may have seen it.
func (s *shareCoordinators) release(m group.Member, delivered bool) {
	all := s.all.Load()
	if all == nil {
		return
	}
	for _, shard := range *all {
		shard.do(func(now time.Time) share.Effects { return shard.c.Release(now, m.Group, m.ID, delivered) }, func(int16) {})
	}
}

// eachKey asks the coordinators of many share partitions and waits for all; the
// first code that is not 0 is returned.
func (s *shareCoordinators) eachKey(keys []share.Key, op func(c *share.Coordinator, now time.Time, k share.Key) share.Effects) (code int16) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, k := range keys {
		shard, err := s.shard(k)
		if err != nil {
			return kerr.CoordinatorNotAvailable.Code
		}
		all.Add(1)
		shard.do(func(now time.Time) share.Effects { return op(shard.c, now, k) }, func(c int16) {
			mu.Lock()
			code = cmp.Or(code, c)
			mu.Unlock()
			all.Done()
		})
	}
	all.Wait() // ends also when the broker stops: every call is answered then
	return code
}

// deleteGroup removes the delivery state of a group.
func (s *shareCoordinators) deleteGroup(id string) (code int16) {
	all, err := s.open(false)
	if err != nil {
		return kerr.CoordinatorNotAvailable.Code
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	for _, shard := range all {
		wait.Add(1)
		shard.do(func(now time.Time) (e share.Effects) {
			var keys []share.Key
			shard.c.Keys(func(k share.Key) {
				if k.Group == id {
					keys = append(keys, k)
				}
			})
			slices.SortFunc(keys, func(x, y share.Key) int { return cmp.Compare(x.String(), y.String()) })
			for _, k := range keys {
				e.Records = append(e.Records, shard.c.Delete(k).Records...)
			}
			return e
		}, func(c int16) {
			mu.Lock()
			code = cmp.Or(code, c)
			mu.Unlock()
			wait.Done()
		})
	}
	wait.Wait()
	return code
}

// startOf is where a share partition of a group begins that has no state yet.
func (s *shareCoordinators) startOf(ctx context.Context, id string, p *Partition) (int64, error) {
	o := p.offsets()
	switch reset, age := s.b.groupConfigs.reset(id); {
	case reset == resetEarliest:
		return o.Start, nil
	case reset == resetByDuration:
		since := s.b.opts.Now().Add(-age).UnixMilli()
		found, ok, err := p.log.OffsetForTimestamp(since, s.b.room(ctx))
		if err != nil {
			return 0, err
		}
		if ok {
			return min(max(found.Offset, o.Start), o.HighWatermark), nil
		}
	}
	return o.HighWatermark, nil
}
