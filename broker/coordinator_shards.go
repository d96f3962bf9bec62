package broker

import (
	"context"
	"sync"
	"sync/atomic"
)

// shards are the coordinators of one kind, one per partition of the topic that
// keeps their state. The topic is made when it is first needed.
type shards[S any] struct {
	b       *Broker
	topic   string
	configs map[string]string
	keeps   string // what they keep, for the log
	ctx     context.Context
	running *sync.WaitGroup

	// on makes the coordinator that runs on a partition, and its machine.
	on func(*coordinatorShard) (S, machine)

	mu  sync.Mutex
	all atomic.Pointer[[]S]
}

// open starts the coordinators if their topic is there, and makes the topic if
// create says so.
func (s *shards[S]) open(create bool) ([]S, error) {
	if all := s.all.Load(); all != nil {
		return *all, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.all.Load(); all != nil {
		return *all, nil
	}
	t := s.b.topics.byName(s.topic)
	if t == nil {
		if !create {
			return nil, nil
		}
		if err := s.b.ensureInternalTopic(s.topic, s.b.opts.Coordinators.partitions(), s.configs); err != nil {
			return nil, err
		}
		t = s.b.topics.byName(s.topic)
	}
	all, runs := make([]S, len(t.parts)), make([]*coordinatorShard, len(t.parts))
	for i := range all {
		runs[i] = newCoordinatorShard(s.b, s.topic, int32(i))
		all[i], runs[i].machine = s.on(runs[i])
		runs[i].machine.fresh()
	}
	for _, r := range runs {
		r.start(s.ctx, s.running)
	}
	s.all.Store(&all)
	return all, nil
}

// shard returns the coordinator of what is called id.
func (s *shards[S]) shard(id string) (S, error) {
	all, err := s.open(true)
	if err != nil {
		s.b.noted(FaultCoordinator, s.topic, -1, "a coordinator is not available", err)
		var none S
		return none, err
	}
	s.b.noted(FaultCoordinator, s.topic, -1, "", nil)
	return all[partitionOf(id, int32(len(all)))], nil
}
