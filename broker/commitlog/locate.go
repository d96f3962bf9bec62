package commitlog

import (
	"math"
	"os"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

const (
	// leastLocated is the least that is worth locating: less is read as fast.
	leastLocated = 32 << 10
	// Headers of batches of at least largeBatch are read one by one; those of smaller
	// ones lie so close together that a window of the file is read, small enough to
	// stay in the processor's cache.
	largeBatch    = 4 << 10
	headersWindow = 64 << 10
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
// Where reading is as good it says no: what is in memory, little, files that are none
// of the operating system's, and whatever Read has to explain.
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
	i, end := segmentOf(l.segments, o.Offset), int64(math.MaxInt64)
	s := l.segments[i]
	s.acquire()
	if i+1 == len(l.segments) {
		l.tail.wanted()
	} else {
		end = l.segments[i+1].base
	}
	l.mu.RUnlock()
	r.s = s
	if !l.locate(&r, o, limit, end) {
		r.Release()
		return r, false
	}
	l.cursors.move(s, o.Offset, r.NextOffset, r.Pos+r.Bytes)
	return r, true
}

// locate walks the headers in r's segment, behind which the next begins at next. It says no to everything that is not as it
// should be: Read knows what to make of that.
func (l *Log) locate(r *FileRef, o ReadOptions, limit, next int64) bool {
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
	end, order := s.sizeBytes.Load(), s.orderAt(pos, o.Offset, exact, next, l.holes)
	if end-pos < leastLocated {
		return false
	}
	if size, err := f.Size(); err != nil || size < end {
		return false
	}
	headers := headerWalk{file: f, end: end}
	defer headers.done()
	for pos+record.HeaderBytes <= end {
		header, size, err := headers.at(pos)
		if err != nil || size > end-pos {
			return false
		}
		sure := order.sure
		if order.take(header) != nil {
			if sure && r.Bytes > 0 {
				break
			}
			return false
		}
		last := header.LastOffset()
		if last >= limit {
			break
		}
		if last < o.Offset {
			pos += size
			continue
		}
		if r.Bytes+size > int64(o.MaxBytes) && !(r.Bytes == 0 && o.MinOneBatch) {
			break
		}
		if r.Bytes == 0 {
			r.Pos = pos
		}
		r.Bytes += size
		r.NextOffset = last + 1
		pos += size
	}
	return r.Bytes >= leastLocated
}

// headerWalk reads the headers of batches that follow one another.
type headerWalk struct {
	file vfs.File
	end  int64

	one    [record.HeaderBytes]byte
	buffer *[]byte // window is a part of it
	window []byte  // what lies at pos
	pos    int64
	small  bool // the last batch was
}

// at returns the header of the batch at pos, until the next call, and the size of the
// batch.
func (w *headerWalk) at(pos int64) (record.Batch, int64, error) {
	p, err := w.bytes(pos)
	if err != nil {
		return nil, 0, err
	}
	size, err := record.SizeBytes(p)
	w.small = size < largeBatch
	return p[:record.HeaderBytes:record.HeaderBytes], int64(size), err
}

// bytes returns at least the header at pos: from the window if it is there, else from
// the file.
func (w *headerWalk) bytes(pos int64) (p []byte, err error) {
	if skip := pos - w.pos; skip+record.HeaderBytes <= int64(len(w.window)) {
		return w.window[skip:], nil
	}
	p = w.one[:]
	if w.small {
		if w.buffer == nil {
			w.buffer = getReadBuffer(headersWindow)
		}
		p = (*w.buffer)[:min(headersWindow, w.end-pos)]
		w.window, w.pos = p, pos
	}
	_, err = w.file.ReadAt(p, pos)
	return p, err
}

func (w *headerWalk) done() {
	if w.buffer != nil {
		putReadBuffer(w.buffer)
	}
}
