package commitlog

import (
	"math"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Config is the topic configuration that a log acts on, by Kafka's names. It can
// be changed while the log is open, see [Log.SetConfig]. The zero value as a
// whole means [DefaultConfig].
type Config struct {
	SegmentBytes       int64         // segment.bytes
	SegmentAge         time.Duration // segment.ms
	SegmentJitter      time.Duration // segment.jitter.ms
	SegmentIndexBytes  int64         // segment.index.bytes
	IndexIntervalBytes int           // index.interval.bytes

	Delete         bool          // cleanup.policy contains delete
	Compact        bool          // cleanup.policy contains compact
	RetentionAge   time.Duration // retention.ms; negative: no limit
	RetentionBytes int64         // retention.bytes; negative: no limit

	MinDirtyRatio     float64       // min.cleanable.dirty.ratio
	MinCompactionLag  time.Duration // min.compaction.lag.ms
	MaxCompactionLag  time.Duration // max.compaction.lag.ms
	DeleteRetention   time.Duration // delete.retention.ms
	CompactionMapKeys int           // distinct keys one round of compaction can hold
	DeleteDelay       time.Duration // file.delete.delay.ms; 0: files go at once

	MaxMessageBytes    int                  // max.message.bytes, of a whole batch
	TimestampType      record.TimestampType // message.timestamp.type
	TimestampBeforeMax time.Duration        // message.timestamp.before.max.ms
	TimestampAfterMax  time.Duration        // message.timestamp.after.max.ms

	Recompress bool         // compression.type is not "producer"
	Codec      record.Codec // what it is then
	// CodecLevel is compression.<codec>.level in the codec's own numbers; 0 is the
	// codec's default.
	CodecLevel int

	// TrustCompressed leaves compressed batches of producers closed where no rule
	// needs to see their records: the checksum is all that is checked then.
	TrustCompressed bool
	// MaxUncompressedBytes bounds what a batch may decompress to.
	MaxUncompressedBytes int

	FlushMessages int64         // flush.messages
	FlushAge      time.Duration // flush.ms

	ProducerExpiry time.Duration // producer.id.expiration.ms
}

const forever = time.Duration(math.MaxInt64)

// DefaultConfig returns Kafka's defaults.
func DefaultConfig() Config {
	return Config{
		SegmentBytes:         1 << 30,
		SegmentAge:           7 * 24 * time.Hour,
		SegmentIndexBytes:    10 << 20,
		IndexIntervalBytes:   4096,
		Delete:               true,
		RetentionAge:         7 * 24 * time.Hour,
		RetentionBytes:       -1,
		MinDirtyRatio:        0.5,
		MaxCompactionLag:     forever,
		DeleteRetention:      24 * time.Hour,
		CompactionMapKeys:    4 << 20,
		DeleteDelay:          time.Minute,
		MaxMessageBytes:      1048588,
		TimestampBeforeMax:   forever,
		TimestampAfterMax:    time.Hour,
		MaxUncompressedBytes: record.DefaultMaxUncompressedBytes,
		FlushMessages:        math.MaxInt64,
		FlushAge:             forever,
		ProducerExpiry:       24 * time.Hour,
	}
}

// bounded returns the configuration with the fields for which zero or less makes no
// sense set to their defaults and the others cut to what the file formats hold.
func (c Config) bounded() Config {
	d := DefaultConfig()
	if c == (Config{}) {
		return d
	}
	positive(&c.SegmentBytes, d.SegmentBytes)
	positive(&c.SegmentAge, d.SegmentAge)
	positive(&c.SegmentIndexBytes, d.SegmentIndexBytes)
	positive(&c.MaxMessageBytes, d.MaxMessageBytes)
	positive(&c.MaxUncompressedBytes, d.MaxUncompressedBytes)
	positive(&c.CompactionMapKeys, d.CompactionMapKeys)
	positive(&c.MaxCompactionLag, d.MaxCompactionLag)
	positive(&c.FlushMessages, d.FlushMessages)
	positive(&c.FlushAge, d.FlushAge)
	positive(&c.ProducerExpiry, d.ProducerExpiry)
	positive(&c.TimestampBeforeMax, d.TimestampBeforeMax)
	positive(&c.TimestampAfterMax, d.TimestampAfterMax)
	c.IndexIntervalBytes = max(c.IndexIntervalBytes, 0)
	c.SegmentBytes = min(c.SegmentBytes, math.MaxInt32)
	c.MaxMessageBytes = min(c.MaxMessageBytes, record.MaxBatchBytes)
	return c
}

func positive[T int | int64 | time.Duration](field *T, otherwise T) {
	if *field <= 0 {
		*field = otherwise
	}
}
