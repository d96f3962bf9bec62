// Package vfs is the seam between the log and the file system, so that a test
// can take the power away.
//
// There are three file systems: [OS], the real one; [Mem], which knows what was
// synced and makes crash copies that lose or tear everything that was not; and
// [Faulty], which fails the n-th operation of another one.
//
// The contract is that of POSIX at its harshest:
//
//   - bytes written are durable once Sync of their file returned;
//   - a created, renamed or removed name is durable once SyncDir of its folder
//     returned, whatever was synced of the file itself;
//   - a rename replaces an existing file atomically;
//   - after a failed Sync nothing is known about the bytes written since the last
//     good one, and calling it again does not help.
//
// Paths are slash or OS separated, as package filepath makes them. All methods may
// be called concurrently; writers of one file must not overlap.
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is a file system. Errors satisfy errors.Is with fs.ErrNotExist and
// fs.ErrExist where they apply.
type FS interface {
	// Create makes an empty file for reading and writing, or empties one.
	Create(path string) (File, error)
	// OpenFile opens an existing file for reading and writing. One that cannot be
	// written to is opened all the same, and refuses changes.
	OpenFile(path string) (File, error)
	// Rename gives a file or folder another name. A file in its place is
	// replaced, a folder is an error.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(path string) error
	// MkdirAll makes a folder and those above it. The new names are durable
	// only after SyncDir of the folders that hold them.
	MkdirAll(path string) error
	// List returns the names in a folder, sorted.
	List(path string) ([]string, error)
	// Stat returns the size of a file.
	Stat(path string) (Info, error)
	SyncDir(path string) error
}

// Info describes a file.
type Info struct {
	SizeBytes int64
	IsDir     bool
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes the bytes and the size durable.
	Sync() error
	Size() (int64, error)
	// OS returns the file of the operating system, or nil if there is none.
	OS() *os.File
}

// ReadFile reads a whole file of at most max bytes; a larger one is an error.
func ReadFile(fsys FS, path string, max int64) ([]byte, error) {
	f, err := fsys.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fs.ErrInvalid}
	}
	p := make([]byte, size)
	if n, err := f.ReadAt(p, 0); err != nil && !(err == io.EOF && n == len(p)) {
		return nil, err
	}
	return p, nil
}

// RemoveAll removes a file or a folder with everything in it. It is no error if
// there is nothing.
func RemoveAll(fsys FS, path string) error {
	info, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir {
		names, err := fsys.List(path)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := RemoveAll(fsys, filepath.Join(path, name)); err != nil {
				return err
			}
		}
	}
	if err := fsys.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// MakeFolder makes a folder and those above it, and makes the new names durable.
func MakeFolder(fsys FS, path string) error {
	if info, err := fsys.Stat(path); err == nil && info.IsDir {
		return nil
	}
	above := filepath.Dir(path)
	if above != path {
		if err := MakeFolder(fsys, above); err != nil {
			return err
		}
	}
	if err := fsys.MkdirAll(path); err != nil {
		return err
	}
	return fsys.SyncDir(above)
}
