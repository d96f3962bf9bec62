package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, fsys FS, path, content string) File {
	t.Helper()
	f, err := fsys.Create(path)
	must(t, err)
	_, err = f.WriteAt([]byte(content), 0)
	must(t, err)
	return f
}

func content(t *testing.T, fsys FS, path string) string {
	t.Helper()
	p, err := ReadFile(fsys, path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return "none"
	}
	must(t, err)
	return string(p)
}

// outcomes collects what crash copies show of a file.
func outcomes(t *testing.T, m *Mem, path string) map[string]bool {
	seen := map[string]bool{}
	for seed := range uint64(200) {
		seen[content(t, m.CrashCopy(seed), path)] = true
	}
	return seen
}

func TestSyncedBytesUnderSyncedNamesSurvive(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("d"), m.SyncDir("."))
	f := write(t, m, "d/a", "one")
	must(t, f.Sync(), m.SyncDir("d"))
	if got := outcomes(t, m, "d/a"); len(got) != 1 || !got["one"] {
		t.Errorf("%v", got)
	}
}

func TestUnsyncedNamesAndBytesMayGo(t *testing.T) {
	m := NewMem()
	must(t, m.MkdirAll("d"), m.SyncDir("."))
	f := write(t, m, "d/a", "one")
	must(t, f.Sync()) // the name is not durable
	if got := outcomes(t, m, "d/a"); len(got) != 2 || !got["one"] || !got["none"] {
		t.Errorf("after Sync without SyncDir: %v", got)
	}
	must(t, m.SyncDir("d"))
	if _, err := f.WriteAt([]byte("two"), 0); err != nil {
		t.Fatal(err)
	}
	if got := outcomes(t, m, "d/a"); len(got) != 2 || !got["one"] || !got["two"] {
		t.Errorf("after an unsynced write: %v", got)
	}
}

func TestWritesTearAtSectors(t *testing.T) {
	m := NewMem()
	f := write(t, m, "a", string(bytes.Repeat([]byte("a"), 2*sectorBytes)))
	must(t, f.Sync(), m.SyncDir("."))
	if _, err := f.WriteAt(bytes.Repeat([]byte("b"), 2*sectorBytes), 0); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for text := range outcomes(t, m, "a") {
		got[string([]byte{text[0], text[sectorBytes-1], text[sectorBytes], text[2*sectorBytes-1]})] = true
	}
	if len(got) != 4 || !got["aabb"] || !got["bbaa"] {
		t.Errorf("%v", got)
	}
}

func TestRenameIsAtomic(t *testing.T) {
	m := NewMem()
	old := write(t, m, "a", "old")
	must(t, old.Sync(), m.SyncDir("."))
	tmp := write(t, m, "a.tmp", "new")
	must(t, tmp.Sync(), m.Rename("a.tmp", "a"))
	for seed := range uint64(200) {
		after := m.CrashCopy(seed)
		a, other := content(t, after, "a"), content(t, after, "a.tmp")
		if !(a == "old" && (other == "none" || other == "new") || a == "new" && other == "none") {
			t.Fatalf("seed %d: a is %q, a.tmp is %q", seed, a, other)
		}
	}
}

func TestCrashCopiesAreReproducible(t *testing.T) {
	m := NewMem()
	write(t, m, "a", "one")
	write(t, m, "b", "two")
	for seed := range uint64(20) {
		if a, b := m.CrashCopy(seed), m.CrashCopy(seed); content(t, a, "a") != content(t, b, "a") || content(t, a, "b") != content(t, b, "b") {
			t.Fatalf("seed %d gives two different copies", seed)
		}
	}
}

func TestFaultyFailsTheNth(t *testing.T) {
	f := &Faulty{FS: NewMem(), Ops: OpWrite | OpSync, N: 2}
	file := write(t, f, "a", "abcd") // 1
	if err := file.Sync(); !errors.Is(err, ErrInjected) {
		t.Fatalf("the second operation: %v", err)
	}
	must(t, file.Sync())
	f.Arm(OpWrite, 1, true, os.ErrDeadlineExceeded)
	for range 2 {
		if n, err := file.WriteAt([]byte("wxyz"), 0); n != 2 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d, %v", n, err)
		}
	}
	if got := content(t, f, "a"); got != "wxcd" || f.Count() != 2 {
		t.Errorf("%q after %d", got, f.Count())
	}
}

// TestBothFileSystemsAgree runs one script on each.
func TestBothFileSystemsAgree(t *testing.T) {
	dir := t.TempDir()
	for name, fsys := range map[string]FS{"os": OS, "mem": func() FS { m := NewMem(); m.MkdirAll(dir); return m }()} {
		d := filepath.Join(dir, "x", "y")
		must(t, fsys.MkdirAll(d), fsys.MkdirAll(d))
		f := write(t, fsys, filepath.Join(d, "b"), "hello")
		must(t, f.Truncate(3), f.Sync(), fsys.SyncDir(d))
		if _, err := f.WriteAt([]byte("!"), 5); err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil || size != 6 || content(t, fsys, filepath.Join(d, "b")) != "hel\x00\x00!" {
			t.Errorf("%s: size %d, %q", name, size, content(t, fsys, filepath.Join(d, "b")))
		}
		p := make([]byte, 4)
		if n, err := f.ReadAt(p, 4); n != 2 || err != io.EOF {
			t.Errorf("%s: read %d, %v", name, n, err)
		}
		must(t, f.Close())
		if _, err := f.ReadAt(p, 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: read of a closed file: %v", name, err)
		}
		write(t, fsys, filepath.Join(d, "a"), "").Close()
		must(t, fsys.Rename(filepath.Join(d, "b"), filepath.Join(d, "c")))
		names, err := fsys.List(d)
		if err != nil || len(names) != 2 || names[0] != "a" || names[1] != "c" {
			t.Errorf("%s: %v, %v", name, names, err)
		}
		if _, err := fsys.OpenFile(filepath.Join(d, "b")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if err := fsys.Remove(filepath.Join(d, "b")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		info, err := fsys.Stat(filepath.Join(d, "c"))
		if err != nil || info.SizeBytes != 6 || info.IsDir {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if _, err := ReadFile(fsys, filepath.Join(d, "c"), 5); err == nil {
			t.Errorf("%s: a file beyond the bound was read", name)
		}
		must(t, fsys.Remove(filepath.Join(d, "a")), fsys.Remove(filepath.Join(d, "c")))
	}
}

// TestARenamedFolderKeepsItsFiles: with the new name or with the old one.
func TestARenamedFolderKeepsItsFiles(t *testing.T) {
	m := NewMem()
	must(t, MakeFolder(m, "d/a"))
	f := write(t, m, "d/a/file", "one")
	must(t, f.Sync(), m.SyncDir("d/a"))
	must(t, m.Rename("d/a", "d/b"))
	if got := content(t, m, "d/b/file"); got != "one" {
		t.Fatalf("under the new name %q", got)
	}
	if _, err := m.Stat("d/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("under the old name: %v", err)
	}
	seen := map[string]bool{}
	for seed := range uint64(100) {
		after := m.CrashCopy(seed)
		a, b := content(t, after, "d/a/file"), content(t, after, "d/b/file")
		seen[a+" "+b] = true
	}
	if len(seen) != 2 || !seen["one none"] || !seen["none one"] {
		t.Errorf("after crashes %v", seen)
	}
	must(t, m.SyncDir("d"))
	if got := outcomes(t, m, "d/b/file"); len(got) != 1 || !got["one"] {
		t.Errorf("after SyncDir %v", got)
	}
	must(t, RemoveAll(m, "d/b"), RemoveAll(m, "d/b"))
	if names, err := m.List("d"); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
}

// TestWhatAFailedSyncLosesIsReadUntilACrash: a second Sync does not help.
func TestWhatAFailedSyncLosesIsReadUntilACrash(t *testing.T) {
	mem := NewMem()
	m := &Faulty{FS: mem}
	f := write(t, m, "a", "one")
	must(t, f.Sync(), m.SyncDir("."))
	_, err := f.WriteAt([]byte("two"), 3)
	must(t, err)
	m.Arm(OpSync, 1, false, nil)
	if err := f.Sync(); !errors.Is(err, ErrInjected) {
		t.Fatal(err)
	}
	must(t, f.Sync())
	if got := content(t, mem.Clone(), "a"); got != "onetwo" {
		t.Errorf("another process reads %q", got)
	}
	if got := outcomes(t, mem.Clone(), "a"); len(got) != 1 || !got["one"] {
		t.Errorf("after crashes %v", got)
	}
	_, err = f.WriteAt([]byte("two"), 3) // written again, it can be synced
	must(t, err, f.Sync())
	if got := outcomes(t, mem, "a"); len(got) != 1 || !got["onetwo"] {
		t.Errorf("after crashes %v", got)
	}
}
