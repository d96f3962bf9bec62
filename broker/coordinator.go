package broker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Names of the topics that coordinators keep their state in.
const (
	offsetsTopic = "__consumer_offsets"
	txnTopic     = "__transaction_state"
)

// internalTopicConfigs are the configurations of the coordinators' topics: only
// the last record of each key counts, and a batch may hold a large group.
var internalTopicConfigs = map[string]string{
	"cleanup.policy":    "compact",
	"compression.type":  "producer",
	"segment.bytes":     "104857600",
	"max.message.bytes": "104857600",
}

// coordinatorShard runs one state machine on one partition: one goroutine calls
// the machine, in the order in which requests came; another waits for the disk
// and gives answers, in the same order. What a machine has decided is written
// before the next request is looked at, and answered once it is durable.
//
//	handlers ─▶ calls ─▶ run: machine ─▶ log.Append ─▶ outbox ─▶ release: WaitDurable ─▶ answers
//	                       ▲ timers
//
// If the log refuses a write, the machine is ahead of it: it is thrown away,
// everybody who waits gets a retriable code, and a new one is read from the log.
type coordinatorShard struct {
	b         *Broker
	log       *slog.Logger
	topic     string
	partition int32

	machine machine // used by run only

	mu     sync.Mutex
	calls  []func(now time.Time) // not yet run
	outbox []outgoing            // not yet durable
	wake   chan struct{}
	ready  chan struct{}
	over   chan struct{} // closed when run has ended
	ended  bool          // the same, under mu
	up     atomic.Bool   // the machine has read its log
	last   int64         // end of what run has appended
	failed atomic.Bool   // a write was lost; the machine must be made anew
}

// machine is what the two kinds of coordinator have in common: fresh replaces
// the state machine by one without state, the replays feed it the log, loaded
// starts it, tick does what is due and next says when that is. All but lost run
// on the goroutine of run.
type machine interface {
	fresh()
	replayRecord(b record.Batch, key, value []byte) error
	replayMarker(b record.Batch, m record.Marker)
	loaded(now time.Time)
	tick(now time.Time)
	next() time.Time
	lost() // answers will not come: tell everybody who waits
}

// outgoing waits for the log to be durable up to end.
type outgoing struct {
	end     int64
	deliver func(err error)
}

// reloadDelay is the time between two tries to read a partition.
const reloadDelay = time.Second

func newCoordinatorShard(b *Broker, topic string, partition int32) *coordinatorShard {
	return &coordinatorShard{b: b, topic: topic, partition: partition,
		log:  b.log.With("topic", topic, "partition", partition),
		wake: make(chan struct{}, 1), ready: make(chan struct{}, 1), over: make(chan struct{})}
}

// start runs the shard until ctx ends.
func (s *coordinatorShard) start(ctx context.Context, running *sync.WaitGroup) {
	running.Go(func() { s.run(ctx) })
	running.Go(func() { s.release(ctx) })
}

// call queues f to run on the machine's goroutine. Once that has ended, f runs
// at once, and finds the machine not usable.
func (s *coordinatorShard) call(f func(now time.Time)) {
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.calls = append(s.calls, f)
	}
	s.mu.Unlock()
	if ended {
		f(s.b.opts.Now())
		return
	}
	signal(s.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *coordinatorShard) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if !s.up.Load() || s.failed.Load() {
			s.reload(ctx)
		}
		s.mu.Lock()
		calls := s.calls
		s.calls = nil
		s.mu.Unlock()
		for _, f := range calls {
			f(s.b.opts.Now())
		}
		wait := reloadDelay
		if s.up.Load() && !s.failed.Load() {
			now := s.b.opts.Now()
			next := s.machine.next()
			if !next.IsZero() && !next.After(now) {
				s.machine.tick(now)
				next = s.machine.next()
			}
			wait = time.Minute
			if !next.IsZero() {
				wait = max(next.Sub(s.b.opts.Now()), time.Millisecond)
			}
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
			s.end()
			return
		}
	}
}

// end answers what is left when the broker stops.
func (s *coordinatorShard) end() {
	s.up.Store(false)
	s.mu.Lock()
	calls := s.calls
	s.calls, s.ended = nil, true
	s.mu.Unlock()
	for _, f := range calls {
		f(s.b.opts.Now())
	}
	s.machine.lost()
	close(s.over)
}

// reload makes the machine anew from the log.
func (s *coordinatorShard) reload(ctx context.Context) {
	s.up.Store(false)
	s.machine.lost()
	s.machine.fresh()
	part := s.part()
	if part == nil || part.log == nil {
		return // it is offline, which is logged elsewhere
	}
	if err := s.replay(ctx, part); err != nil {
		s.b.noted(FaultCoordinator, s.topic, s.partition, "coordinator cannot read its partition", err)
		return
	}
	s.failed.Store(false)
	s.up.Store(true)
	s.machine.loaded(s.b.opts.Now())
}

func (s *coordinatorShard) part() *Partition {
	t := s.b.topics.byName(s.topic)
	if t == nil {
		return nil
	}
	return t.partition(s.partition)
}

func (s *coordinatorShard) replay(ctx context.Context, part *Partition) error {
	began, records := time.Now(), 0
	s.last = part.log.EndOffset()
	for offset := part.log.StartOffset(); offset < s.last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		read, err := part.log.Read(commitlog.ReadOptions{Offset: offset, MaxBytes: 1 << 20, MinOneBatch: true, UpTo: commitlog.UpToEnd})
		if err != nil {
			return err
		}
		if read.NextOffset <= offset {
			read.Release()
			break
		}
		offset = read.NextOffset
		for b, err := range record.All(read.Records) {
			if err == nil {
				err = b.CheckCRC()
			}
			if err == nil {
				err = s.replayBatch(ctx, b, &records)
			}
			if err != nil {
				read.Release()
				return fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
			}
		}
		read.Release()
	}
	if records > 0 {
		s.log.Info("coordinator has read its partition", "records", records, "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

func (s *coordinatorShard) replayBatch(ctx context.Context, b record.Batch, records *int) error {
	if b.IsControl() {
		m, ok, err := b.Control()
		if err == nil && ok {
			s.machine.replayMarker(b, m)
		}
		return err
	}
	opened := b.Open(record.OpenOptions{MaxBytes: maxCoordinatorBatchBytes, Room: s.b.room(ctx)})
	defer opened.Close()
	it, err := opened.Records()
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		*records++
		r := it.Record()
		if err := s.machine.replayRecord(b, slices.Clone(r.Key), slices.Clone(r.Value)); err != nil {
			// One record of another broker's that we cannot read must not take
			// all groups of the partition with it.
			s.log.Error("record of a coordinator cannot be read, and is skipped", "offset", b.BaseOffset(), "err", err)
		}
	}
	return it.Err()
}

// maxCoordinatorBatchBytes bounds an unpacked batch of a coordinator's topic.
const maxCoordinatorBatchBytes = 256 << 20

// write appends a batch and has deliver called once it, and everything before
// it, is durable. A nil batch writes nothing. It runs on run's goroutine.
func (s *coordinatorShard) write(batch []byte, deliver func(err error)) {
	var err error
	if batch != nil {
		if part := s.part(); part == nil || part.log == nil {
			err = fmt.Errorf("broker: there is no partition %s-%d", s.topic, s.partition)
		} else {
			var a commitlog.Appended
			a, err = part.log.Append(context.Background(), batch, commitlog.AppendOptions{Origin: commitlog.FromCoordinator, TxnVerified: true})
			if err == nil {
				s.last = a.EndOffset()
			}
		}
	}
	if batch != nil {
		s.b.written(err)
		s.b.noted(FaultCoordinator, s.topic, s.partition, "coordinator cannot write", err)
	}
	if err != nil {
		s.failed.Store(true)
		deliver(err)
		return
	}
	s.mu.Lock()
	s.outbox = append(s.outbox, outgoing{s.last, deliver})
	s.mu.Unlock()
	signal(s.ready)
}

// release waits for the disk and delivers, in order.
func (s *coordinatorShard) release(ctx context.Context) {
	for {
		s.mu.Lock()
		batch := s.outbox
		s.outbox = nil
		s.mu.Unlock()
		for _, o := range batch {
			o.deliver(s.waitDurable(ctx, o.end))
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-s.ready:
		case <-s.over:
			s.mu.Lock()
			batch := s.outbox
			s.outbox = nil
			s.mu.Unlock()
			for _, o := range batch {
				o.deliver(s.waitDurable(ctx, o.end))
			}
			return
		}
	}
}

func (s *coordinatorShard) waitDurable(ctx context.Context, end int64) error {
	part := s.part()
	if part == nil || part.log == nil {
		return fmt.Errorf("broker: there is no partition %s-%d", s.topic, s.partition)
	}
	err := part.log.WaitDurable(ctx, end)
	if err != nil && ctx.Err() == nil && !s.failed.Swap(true) {
		s.log.Error("coordinator's writes are not durable", "err", err)
		signal(s.wake)
	}
	return err
}

// unavailable is the code for a coordinator that is not there now.
func (s *coordinatorShard) unavailable() int16 {
	switch {
	case s.b.stopping.Err() != nil:
		return kerr.CoordinatorNotAvailable.Code
	case s.failed.Load():
		return kerr.NotCoordinator.Code
	}
	return kerr.CoordinatorLoadInProgress.Code
}

// usable says whether the machine may be asked.
func (s *coordinatorShard) usable() bool { return s.up.Load() && !s.failed.Load() }

// coordinatorBatch makes the one batch that an operation writes.
func coordinatorBatch(now time.Time, producer *record.Producer, records func(add func(key, value []byte))) ([]byte, error) {
	b := record.NewBuilder(record.BatchOptions{Producer: producer, Transactional: producer != nil})
	records(func(key, value []byte) { b.Add(now.UnixMilli(), key, value) })
	if b.Count() == 0 {
		return nil, nil
	}
	return b.Append(nil)
}

// partitionOf is the partition of an internal topic that is responsible for a
// group or a transactional ID, the same that Kafka chooses.
func partitionOf(key string, partitions int32) int32 {
	var h int32
	for _, c := range utf16.Encode([]rune(key)) {
		h = 31*h + int32(c)
	}
	return (h & 0x7fffffff) % partitions
}
