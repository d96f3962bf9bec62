package broker

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Partition is an open partition of a topic. All methods may be called
// concurrently.
type Partition struct {
	topic string
	index int32
	dir   string
	// log is nil if the log could not be opened; err says why then.
	log     *commitlog.Log
	err     error
	now     func() int64 // milliseconds since the epoch
	deleted atomic.Bool
	watch   watch

	counters topicCounters
	written  func(error) // notes how an append went
	traffic  partitionTraffic
}

// partitionDir is the folder of a partition, as Kafka names it.
func partitionDir(dataDir, topic string, index int32) string {
	return filepath.Join(dataDir, fmt.Sprintf("%s-%d", topic, index))
}

// openPartitions opens the partitions of t from number from on, in parallel, with
// what the last run's checkpoints say about them. A log that cannot be opened makes
// its partition offline: the error is for what nobody could work around.
func (b *Broker) openPartitions(ctx context.Context, t *topic, from int32, offsets func(index int32) foundOffsets) ([]*Partition, error) {
	parts := make([]*Partition, t.Partitions-from)
	parallel(len(parts), func(i int) {
		if ctx.Err() != nil {
			return
		}
		p := b.openPartition(t, from+int32(i), offsets(from+int32(i)))
		if p.err != nil {
			b.log.Error("partition is offline: its log cannot be opened", "topic", t.Name, "partition", p.index, "err", p.err,
				"remedy", b.remedy(t.Name, p.index, p.err))
		}
		parts[i] = p
	})
	return parts, ctx.Err()
}

// makePartitions is openPartitions for partitions that are new: all of them are
// online then, or there is an error.
func (b *Broker) makePartitions(t *topic, from int32) ([]*Partition, error) {
	parts, err := b.openPartitions(b.stopping, t, from, func(int32) foundOffsets { return foundOffsets{} })
	for _, p := range parts {
		if err == nil {
			err = p.err
		}
	}
	return parts, err
}

func (b *Broker) openPartition(t *topic, index int32, offsets foundOffsets) *Partition {
	p := &Partition{topic: t.Name, index: index, dir: partitionDir(b.opts.DataDir, t.Name, index),
		now: func() int64 { return b.opts.Now().UnixMilli() }, counters: b.metrics.topic(t.Name), written: b.written}
	p.traffic.start(b.opts.Now(), b.keys.of(t.Name))
	p.log, p.err = commitlog.Open(commitlog.Options{
		FS:             b.opts.fs,
		Dir:            p.dir,
		Topic:          t.Name,
		Partition:      index,
		TopicID:        t.ID,
		Config:         logConfig(t.values),
		Committer:      b.committer,
		Now:            b.opts.Now,
		Logger:         b.log,
		RecoveryPoint:  offsets.recovery,
		LogStartOffset: offsets.start,
		CleanShutdown:  b.found.clean,
	})
	if p.err != nil {
		return p
	}
	if rec := p.log.Recovered(); rec.Truncated {
		// Consumers may have read what is gone. A new epoch lets them notice.
		p.log.SetLeaderEpoch(p.log.LeaderEpoch() + 1)
	}
	p.log.OnAdvance(p.watch.signal)
	return p
}

// logConfig is what a topic's configurations mean to a log.
func logConfig(v topics.Values) commitlog.Config {
	c := commitlog.DefaultConfig()
	c.SegmentBytes, c.SegmentAge, c.SegmentJitter = v.SegmentBytes, v.SegmentTime, v.SegmentJitter
	c.SegmentIndexBytes, c.IndexIntervalBytes = v.SegmentIndexBytes, int(v.IndexIntervalBytes)
	c.Delete, c.Compact = v.Delete, v.Compact
	c.RetentionAge, c.RetentionBytes = v.RetentionTime, v.RetentionBytes
	c.MinDirtyRatio, c.MinCompactionLag, c.MaxCompactionLag = v.MinCleanableRatio, v.MinCompactionLag, v.MaxCompactionLag
	c.DeleteRetention, c.DeleteDelay = v.DeleteRetention, v.FileDeleteDelay
	c.MaxMessageBytes = int(v.MaxMessageBytes)
	if v.LogAppendTime {
		c.TimestampType = record.LogAppendTime
	}
	c.TimestampBeforeMax, c.TimestampAfterMax = v.TimestampBeforeMax, v.TimestampAfterMax
	c.FlushMessages, c.FlushAge = v.FlushMessages, v.FlushTime
	if v.Compression != "producer" {
		c.Recompress, c.Codec, c.CodecLevel = true, codecs[v.Compression], v.CompressionLevel
	}
	return c
}

// codecs are the values of compression.type that name one.
var codecs = map[string]record.Codec{
	"uncompressed": record.None, "gzip": record.Gzip, "snappy": record.Snappy, "lz4": record.LZ4, "zstd": record.Zstd,
}

// configure makes the log follow its topic.
func (p *Partition) configure(t *topic) {
	if p.log != nil {
		p.log.SetConfig(logConfig(t.values))
	}
}

// gone says that the topic was deleted.
func (p *Partition) gone() bool { return p.deleted.Load() }

// offline says why the partition cannot be written, nil if it can.
func (p *Partition) offline() error {
	if p.log == nil {
		return p.err
	}
	return p.log.Err()
}

func (p *Partition) leaderEpoch() int32 {
	if p.log == nil {
		return 0
	}
	return p.log.LeaderEpoch()
}

func (p *Partition) offsets() commitlog.Offsets {
	if p.log == nil {
		return commitlog.Offsets{}
	}
	return p.log.Offsets()
}

// checkEpoch compares the leader epoch that a client knows with the real one:
// the error code to answer, or 0. Negative means that the client knows none.
func (p *Partition) checkEpoch(known int32) int16 {
	epoch := p.leaderEpoch()
	switch {
	case p.log == nil:
		return kerr.KafkaStorageError.Code
	case known < 0 || known == epoch:
		return 0
	case known < epoch:
		return kerr.FencedLeaderEpoch.Code
	}
	return kerr.UnknownLeaderEpoch.Code
}

// diverges says where the log and that of a client part, whose last record
// before offset is of an epoch. It is nil if they do not.
func (p *Partition) diverges(epoch int32, offset int64) *divergence {
	if p.log == nil {
		return nil
	}
	e, end := p.log.EpochEnd(epoch)
	if e < 0 || end < 0 || e == epoch && end >= offset {
		return nil
	}
	return &divergence{e, end}
}

// produced counts a batch that was appended.
func (p *Partition) produced(now time.Time, opened *record.Opened) {
	batch := opened.Batch()
	p.counters.records.Add(float64(batch.Count()))
	p.counters.bytes.Add(float64(len(batch)))
	p.traffic.records.add(int(batch.Count()))
	p.traffic.bytes.add(len(batch))
	p.traffic.keys.appended(now, p.index, &p.traffic.unseen, opened)
}

// fetched counts bytes that were read for a consumer.
func (p *Partition) fetched(bytes int) {
	p.counters.fetched.Add(float64(bytes))
	p.traffic.fetched.add(bytes)
}

// close makes everything durable and closes the log.
func (p *Partition) close() error {
	if p.log == nil {
		return nil
	}
	return p.log.Close()
}

// retire closes the log of a partition that is no more, and lets nobody wait for it.
func (p *Partition) retire() error {
	p.deleted.Store(true)
	p.watch.signal()
	return p.close()
}
