package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
)

const group = "dashboard"

// member is one consumer of a group, in a goroutine of its own.
type member struct {
	name   string
	client *kgo.Client
	async  bool // how it commits

	mu       sync.Mutex
	assigned []int32
	read     map[string]int // "partition/offset" → how often
	failed   error

	commits chan error // results of asynchronous commits
	stopped chan struct{}
	stop    context.CancelFunc
}

// join starts a member. It reads, and commits after each poll what it has
// processed: synchronously, which waits, or asynchronously, which goes on.
func (s *story) join(ctx context.Context, group, name string, async bool) (*member, error) {
	m := &member{name: name, async: async, read: map[string]int{}, stopped: make(chan struct{}), commits: make(chan error, 1)}
	var err error
	m.client, err = kgo.NewClient(kgo.SeedBrokers(s.server.kafkaAddr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(flightsTopic),
		kgo.ClientID(name), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, added map[string][]int32) {
			m.change(func(have []int32) []int32 { return append(have, added[flightsTopic]...) })
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
			m.change(func(have []int32) []int32 {
				return slices.DeleteFunc(have, func(p int32) bool { return slices.Contains(gone[flightsTopic], p) })
			})
		}))
	if err != nil {
		return nil, err
	}
	reader, err := serdeavro.NewDeserializer[Flight](s.registry, serdeavro.WithSchema(flightV1))
	if err != nil {
		return nil, err
	}
	ctx, m.stop = context.WithCancel(ctx)
	go func() {
		defer close(m.stopped)
		for ctx.Err() == nil {
			fetches := m.client.PollRecords(ctx, 500)
			err := m.process(ctx, fetches, func(r *kgo.Record) error {
				var f Flight
				return reader.Decode(ctx, flightsTopic, r.Value, &f)
			})
			m.client.AllowRebalance()
			if err != nil && ctx.Err() == nil {
				m.mu.Lock()
				m.failed = errors.Join(m.failed, err)
				m.mu.Unlock()
				return
			}
		}
	}()
	return m, nil
}

func (m *member) process(ctx context.Context, fetches kgo.Fetches, decode func(*kgo.Record) error) error {
	if err := fetches.Err(); err != nil {
		return err
	}
	records := fetches.Records()
	for _, r := range records {
		if err := decode(r); err != nil {
			return err
		}
		m.mu.Lock()
		m.read[fmt.Sprint(r.Partition, "/", r.Offset)]++
		m.mu.Unlock()
	}
	if len(records) == 0 {
		return nil
	}
	if m.async {
		return m.commitAsync(ctx)
	}
	return m.client.CommitUncommittedOffsets(context.WithoutCancel(ctx))
}

// commitAsync sends a commit and goes on reading. Its result is looked at
// before the next one is sent, so commits stay in order.
func (m *member) commitAsync(ctx context.Context) error {
	select {
	case err := <-m.commits:
		if err != nil {
			return err
		}
	default:
	}
	offsets := m.client.UncommittedOffsets()
	done := make(chan error, 1)
	go func() { done <- m.client.CommitOffsetsSyncErr(context.WithoutCancel(ctx), offsets) }()
	select {
	case m.commits <- <-done:
	default:
	}
	return nil
}

func (m *member) change(f func([]int32) []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assigned = f(m.assigned)
	slices.Sort(m.assigned)
}

func (m *member) state() (assigned []int32, read int, failed error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.assigned), len(m.read), m.failed
}
