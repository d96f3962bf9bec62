package consumer

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// scheduler holds the records that were fetched, hands them to workers in the
// order that was asked for, and knows what may be committed. One mutex guards
// everything in it; it is not held while anything blocks.
type scheduler struct {
	order       Order
	maxBuffered int
	flow        flowControl
	seed        maphash.Seed

	mu      sync.Mutex
	work    *sync.Cond // a lane became ready, or stopped
	ended   *sync.Cond // a task ended
	parts   map[topicPartition]*partition
	ready   []*lane // first in, first out
	running int
	stopped bool
	keys    heavyHitters
}

// flowControl is the part of the Kafka client that pauses and resumes.
type flowControl interface {
	PauseFetchPartitions(map[string][]int32) map[string][]int32
	ResumeFetchPartitions(map[string][]int32)
}

type topicPartition struct {
	topic     string
	partition int32
}

// partition is one assignment of a partition: when it comes back later, it is
// another one.
type partition struct {
	topicPartition
	tracker   tracker
	committed int64 // offset that the broker has from us; -1 for none
	lanes     map[uint64]*lane
	buffered  int   // records in lanes, running ones included
	running   int   // handlers at work
	ready     int   // lanes in scheduler.ready
	started   int64 // highest offset that a handler got; -1 for none
	gone      bool  // given up: what comes after until does not start any more
	until     int64

	ctx    context.Context // of its handlers
	cancel context.CancelFunc

	flow       sync.Mutex // held across calls of the client; before scheduler.mu
	wantPaused bool       // guarded by scheduler.mu
	paused     bool       // guarded by flow

	highWatermark int64
	handled       int64
	last          time.Time // timestamp of the record handled last
}

// lane is a queue of records that are handled one after the other. It exists
// while it has any.
type lane struct {
	part  *partition
	id    uint64
	tasks []task
	timer *time.Timer // before another attempt
}

// open reports whether the lane's next record may start. Of a partition that is
// given up, records start that lie before others that were handled already:
// without them those could not be committed, and would be handled twice.
func (l *lane) open() bool {
	return len(l.tasks) > 0 && l.timer == nil && (!l.part.gone || l.tasks[0].record.Offset <= l.part.until)
}

// task is a record on its way.
type task struct {
	record   *kgo.Record
	attempts int   // made so far, at handling it or at burying it
	reason   error // why it goes to the dead-letter topic; nil if it does not
	tries    int   // attempts at handling it, once reason is set
}

func newScheduler(order Order, maxBuffered int) *scheduler {
	s := &scheduler{order: order, maxBuffered: maxBuffered, seed: maphash.MakeSeed(), parts: map[topicPartition]*partition{}}
	s.work, s.ended = sync.NewCond(&s.mu), sync.NewCond(&s.mu)
	return s
}

// assign starts a partition whose handlers get contexts from parent.
func (s *scheduler) assign(parent context.Context, topic string, id int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &partition{topicPartition: topicPartition{topic, id}, tracker: newTracker(), committed: -1, started: -1, lanes: map[uint64]*lane{}}
	p.ctx, p.cancel = context.WithCancel(parent)
	s.parts[p.topicPartition] = p
}

// add queues fetched records of one partition. Those of a partition that is not
// assigned are dropped: its next owner gets them.
func (s *scheduler) add(fetched kgo.FetchTopicPartition) {
	s.mu.Lock()
	p := s.parts[topicPartition{fetched.Topic, fetched.Partition}]
	if p == nil || s.stopped {
		s.mu.Unlock()
		return
	}
	p.highWatermark = max(p.highWatermark, fetched.HighWatermark)
	for _, r := range fetched.Records {
		if p.tracker.take(r.Offset, r.LeaderEpoch) {
			s.keys.add(r.Key)
			s.enqueue(p, r)
		}
	}
	p.wantPaused = p.buffered >= s.maxBuffered
	s.mu.Unlock()
	s.control(p)
}

// enqueue needs mu.
func (s *scheduler) enqueue(p *partition, r *kgo.Record) {
	id := s.laneOf(r)
	l := p.lanes[id]
	if l == nil {
		l = &lane{part: p, id: id}
		p.lanes[id] = l
		s.makeReady(l)
	}
	l.tasks = append(l.tasks, task{record: r})
	p.buffered++
}

// laneOf returns the lane of a record within its partition. Two keys may share
// one, which costs parallelism and nothing else.
func (s *scheduler) laneOf(r *kgo.Record) uint64 {
	switch {
	case s.order == OrderByPartition:
		return 0
	case s.order == OrderByKey && r.Key != nil:
		return maphash.Bytes(s.seed, r.Key)
	}
	return uint64(r.Offset) //nolint:gosec // any number will do
}

// makeReady needs mu.
func (s *scheduler) makeReady(l *lane) {
	s.ready = append(s.ready, l)
	l.part.ready++
	s.work.Signal()
}

// next waits for a lane with something to do and returns it with its first
// task. It reports false when the scheduler has stopped.
func (s *scheduler) next() (*lane, task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.stopped && len(s.ready) == 0 {
		s.work.Wait()
	}
	if len(s.ready) == 0 {
		return nil, task{}, false
	}
	l := s.ready[0]
	s.ready[0] = nil
	s.ready = s.ready[1:]
	p := l.part
	p.ready--
	p.running++
	s.running++
	p.started = max(p.started, l.tasks[0].record.Offset)
	return l, l.tasks[0], true
}

// finish ends the first task of l, which was handled. It reports whether the
// offset to commit moved, and the offset.
func (s *scheduler) finish(l *lane) (moved bool, next int64) {
	s.mu.Lock()
	p := l.part
	r := l.tasks[0].record
	moved = p.tracker.handled(r.Offset)
	next = p.tracker.next
	p.handled++
	p.last = r.Timestamp
	p.buffered--
	l.tasks[0] = task{}
	l.tasks = l.tasks[1:]
	switch {
	case l.open():
		s.makeReady(l)
	case len(l.tasks) == 0:
		delete(p.lanes, l.id)
	}
	s.end(p)
	resume := p.wantPaused && p.buffered <= s.maxBuffered/2
	if resume {
		p.wantPaused = false
	}
	s.mu.Unlock()
	if resume {
		s.control(p)
	}
	return moved, next
}

// again ends an attempt at the first task of l and schedules another one after
// d. t replaces the task.
func (s *scheduler) again(l *lane, t task, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(l.part)
	if l.part.gone {
		return
	}
	l.tasks[0] = t
	l.timer = time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !l.part.gone {
			l.timer = nil
			s.makeReady(l)
		}
	})
}

// abandon ends the first task of l without a result: it will be handled
// elsewhere, or after a restart.
func (s *scheduler) abandon(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(l.part)
}

// end needs mu.
func (s *scheduler) end(p *partition) {
	p.running--
	s.running--
	s.ended.Broadcast()
}

// control makes the client's pausing what it should be. It must not hold mu
// while it calls the client; flow keeps the calls of two goroutines in order.
func (s *scheduler) control(p *partition) {
	p.flow.Lock()
	defer p.flow.Unlock()
	s.mu.Lock()
	want := p.wantPaused && !p.gone
	s.mu.Unlock()
	if want == p.paused {
		return
	}
	p.paused = want
	which := map[string][]int32{p.topic: {p.partition}}
	if want {
		s.flow.PauseFetchPartitions(which)
	} else {
		s.flow.ResumeFetchPartitions(which)
	}
}

// release takes partitions out of the schedule. Handlers that run may finish
// until wait ends, and so may the records before those that were handled; then
// the handlers' contexts end, and whatever still runs is waited for no longer.
func (s *scheduler) release(wait context.Context, which map[string][]int32) []*partition {
	s.mu.Lock()
	var out []*partition
	for topic, ids := range which {
		for _, id := range ids {
			key := topicPartition{topic, id}
			if p := s.parts[key]; p != nil {
				delete(s.parts, key)
				out = append(out, p)
			}
		}
	}
	s.drain(wait, out)
	s.mu.Unlock()
	for _, p := range out {
		s.control(p) // the client keeps a pause beyond the assignment
	}
	return out
}

// stop ends next, after the same wait for all partitions.
func (s *scheduler) stop(wait context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.drain(wait, slices.Collect(maps.Values(s.parts)))
	s.work.Broadcast()
}

// drain gives partitions up and waits for what has to be finished, until wait
// ends. It needs mu.
func (s *scheduler) drain(wait context.Context, parts []*partition) {
	for _, p := range parts {
		p.gone, p.until = true, p.started
		for _, l := range p.lanes {
			if l.timer != nil {
				l.timer.Stop()
			}
		}
	}
	s.closeLanes()
	wake := context.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended.Broadcast()
	})
	defer wake()
	busy := func(p *partition) bool { return p.running+p.ready > 0 }
	for slices.ContainsFunc(parts, busy) && wait.Err() == nil {
		s.ended.Wait()
	}
	for _, p := range parts {
		p.until = -1
		p.cancel()
	}
	s.closeLanes()
}

// closeLanes takes lanes out of ready that are not open any more. It needs mu.
func (s *scheduler) closeLanes() {
	s.ready = slices.DeleteFunc(s.ready, func(l *lane) bool {
		if l.open() {
			return false
		}
		l.part.ready--
		return true
	})
}

// handledAll marks everything that was taken, for Poll.
func (s *scheduler) handledAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		p.tracker.handledAll()
	}
}

// handledOne marks one record, for Poll.
func (s *scheduler) handledOne(topic string, id int32, offset int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parts[topicPartition{topic, id}]; p != nil {
		p.tracker.handled(offset)
	}
}

// takeOnly is add without a queue, for Poll. It returns the records of fetched
// that are to be handled.
func (s *scheduler) takeOnly(fetched kgo.FetchTopicPartition) []*kgo.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.parts[topicPartition{fetched.Topic, fetched.Partition}]
	if p == nil {
		return nil
	}
	p.highWatermark = max(p.highWatermark, fetched.HighWatermark)
	taken := fetched.Records[:0:0]
	for _, r := range fetched.Records {
		if p.tracker.take(r.Offset, r.LeaderEpoch) {
			s.keys.add(r.Key)
			taken = append(taken, r)
		}
	}
	return taken
}

// assigned returns the partitions that the consumer has.
func (s *scheduler) assigned() []*partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*partition, 0, len(s.parts))
	for _, p := range s.parts {
		out = append(out, p)
	}
	return out
}

// offsets returns what there is to commit of some partitions: where it moved
// since the broker got it.
func (s *scheduler) offsets(parts []*partition) map[string]map[int32]kgo.EpochOffset {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out map[string]map[int32]kgo.EpochOffset
	for _, p := range parts {
		if p.tracker.next < 0 || p.tracker.next <= p.committed {
			continue
		}
		if out == nil {
			out = map[string]map[int32]kgo.EpochOffset{}
		}
		if out[p.topic] == nil {
			out[p.topic] = map[int32]kgo.EpochOffset{}
		}
		out[p.topic][p.partition] = kgo.EpochOffset{Epoch: p.tracker.epoch, Offset: p.tracker.next}
	}
	return out
}

// noteCommitted notes what the broker has.
func (s *scheduler) noteCommitted(parts []*partition, offsets map[string]map[int32]kgo.EpochOffset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range parts {
		if o, ok := offsets[p.topic][p.partition]; ok {
			p.committed = max(p.committed, o.Offset)
		}
	}
}

// hasCommitted reports whether the broker has an offset of p, or p is gone.
func (s *scheduler) hasCommitted(p *partition, offset int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return p.committed >= offset || p.gone
}
