package commitlog

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Log is an open partition log.
type Log struct {
	options      Options
	fsys         vfs.FS
	dir          string
	logger       *slog.Logger
	committer    Committer
	ownCommitter *GroupCommitter // to be closed with the log
	config       atomic.Pointer[Config]
	onAdvance    atomic.Pointer[func()]
	recovery     Recovery

	// amu is held by whoever changes the log: append, roll, truncation, retention,
	// the swap at the end of compaction, close.
	amu          sync.Mutex
	producers    *producerTable
	sinceCheckpt int64     // bytes appended since the last checkpoint was asked for
	unflushed    int64     // records appended since the last flush was asked for
	lastFlush    time.Time // when it was
	appended     bool      // anything since the last checkpoint

	// mmu is held by maintenance: retention, compaction, close. It comes first.
	mmu sync.Mutex

	// dmu guards deleted and is held while its files are removed. It comes last.
	dmu     sync.Mutex
	deleted map[string]deletedFile // by name in the folder

	// cmu is held by checkpoints and close. It comes before amu.
	cmu     sync.Mutex
	snapped int64 // offset of the newest snapshot file
	// smu is held while a snapshot is written. It comes last.
	smu sync.Mutex

	// mu guards what readers see.
	mu        sync.RWMutex
	segments  []*segment // by base offset; replaced, never changed; the last is active
	start     int64
	end       int64
	durable   int64
	hw        int64
	cleaned   int64 // compaction has seen everything below
	mark      checkpointMark
	firstOpen int64      // of the oldest open transaction, or −1
	ended     []endedTxn // whose markers are not below the high watermark yet
	epochs    []epochStart
	epoch     int32
	failed    *Error // set: offline for appending
	closed    bool
	closing   atomic.Bool // maintenance is to give up
	waiters   []*waiter
	tail      tail
	cursors   cursorCache

	seals seals // of the sealed segments; see seal.go
	holes []Gap // offsets known to be missing when the log was opened

	stateMu   sync.Mutex // guards the state file
	stateFile vfs.File
	stateSlot int64

	queue queueState // the committer's
}

// waiter waits for the high watermark to reach end.
type waiter struct {
	end  int64
	done chan error // of one element
}

var waiterPool = sync.Pool{New: func() any { return &waiter{done: make(chan error, 1)} }}

// Config returns the configuration in force.
func (l *Log) Config() Config { return *l.config.Load() }

// SetConfig changes the configuration from the next append on.
func (l *Log) SetConfig(c Config) {
	c = c.bounded()
	l.config.Store(&c)
}

// SetLeaderEpoch changes the epoch that appended batches are stamped with. It takes
// effect with the next append, and only if it is larger than the one before.
func (l *Log) SetLeaderEpoch(epoch int32) {
	l.amu.Lock()
	defer l.amu.Unlock()
	l.mu.Lock()
	l.epoch = max(l.epoch, epoch)
	l.mu.Unlock()
}

// LeaderEpoch is the epoch that appended batches are stamped with.
func (l *Log) LeaderEpoch() int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.epoch
}

// OnAdvance sets the function that is called after the high watermark or the last
// stable offset moved, or the log went offline. It is called without locks, by the
// appender or the committer, and must be short: both wait for it.
func (l *Log) OnAdvance(f func()) { l.onAdvance.Store(&f) }

func (l *Log) advanced() {
	if f := l.onAdvance.Load(); f != nil {
		(*f)()
	}
}

// StartOffset is the first offset that can be read.
func (l *Log) StartOffset() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.start
}

// EndOffset is the offset that the next record gets.
func (l *Log) EndOffset() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.end
}

// HighWatermark is the offset up to which consumers may read.
func (l *Log) HighWatermark() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.hw
}

// LastStableOffset is the offset up to which consumers of isolation level
// read_committed may read.
func (l *Log) LastStableOffset() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lastStable()
}

// DurableOffset is the offset up to which everything was synced. Write it to the
// data directory's recovery point checkpoint.
func (l *Log) DurableOffset() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.durable
}

// lastStable requires mu.
func (l *Log) lastStable() int64 {
	stable := l.hw
	if l.firstOpen >= 0 {
		stable = min(stable, l.firstOpen)
	}
	for _, e := range l.ended {
		stable = min(stable, e.firstOffset)
	}
	return stable
}

// Offsets are the offsets of a log at one moment.
type Offsets struct {
	Start, LastStable, HighWatermark, End int64
}

// Offsets returns all offsets as of one moment.
func (l *Log) Offsets() Offsets {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return Offsets{Start: l.start, LastStable: l.lastStable(), HighWatermark: l.hw, End: l.end}
}

// Err is nil, or why the log is offline for appending.
func (l *Log) Err() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.failed != nil {
		return l.failed
	}
	return nil
}

// Dir is the folder of the log.
func (l *Log) Dir() string { return l.dir }

// Recovered says what opening the log found and did.
func (l *Log) Recovered() Recovery { return l.recovery }

// active requires mu or amu.
func (l *Log) active() *segment { return l.segments[len(l.segments)-1] }

// segmentOf returns the index of the segment that may hold the offset. It requires
// mu or amu.
func segmentOf(segments []*segment, offset int64) int {
	i := sort.Search(len(segments), func(i int) bool { return segments[i].base > offset })
	return max(i-1, 0)
}

// usable returns why the log cannot be appended to.
func (l *Log) usable() *Error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.usableLocked()
}

// usableLocked requires mu: the committer takes a log offline without amu.
func (l *Log) usableLocked() *Error {
	if l.closed {
		return &Error{Code: CodeStorage, Message: "append", Cause: ErrClosed}
	}
	return l.failed
}

// fail takes the log offline and releases everybody who waits.
func (l *Log) fail(op string, err error) *Error {
	l.mu.Lock()
	if l.failed == nil {
		l.failed = storage(op, err)
		l.logger.Error("log is offline", "topic", l.options.Topic, "partition", l.options.Partition, "dir", l.dir, "op", op, "error", err)
	}
	failed := l.failed
	waiters := l.waiters
	l.waiters = nil
	l.mu.Unlock()
	for _, w := range waiters {
		w.done <- failed
	}
	l.advanced()
	return failed
}

// storageOrFail is the refusal for a failed file operation: a failed fsync takes the
// log offline, anything else leaves it as it was.
func (l *Log) storageOrFail(op string, err error) *Error {
	var unknown syncError
	if errors.As(err, &unknown) {
		return l.fail(op, err)
	}
	return storage(op, err)
}

// WaitDurable blocks until the high watermark is endOffset or more: until what was
// appended below it is as safe as the policy promises. It returns the storage error
// if the log goes offline before, or ctx's error; then the records may or may not
// survive.
func (l *Log) WaitDurable(ctx context.Context, endOffset int64) error {
	l.mu.Lock()
	if l.hw >= endOffset {
		l.mu.Unlock()
		return nil
	}
	if err := l.usableLocked(); err != nil {
		l.mu.Unlock()
		return err
	}
	w := waiterPool.Get().(*waiter)
	w.end = endOffset
	l.waiters = append(l.waiters, w)
	l.mu.Unlock()

	select {
	case err := <-w.done:
		waiterPool.Put(w)
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	if i := slices.Index(l.waiters, w); i >= 0 {
		l.waiters = slices.Delete(l.waiters, i, i+1)
		l.mu.Unlock()
		waiterPool.Put(w)
		return ctx.Err()
	}
	l.mu.Unlock()
	err := <-w.done // released at the same moment
	waiterPool.Put(w)
	return err
}

// setHW moves the high watermark forward and returns who is to be told. It requires
// mu for writing.
func (l *Log) setHW(hw int64) (released []*waiter) {
	if hw <= l.hw {
		return nil
	}
	l.hw = hw
	l.ended = slices.DeleteFunc(l.ended, func(e endedTxn) bool { return e.lastOffset < hw })
	kept := l.waiters[:0]
	for _, w := range l.waiters {
		if w.end <= hw {
			released = append(released, w)
		} else {
			kept = append(kept, w)
		}
	}
	clear(l.waiters[len(kept):])
	l.waiters = kept
	return released
}

// setDurable notes that everything below offset was synced.
func (l *Log) setDurable(offset int64) {
	l.mu.Lock()
	if offset <= l.durable {
		l.mu.Unlock()
		return
	}
	l.durable = offset
	released := l.setHW(offset)
	l.mu.Unlock()
	l.writeState(false)
	for _, w := range released {
		w.done <- nil
	}
	l.advanced()
}

// Flush makes everything appended before the call durable. A failed fsync takes the
// log offline.
func (l *Log) Flush() error {
	l.mu.RLock()
	if l.closed {
		l.mu.RUnlock()
		return &Error{Code: CodeStorage, Message: "flush", Cause: ErrClosed}
	}
	if l.failed != nil {
		defer l.mu.RUnlock()
		return l.failed
	}
	if l.durable >= l.end {
		l.mu.RUnlock()
		return nil
	}
	s, end := l.active(), l.end
	s.acquire()
	l.mu.RUnlock()
	defer s.release()
	// Everything below the active segment was synced when it was made.
	f, err := s.open()
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return l.fail("fsync "+filepath.Base(s.path(logSuffix)), err)
	}
	l.setDurable(end)
	return nil
}
