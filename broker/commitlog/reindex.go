package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// checkSealed looks at a sealed segment from outside: its indexes must be there, end
// in the segment, and be those that were sealed. Missing or wrong ones are made anew.
// A missing .txnindex may be one that was never needed, as Kafka leaves it; an empty
// one is made then. A segment of another size than when it was sealed has lost
// something, or is another: gaps is told.
func (l *Log) checkSealed(s *segment, next int64, names []string, gaps *gapFinder) error {
	ok := slices.Contains(names, fileName(s.base, indexSuffix)) && slices.Contains(names, fileName(s.base, timeSuffix))
	if ok {
		ok = s.indexesEndIn(next) == nil
	}
	was, changed := l.seals.get(s.base), false
	if ok {
		is, err := s.sealOf()
		if err != nil {
			return errors.Join(err, s.closeFiles())
		}
		if !slices.Contains(was, is) {
			if changed = len(was) > 0; !changed {
				ok, err = l.indexesFit(s)
			}
			var fault *record.Error
			if err != nil && !errors.As(err, &fault) {
				return errors.Join(err, s.closeFiles())
			}
			ok = ok && err == nil && !changed
		}
	}
	if ok && !slices.Contains(names, fileName(s.base, txnSuffix)) {
		if err := errors.Join(s.txns.flush(true), s.txns.sync()); err != nil {
			return errors.Join(err, s.closeFiles())
		}
	}
	if !ok {
		if err := l.rebuildIndexes(s); err != nil {
			return err
		}
	}
	if gaps.resized(s, next, was) {
		return s.closeFiles() // and what was sealed is remembered until it was repaired
	}
	if is, err := s.sealOf(); err != nil {
		return errors.Join(err, s.closeFiles())
	} else if !slices.Equal(was, []segmentSeal{is}) {
		l.seals.set(s.base, is)
	}
	return s.closeFiles()
}

func isAbortMarker(b record.Batch) bool {
	if !b.IsControl() || !b.HasProducerID() {
		return false
	}
	m, ok, err := b.Control()
	return err == nil && ok && m.Type == record.Abort
}

// indexesEndIn checks the ends of the indexes of a sealed segment, without reading
// all of them.
func (s *segment) indexesEndIn(next int64) error {
	errUnsound := errors.New("unsound")
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if whole, err := x.isWhole(); err != nil || !whole {
			return errors.Join(err, errUnsound)
		}
	}
	var first [txnEntryBytes]byte
	offset, pos, found, err := s.offsets.lastPoint()
	if err != nil || found && (offset < s.base || offset >= next || pos >= s.sizeBytes.Load()) {
		return errors.Join(err, errUnsound)
	}
	if n, err := s.offsets.firstEntry(first[:]); err != nil || n > 1 && s.base+int64(binary.BigEndian.Uint32(first[:])) >= offset {
		return errors.Join(err, errUnsound)
	}
	timestamp, offset, found, err := s.times.lastPoint()
	if err != nil || found && (offset < s.base || offset >= next) {
		return errors.Join(err, errUnsound)
	}
	if n, err := s.times.firstEntry(first[:]); err != nil || n > 1 && int64(binary.BigEndian.Uint64(first[:])) >= timestamp {
		return errors.Join(err, errUnsound)
	}
	return s.txns.check(s.base, next)
}

// rebuildIndexes makes all indexes of a sealed segment anew from its headers. Aborted
// transactions need the producers as they were at its start.
func (l *Log) rebuildIndexes(s *segment) error {
	l.recovery.RebuiltIndexes++
	l.logger.Warn("rebuilding indexes", "dir", l.dir, "segment", s.base)
	table := l.producersAt(s.base)
	if err := s.resetIndexes(); err != nil {
		return err
	}
	interval := l.options.Config.IndexIntervalBytes
	pos, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, pos int64) error {
		s.noteBatchHeader(b, pos, interval)
		aborted, ok, err := table.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	if err != nil {
		var fault *record.Error
		if errors.As(err, &fault) {
			return l.damage(s, pos, s.maxNext, math.MaxInt64, err)
		}
		return err
	}
	if err := s.flushIndexes(true); err != nil {
		return err
	}
	if err := s.syncIndexes(); err != nil {
		return err
	}
	return l.fsys.SyncDir(l.dir)
}

// resumeIndexes keeps the entries of a segment's indexes below an offset, if they
// are sound, and returns the position from which to scan on.
func (l *Log) resumeIndexes(s *segment, from int64, names []string) (int64, error) {
	pos, err := l.soundIndexes(s, from, names)
	if err == nil {
		return pos, nil
	}
	l.logger.Warn("rebuilding indexes", "dir", l.dir, "segment", s.base, "cause", err)
	l.recovery.RebuiltIndexes++
	if err := s.resetIndexes(); err != nil {
		return 0, err
	}
	// Aborted transactions of the part that is not replayed come from here.
	table := l.producersAt(s.base)
	_, err = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		if b.LastOffset() >= from {
			return errStop
		}
		aborted, ok, err := table.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	var fault *record.Error
	if err != nil && err != errStop && !errors.As(err, &fault) {
		return 0, err
	}
	return 0, nil
}

func (l *Log) soundIndexes(s *segment, from int64, names []string) (int64, error) {
	if from <= s.base {
		return 0, s.resetIndexes()
	}
	for _, suffix := range []string{indexSuffix, timeSuffix} {
		if !slices.Contains(names, fileName(s.base, suffix)) && s.sizeBytes.Load() > int64(2*l.options.Config.IndexIntervalBytes) {
			return 0, fmt.Errorf("no file %s", fileName(s.base, suffix))
		}
	}
	if whole, err := s.txns.isWhole(); err != nil || !whole {
		return 0, errors.Join(err, fmt.Errorf("%s ends in the middle of a transaction", fileName(s.base, txnSuffix)))
	}
	if _, err := s.offsets.cut(from); err != nil {
		return 0, err
	}
	if err := s.times.cut(from); err != nil {
		return 0, err
	}
	if err := s.txns.cut(from); err != nil {
		return 0, err
	}
	if err := l.checkMarked(s, from); err != nil {
		return 0, err
	}
	if err := errors.Join(s.offsets.check(s.sizeBytes.Load(), from), s.times.check(from), s.txns.check(s.base, from)); err != nil {
		return 0, err
	}
	timestamp, timeOffset, ok, err := s.times.lastPoint()
	if err != nil {
		return 0, err
	}
	if ok {
		b, err := l.headerAt(timeOffset)
		if err == nil && (b == nil || b.MaxTimestamp() != timestamp) {
			err = fmt.Errorf("the last entry of %s says timestamp %d at offset %d, where it does not stand", fileName(s.base, timeSuffix), timestamp, timeOffset)
		}
		if err != nil {
			return 0, err
		}
		s.maxTimestamp, s.maxTimestampOffset = timestamp, timeOffset
	}
	offset, pos, found, err := s.offsets.lastPoint()
	if err != nil || !found {
		return 0, err
	}
	good := false
	_, _ = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		good = b.LastOffset() == offset
		return errStop
	})
	if !good {
		return 0, fmt.Errorf("the last entry of %s points to byte %d, where offset %d does not stand", fileName(s.base, indexSuffix), pos, offset)
	}
	_, _ = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		s.firstTimestamp = b.MaxTimestamp()
		return errStop
	})
	return pos, nil
}

// checkMarked compares the indexes of a segment that was active, up to the offset of
// a producer snapshot, with what that checkpoint left. Closing adds a time entry.
func (l *Log) checkMarked(s *segment, from int64) error {
	if l.mark.offset != from {
		return fmt.Errorf("no checkpoint tells what they were at offset %d", from)
	}
	size, crc, err := s.txns.checksum()
	if err != nil {
		return err
	}
	if l.mark.txnBytes != size || l.mark.txnCRC != crc {
		return fmt.Errorf("%s does not have the aborted transactions of the last checkpoint", fileName(s.base, txnSuffix))
	}
	if have := s.times.sizeBytes(); have < int64(l.mark.timeBytes) {
		return fmt.Errorf("%s has %d bytes, it had %d", fileName(s.base, timeSuffix), have, l.mark.timeBytes)
	}
	return nil
}

func (s *segment) resetIndexes() error {
	s.sinceIndex, s.firstTimestamp, s.maxTimestamp, s.maxTimestampOffset = 0, record.NoTimestamp, record.NoTimestamp, s.base
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if err := x.truncate(0); err != nil {
			return err
		}
	}
	return nil
}

// noteBatchHeader is noteBatch for a batch whose size stands in its header only.
func (s *segment) noteBatchHeader(b record.Batch, pos int64, interval int) {
	s.noteBatch(b, pos, interval)
	s.sinceIndex += int(b.LengthField()) + 12 - len(b)
	s.maxNext = b.NextOffset()
}

var errStop = errors.New("stop")
