package commitlog

import (
	"path/filepath"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Retained says what retention removed.
type Retained struct {
	Segments    int
	Bytes       int64
	StartOffset int64 // the log start offset after it
}

// Retain removes whole segments that are older than retention.ms, beyond
// retention.bytes, or below the log start offset, and forgets producers that have
// been silent for long. The first two only apply to topics with cleanup.policy
// delete. If all of the log is too old, the active segment is sealed and goes too.
func (l *Log) Retain(now time.Time) (Retained, error) {
	l.mmu.Lock()
	defer l.mmu.Unlock()
	c := l.config.Load()
	l.amu.Lock()
	if err := l.usable(); err != nil {
		l.amu.Unlock()
		return Retained{}, err
	}
	l.producers.expire(now.Add(-c.ProducerExpiry).UnixMilli())
	n, err := l.expired(c, now)
	if err == nil && n == len(l.segments) {
		if refused := l.roll(); refused != nil {
			err = refused
		}
	}
	segments := l.segments
	l.amu.Unlock()
	if err != nil || n == 0 {
		return Retained{StartOffset: l.StartOffset()}, err
	}
	// What consumers may still read goes first, durably; then the files.
	if err := l.setStart(segments[n].base); err != nil {
		return Retained{StartOffset: l.StartOffset()}, err
	}
	r := Retained{Segments: n, StartOffset: l.StartOffset()}
	for _, s := range segments[:n] {
		r.Bytes += s.sizeBytes.Load()
	}
	l.logger.Info("retention removes segments", "topic", l.options.Topic, "partition", l.options.Partition, "segments", n, "bytes", r.Bytes, "log_start_offset", r.StartOffset)
	return r, l.removeSegments(n, now)
}

// expired is how many of the first segments may go; all of them includes the active
// one, which must be rolled before. It requires amu.
func (l *Log) expired(c *Config, now time.Time) (int, error) {
	offsets := l.Offsets()
	excess := int64(0)
	if c.Delete && c.RetentionBytes >= 0 {
		excess = -c.RetentionBytes
		for _, s := range l.segments {
			excess += s.sizeBytes.Load()
		}
	}
	for i, s := range l.segments {
		active := i == len(l.segments)-1
		next := l.end
		if !active {
			next = l.segments[i+1].base
		}
		if next > offsets.HighWatermark || active && s.sizeBytes.Load() == 0 {
			return i, nil
		}
		goes := !active && next <= offsets.Start
		if c.Delete && c.RetentionAge >= 0 {
			largest, err := s.largestTimestamp(active)
			if err != nil {
				return 0, err
			}
			goes = goes || largest >= 0 && largest < now.Add(-c.RetentionAge).UnixMilli()
		}
		if size := s.sizeBytes.Load(); !active && excess >= size && c.RetentionBytes >= 0 && c.Delete {
			goes = true
		}
		if !goes {
			return i, nil
		}
		excess -= s.sizeBytes.Load()
	}
	return len(l.segments), nil
}

// largestTimestamp is −1 if no batch has a timestamp. For the active segment it
// requires amu.
func (s *segment) largestTimestamp(active bool) (int64, error) {
	if active {
		return s.maxTimestamp, nil
	}
	t, _, ok, err := s.times.lastPoint()
	if err != nil {
		return -1, storage("read "+filepath.Base(s.path(timeSuffix)), err)
	}
	if !ok {
		return s.emptiedTimestamp()
	}
	return t, nil
}

// emptiedTimestamp is the largest timestamp in the headers of a sealed segment whose
// time index is empty: nothing but emptied batches is left of it, or its records have
// no timestamps. It reads the headers once.
func (s *segment) emptiedTimestamp() (int64, error) {
	s.mu.Lock()
	known, t := s.emptiedKnown, s.emptied
	s.mu.Unlock()
	if known {
		return t, nil
	}
	t = record.NoTimestamp
	_, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		t = max(t, b.MaxTimestamp())
		return nil
	})
	if err != nil {
		return -1, storage("read "+filepath.Base(s.path(logSuffix)), err)
	}
	s.mu.Lock()
	s.emptiedKnown, s.emptied = true, t
	s.mu.Unlock()
	return t, nil
}

// setStart moves the log start offset forward, durably.
func (l *Log) setStart(offset int64) error {
	l.mu.Lock()
	moved := offset > l.start
	l.start = max(l.start, offset)
	l.mu.Unlock()
	if !moved {
		return nil
	}
	if err := l.writeState(true); err != nil {
		return storage("write "+stateFile, err)
	}
	return nil
}

// DeleteRecordsBefore moves the log start offset to the one given, durably, and
// returns where it is then. Files go with the next Retain. An offset beyond the
// high watermark is refused with [CodeOffsetOutOfRange]; one below the log start
// changes nothing.
func (l *Log) DeleteRecordsBefore(offset int64) (int64, error) {
	l.amu.Lock()
	defer l.amu.Unlock()
	if err := l.usable(); err != nil {
		return -1, err
	}
	if o := l.Offsets(); offset > o.HighWatermark || offset < 0 {
		return -1, refuse(CodeOffsetOutOfRange, "offset %d, the log holds %d to %d", offset, o.Start, o.HighWatermark)
	}
	if err := l.setStart(offset); err != nil {
		return -1, err
	}
	return l.StartOffset(), nil
}

// removeSegments takes the first n segments out of the log and sets their files
// aside. It requires mmu.
func (l *Log) removeSegments(n int, now time.Time) error {
	l.mu.RLock()
	segments := l.segments
	l.mu.RUnlock()
	for _, s := range segments[:n] {
		if err := s.openAll(); err != nil {
			return storage("open a segment that is to go", err)
		}
	}
	l.amu.Lock()
	l.mu.Lock()
	gone := l.segments[:n]
	l.segments = append([]*segment(nil), l.segments[n:]...)
	var epochs []epochStart
	for i, e := range l.epochs {
		// The epoch in which the first record was appended stays, from there on.
		if i+1 < len(l.epochs) && l.epochs[i+1].startOffset <= l.start {
			continue
		}
		e.startOffset = max(e.startOffset, l.start)
		epochs = append(epochs, e)
	}
	l.mu.Unlock()
	err := l.setEpochs(epochs)
	l.amu.Unlock()
	for _, s := range gone {
		if e := l.discard(s, s.base != l.newestSnapshot(), now); err == nil {
			err = e
		}
		s.release()
	}
	if err == nil {
		err = l.fsys.SyncDir(l.dir)
	}
	if err != nil {
		return storage("remove segments", err)
	}
	return nil
}

func (l *Log) newestSnapshot() int64 {
	l.cmu.Lock()
	defer l.cmu.Unlock()
	return l.snapped
}
