package broker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// reopenEvery is the pause between two tries to open logs that could not be opened.
const reopenEvery = 10 * time.Second

// reopen tries again to open the logs that could not be opened: a disk that was full
// may have room. What is damaged waits for a repair and a restart; so does a log that
// an fsync has failed on.
func (b *Broker) reopen() {
	for _, t := range b.topics.all() {
		for _, p := range t.parts {
			var damage *commitlog.DamageError
			if p.log == nil && !errors.As(p.err, &damage) && b.stopping.Err() == nil {
				b.reopenPartition(t.Name, p)
			}
		}
	}
}

// reopenPartition puts an open partition in the place of p.
func (b *Broker) reopenPartition(name string, p *Partition) {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	old := b.topics.byName(name)
	if old == nil || old.partition(p.index) != p {
		return // deleted, perhaps created again
	}
	again := b.openPartition(old, p.index, b.foundOffsets(name, p.index))
	if again.log == nil {
		return // for the reason that was logged at the first try, or another one
	}
	t := &topic{Topic: old.Topic, values: old.values, parts: slices.Clone(old.parts)}
	t.parts[p.index] = again
	b.topics.put(t)
	b.topicsChanged()
	b.log.Info("partition is online again", "topic", name, "partition", p.index)
	p.watch.signal()
}

// remedy says what is to be done about a log that cannot be opened.
func (b *Broker) remedy(topic string, index int32, err error) string {
	var damage *commitlog.DamageError
	if errors.As(err, &damage) {
		return fmt.Sprintf("nothing was changed: stop, and restore the folder %s from a copy, or give the damaged part up with: dovetail log repair --data-dir %s %s-%d --yes; all other partitions are served",
			partitionDir(b.opts.DataDir, topic, index), b.opts.DataDir, topic, index)
	}
	return fmt.Sprintf("nothing was lost: mend what the error says about the folder %s; it is tried again every %s, and all other partitions are served",
		partitionDir(b.opts.DataDir, topic, index), reopenEvery)
}
