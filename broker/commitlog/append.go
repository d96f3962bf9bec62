package commitlog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Origin says who made a batch, which decides what is checked.
type Origin uint8

const (
	// FromClient: everything is checked.
	FromClient Origin = iota
	// FromCoordinator: the broker itself, for internal topics and transaction
	// markers. Control batches are allowed.
	FromCoordinator
)

// AppendOptions go with one append. The zero value is a client's batch.
type AppendOptions struct {
	Origin Origin
	// TxnVerified means that the transaction coordinator has confirmed that this
	// partition is part of the producer's ongoing transaction. Without it a
	// transactional batch is only accepted if its transaction is open here.
	TxnVerified bool
	// Sparse means that the broker took records out of a client's batch: it may
	// hold fewer records than offsets, or none, as after compaction.
	Sparse bool
	// Opened is the batch, opened by the caller, who has looked at its records
	// already: they are not uncompressed and walked again. The header and the
	// checksum are checked here as ever, so that what is appended is what arrived.
	// It is not used if it was opened from other bytes or another header. The caller closes it after Append.
	Opened *record.Opened
}

// Appended says where a batch stands.
type Appended struct {
	BaseOffset     int64
	LastOffset     int64
	LogAppendTime  int64 // milliseconds, or −1 with CreateTime
	LogStartOffset int64
	Duplicate      bool // it stood there before: the producer tried again
}

// EndOffset is what to give to [Log.WaitDurable].
func (a Appended) EndOffset() int64 { return a.LastOffset + 1 }

// Append checks a batch and appends it. It returns once the bytes are written, not
// synced: see [Log.WaitDurable], which a duplicate needs too.
//
// batch is exactly one batch. Its header is changed in place (base offset, leader
// epoch, and timestamp and checksum where the topic demands it); its bytes are not
// kept. Refusals are of type *Error; nothing was written then.
func (l *Log) Append(ctx context.Context, batch []byte, o AppendOptions) (Appended, error) {
	return l.append(ctx, batch, -1, o)
}

// AppendAt is Append if the log end offset is end; otherwise the error's cause is
// [ErrMoved] and nothing was written.
func (l *Log) AppendAt(ctx context.Context, end int64, batch []byte, o AppendOptions) (Appended, error) {
	if end < 0 {
		return Appended{}, refuse(CodeOffsetOutOfRange, "an expected log end offset of %d", end)
	}
	return l.append(ctx, batch, end, o)
}

func (l *Log) append(ctx context.Context, p []byte, expectEnd int64, o AppendOptions) (Appended, error) {
	if err := ctx.Err(); err != nil {
		return Appended{}, err
	}
	config := l.config.Load()
	now := l.options.Now()
	b, marker, refused := l.admit(p, config, now, o)
	if refused != nil {
		return Appended{}, refused
	}

	l.amu.Lock()
	a, refused := l.appendLocked(b, marker, expectEnd, config, now, o)
	if refused != nil {
		l.amu.Unlock()
		return Appended{}, refused
	}
	released, moved := []*waiter(nil), false
	if !a.Duplicate {
		released, moved = l.publish(b, config, now)
	}
	l.amu.Unlock()

	for _, w := range released {
		w.done <- nil
	}
	if moved {
		l.advanced()
	}
	return a, nil
}

// appendLocked decides and writes. It requires amu.
func (l *Log) appendLocked(b record.Batch, marker *record.Marker, expectEnd int64, config *Config, now time.Time, o AppendOptions) (Appended, *Error) {
	l.mu.RLock()
	unusable, start := l.usableLocked(), l.start
	l.mu.RUnlock()
	if unusable != nil {
		return Appended{}, unusable
	}
	end := l.end // and everything else that only changes with amu held
	if expectEnd >= 0 && expectEnd != end {
		return Appended{}, &Error{Code: CodeOffsetOutOfRange, Message: fmt.Sprintf("the log ends at offset %d, the append expects %d", end, expectEnd), Cause: ErrMoved}
	}
	a := Appended{BaseOffset: end, LogAppendTime: -1, LogStartOffset: start}
	if config.TimestampType == record.LogAppendTime {
		a.LogAppendTime = b.MaxTimestamp()
	}
	if b.HasProducerID() && o.Origin == FromClient {
		dup, isDup, err := l.producers.check(b, o.TxnVerified)
		if err != nil {
			return a, err
		}
		if isDup {
			a.BaseOffset, a.LastOffset, a.Duplicate = dup.lastOffset-int64(dup.offsetDelta), dup.lastOffset, true
			if config.TimestampType == record.LogAppendTime {
				a.LogAppendTime = dup.timestamp
			}
			return a, nil
		}
	}
	if marker != nil {
		if err := l.producers.checkMarker(b, *marker); err != nil {
			return a, err
		}
	}
	if end > math.MaxInt64-int64(b.LastOffsetDelta())-1 {
		return a, refuse(CodeOffsetOutOfRange, "the partition has no offsets left")
	}
	if l.shouldRoll(b, config, now) {
		if err := l.roll(); err != nil {
			return a, err
		}
	}
	b.SetBaseOffset(end)
	b.SetLeaderEpoch(l.epoch)
	a.LastOffset = b.LastOffset()
	if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch != l.epoch {
		if err := l.assignEpoch(l.epoch, end); err != nil {
			return a, l.storageOrFail("write "+epochFile, err)
		}
	}
	if err := l.write(b); err != nil {
		return a, err
	}
	l.noteAppended(b, marker, config)
	return a, nil
}

// write puts the batch at the end of the active segment. If that goes wrong the
// file is cut back, and the log goes on if that goes right.
func (l *Log) write(b record.Batch) *Error {
	s := l.active()
	f, err := s.open()
	if err != nil {
		return storage("open segment", err)
	}
	pos := s.sizeBytes.Load()
	if _, err := f.WriteAt(b, pos); err != nil {
		if cut := f.Truncate(pos); cut != nil {
			return l.fail("cut back a partly written batch", errors.Join(err, cut))
		}
		l.logger.Error("append", "topic", l.options.Topic, "partition", l.options.Partition, "file", filepath.Base(s.path(logSuffix)), "error", err)
		return storage("write a batch", err)
	}
	return nil
}

// noteAppended keeps indexes and producers for a written batch; readers do not see
// it yet. It requires amu.
func (l *Log) noteAppended(b record.Batch, marker *record.Marker, config *Config) {
	s := l.active()
	s.noteBatch(b, s.sizeBytes.Load(), config.IndexIntervalBytes)
	if !b.HasProducerID() {
		return
	}
	if marker == nil {
		l.producers.apply(b)
		return
	}
	ended, ok := l.producers.applyMarker(b, *marker)
	if !ok {
		return
	}
	if ended.aborted {
		_ = s.txns.add(l.producers.abortedTxn(ended)) // kept in memory if it cannot be written
	}
	l.mu.Lock()
	l.ended = append(l.ended, ended)
	l.mu.Unlock()
}

// publish shows the batch to readers and asks for durability. It requires amu.
func (l *Log) publish(b record.Batch, config *Config, now time.Time) (released []*waiter, moved bool) {
	count := int64(b.LastOffsetDelta()) + 1
	l.unflushed += count
	l.sinceCheckpt += int64(len(b))
	policy := l.committer.Policy()
	flush := policy == SyncEach || l.unflushed >= config.FlushMessages || now.Sub(l.lastFlush) >= config.FlushAge

	l.mu.Lock()
	s := l.active()
	pos := s.sizeBytes.Load()
	l.tail.add(b, pos, s)
	s.sizeBytes.Store(pos + int64(len(b)))
	l.end = b.NextOffset()
	l.firstOpen = l.producers.firstOpen()
	if !flush {
		released = l.setHW(l.end)
		moved = true
	}
	l.mu.Unlock()

	checkpoint := l.sinceCheckpt >= l.options.CheckpointBytes
	if checkpoint {
		l.sinceCheckpt = 0
	}
	if flush {
		l.unflushed, l.lastFlush = 0, now
	}
	l.appended = true
	l.committer.Appended(l, flush, checkpoint)
	return released, moved
}
