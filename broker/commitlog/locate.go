package commitlog

import (
	"os"
	"path/filepath"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// FileRef is where stored batches lie, for sending them without reading them. The
// bytes stay as they are until Release, whatever happens to the log.
type FileRef struct {
	File       *os.File // nil if there is nothing, or the file system has no such file
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
// It does not look up aborted transactions, see [Log.AbortedTransactions].
func (l *Log) Locate(o ReadOptions) (FileRef, error) {
	offsets := l.Offsets()
	r := FileRef{NextOffset: o.Offset, Offsets: offsets}
	if o.Offset < offsets.Start || o.Offset > offsets.End {
		return r, refuse(CodeOffsetOutOfRange, "offset %d, the log holds %d to %d", o.Offset, offsets.Start, offsets.End)
	}
	limit := offsets.limit(o.UpTo)
	for from := o.Offset; from < limit; {
		s, next, isActive := l.acquireSegment(from)
		if s == nil {
			return r, &Error{Code: CodeStorage, Message: "read", Cause: ErrClosed}
		}
		if err := s.locate(&r, o, limit); err != nil {
			s.release()
			return r, l.readFault(s, o.Offset, r.Pos, err)
		}
		if r.Bytes == 0 {
			s.release()
			if isActive || r.NextOffset != o.Offset {
				return r, nil
			}
			from = next
			continue
		}
		f, err := s.open()
		if err != nil {
			s.release()
			return r, storage("open "+filepath.Base(s.path(logSuffix)), err)
		}
		r.s, r.File = s, f.OS()
		return r, nil
	}
	return r, nil
}

// locate finds the batches in one segment.
func (s *segment) locate(r *FileRef, o ReadOptions, limit int64) error {
	pos, err := s.offsets.lookup(o.Offset)
	if err != nil {
		return err
	}
	_, err = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, pos int64) error {
		if b.LastOffset() < o.Offset {
			return nil
		}
		size := int64(b.LengthField()) + 12
		fits := r.Bytes+size <= int64(o.MaxBytes) || r.Bytes == 0 && o.MinOneBatch
		if b.LastOffset() >= limit || !fits {
			return errStop
		}
		if r.Bytes == 0 {
			r.Pos = pos
		}
		r.Bytes += size
		r.NextOffset = b.NextOffset()
		return nil
	})
	if err == errStop {
		return nil
	}
	return err
}
