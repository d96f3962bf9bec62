package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
)

const group = "dashboard"

// member is one consumer of a group, in a goroutine of its own.
type member struct {
	name   string
	client *kgo.Client
	async  bool // how it commits

	mu           sync.Mutex
	assigned     []int32
	read         map[string]int // "partition/offset" → how often
	failed       error
	asyncCommits int // that were answered

	stopped chan struct{}
	stop    context.CancelFunc
}

// join starts a member. It reads, and commits after each poll what it has
// processed: synchronously, which waits, or asynchronously, which goes on.
func (s *story) join(ctx context.Context, group, name string, async bool) (*member, error) {
	m := &member{name: name, async: async, read: map[string]int{}, stopped: make(chan struct{})}
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
	reader, err := serdeavro.NewDeserializer[Flight](s.registry, flightV1)
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

// commitAsync sends a commit and goes on reading; the client keeps commits in
// order. What it answers is looked at when it comes.
func (m *member) commitAsync(ctx context.Context) error {
	m.client.CommitOffsets(context.WithoutCancel(ctx), m.client.UncommittedOffsets(),
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if err == nil {
				err = commitError(resp)
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.asyncCommits++
			m.failed = errors.Join(m.failed, err)
		})
	return nil
}

func commitError(resp *kmsg.OffsetCommitResponse) error {
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("commit of partition %d: %w", p.Partition, err)
			}
		}
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

// leave ends a member: what it has read is committed, synchronously, and its
// partitions are given back.
func (m *member) leave(ctx context.Context) error {
	m.stop()
	<-m.stopped
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	err := m.client.CommitUncommittedOffsets(ctx)
	m.client.LeaveGroup()
	m.client.Close()
	_, _, failed := m.state()
	return errors.Join(err, failed)
}

// await polls until ok says so.
func await(ctx context.Context, what string, ok func() bool) error {
	deadline := time.Now().Add(40 * time.Second)
	for !ok() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited 40 s until %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func (s *story) share(ctx context.Context) error {
	a, err := s.join(ctx, group, "anna", false)
	if err != nil {
		return err
	}
	b, err := s.join(ctx, group, "ben", true)
	if err != nil {
		return err
	}
	var ofA, ofB []int32
	if err := await(ctx, "both members had partitions", func() bool {
		ofA, _, _ = a.state()
		ofB, _, _ = b.state()
		return len(ofA) > 0 && len(ofB) > 0 && len(ofA)+len(ofB) == partitions
	}); err != nil {
		return err
	}
	for _, p := range ofA {
		if slices.Contains(ofB, p) {
			return fmt.Errorf("partition %d has two consumers of one group", p)
		}
	}
	proven("group %s: anna has partitions %v, ben has %v; none has two consumers", group, ofA, ofB)
	if err := await(ctx, "the group had read everything", func() bool {
		_, readA, errA := a.state()
		_, readB, errB := b.state()
		return errA != nil || errB != nil || int64(readA+readB) >= s.acked
	}); err != nil {
		return err
	}
	_, readA, _ := a.state()
	_, readB, _ := b.state()
	say("anna read %s and committed synchronously, ben read %s and committed asynchronously (%d commits)", thousands(readA), thousands(readB), b.asyncCommits)

	if err := b.leave(ctx); err != nil {
		return err
	}
	if err := await(ctx, "anna had all partitions", func() bool { ofA, _, _ = a.state(); return len(ofA) == partitions }); err != nil {
		return err
	}
	proven("ben leaves: anna takes over, and now has %v", ofA)
	const more = 1200
	writer, err := s.flightWriter()
	if err != nil {
		return err
	}
	if _, err := send(ctx, s.client, flightsTopic, s.flights[:more], writer); err != nil {
		return err
	}
	s.acked += more
	if err := await(ctx, "anna had read the new records", func() bool {
		_, readA, failed := a.state()
		return failed != nil || int64(readA+readB) >= s.acked
	}); err != nil {
		return err
	}
	if err := a.leave(ctx); err != nil {
		return err
	}
	if err := s.onceEach(a, b); err != nil {
		return err
	}
	proven("%s new flights: each record was read by one of them, once", thousands(more))
	if err := s.checkCommits(ctx); err != nil {
		return err
	}
	return s.independentGroup(ctx)
}

// onceEach fails unless every record was read exactly once by the members.
func (s *story) onceEach(members ...*member) error {
	all := map[string]int{}
	for _, m := range members {
		for at, n := range m.read {
			all[at] += n
		}
	}
	if int64(len(all)) != s.acked {
		return fmt.Errorf("the group read %d records of %d", len(all), s.acked)
	}
	for at, n := range all {
		if n != 1 {
			return fmt.Errorf("the record at %s was read %d times", at, n)
		}
	}
	return nil
}

// checkCommits compares the committed offsets with the ends of the partitions,
// and remembers them.
func (s *story) checkCommits(ctx context.Context) error {
	offsets, err := s.committedOffsets(ctx)
	if err != nil {
		return err
	}
	ends, err := s.admin.ListEndOffsets(ctx, flightsTopic)
	if err != nil {
		return err
	}
	for p := range int32(partitions) {
		end, _ := ends.Lookup(flightsTopic, p)
		if offsets[p] != end.Offset {
			return fmt.Errorf("partition %d: offset %d is committed, the end is %d", p, offsets[p], end.Offset)
		}
	}
	s.committed = offsets
	proven("the committed offsets are the ends of all %d partitions", partitions)
	return nil
}

func (s *story) committedOffsets(ctx context.Context) (map[int32]int64, error) {
	fetched, err := s.admin.FetchOffsets(ctx, group)
	if err == nil {
		err = fetched.Error()
	}
	offsets := map[int32]int64{}
	fetched.Each(func(o kadm.OffsetResponse) { offsets[o.Partition] = o.At })
	return offsets, err
}

func (s *story) independentGroup(ctx context.Context) error {
	audit, err := s.join(ctx, "audit", "auditor", false)
	if err != nil {
		return err
	}
	if err := await(ctx, "the second group had read everything", func() bool {
		_, read, failed := audit.state()
		return failed != nil || int64(read) >= s.acked
	}); err != nil {
		return err
	}
	if err := audit.leave(ctx); err != nil {
		return err
	}
	if err := s.onceEach(audit); err != nil {
		return err
	}
	proven("a second group, audit, reads all %s for itself", thousands(len(audit.read)))
	return nil
}
