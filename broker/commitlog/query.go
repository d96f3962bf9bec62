package commitlog

import (
	"errors"
	"path/filepath"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Point is a record found by its timestamp.
type Point struct {
	Offset      int64
	Timestamp   int64 // of the record, in milliseconds
	LeaderEpoch int32 // of its batch
}

// OffsetForTimestamp returns the first record, by offset, whose timestamp is at
// least the given one; ok is false if there is none. It looks up to the log end;
// the caller compares with the high watermark or the last stable offset. room is asked
// about the memory that a batch needs which is read and opened for it, one at a time, as
// [record.OpenOptions] says; its error is returned as it is.
func (l *Log) OffsetForTimestamp(timestamp int64, room Room) (found Point, ok bool, err error) {
	start := l.StartOffset()
	from := start
	for {
		s, next, isActive := l.acquireSegment(from)
		if s == nil {
			return found, false, &Error{Code: CodeStorage, Message: "list offsets", Cause: ErrClosed}
		}
		largest, _, hasEntries, err := s.times.lastPoint()
		if err == nil && (isActive || !hasEntries || largest >= timestamp) {
			found, ok, err = s.findTimestamp(timestamp, start, room)
		}
		s.release()
		var none noRoom
		if errors.As(err, &none) {
			return found, false, none.error
		}
		if err != nil {
			return found, false, l.readFault(s, from, 0, err)
		}
		if ok || isActive {
			return found, ok, nil
		}
		from = next
	}
}

// Room is asked before memory is taken for n bytes, and told with a negative n what is
// given back. Nil means that nobody has to be asked.
type Room func(n int) error

// noRoom is an error of a Room, which is none of the log.
type noRoom struct{ error }

func (r Room) take(n int) error {
	if r == nil {
		return nil
	}
	if err := r(n); err != nil {
		return noRoom{err}
	}
	return nil
}

func (r Room) giveBack(n int) {
	if r != nil {
		_ = r(-n)
	}
}

// options are those to open a batch with.
func (r Room) options() record.OpenOptions {
	if r == nil {
		return record.OpenOptions{}
	}
	return record.OpenOptions{Room: func(n int) error {
		if n < 0 {
			r.giveBack(-n)
			return nil
		}
		return r.take(n)
	}}
}

func (s *segment) findTimestamp(timestamp, start int64, room Room) (found Point, ok bool, err error) {
	pos, err := s.seekTimestamp(timestamp, start)
	if err != nil {
		return found, false, err
	}
	err = s.scanMatching(pos, func(b record.Batch) bool { return b.MaxTimestamp() >= timestamp && b.LastOffset() >= start }, room, func(b record.Batch) error {
		found, ok, err = firstRecord(b, room, func(t, offset int64) bool { return t >= timestamp && offset >= start })
		if err == nil && ok {
			return errStop
		}
		return err
	})
	if err == errStop {
		err = nil
	}
	return found, ok, err
}

// seekTimestamp returns the position of a batch at or before the first one that is not
// below start and has a record of the timestamp or a later one.
func (s *segment) seekTimestamp(timestamp, start int64) (int64, error) {
	entryTime, offset, known, err := s.times.lookup(timestamp)
	if err != nil {
		return 0, err
	}
	if !known || offset < start {
		return s.seek(max(offset, start))
	}
	pos, err := s.seek(offset)
	if err != nil {
		return 0, err
	}
	good := false // the entry is believed if its batch is there
	_, err = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		good = b.BaseOffset() <= offset && b.LastOffset() >= offset && b.MaxTimestamp() == entryTime
		if b.LastOffset() >= offset {
			return errStop
		}
		return nil
	})
	if err != nil && err != errStop || good {
		return pos, ignoreStop(err)
	}
	return s.seek(start)
}

func ignoreStop(err error) error {
	if err == errStop {
		return nil
	}
	return err
}

// TimestampAt returns the time, in milliseconds, of the batch that holds the offset,
// or of the first one after it: that of the append, if the topic keeps it, else the
// one that the producer gave the first record. ok is false at the end of the log. It
// reads headers only.
func (l *Log) TimestampAt(offset int64) (timestamp int64, ok bool, err error) {
	for from := max(offset, l.StartOffset()); ; {
		s, next, isActive := l.acquireSegment(from)
		if s == nil {
			return 0, false, &Error{Code: CodeStorage, Message: "timestamp of an offset", Cause: ErrClosed}
		}
		pos, err := s.seek(from)
		if err == nil {
			timestamp, ok, err = s.timestampAt(from, pos)
		}
		s.release()
		if err != nil {
			return 0, false, l.readFault(s, from, 0, err)
		}
		if ok || isActive {
			return timestamp, ok, nil
		}
		from = next
	}
}

// timestampAt looks for the offset from a position on, batch by batch.
func (s *segment) timestampAt(offset, pos int64) (timestamp int64, ok bool, err error) {
	f, err := s.open()
	if err != nil {
		return 0, false, err
	}
	header := make(record.Batch, record.HeaderBytes)
	for end := s.sizeBytes.Load(); pos < end; {
		if _, err := f.ReadAt(header, pos); err != nil {
			return 0, false, err
		}
		size, err := record.SizeBytes(header)
		if err != nil {
			return 0, false, err
		}
		switch {
		case header.LastOffset() < offset:
		case header.TimestampType() == record.LogAppendTime:
			return header.MaxTimestamp(), true, nil
		case header.Count() == 0:
			return header.MaxTimestamp(), true, nil
		default:
			return header.BaseTimestamp(), true, nil
		}
		pos += int64(size)
	}
	return 0, false, nil
}

// scanMatching calls f with the whole of each batch from pos on whose header matches.
func (s *segment) scanMatching(pos int64, match func(record.Batch) bool, room Room, f func(record.Batch) error) error {
	_, err := s.scan(pos, s.sizeBytes.Load(), true, func(header record.Batch, pos int64) error {
		if !match(header) {
			return nil
		}
		size, err := record.SizeBytes(header)
		if err != nil {
			return err
		}
		if err := room.take(size); err != nil {
			return err
		}
		defer room.giveBack(size)
		b, err := s.readBatch(size, pos)
		if err != nil {
			return err
		}
		return f(b)
	})
	return err
}

// readBatch reads the whole of a batch whose size is known.
func (s *segment) readBatch(size int, pos int64) (record.Batch, error) {
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	b := make(record.Batch, size)
	if _, err := f.ReadAt(b, pos); err != nil {
		return nil, err
	}
	if err := b.CheckHeader(); err != nil {
		return nil, err
	}
	return b, b.CheckCRC()
}

// firstRecord returns the first record of a batch that matches.
func firstRecord(b record.Batch, room Room, match func(timestamp, offset int64) bool) (Point, bool, error) {
	opened := b.Open(room.options())
	defer opened.Close()
	it, err := opened.Records()
	if err != nil {
		return Point{}, false, err
	}
	defer it.Close()
	for it.Next() {
		r := it.Record()
		offset, timestamp := b.BaseOffset()+int64(r.OffsetDelta), b.BaseTimestamp()+r.TimestampDelta
		if b.TimestampType() == record.LogAppendTime {
			timestamp = b.MaxTimestamp()
		}
		if match(timestamp, offset) {
			return Point{Offset: offset, Timestamp: timestamp, LeaderEpoch: b.LeaderEpoch()}, true, nil
		}
	}
	return Point{}, false, it.Err()
}

// MaxTimestamp returns the first record that has the log's largest timestamp; ok is
// false for an empty log and for records without timestamps. room is as for OffsetForTimestamp.
func (l *Log) MaxTimestamp(room Room) (found Point, ok bool, err error) {
	largest := int64(record.NoTimestamp)
	l.amu.Lock()
	l.mu.RLock()
	segments := l.segments
	l.mu.RUnlock()
	active := segments[len(segments)-1]
	if active.maxTimestamp > largest {
		largest = active.maxTimestamp
	}
	for _, s := range segments[:len(segments)-1] {
		t, _, has, timeErr := s.times.lastPoint()
		if timeErr != nil {
			err = errors.Join(err, storage("read "+filepath.Base(s.path(timeSuffix)), timeErr))
		}
		if has {
			largest = max(largest, t)
		}
	}
	l.amu.Unlock()
	if err != nil || largest < 0 {
		return found, false, err
	}
	return l.OffsetForTimestamp(largest, room)
}

// EpochEnd returns the largest epoch at or below the one asked for and the offset
// at which it ends (exclusive), as OffsetForLeaderEpoch wants it: −1 and −1 if
// nothing is known of such an epoch.
func (l *Log) EpochEnd(epoch int32) (foundEpoch int32, endOffset int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if epoch < 0 {
		return -1, -1
	}
	n := len(l.epochs)
	if epoch >= l.epoch {
		if epoch > l.epoch {
			return -1, -1
		}
		return epoch, l.end
	}
	found := int32(-1)
	for i := range n {
		if l.epochs[i].epoch > epoch {
			if found < 0 {
				return epoch, max(l.epochs[i].startOffset, l.start)
			}
			return found, max(l.epochs[i].startOffset, l.start)
		}
		found = l.epochs[i].epoch
	}
	if found < 0 {
		return -1, -1
	}
	return found, l.end
}

// EpochAt returns the leader epoch in which the record at an offset was appended, or
// −1 if that is not known.
func (l *Log) EpochAt(offset int64) int32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	found := int32(-1)
	for _, e := range l.epochs {
		if e.startOffset > offset {
			break
		}
		found = e.epoch
	}
	return found
}

// ProducerInfo is what the log knows of an idempotent producer.
type ProducerInfo struct {
	ProducerID       int64
	ProducerEpoch    int16
	LastSequence     int32 // −1: none
	LastTimestamp    int64 // in milliseconds
	CoordinatorEpoch int32 // of the last marker, or −1
	TxnFirstOffset   int64 // of the open transaction, or −1
}

func (p *producerState) info() ProducerInfo {
	i := ProducerInfo{ProducerID: p.id, ProducerEpoch: p.epoch, LastSequence: record.NoSequence, LastTimestamp: p.lastTimestamp, CoordinatorEpoch: p.coordinatorEpoch, TxnFirstOffset: p.txnFirstOffset}
	if last, ok := p.last(); ok {
		i.LastSequence = last.lastSequence
	}
	return i
}

// ActiveProducers returns the producers that the log remembers, by ID.
func (l *Log) ActiveProducers() []ProducerInfo {
	l.amu.Lock()
	defer l.amu.Unlock()
	var infos []ProducerInfo
	for _, p := range l.producers.sorted() {
		infos = append(infos, p.info())
	}
	return infos
}

// OpenTransactions returns the producers with an open transaction, the oldest first.
func (l *Log) OpenTransactions() []ProducerInfo {
	l.amu.Lock()
	defer l.amu.Unlock()
	var infos []ProducerInfo
	for _, o := range l.producers.open {
		infos = append(infos, l.producers.producers[o.producerID].info())
	}
	return infos
}

// HasOpenTransaction reports whether the producer has a transaction open here in
// that epoch: then the coordinator need not be asked again.
func (l *Log) HasOpenTransaction(producerID int64, epoch int16) bool {
	l.amu.Lock()
	defer l.amu.Unlock()
	p := l.producers.producers[producerID]
	return p != nil && p.epoch == epoch && p.txnFirstOffset >= 0
}

// SegmentInfo describes one segment.
type SegmentInfo struct {
	BaseOffset int64
	SizeBytes  int64
	Active     bool
}

// Segments returns the segments by base offset.
func (l *Log) Segments() []SegmentInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	infos := make([]SegmentInfo, len(l.segments))
	for i, s := range l.segments {
		infos[i] = SegmentInfo{BaseOffset: s.base, SizeBytes: s.sizeBytes.Load(), Active: i == len(l.segments)-1}
	}
	return infos
}

// SizeBytes is the size of all segments, without indexes.
func (l *Log) SizeBytes() int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	total := int64(0)
	for _, s := range l.segments {
		total += s.sizeBytes.Load()
	}
	return total
}
