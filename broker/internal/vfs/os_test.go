package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFilesThatCannotBeWrittenAreRead: of a file system that was mounted read-only, or
// of somebody else.
func TestFilesThatCannotBeWrittenAreRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, cause := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM} {
		open := func(path string, flag int, mode fs.FileMode) (*os.File, error) {
			if flag&(os.O_RDWR|os.O_WRONLY) != 0 {
				return nil, &fs.PathError{Op: "open", Path: path, Err: cause}
			}
			return os.OpenFile(path, flag, mode)
		}
		f, err := openExisting(open, path)
		if err != nil {
			t.Fatalf("%v: %v", cause, err)
		}
		p := make([]byte, 7)
		if _, err := f.ReadAt(p, 0); err != nil || string(p) != "content" {
			t.Errorf("%v: %q, %v", cause, p, err)
		}
		if _, err := f.WriteAt(p, 0); !errors.Is(err, cause) {
			t.Errorf("%v: a write is refused with %v", cause, err)
		}
		if err := f.Truncate(0); !errors.Is(err, cause) {
			t.Errorf("%v: truncation is refused with %v", cause, err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := openExisting(os.OpenFile, path+".missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	full := func(path string, flag int, mode fs.FileMode) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.EMFILE}
	}
	if _, err := openExisting(full, path); !errors.Is(err, syscall.EMFILE) {
		t.Error(err)
	}
}
