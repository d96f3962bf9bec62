package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// topic is a topic with its open partitions. It is immutable; a change makes
// another one, with the same partitions.
type topic struct {
	*topics.Topic
	values topics.Values
	parts  []*Partition
}

// partition returns a partition by its number, nil if there is none.
func (t *topic) partition(i int32) *Partition {
	if i < 0 || int(i) >= len(t.parts) {
		return nil
	}
	return t.parts[i]
}

// isOffline says whether a partition of the topic cannot be written.
func (t *topic) isOffline() bool {
	return slices.ContainsFunc(t.parts, func(p *Partition) bool { return p == nil || p.offline() != nil })
}

// catalog is the topics that are open. Readers take no lock.
type catalog struct {
	state atomic.Pointer[catalogState]
	// mu is held by whoever changes topics, over store, files and catalog.
	mu sync.Mutex
}

type catalogState struct {
	names map[string]*topic
	ids   map[topics.ID]*topic
}

func newCatalog() *catalog {
	c := &catalog{}
	c.state.Store(&catalogState{map[string]*topic{}, map[topics.ID]*topic{}})
	return c
}

func (c *catalog) byName(name string) *topic { return c.state.Load().names[name] }
func (c *catalog) byID(id [16]byte) *topic   { return c.state.Load().ids[id] }

// all returns the topics by name.
func (c *catalog) all() []*topic {
	return slices.SortedFunc(maps.Values(c.state.Load().names), func(a, b *topic) int { return strings.Compare(a.Name, b.Name) })
}

// put makes topics known, in place of those of the same names. c.mu must be held.
func (c *catalog) put(all ...*topic) {
	old := c.state.Load()
	next := &catalogState{maps.Clone(old.names), maps.Clone(old.ids)}
	for _, t := range all {
		next.names[t.Name], next.ids[t.ID] = t, t
	}
	c.state.Store(next)
}

// drop makes a topic unknown. c.mu must be held.
func (c *catalog) drop(t *topic) {
	old := c.state.Load()
	next := &catalogState{maps.Clone(old.names), maps.Clone(old.ids)}
	delete(next.names, t.Name)
	delete(next.ids, t.ID)
	c.state.Store(next)
}

// createTopic creates a topic and its logs.
func (b *Broker) createTopic(spec topics.Topic) (*topic, error) {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	return b.createTopicLocked(spec)
}

func (b *Broker) createTopicLocked(spec topics.Topic) (*topic, error) {
	made, err := b.store.Create(spec)
	if err != nil {
		b.written(err)
		return nil, err
	}
	t := &topic{Topic: made, values: b.resolve(made)}
	if t.parts, err = b.makePartitions(t, 0); err != nil {
		b.written(err)
		b.uncreate(t)
		return nil, err
	}
	b.topics.put(t)
	b.topicsChanged()
	b.log.Info("topic created", "topic", t.Name, "partitions", t.Partitions)
	return t, nil
}

// uncreate takes a topic back whose logs could not all be made. If the store cannot do
// that the topic exists, and what is missing of it comes online when it can be made.
func (b *Broker) uncreate(t *topic) {
	_, err := b.store.Delete(t.Name)
	if err == nil {
		b.discard(t, 0)
		return
	}
	b.log.Error("a topic whose logs cannot be made cannot be taken back either", "topic", t.Name, "err", err)
	if b.stopping.Err() == nil {
		b.topics.put(t)
		b.topicsChanged()
	}
}

// autoCreate creates a topic that a client mentioned.
func (b *Broker) autoCreate(name string) (*topic, error) {
	if topics.IsInternalName(name) {
		return nil, &topics.Error{Code: topics.InvalidName, Reason: fmt.Sprintf("topic %q is the broker's own", name)}
	}
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if t := b.topics.byName(name); t != nil {
		return t, nil // somebody was faster
	}
	return b.createTopicLocked(topics.Topic{Name: name, Partitions: b.opts.DefaultPartitions, ReplicationFactor: 1})
}

// EnsureInternalTopic creates a topic that belongs to the broker or to who runs
// it, unless it exists. Clients can read, not write it. An existing topic stays
// as it is.
func (b *Broker) EnsureInternalTopic(name string, partitions int32, configs map[string]string) error {
	if !b.isRunning() {
		return ErrClosed
	}
	return b.ensureInternalTopic(name, partitions, configs)
}

func (b *Broker) ensureInternalTopic(name string, partitions int32, configs map[string]string) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if t := b.topics.byName(name); t != nil {
		if configs["cleanup.policy"] == "compact" && t.values.Delete {
			b.log.Warn("a topic that state is kept in removes its records by retention: state will be lost", "topic", name,
				"cleanup.policy", t.Configs["cleanup.policy"], "remedy", "set cleanup.policy=compact on the topic")
		}
		return nil
	}
	_, err := b.createTopicLocked(topics.Topic{Name: name, Partitions: partitions, ReplicationFactor: 1, Configs: configs, Internal: true})
	return err
}

// addPartitions gives a topic more partitions.
func (b *Broker) addPartitions(name string, count int32) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if err := b.store.CheckSetPartitions(name, count); err != nil {
		return err
	}
	old := b.topics.byName(name)
	made := *old.Topic
	made.Partitions = count
	t := &topic{Topic: &made, values: old.values}
	more, err := b.makePartitions(t, old.Partitions)
	if err == nil {
		t.Topic, err = b.store.SetPartitions(name, count)
	}
	if err != nil {
		b.unmake(&made, more)
		return err
	}
	t.parts = append(slices.Clip(old.parts), more...)
	b.topics.put(t)
	b.topicsChanged()
	return nil
}

// changeConfigs changes a topic's own configurations. Those that could remove
// records of an internal topic are refused.
func (b *Broker) changeConfigs(name string, dryRun bool, change func(map[string]string) error) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	old := b.topics.byName(name)
	made, err := b.store.SetConfigs(name, dryRun, func(configs map[string]string) error {
		if err := change(configs); err != nil || old == nil || !old.Internal {
			return err
		}
		return checkInternalConfigs(name, old.Configs, configs)
	})
	if err != nil || dryRun {
		return err
	}
	b.topics.put(b.reconfigure(old, made))
	return nil
}

// reconfigure makes old's logs follow the configurations of made.
func (b *Broker) reconfigure(old *topic, made *topics.Topic) *topic {
	t := &topic{Topic: made, values: b.resolve(made), parts: old.parts}
	for _, p := range t.parts {
		p.configure(t)
	}
	return t
}

// resolve makes values of a topic's configurations and the broker's.
func (b *Broker) resolve(t *topics.Topic) topics.Values {
	defaults := b.topicDefaults()
	if t.Internal {
		maps.Copy(defaults, internalCleanup(t.Name))
	}
	return topics.Resolve(t.Configs, defaults)
}

// topicErrorCode is the protocol's code for an error of changing topics.
func topicErrorCode(err error) int16 {
	var e *topics.Error
	if !errors.As(err, &e) {
		if err == nil {
			return 0
		}
		return kerr.KafkaStorageError.Code
	}
	switch e.Code {
	case topics.InvalidName:
		return kerr.InvalidTopicException.Code
	case topics.AlreadyExists:
		return kerr.TopicAlreadyExists.Code
	case topics.Unknown:
		return kerr.UnknownTopicOrPartition.Code
	case topics.InvalidPartitions:
		return kerr.InvalidPartitions.Code
	case topics.InvalidReplicationFactor:
		return kerr.InvalidReplicationFactor.Code
	case topics.InvalidConfig:
		return kerr.InvalidConfig.Code
	case topics.TooManyPartitions:
		return kerr.PolicyViolation.Code
	}
	return kerr.InvalidRequest.Code
}

// openTopics opens all partitions of all topics, in parallel, and finishes what
// deletions the last run has begun.
func (b *Broker) openTopics(ctx context.Context) error {
	if err := b.finishDeletions(); err != nil {
		return err
	}
	var open []*topic
	for _, made := range b.store.All() {
		open = append(open, &topic{Topic: made, values: b.resolve(made)})
	}
	errs := make([]error, len(open))
	parallel(len(open), func(i int) {
		open[i].parts, errs[i] = b.openPartitions(ctx, open[i], 0, func(index int32) foundOffsets { return b.foundOffsets(open[i].Name, index) })
	})
	b.topics.mu.Lock()
	b.topics.put(open...)
	b.topics.mu.Unlock()
	return errors.Join(errs...)
}
