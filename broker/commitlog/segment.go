package commitlog

import (
	"io"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// segment is one .log file and its indexes. Its file is opened on first use. A
// segment that was removed from the log lives on until its last reader is done.
type segment struct {
	fsys vfs.FS
	dir  string
	base int64
	// dense: compaction has never rewritten it, and each batch begins where the one
	// before ends.
	dense bool

	offsets offsetIndex
	times   timeIndex
	txns    txnIndex

	mu   sync.Mutex // guards opening and what emptiedTimestamp has found
	file atomic.Pointer[vfs.File]
	refs atomic.Int32 // one of the log, one of each reader; closed at zero

	sizeBytes atomic.Int64 // of whole batches in the file

	emptiedKnown bool
	emptied      int64

	// Of the active segment; guarded by the log's amu.
	sinceIndex         int   // bytes since the last index entry
	firstTimestamp     int64 // of the first batch; what segment.ms counts from
	maxTimestamp       int64
	maxTimestampOffset int64 // last offset of the first batch that has it
	maxNext            int64 // offset after the last batch that a scan met
}

func newSegment(fsys vfs.FS, dir string, base int64) *segment {
	name := func(suffix string) string { return filepath.Join(dir, fileName(base, suffix)) }
	s := &segment{
		fsys: fsys, dir: dir, base: base,
		offsets:            offsetIndex{newIndex(fsys, name(indexSuffix), offsetEntryBytes), base},
		times:              timeIndex{newIndex(fsys, name(timeSuffix), timeEntryBytes), base},
		txns:               txnIndex{newIndex(fsys, name(txnSuffix), txnEntryBytes)},
		firstTimestamp:     record.NoTimestamp,
		maxTimestamp:       record.NoTimestamp,
		maxTimestampOffset: base,
	}
	s.refs.Store(1)
	return s
}

func (s *segment) path(suffix string) string {
	return filepath.Join(s.dir, fileName(s.base, suffix))
}

// open returns the log file.
func (s *segment) open() (vfs.File, error) {
	if f := s.file.Load(); f != nil {
		return *f, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.file.Load(); f != nil {
		return *f, nil
	}
	f, err := s.fsys.OpenFile(s.path(logSuffix))
	if err != nil {
		return nil, err
	}
	s.file.Store(&f)
	return f, nil
}

// create makes the empty log file.
func (s *segment) create() error {
	f, err := s.fsys.Create(s.path(logSuffix))
	if err != nil {
		return err
	}
	s.file.Store(&f)
	return nil
}

// openAll opens the files that are there, so that readers keep them when their names
// go.
func (s *segment) openAll() error {
	if _, err := s.open(); err != nil {
		return err
	}
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if err := x.rlock(); err != nil {
			return err
		}
		x.mu.RUnlock()
	}
	return nil
}

func (s *segment) acquire() { s.refs.Add(1) }

// release gives a reference back; the last one closes the files.
func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		s.closeFiles()
	}
}

func (s *segment) closeFiles() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if f := s.file.Swap(nil); f != nil {
		err = (*f).Close()
	}
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if e := x.close(); err == nil {
			err = e
		}
	}
	return err
}

// noteBatch keeps indexes and timestamps for a batch that stands at pos. Errors of
// the index files are not the batch's: what is not written stays in memory, and
// roll and checkpoint report it.
func (s *segment) noteBatch(b record.Batch, pos int64, indexInterval int) {
	if s.firstTimestamp == record.NoTimestamp {
		s.firstTimestamp = b.MaxTimestamp()
	}
	// What is left of an emptied batch has a timestamp but no record that has it.
	if t := b.MaxTimestamp(); t > s.maxTimestamp && b.Count() > 0 {
		s.maxTimestamp, s.maxTimestampOffset = t, b.LastOffset()
	}
	if s.sinceIndex > indexInterval {
		_ = s.offsets.add(b.LastOffset(), pos)
		_ = s.times.add(s.maxTimestamp, s.maxTimestampOffset)
		s.sinceIndex = 0
	}
	s.sinceIndex += len(b)
}

// flushIndexes writes the indexes; last also adds the segment's largest timestamp
// and makes the files that must exist for a sealed segment.
func (s *segment) flushIndexes(last bool) error {
	if last && s.maxTimestamp >= 0 {
		if err := s.times.add(s.maxTimestamp, s.maxTimestampOffset); err != nil {
			return err
		}
	}
	if err := s.offsets.flush(last); err != nil {
		return err
	}
	if err := s.times.flush(last); err != nil {
		return err
	}
	// Also an empty one: a segment without the file lacks it, see checkSealed.
	return s.txns.flush(last || s.sizeBytes.Load() > 0)
}

func (s *segment) syncIndexes() error {
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if err := x.sync(); err != nil {
			return err
		}
	}
	return nil
}

// scanBufferBytes is how much a scan reads at once.
const scanBufferBytes = 256 << 10

// scan calls f with each batch from pos to the end of the file, and returns the
// position up to which batches are whole and f returned nil. With headers, only
// the header of a batch is read and given to f, unless it is a control batch. A
// fault in the bytes ends the scan with an error of package record; other errors
// are those of the file or of f.
func (s *segment) scan(pos, end int64, headers bool, f func(b record.Batch, pos int64) error) (int64, error) {
	file, err := s.open()
	if err != nil {
		return pos, err
	}
	buf := make([]byte, min(scanBufferBytes, max(end-pos, 0)))
	window, at := buf[:0], pos // the bytes at at that are read already
	for pos < end {
		head := record.HeaderBytes
		if window, at, err = readWindow(file, buf, window, at, pos, min(int64(head), end-pos)); err != nil {
			return pos, err
		}
		size, err := record.SizeBytes(window)
		if err != nil {
			return pos, err
		}
		if int64(size) > end-pos {
			return pos, &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: "the file ends inside a batch"}
		}
		whole := int64(size)
		if headers && !record.Batch(window).IsControl() {
			whole = record.HeaderBytes
		}
		if whole > int64(len(buf)) {
			buf = make([]byte, whole)
		}
		if window, at, err = readWindow(file, buf, window, at, pos, whole); err != nil {
			return pos, err
		}
		if err := f(record.Batch(window[:whole:whole]), pos); err != nil {
			return pos, err
		}
		pos += int64(size)
	}
	return pos, nil
}

// readWindow makes at least n bytes at pos available and returns them with
// whatever else is read there.
func readWindow(file vfs.File, buf, window []byte, at, pos, n int64) ([]byte, int64, error) {
	if skip := pos - at; skip >= 0 && skip <= int64(len(window)) {
		window = window[skip:]
	} else {
		window = nil
	}
	if int64(len(window)) >= n {
		return window, pos, nil
	}
	have := copy(buf, window)
	got, err := file.ReadAt(buf[have:], pos+int64(have))
	if int64(have+got) < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, pos, err
	}
	return buf[:have+got], pos, nil
}
