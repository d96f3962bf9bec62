package commitlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Options say how to open a log. Only Dir is required.
type Options struct {
	FS        vfs.FS // nil: the operating system's
	Dir       string // the partition's folder; made if missing
	Topic     string // for messages
	Partition int32  // for messages
	// TopicID is written to partition.metadata of a new log. A log that has
	// another one is refused. The zero ID neither writes nor compares.
	TopicID [16]byte

	Config    Config           // the zero value means DefaultConfig
	Committer Committer        // nil: one of its own, with policy SyncEach
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: silent

	// What the data directory's checkpoints say about this log. They matter for a
	// folder that comes from Kafka: a log remembers both by itself.
	RecoveryPoint  int64 // everything below is durable and whole
	LogStartOffset int64
	// CleanShutdown means that the log was closed in order: nothing is scanned.
	CleanShutdown bool

	// LeaderEpoch is stamped into appended batches, see SetLeaderEpoch.
	LeaderEpoch int32

	// TailBytes bounds the recent batches kept in memory for readers at the end
	// of the log; 0 means 256 KiB, negative none.
	TailBytes int
	// CheckpointBytes is after how much appended data a checkpoint is made, which
	// bounds what recovery has to scan; 0 means 32 MiB.
	CheckpointBytes int64
}

func (o *Options) setDefaults() {
	o.FS = orOS(o.FS)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.TailBytes == 0 {
		o.TailBytes = 256 << 10
	}
	if o.CheckpointBytes <= 0 {
		o.CheckpointBytes = 32 << 20
	}
	o.Config = o.Config.bounded()
}

// Validate reports all faults of the options at once.
func (o *Options) Validate() error {
	var errs []error
	if o.Dir == "" {
		errs = append(errs, errors.New("no directory"))
	}
	if o.RecoveryPoint < 0 || o.LogStartOffset < 0 {
		errs = append(errs, fmt.Errorf("recovery point %d, log start offset %d: neither can be negative", o.RecoveryPoint, o.LogStartOffset))
	}
	if o.LeaderEpoch < 0 {
		errs = append(errs, fmt.Errorf("leader epoch %d", o.LeaderEpoch))
	}
	return errors.Join(errs...)
}
