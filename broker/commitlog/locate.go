package commitlog

import (
	"os"

	"github.com/dovetail-dev/dovetail/broker/record"
)

const (
	// leastLocated is the least that is worth locating: less is read as fast.
	leastLocated = 32 << 10
	// leastLocatedBatch is how large batches must be on average, since each costs
	// the reading of its header. It is judged after so many of them.
	leastLocatedBatch = 8 << 10
	judgedBatches     = 8
)

// FileRef is where stored batches lie, for sending them without reading them. The
// bytes stay as they are until Release, whatever happens to the log: a segment that
// retention or compaction takes away keeps its file until its last reader is done, and
// below the high watermark nothing is ever cut off.
type FileRef struct {
	File       *os.File // shared: its own position must not be used
	Pos        int64
	Bytes      int64
	NextOffset int64
	Offsets

	s *segment
}

// Release gives the file back. It may be called twice.
func (r *FileRef) Release() {
	if r.s != nil {
		r.s.release()
	}
	r.s, r.File = nil, nil
}

// Locate is [Log.Read] without the bytes: it reads only the headers of the batches.
// Where reading is as good it says no: what is in memory, little, many small batches,
// files that are none of the operating system's, and whatever Read has to explain.
// It does not look up aborted transactions, see [Log.AbortedTransactions].
func (l *Log) Locate(o ReadOptions) (r FileRef, ok bool) {
	if o.MaxBytes < leastLocated {
		return r, false
	}
	l.mu.RLock()
	r.Offsets = Offsets{Start: l.start, LastStable: l.lastStable(), HighWatermark: l.hw, End: l.end}
	limit := r.limit(o.UpTo)
	if l.closed || o.Offset < l.start || o.Offset >= limit || l.tail.has(o.Offset) {
		l.mu.RUnlock()
		return r, false
	}
	i := segmentOf(l.segments, o.Offset)
	s := l.segments[i]
	s.acquire()
	if i+1 == len(l.segments) {
		l.tail.wanted()
	}
	l.mu.RUnlock()
	r.s = s
	if !l.locate(&r, o, limit) {
		r.Release()
		return r, false
	}
	l.cursors.move(s, o.Offset, r.NextOffset, r.Pos+r.Bytes)
	return r, true
}

// locate walks the headers in r's segment. It says no to everything that is not as it
// should be: Read knows what to make of that.
func (l *Log) locate(r *FileRef, o ReadOptions, limit int64) bool {
	s := r.s
	f, err := s.open()
	if err != nil {
		return false
	}
	if r.File = f.OS(); r.File == nil {
		return false
	}
	pos, exact := l.cursors.get(s, o.Offset)
	if !exact {
		if pos, err = s.seek(o.Offset); err != nil {
			return false
		}
	}
	end, last, count := s.sizeBytes.Load(), s.base-1, int64(0)
	if end-pos < leastLocated {
		return false
	}
	if size, err := f.Size(); err != nil || size < end {
		return false
	}
	header := make(record.Batch, record.HeaderBytes)
	for ; pos+record.HeaderBytes <= end; count++ {
		if _, err := f.ReadAt(header, pos); err != nil {
			return false
		}
		size, err := record.SizeBytes(header)
		if err != nil || int64(size) > end-pos || header.BaseOffset() <= last || header.LastOffsetDelta() < 0 {
			return false
		}
		last = header.LastOffset()
		if last >= limit {
			break
		}
		if last < o.Offset {
			pos += int64(size)
			continue
		}
		if r.Bytes+int64(size) > int64(o.MaxBytes) && !(r.Bytes == 0 && o.MinOneBatch) {
			break
		}
		if r.Bytes == 0 {
			r.Pos = pos
		}
		r.Bytes += int64(size)
		r.NextOffset = last + 1
		pos += int64(size)
		if count == judgedBatches && r.Bytes < judgedBatches*leastLocatedBatch {
			return false
		}
	}
	return r.Bytes >= leastLocated
}
