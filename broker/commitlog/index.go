package commitlog

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// The three indexes of a segment are files of fixed-width entries in growing
// order, all numbers big-endian:
//
//	.index      relative offset(4) │ position(4)
//	.timeindex  timestamp(8) │ relative offset(4)
//	.txnindex   version(2)=0 │ producer ID(8) │ first(8) │ last(8) │ last stable(8)
//
// Relative offsets count from the segment's base offset.
const (
	offsetEntryBytes = 8
	timeEntryBytes   = 12
	txnEntryBytes    = 34
	// indexBufferBytes is how much of an index waits in memory: what a crash
	// takes of it, recovery makes anew from the log.
	indexBufferBytes = 4080 // a multiple of all three widths
)

// index is a file of fixed-width entries whose last part is still in memory. The
// file is opened on first use and created on first flush.
type index struct {
	fsys  vfs.FS
	path  string
	width int

	mu      sync.RWMutex
	loaded  bool
	file    vfs.File // nil: not opened, or does not exist
	flushed int64    // bytes of whole entries in the file
	buf     []byte   // entries behind them
	last    [txnEntryBytes]byte
	lastOK  bool
}

func newIndex(fsys vfs.FS, path string, width int) *index {
	return &index{fsys: fsys, path: path, width: width}
}

// load opens the file if there is one. x.mu must be held for writing.
func (x *index) load() error {
	if x.loaded {
		return nil
	}
	f, err := x.fsys.OpenFile(x.path)
	if errors.Is(err, fs.ErrNotExist) {
		x.loaded = true
		return nil
	}
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err != nil {
		f.Close()
		return err
	}
	x.file, x.flushed, x.loaded = f, size-size%int64(x.width), true
	return nil
}

// rlock takes the lock for reading with the file loaded.
func (x *index) rlock() error {
	x.mu.RLock()
	if x.loaded {
		return nil
	}
	x.mu.RUnlock()
	x.mu.Lock()
	err := x.load()
	x.mu.Unlock()
	if err != nil {
		return err
	}
	x.mu.RLock()
	return nil
}

func (x *index) count() int { return int(x.flushed)/x.width + len(x.buf)/x.width }

// read returns entry i in p. x.mu must be held.
func (x *index) read(i int, p []byte) error {
	p = p[:x.width]
	at := int64(i) * int64(x.width)
	if at >= x.flushed {
		copy(p, x.buf[at-x.flushed:])
		return nil
	}
	_, err := x.file.ReadAt(p, at)
	return err
}

// search returns the largest i whose entry satisfies below, or −1; entries that
// satisfy it come first. x.mu must be held.
func (x *index) search(below func(entry []byte) bool) (int, error) {
	var p [txnEntryBytes]byte
	low, high := 0, x.count()
	// The unflushed part is what readers at the tail ask for; try it first.
	if flushed := int(x.flushed) / x.width; len(x.buf) > 0 && flushed > 0 {
		if below(x.buf[:x.width]) {
			low = flushed
		} else {
			high = flushed
		}
	}
	for low < high {
		mid := (low + high) / 2
		if err := x.read(mid, p[:]); err != nil {
			return -1, err
		}
		if below(p[:x.width]) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low - 1, nil
}

// append adds an entry in memory and writes the buffer if it is full.
func (x *index) append(entry []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return err
	}
	x.buf = append(x.buf, entry...)
	copy(x.last[:], entry)
	x.lastOK = true
	if len(x.buf) >= indexBufferBytes {
		return x.flushLocked()
	}
	return nil
}

// lastEntry returns the last entry in p, or false if there is none.
func (x *index) lastEntry(p []byte) (bool, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return false, err
	}
	if x.lastOK {
		copy(p, x.last[:x.width])
		return true, nil
	}
	n := x.count()
	if n == 0 {
		return false, nil
	}
	if err := x.read(n-1, p); err != nil {
		return false, err
	}
	copy(x.last[:], p[:x.width])
	x.lastOK = true
	return true, nil
}

// firstEntry returns the first entry in p and how many there are.
func (x *index) firstEntry(p []byte) (count int, err error) {
	if err := x.rlock(); err != nil {
		return 0, err
	}
	defer x.mu.RUnlock()
	if x.count() == 0 {
		return 0, nil
	}
	return x.count(), x.read(0, p)
}

// isWhole reports whether the file ends with a whole entry.
func (x *index) isWhole() (bool, error) {
	if err := x.rlock(); err != nil {
		return false, err
	}
	defer x.mu.RUnlock()
	if x.file == nil {
		return true, nil
	}
	size, err := x.file.Size()
	return size%int64(x.width) == 0, err
}

func (x *index) flushLocked() error {
	if len(x.buf) == 0 {
		return nil
	}
	if x.file == nil {
		f, err := x.fsys.Create(x.path)
		if err != nil {
			return err
		}
		x.file, x.flushed = f, 0
	}
	if _, err := x.file.WriteAt(x.buf, x.flushed); err != nil {
		return err
	}
	x.flushed += int64(len(x.buf))
	x.buf = x.buf[:0]
	return nil
}

// flush writes what is in memory; create makes the file even if it is empty.
func (x *index) flush(create bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return err
	}
	if create && x.file == nil {
		f, err := x.fsys.Create(x.path)
		if err != nil {
			return err
		}
		x.file = f
	}
	return x.flushLocked()
}

// sync makes what was flushed durable, if the file is there.
func (x *index) sync() error {
	x.mu.RLock()
	f := x.file
	x.mu.RUnlock()
	if f == nil {
		return nil
	}
	return f.Sync()
}

// truncate keeps the first n entries.
func (x *index) truncate(n int) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.load(); err != nil {
		return err
	}
	x.lastOK = false
	keep := int64(n) * int64(x.width)
	if keep >= x.flushed {
		if rest := keep - x.flushed; rest < int64(len(x.buf)) {
			x.buf = x.buf[:rest]
		}
		if x.file == nil {
			return nil
		}
		// Bytes of half an entry, or of an index made larger in advance.
		size, err := x.file.Size()
		if err != nil || size == x.flushed {
			return err
		}
		return x.file.Truncate(x.flushed)
	}
	x.buf, x.flushed = x.buf[:0], keep
	return x.file.Truncate(keep)
}

func (x *index) close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.file == nil {
		return nil
	}
	err := x.file.Close()
	x.file, x.loaded, x.flushed, x.buf, x.lastOK = nil, false, 0, nil, false
	return err
}

// sizeBytes is the size that the file has or will have.
func (x *index) sizeBytes() int64 {
	if err := x.rlock(); err != nil {
		return 0
	}
	defer x.mu.RUnlock()
	return x.flushed + int64(len(x.buf))
}

// each calls f with every entry until it returns an error.
func (x *index) each(f func(i int, entry []byte) error) error {
	if err := x.rlock(); err != nil {
		return err
	}
	defer x.mu.RUnlock()
	page := make([]byte, indexBufferBytes)
	i := 0
	for at := int64(0); at < x.flushed; {
		p := page[:min(int64(len(page)), x.flushed-at)]
		if _, err := x.file.ReadAt(p, at); err != nil {
			return err
		}
		at += int64(len(p))
		for ; len(p) > 0; p = p[x.width:] {
			if err := f(i, p[:x.width]); err != nil {
				return err
			}
			i++
		}
	}
	for p := x.buf; len(p) > 0; p = p[x.width:] {
		if err := f(i, p[:x.width]); err != nil {
			return err
		}
		i++
	}
	return nil
}
