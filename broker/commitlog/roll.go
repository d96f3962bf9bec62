package commitlog

import (
	"math"
	"path/filepath"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// shouldRoll reports whether the batch belongs in a new segment. It requires amu.
func (l *Log) shouldRoll(b record.Batch, c *Config, now time.Time) bool {
	s := l.active()
	size := s.sizeBytes.Load()
	if size == 0 {
		return false
	}
	if size+int64(len(b)) > c.SegmentBytes {
		return true
	}
	if l.end+int64(b.LastOffsetDelta())-s.base > math.MaxInt32 {
		return true
	}
	// An entry more must fit in each index, and the last time entry of a roll.
	if s.offsets.sizeBytes()+offsetEntryBytes > c.SegmentIndexBytes || s.times.sizeBytes()+2*timeEntryBytes > c.SegmentIndexBytes {
		return true
	}
	if s.firstTimestamp < 0 {
		return false
	}
	reached := b.MaxTimestamp()
	if reached < 0 {
		reached = now.UnixMilli()
	}
	return reached-s.firstTimestamp > (c.SegmentAge - min(c.SegmentJitter, c.SegmentAge)).Milliseconds()
}

// roll seals the active segment and makes a new one at the log end: the old one is
// durable, indexes and all, before the new name appears. If something cannot be
// written the log stays as it was; a failed fsync takes it offline. It requires amu.
func (l *Log) roll() *Error {
	old := l.active()
	f, err := old.open()
	if err != nil {
		return storage("open segment", err)
	}
	if err := old.flushIndexes(true); err != nil {
		return storage("write indexes", err)
	}
	if err := f.Sync(); err != nil {
		return l.fail("fsync "+filepath.Base(old.path(logSuffix)), err)
	}
	if err := old.syncIndexes(); err != nil {
		return l.fail("fsync indexes", err)
	}
	l.setDurable(l.end)
	if err := l.writeSnapshot(l.end, l.producers.appendSnapshot(nil)); err != nil {
		return l.storageOrFail("write producer snapshot", err)
	}
	s := newSegment(l.fsys, l.dir, l.end)
	s.dense = true
	if err := s.create(); err != nil {
		return storage("create segment", err)
	}
	if err := l.fsys.SyncDir(l.dir); err != nil {
		// Whether the new name is there after a crash is unknown: nothing may be
		// acknowledged that is in it.
		s.closeFiles()
		return l.fail("fsync directory", err)
	}
	l.mu.Lock()
	l.segments = append(l.segments[:len(l.segments):len(l.segments)], s)
	l.tail.reset()
	l.mu.Unlock()
	if sealed, err := old.sealOf(); err == nil { // else the next opening makes it
		l.seals.set(old.base, sealed)
	}
	return nil
}
