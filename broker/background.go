package broker

import (
	"errors"
	"time"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

const (
	// checkpointEvery is how often the data directory's checkpoints are written.
	checkpointEvery = time.Minute
	// retainEvery and compactEvery are the pauses between two rounds over all
	// partitions.
	retainEvery  = 5 * time.Minute
	compactEvery = 15 * time.Second
	// removeEvery is the pause between two looks for files whose
	// file.delete.delay.ms is over.
	removeEvery = 5 * time.Second
)

// startBackground starts what runs from time to time until the broker stops.
func (b *Broker) startBackground() {
	b.every(retainEvery, b.retain)
	b.every(compactEvery, b.compact)
	b.every(removeEvery, b.removeDeleted)
	b.every(reopenEvery, b.reopen)
	b.every(meterEvery, func() {
		b.tickMeters()
		b.buffers.trim(time.Now())
	})
	b.every(checkpointEvery, func() {
		if err := b.checkpoint(); err != nil {
			b.log.Error("checkpoints of the data directory could not be written", "err", err)
		}
	})
}

// every runs f again and again, with a pause, in a goroutine that Close waits
// for.
func (b *Broker) every(pause time.Duration, f func()) {
	b.background.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f()
			case <-b.stopping.Done():
				return
			}
		}
	})
}

// retain applies retention to all partitions, one after the other.
func (b *Broker) retain() {
	b.eachLog(func(p *Partition) {
		_, err := p.log.Retain(b.opts.Now())
		b.noted(FaultUpkeep, p.topic, p.index, "retention", err)
	})
}

// removeDeleted removes the files of deleted segments and the folders of deleted
// topics that have stayed long enough.
func (b *Broker) removeDeleted() {
	if err := b.discards.remove(b.opts.fs, b.opts.Now()); err != nil {
		b.log.Error("folders of deleted topics could not be removed", "err", err)
	}
	b.eachLog(func(p *Partition) {
		if _, err := p.log.RemoveDeleted(b.opts.Now()); err != nil {
			b.log.Error("files of deleted segments could not be removed", "topic", p.topic, "partition", p.index, "err", err)
		}
	})
}

// compact gives all partitions that want it a round of compaction, one after
// the other.
func (b *Broker) compact() {
	b.eachLog(func(p *Partition) {
		if !p.log.Config().Compact {
			return
		}
		done, err := p.log.Compact(b.opts.Now())
		var damage *commitlog.DamageError
		if errors.As(err, &damage) {
			b.readFault(p, err)
			err = nil
		}
		b.noted(FaultUpkeep, p.topic, p.index, "compaction", err)
		if done.Ran && err == nil {
			b.log.Info("compacted", "topic", p.topic, "partition", p.index, "bytes_before", done.BytesBefore, "bytes_after", done.BytesAfter, "records_dropped", done.Dropped)
		}
	})
}

// eachLog calls f for every partition that can be written, until the broker
// stops.
func (b *Broker) eachLog(f func(*Partition)) {
	for _, t := range b.topics.all() {
		for _, p := range t.parts {
			if b.stopping.Err() != nil {
				return
			}
			if !p.gone() && p.offline() == nil {
				f(p)
			}
		}
	}
}
