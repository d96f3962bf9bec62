package broker

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// groupCoordinators are the coordinators of all groups, one per partition of
// `__consumer_offsets`.
type groupCoordinators struct {
	shards[*groupShard]
	opts group.Options

	pictureMu sync.Mutex
	picture   *group.Topics
	pictureOf *catalogState
}

// groupShard is the coordinator of one partition.
type groupShard struct {
	*coordinatorShard
	of      *groupCoordinators
	c       *group.Coordinator
	topics  *group.Topics
	waiters waiters
}

// waiters are requests whose answer comes later.
type waiters struct {
	mu   sync.Mutex
	last uint64
	byID map[uint64]chan kmsg.Response
}

// add has the answer to a request sent to c, which must have room for it. It is
// called where the machine is about to see the request: one that is still in the
// queue when the machine is lost will be seen by the next, and must not be told
// that its answer is lost.
func (w *waiters) add(c chan kmsg.Response) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byID == nil {
		w.byID = make(map[uint64]chan kmsg.Response)
	}
	w.last++
	w.byID[w.last] = c
	return w.last
}

// resolve answers a request; nil says that its answer is lost.
func (w *waiters) resolve(id uint64, resp kmsg.Response) {
	w.mu.Lock()
	c := w.byID[id]
	delete(w.byID, id)
	w.mu.Unlock()
	if c != nil {
		c <- resp
	}
}

func (w *waiters) resolveAll() {
	w.mu.Lock()
	all := w.byID
	w.byID = nil
	w.mu.Unlock()
	for _, c := range all {
		c <- nil
	}
}

func newGroupCoordinators(ctx context.Context, b *Broker, opts group.Options) *groupCoordinators {
	g := &groupCoordinators{opts: opts}
	g.shards = shards[*groupShard]{b: b, ctx: ctx, running: &b.running, topic: offsetsTopic, configs: internalTopicConfigs, keeps: "groups",
		on: func(c *coordinatorShard) (*groupShard, machine) {
			s := &groupShard{of: g, coordinatorShard: c}
			return s, s
		}}
	return g
}

// topicsNow is the picture of the topics that coordinators work with.
func (g *groupCoordinators) topicsNow() *group.Topics {
	g.pictureMu.Lock()
	defer g.pictureMu.Unlock()
	state := g.b.topics.state.Load()
	if state == g.pictureOf {
		return g.picture
	}
	var all []group.Topic
	for _, t := range state.names {
		all = append(all, group.Topic{Name: t.Name, ID: group.TopicID(t.ID), Partitions: int32(len(t.parts))})
	}
	g.pictureOf, g.picture = state, group.NewTopics(all)
	return g.picture
}

func (s *groupShard) fresh() {
	s.c = group.New(s.of.opts, s.log)
	s.topics = nil
}

func (s *groupShard) replayRecord(b record.Batch, key, value []byte) error {
	var from *group.Producer
	if b.IsTransactional() {
		from = &group.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch()}
	}
	return s.c.Replay(from, group.Record{Key: key, Value: value, WrittenMillis: b.MaxTimestamp()})
}

func (s *groupShard) replayMarker(b record.Batch, m record.Marker) {
	s.c.ReplayMarker(group.Marker{Producer: group.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch()},
		CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Type == record.Commit})
}

func (s *groupShard) loaded(now time.Time) {
	s.refreshTopics(now)
	s.carryOut(now, s.c.Loaded(now), nil)
}

func (s *groupShard) tick(now time.Time) {
	s.refreshTopics(now)
	s.carryOut(now, s.c.Tick(now), nil)
}

func (s *groupShard) next() time.Time { return s.c.NextTimer() }
func (s *groupShard) lost()           { s.waiters.resolveAll() }

func (s *groupShard) refreshTopics(now time.Time) {
	if t := s.of.topicsNow(); t != s.topics {
		s.topics = t
		s.carryOut(now, s.c.SetTopics(now, t), nil)
	}
}

// carryOut does what the machine asks for, and calls then, if it is not nil,
// once all is durable or lost.
func (s *groupShard) carryOut(now time.Time, e group.Effects, then func(err error)) {
	var producer *record.Producer
	if e.Transaction != nil {
		producer = &record.Producer{ID: e.Transaction.ID, Epoch: e.Transaction.Epoch, BaseSequence: record.NoSequence}
	}
	for _, m := range e.Fenced {
		s.b.shareSessions.drop(m)
		s.b.shares.release(m, true)
	}
	batch, err := coordinatorBatch(now, producer, func(add func(key, value []byte)) {
		for _, r := range e.Records {
			add(r.Key, r.Value)
		}
	})
	if e.Marker != nil {
		m := record.Marker{Type: record.Abort, CoordinatorEpoch: e.Marker.CoordinatorEpoch}
		if e.Marker.Commit {
			m.Type = record.Commit
		}
		batch = record.AppendMarker(nil, e.Marker.Producer.ID, e.Marker.Producer.Epoch, now.UnixMilli(), m)
	}
	if batch == nil && err == nil && len(e.Answers) == 0 && then == nil {
		return
	}
	deliver := func(err error) {
		for _, a := range e.Answers {
			if err != nil {
				s.waiters.resolve(uint64(a.To), nil)
			} else {
				s.waiters.resolve(uint64(a.To), a.Response)
			}
		}
		if then != nil {
			then(err)
		}
	}
	if err != nil {
		s.log.Error("coordinator cannot make a batch", "err", err)
		s.failed.Store(true)
		deliver(err)
		return
	}
	s.write(batch, deliver)
}

// do runs op on the machine and calls then once what it did is durable; a code
// other than 0 says that the coordinator is not there, or that its writes are lost.
func (s *groupShard) do(op func(now time.Time) group.Effects, then func(code int16)) {
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

// ask has the coordinator of a group do op, and waits until what it did is
// durable.
func (g *groupCoordinators) ask(ctx context.Context, id string, op func(c *group.Coordinator, now time.Time) group.Effects) (code int16) {
	s, err := g.shard(id)
	if err != nil {
		return kerr.CoordinatorNotAvailable.Code
	}
	done := make(chan int16, 1)
	s.do(func(now time.Time) group.Effects { return op(s.c, now) }, func(code int16) { done <- code })
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
		return kerr.CoordinatorNotAvailable.Code
	}
}

// askGroup has the coordinator of a group do op, which sets what it returns as
// the answer. refusal makes an answer of a code.
func askGroup(b *Broker, id string, refusal func(code int16) kmsg.Response, op func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects)) reply {
	s, err := b.groups.shard(id)
	if err != nil {
		return answer(refusal(kerr.CoordinatorNotAvailable.Code))
	}
	answered := make(chan kmsg.Response, 1)
	var resp kmsg.Response
	s.do(func(now time.Time) group.Effects {
		var e group.Effects
		resp, e = op(s.c, now)
		return e
	}, func(code int16) {
		if code != 0 {
			answered <- refusal(code)
			return
		}
		answered <- resp
	})
	return later(func(ctx context.Context) reply {
		select {
		case resp := <-answered:
			return answer(resp)
		case <-ctx.Done():
			return refused("the connection ended while an answer was waited for")
		}
	})
}

// parkGroup has the coordinator of a group do op, whose answer may come much later.
func parkGroup(b *Broker, id string, refusal func(code int16) kmsg.Response, op func(c *group.Coordinator, now time.Time, to group.Waiter) group.Effects) reply {
	s, err := b.groups.shard(id)
	if err != nil {
		return answer(refusal(kerr.CoordinatorNotAvailable.Code))
	}
	answered := make(chan kmsg.Response, 1)
	var waiter uint64 // 0 until the machine sees the request
	s.do(func(now time.Time) group.Effects {
		waiter = s.waiters.add(answered)
		return op(s.c, now, group.Waiter(waiter))
	}, func(code int16) {
		switch {
		case code == 0:
		case waiter == 0:
			answered <- refusal(code)
		default:
			s.waiters.resolve(waiter, refusal(code))
		}
	})
	return later(func(ctx context.Context) reply {
		select {
		case resp := <-answered:
			if resp == nil {
				resp = refusal(kerr.NotCoordinator.Code)
			}
			return answer(resp)
		case <-ctx.Done():
			s.do(func(now time.Time) group.Effects {
				s.waiters.resolve(waiter, nil)
				return s.c.Abandoned(now, id, group.Waiter(waiter))
			}, func(int16) {})
			return refused("the connection ended while an answer was waited for")
		}
	})
}

// eachGroup asks the coordinators of several groups, one after the other for
// those of one partition, and gives the answer when all have answered. refuse
// notes that the group at an index could not be asked.
func eachGroup(b *Broker, ids []string, refuse func(i int, code int16), op func(i int, c *group.Coordinator, now time.Time) group.Effects, resp kmsg.Response) reply {
	var all sync.WaitGroup
	for i, id := range ids {
		s, err := b.groups.shard(id)
		if err != nil {
			refuse(i, kerr.CoordinatorNotAvailable.Code)
			continue
		}
		all.Add(1)
		s.do(func(now time.Time) group.Effects { return op(i, s.c, now) }, func(code int16) {
			if code != 0 {
				refuse(i, code)
			}
			all.Done()
		})
	}
	return later(func(ctx context.Context) reply {
		all.Wait() // ends also when the broker stops: every call is answered then
		return answer(resp)
	})
}

// endTransaction writes a marker into a partition of `__consumer_offsets`.
func (g *groupCoordinators) endTransaction(partition int32, m group.Marker, then func(code int16)) {
	all, err := g.open(false)
	if err != nil || int(partition) >= len(all) || partition < 0 {
		then(kerr.UnknownTopicOrPartition.Code)
		return
	}
	s := all[partition]
	s.do(func(time.Time) group.Effects { return s.c.EndTransaction(m) }, then)
}

// client is who sent a request, for describe.
func (r *request) client() group.Client {
	return group.Client{ID: r.clientID, Host: "/" + r.conn.host}
}
