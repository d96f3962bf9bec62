package vfs

import (
	"errors"
	"os"
	"strings"
	"sync"
)

// ErrInjected is the error of a failed operation.
var ErrInjected = errors.New("injected fault")

// Op is a kind of operation that can fail.
type Op uint16

// The kinds of operations.
const (
	OpCreate Op = 1 << iota
	OpOpen
	OpRename
	OpRemove
	OpMkdir
	OpSyncDir
	OpRead
	OpWrite
	OpTruncate
	OpSync
	OpChange = OpCreate | OpRename | OpRemove | OpMkdir | OpSyncDir | OpWrite | OpTruncate | OpSync
)

// Faulty fails operations of another file system. A failing write writes half of
// its bytes; a failing Sync of a file in [Mem] loses what it was to make durable,
// which is still read; any other failing operation does nothing. The zero value of N
// never fails and only counts.
type Faulty struct {
	FS
	Ops    Op    // the kinds that count
	N      int   // the N-th of them fails, from 1; 0: none
	Sticky bool  // and all of them after it
	Err    error // nil: ErrInjected
	// Under, if not empty, is in the path of every operation that counts. It stays
	// as it is.
	Under string

	mu    sync.Mutex
	count int
}

// Count is the number of operations of the counted kinds so far.
func (f *Faulty) Count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// Arm sets which operation fails, counting from the next one.
func (f *Faulty) Arm(ops Op, n int, sticky bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Ops, f.N, f.Sticky, f.Err, f.count = ops, n, sticky, err, 0
}

func (f *Faulty) hit(op Op, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Ops&op == 0 || !strings.Contains(path, f.Under) {
		return nil
	}
	f.count++
	if f.N > 0 && (f.count == f.N || f.Sticky && f.count > f.N) {
		if f.Err != nil {
			return f.Err
		}
		return ErrInjected
	}
	return nil
}

// Create implements [FS].
func (f *Faulty) Create(path string) (File, error) {
	if err := f.hit(OpCreate, path); err != nil {
		return nil, pathError("create", path, err)
	}
	return f.wrap(path)(f.FS.Create(path))
}

// OpenFile implements [FS].
func (f *Faulty) OpenFile(path string) (File, error) {
	if err := f.hit(OpOpen, path); err != nil {
		return nil, pathError("open", path, err)
	}
	return f.wrap(path)(f.FS.OpenFile(path))
}

func (f *Faulty) wrap(path string) func(file File, err error) (File, error) {
	return func(file File, err error) (File, error) {
		if err != nil {
			return nil, err
		}
		return &faultyFile{File: file, fs: f, path: path}, nil
	}
}

// Rename implements [FS].
func (f *Faulty) Rename(from, to string) error {
	if err := f.hit(OpRename, from); err != nil {
		return pathError("rename", from, err)
	}
	return f.FS.Rename(from, to)
}

// Remove implements [FS].
func (f *Faulty) Remove(path string) error {
	if err := f.hit(OpRemove, path); err != nil {
		return pathError("remove", path, err)
	}
	return f.FS.Remove(path)
}

// MkdirAll implements [FS].
func (f *Faulty) MkdirAll(path string) error {
	if err := f.hit(OpMkdir, path); err != nil {
		return pathError("mkdir", path, err)
	}
	return f.FS.MkdirAll(path)
}

// SyncDir implements [FS].
func (f *Faulty) SyncDir(path string) error {
	if err := f.hit(OpSyncDir, path); err != nil {
		return pathError("syncdir", path, err)
	}
	return f.FS.SyncDir(path)
}

type faultyFile struct {
	File
	fs   *Faulty
	path string
}

func (f *faultyFile) ReadAt(p []byte, pos int64) (int, error) {
	if err := f.fs.hit(OpRead, f.path); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, pos)
}

func (f *faultyFile) WriteAt(p []byte, pos int64) (int, error) {
	if err := f.fs.hit(OpWrite, f.path); err != nil {
		n, _ := f.File.WriteAt(p[:len(p)/2], pos)
		return n, err
	}
	return f.File.WriteAt(p, pos)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.hit(OpTruncate, f.path); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.hit(OpSync, f.path); err != nil {
		if file, ok := f.File.(interface{ loseUnsynced() }); ok {
			file.loseUnsynced()
		}
		return err
	}
	return f.File.Sync()
}

// OS is nil: what goes past the seam would not be counted.
func (f *faultyFile) OS() *os.File { return nil }
