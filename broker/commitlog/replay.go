package commitlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// nextBase is the offset at which the segment after i begins.
func (l *Log) nextBase(i int) int64 {
	if i+1 < len(l.segments) {
		return l.segments[i+1].base
	}
	return math.MaxInt64
}

// replay restores producer state and log end: it starts from the newest good
// snapshot at or below the durable offset, and verifies every batch behind it. It
// shows gaps each segment.
func (l *Log) replay(names []string, durable int64, gaps *gapFinder) error {
	trusted := durable
	if l.options.CleanShutdown {
		trusted = math.MaxInt64
	}
	from := l.loadSnapshot(names, trusted)
	l.end = l.segments[0].base
	for i := 0; i < len(l.segments); i++ {
		s := l.segments[i]
		last := i == len(l.segments)-1
		if !last && l.nextBase(i) <= from {
			if err := l.checkSealed(s, l.nextBase(i), names, gaps); err != nil {
				return err
			}
			if gaps.needsEnd(s.base, l.nextBase(i)) {
				if end, ok := s.lastEnd(); ok {
					gaps.between(s.base, end, l.nextBase(i))
				}
				if err := s.closeFiles(); err != nil {
					return err
				}
			}
			l.end = l.nextBase(i)
			continue
		}
		l.end = max(l.end, s.base)
		cut, err := l.recoverSegment(s, l.nextBase(i), from, durable, names)
		if err != nil {
			return err
		}
		if cut && !last {
			// What comes later was never promised: the end is here.
			for _, later := range l.segments[i+1:] {
				l.recovery.TruncatedBytes += later.sizeBytes.Load()
				if err := l.removeSegmentFiles(later); err != nil {
					return err
				}
			}
			l.segments = l.segments[:i+1]
		} else if !last {
			gaps.between(s.base, l.end, l.nextBase(i))
			if err := l.sealRecovered(s, l.nextBase(i), gaps); err != nil {
				return err
			}
		}
	}
	if l.end < from {
		// Only a snapshot above the durable offset can be ahead of the log. It
		// says nothing about the log that is here.
		l.producers = newProducerTable()
		l.options.CleanShutdown = false
		end := l.end
		from = l.loadSnapshot(names, end)
		return l.replayProducers(from)
	}
	return nil
}

// sealRecovered makes the indexes of a sealed segment durable that was read through.
func (l *Log) sealRecovered(s *segment, next int64, gaps *gapFinder) error {
	if err := errors.Join(s.flushIndexes(true), s.syncIndexes()); err != nil {
		return err
	}
	was := l.seals.get(s.base)
	is, err := s.sealOf()
	if err == nil && !gaps.resized(s, next, was) && !slices.Equal(was, []segmentSeal{is}) {
		l.seals.set(s.base, is)
	}
	return errors.Join(err, s.closeFiles())
}

// replayProducers brings the producers from a snapshot's offset to the log end.
func (l *Log) replayProducers(from int64) error {
	for _, s := range l.segments {
		_, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
			if b.LastOffset() < from {
				return nil
			}
			_, _, err := l.producers.replay(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadSnapshot loads the newest usable snapshot of at most maxOffset and returns its
// offset; without one, the producers are empty and the log is replayed from its
// start.
func (l *Log) loadSnapshot(names []string, maxOffset int64) int64 {
	first := l.segments[0].base
	for _, name := range slices.Backward(names) {
		offset, ok := parseName(name, snapshotSuffix)
		if !ok || offset > maxOffset || offset < first {
			continue
		}
		table, err := l.readMarkedSnapshot(name, offset)
		if err != nil {
			l.logger.Warn("producer snapshot is unusable", "dir", l.dir, "file", name, "error", err)
			continue
		}
		l.producers, l.snapped = table, offset
		return offset
	}
	return first
}

// readMarkedSnapshot reads a snapshot, which must be the one that the last checkpoint
// left, if it was made there.
func (l *Log) readMarkedSnapshot(name string, offset int64) (*producerTable, error) {
	p, err := vfs.ReadFile(l.fsys, filepath.Join(l.dir, name), maxSnapshotBytes)
	if err != nil {
		return nil, err
	}
	if l.mark.offset == offset && offset > 0 && l.mark.snapshotCRC != crc32.Checksum(p, castagnoli) {
		return nil, fmt.Errorf("it is not the snapshot that the checkpoint at offset %d has left", offset)
	}
	table, err := parseSnapshot(p)
	if err == nil && l.mark.offset != offset {
		err = l.checkProducers(table, offset)
	}
	return table, err
}

// checkProducers compares some producers of a snapshot with their last batches: it may
// be another partition's.
func (l *Log) checkProducers(table *producerTable, offset int64) error {
	const most = 16
	for i, p := range table.sorted() {
		last, ok := p.last()
		if p.txnFirstOffset >= offset || ok && last.lastOffset >= offset {
			return fmt.Errorf("producer %d has a batch up to offset %d", p.id, last.lastOffset)
		}
		if i >= most || !ok || last.lastOffset < l.segments[0].base {
			continue
		}
		b, err := l.headerAt(last.lastOffset)
		if err != nil {
			return err
		}
		if b != nil && (b.LastOffset() != last.lastOffset || b.ProducerID() != p.id) {
			return fmt.Errorf("the batch of producer %d up to offset %d is not in the log", p.id, last.lastOffset)
		}
	}
	return nil
}

// recoverSegment verifies the batches of a segment from an offset on and sets the
// log end; the next segment begins at end. cut means that bytes were cut off.
//
// After a clean stop the headers are enough, up to the durable offset: that is where
// the log ended, and what claims to be behind it must have the checksum for it.
func (l *Log) recoverSegment(s *segment, end, from, durable int64, names []string) (cut bool, err error) {
	size := s.sizeBytes.Load()
	pos, err := l.resumeIndexes(s, from, names)
	if err != nil {
		return false, err
	}
	interval := l.options.Config.IndexIntervalBytes
	order := batchOrder{next: s.base, end: end, dense: s.dense, holes: l.holes}
	if pos > 0 {
		order.next = l.offsetAt(s, pos)
	}
	trust := l.options.CleanShutdown
	pos, scanErr := s.scan(pos, size, trust, func(b record.Batch, pos int64) error {
		before := order.next
		if err := order.take(b); err != nil {
			return err
		}
		if err := s.checkStored(b, pos, trust, b.LastOffset() < from || trust && b.LastOffset() < durable); err != nil {
			order.next = before
			return err
		}
		s.noteBatchHeader(b, pos, interval)
		if b.LastOffset() < from {
			return nil
		}
		l.recovery.ScannedBytes += int64(len(b))
		if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch < b.LeaderEpoch() {
			l.epochs = append(l.epochs, epochStart{b.LeaderEpoch(), b.BaseOffset()})
		}
		aborted, ok, err := l.producers.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	l.end = max(order.next, s.base)
	if l.end < from && scanErr == nil {
		scanErr = &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: fmt.Sprintf("the segment ends at offset %d, a snapshot says %d", l.end, from)}
	}
	if scanErr == nil && l.end < durable && s == l.active() {
		scanErr = &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: fmt.Sprintf("the log ends at offset %d", l.end)}
	}
	if scanErr == nil {
		return false, nil
	}
	var fault *record.Error
	if !errors.As(scanErr, &fault) {
		return false, scanErr
	}
	if l.end < durable {
		return false, l.damage(s, pos, l.end, durable, scanErr)
	}
	l.recovery.TruncatedBytes += size - pos
	l.recovery.Truncated, l.recovery.Cause = true, scanErr
	l.logger.Warn("cutting off what was not finished", "dir", l.dir, "file", filepath.Base(s.path(logSuffix)), "position", pos, "bytes", size-pos, "offset", l.end, "cause", scanErr)
	f, err := s.open()
	if err != nil {
		return false, err
	}
	if err := f.Truncate(pos); err != nil {
		return false, err
	}
	s.sizeBytes.Store(pos)
	return true, nil
}

func (l *Log) damage(s *segment, pos, offset, durable int64, cause error) *DamageError {
	return &DamageError{Dir: l.dir, File: filepath.Base(s.path(logSuffix)), SegmentOffset: s.base, Pos: pos, Offset: offset, DurableOffset: durable, Misplaced: isMisplaced(cause), Cause: cause}
}

// checkStored checks the checksum of the batch at pos, of which b may be the header
// only, unless that is believed.
func (s *segment) checkStored(b record.Batch, pos int64, headerOnly, believed bool) error {
	if believed {
		return nil
	}
	if size, err := record.SizeBytes(b); headerOnly && err == nil && len(b) < size {
		f, err := s.open()
		if err != nil {
			return err
		}
		b = make(record.Batch, size)
		if _, err := f.ReadAt(b, pos); err != nil {
			return err
		}
	}
	if err := b.CheckHeader(); err != nil {
		return err
	}
	return b.CheckCRC()
}

// offsetAt returns the offset from which batches at pos count: that of the batch
// there.
func (l *Log) offsetAt(s *segment, pos int64) int64 {
	if b, err := s.readHeader(pos); err == nil {
		return b.BaseOffset()
	}
	return s.base
}

// producersAt returns the producers as of the start of a segment: from its snapshot,
// or by reading everything before it.
func (l *Log) producersAt(base int64) *producerTable {
	if t, err := readSnapshot(l.fsys, filepath.Join(l.dir, fileName(base, snapshotSuffix))); err == nil {
		return t
	}
	t := newProducerTable()
	for _, s := range l.segments {
		if s.base >= base {
			break
		}
		_, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
			_, _, err := t.replay(b)
			return err
		})
		if err != nil { // its own check reports it
			break
		}
	}
	return t
}
