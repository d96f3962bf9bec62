package vfs

import (
	"errors"
	"io/fs"
	"os"
	"sort"
	"syscall"
)

// OS is the file system of the operating system.
var OS FS = osFS{}

type osFS struct{}

func (osFS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) OpenFile(path string) (File, error) { return openExisting(os.OpenFile, path) }

// openExisting opens a file that may not be written to for reading: a disk that was
// mounted read-only is still good for that.
func openExisting(open func(string, int, fs.FileMode) (*os.File, error), path string) (File, error) {
	f, err := open(path, os.O_RDWR, 0)
	if err == nil {
		return osFile{f}, nil
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		if f, readErr := open(path, os.O_RDONLY, 0); readErr == nil {
			return readOnlyFile{osFile{f}, err}, nil
		}
	}
	return nil, err
}

// readOnlyFile refuses what changes it with the error of opening it for that.
type readOnlyFile struct {
	osFile
	refused error
}

func (f readOnlyFile) WriteAt([]byte, int64) (int, error) { return 0, f.refused }
func (f readOnlyFile) Truncate(int64) error               { return f.refused }

func (osFS) Rename(from, to string) error { return os.Rename(from, to) }
func (osFS) Remove(path string) error     { return os.Remove(path) }
func (osFS) MkdirAll(path string) error   { return os.MkdirAll(path, 0o755) }

func (osFS) List(path string) ([]string, error) {
	d, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	sort.Strings(names)
	return names, err
}

func (osFS) Stat(path string) (Info, error) {
	i, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	return Info{SizeBytes: i.Size(), IsDir: i.IsDir()}, nil
}

func (osFS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

type osFile struct{ *os.File }

func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (f osFile) OS() *os.File { return f.File }
