package commitlog

import (
	"errors"
	"io"
	"math"
	"path/filepath"
	"sync"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Bound is how far a read may go.
type Bound uint8

const (
	// UpToHighWatermark is for consumers of isolation level read_uncommitted.
	UpToHighWatermark Bound = iota
	// UpToLastStable is for consumers of isolation level read_committed; the
	// result then names the aborted transactions.
	UpToLastStable
	// UpToEnd is for the broker's own readers.
	UpToEnd
)

// ReadOptions say what to read.
type ReadOptions struct {
	Offset   int64
	MaxBytes int
	// MinOneBatch returns the first batch even if it is larger than MaxBytes.
	MinOneBatch bool
	UpTo        Bound
}

// ReadResult is what was read. Call Release when done with Records.
type ReadResult struct {
	// Records is whole batches as stored, the first of which holds the offset
	// asked for or, if compaction took it, the next one. It is empty, not nil, if
	// there is nothing to read, and may not be changed.
	Records []byte
	// NextOffset is where to read on.
	NextOffset int64
	Offsets
	// Aborted are the aborted transactions in Records, for UpToLastStable only.
	Aborted []AbortedTxn

	chunk  *chunk
	buffer *[]byte
}

// Release gives the memory of Records back. It may be called twice.
func (r *ReadResult) Release() {
	if r.chunk != nil {
		r.chunk.release()
	}
	if r.buffer != nil {
		putReadBuffer(r.buffer)
	}
	r.chunk, r.buffer, r.Records = nil, nil, nil
}

// Read buffers by size: 4 KiB × 4ⁿ up to 16 MiB.
var readBuffers [7]sync.Pool

func readClass(n int) int {
	class := 0
	for size := 4 << 10; size < n; size <<= 2 {
		class++
	}
	return class
}

func getReadBuffer(n int) *[]byte {
	class := readClass(n)
	if class < len(readBuffers) {
		if p, ok := readBuffers[class].Get().(*[]byte); ok {
			return p
		}
		n = 4 << 10 << (2 * class)
	}
	p := make([]byte, n)
	return &p
}

func putReadBuffer(p *[]byte) {
	*p = (*p)[:cap(*p)]
	if class := readClass(len(*p)); class < len(readBuffers) && len(*p) == 4<<10<<(2*class) {
		readBuffers[class].Put(p)
	}
}

// Read returns stored batches from an offset on, at most to the end of the segment
// that holds it. It does not wait: at its bound it returns no records and
// NextOffset is the offset asked for. An offset below the log start or beyond the
// log end is refused with [CodeOffsetOutOfRange].
func (l *Log) Read(o ReadOptions) (ReadResult, error) {
	l.mu.RLock()
	r := ReadResult{Records: []byte{}, NextOffset: o.Offset}
	r.Offsets = Offsets{Start: l.start, LastStable: l.lastStable(), HighWatermark: l.hw, End: l.end}
	limit := r.limit(o.UpTo)
	if l.closed {
		l.mu.RUnlock()
		return r, &Error{Code: CodeStorage, Message: "read", Cause: ErrClosed}
	}
	if o.Offset < l.start || o.Offset > l.end {
		l.mu.RUnlock()
		return r, refuse(CodeOffsetOutOfRange, "offset %d, the log holds %d to %d", o.Offset, r.Start, r.End)
	}
	if o.Offset >= limit {
		l.tail.wanted()
		l.mu.RUnlock()
		return r, nil
	}
	if c, p := l.tail.find(o.Offset); c != nil {
		l.tail.wanted()
		l.mu.RUnlock()
		r.chunk = c
		_, err := r.cut(o, limit, skipBefore(p, o.Offset), nil)
		if err == nil && o.UpTo == UpToLastStable && len(r.Records) > 0 {
			r.Aborted, err = l.AbortedTransactions(o.Offset, r.NextOffset)
		}
		return r, err
	}
	l.mu.RUnlock()
	return r, l.readFiles(&r, o, limit)
}

func (r *Offsets) limit(b Bound) int64 {
	switch b {
	case UpToLastStable:
		return r.LastStable
	case UpToEnd:
		return r.End
	}
	return r.HighWatermark
}

// readFiles fills r from the segment that holds the offset, or, if compaction left
// nothing there, from the next one that holds anything.
func (l *Log) readFiles(r *ReadResult, o ReadOptions, limit int64) error {
	from := o.Offset
	for {
		s, next, isActive := l.acquireSegment(from)
		if s == nil {
			return &Error{Code: CodeStorage, Message: "read", Cause: ErrClosed}
		}
		p, pos, order, err := l.readSegment(s, r, o, next)
		if err == nil && len(p) == 0 {
			err = l.readFault(s, o.Offset, pos, order.checkEnd(max(from, s.base), min(next, limit), isActive))
		}
		if err == nil && len(p) > 0 {
			var used int
			if used, err = r.cut(o, limit, p, &order); used > 0 {
				l.cursors.move(s, o.Offset, r.NextOffset, pos+int64(used))
			}
			err = l.readFault(s, r.NextOffset, pos+int64(used), err)
			if err == nil && o.UpTo == UpToLastStable && used > 0 {
				r.Aborted, err = l.AbortedTransactions(o.Offset, r.NextOffset)
			}
		}
		s.release()
		if err != nil {
			r.Release()
			return err
		}
		if len(p) > 0 || isActive {
			return nil
		}
		from = next
	}
}

// acquireSegment returns the segment that may hold the offset with a reference, and
// where the next one begins; nil if the log is closed.
func (l *Log) acquireSegment(offset int64) (s *segment, next int64, isActive bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return nil, 0, false
	}
	i := segmentOf(l.segments, offset)
	s = l.segments[i]
	s.acquire()
	if i+1 < len(l.segments) {
		return s, l.segments[i+1].base, false
	}
	l.tail.wanted()
	return s, math.MaxInt64, true
}

// readSegment reads into r's buffer and returns the bytes from the first batch that
// ends behind the offset on, their position, and the order of what follows that batch;
// no bytes if there is no such batch. The next segment begins at end.
func (l *Log) readSegment(s *segment, r *ReadResult, o ReadOptions, end int64) ([]byte, int64, batchOrder, error) {
	pos, exact := l.cursors.get(s, o.Offset)
	if !exact {
		var err error
		if pos, err = s.offsets.lookup(o.Offset); err != nil {
			return nil, 0, batchOrder{}, storage("read "+filepath.Base(s.path(indexSuffix)), err)
		}
	}
	order := s.orderAt(pos, o.Offset, exact, end, l.holes)
	p, at, err := s.readFrom(pos, r, o, &order)
	if err == nil && pos > 0 && !exact && at == pos && (len(p) < record.HeaderBytes || record.Batch(p).BaseOffset() > o.Offset) {
		err = errWrongIndex // what was looked for may stand before
	}
	if err == nil || pos == 0 {
		return p, at, order, l.readFault(s, o.Offset, at, err)
	}
	// The index may be wrong: the log is what counts.
	order = s.orderAt(0, o.Offset, false, end, l.holes)
	if p, at, retryErr := s.readFrom(0, r, o, &order); retryErr == nil {
		l.logger.Warn("offset index is wrong", "topic", l.options.Topic, "partition", l.options.Partition, "file", filepath.Base(s.path(indexSuffix)), "offset", o.Offset, "position", pos, "error", err)
		return p, at, order, nil
	} else if isMisplaced(retryErr) {
		return nil, 0, order, l.readFault(s, o.Offset, at, retryErr)
	}
	return nil, 0, order, l.readFault(s, o.Offset, at, err)
}

var errWrongIndex = &record.Error{Cause: record.ErrLength, Record: -1, Detail: "no batch at or below the offset stands where the index says"}

func (l *Log) readFault(s *segment, offset, pos int64, err error) error {
	var fault *record.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fault):
		return &DamageError{Dir: l.dir, File: filepath.Base(s.path(logSuffix)), SegmentOffset: s.base, Pos: pos, Offset: offset, DurableOffset: l.DurableOffset(), Cause: err}
	}
	return storage("read "+filepath.Base(s.path(logSuffix)), err)
}

// readFrom looks for the offset from pos on. The batch found is taken by the order.
func (s *segment) readFrom(pos int64, r *ReadResult, o ReadOptions, order *batchOrder) ([]byte, int64, error) {
	f, err := s.open()
	if err != nil {
		return nil, pos, err
	}
	want := min(max(o.MaxBytes, 0), 64<<20)
	for {
		left := s.sizeBytes.Load() - pos
		if left <= 0 {
			return nil, pos, nil
		}
		p, err := r.fill(f, pos, min(left, int64(max(want, 4<<10))))
		if err != nil {
			return nil, pos, err
		}
		for len(p) >= record.HeaderBytes {
			size, err := record.SizeBytes(p)
			if err != nil {
				return nil, pos, err
			}
			b := record.Batch(p)
			if err := order.take(b); err != nil {
				return nil, pos, err
			}
			if left := s.sizeBytes.Load() - pos; int64(size) > left {
				return nil, pos, &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: "the file ends inside a batch"}
			}
			if b.LastOffset() >= o.Offset {
				if size > len(p) && (o.MinOneBatch || size <= o.MaxBytes) {
					if p, err = r.fill(f, pos, min(s.sizeBytes.Load()-pos, int64(max(size, want)))); err != nil {
						return nil, pos, err
					}
				}
				return p, pos, nil
			}
			pos += int64(size)
			if size > len(p) {
				break
			}
			p = p[size:]
		}
	}
}

// fill reads up to n bytes at pos; fewer only at the end of the file.
func (r *ReadResult) fill(f vfs.File, pos, n int64) ([]byte, error) {
	if r.buffer == nil || int64(len(*r.buffer)) < n {
		if r.buffer != nil {
			putReadBuffer(r.buffer)
		}
		r.buffer = getReadBuffer(int(n))
	}
	got, err := f.ReadAt((*r.buffer)[:n], pos)
	if err == io.EOF && got > 0 {
		err = nil
	}
	return (*r.buffer)[:got], err
}

// skipBefore drops the batches that end before the offset.
func skipBefore(p []byte, offset int64) []byte {
	for len(p) >= record.HeaderBytes && record.Batch(p).LastOffset() < offset {
		size, err := record.SizeBytes(p)
		if err != nil || size > len(p) {
			return nil
		}
		p = p[size:]
	}
	return p
}

// cut takes the whole batches of p that lie below limit and fit MaxBytes, and
// returns how many bytes they are. order, if not nil, has taken the first.
func (r *ReadResult) cut(o ReadOptions, limit int64, p []byte, order *batchOrder) (int, error) {
	used := 0
	for len(p)-used >= record.HeaderBytes {
		rest := p[used:]
		size, err := record.SizeBytes(rest)
		if err != nil {
			if used > 0 {
				break // the next read meets it
			}
			return 0, err
		}
		b := record.Batch(rest)
		if used > 0 && order != nil {
			was := order.sure
			if err := order.take(b); err != nil && was {
				break // the next read meets it
			} else if err != nil {
				return 0, err
			}
		}
		if b.LastOffset() >= limit || size > len(rest) {
			break
		}
		if used+size > o.MaxBytes && !(used == 0 && o.MinOneBatch) {
			break
		}
		used += size
		r.NextOffset = b.NextOffset()
	}
	r.Records = p[:used:used]
	return used, nil
}
