package commitlog

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// smallSegments rolls after every other batch of fsyncBatch.
func smallSegments(o *Options) {
	o.Committer = &manualCommitter{}
	o.Config = DefaultConfig()
	o.Config.SegmentBytes = 700
}

func fsyncBatch(t *testing.T, value string) []byte {
	return batchOf(t, record.BatchOptions{}, value+strings.Repeat(".", 250))
}

// values are the first letters of what consumers see.
func fsyncValues(t *testing.T, l *Log) string {
	values, _ := readAll(t, l, 0, UpToHighWatermark)
	out := ""
	for _, v := range values {
		out += v[:1]
	}
	return out
}

// TestFailedFsyncAtARollTakesTheLogOffline fails each of the syncs of a roll, of files
// and of the folder: the append is refused with the storage code, the log is offline
// for writing and still read, and a restart serves everything that was confirmed, also
// if the power fails afterwards.
func TestFailedFsyncAtARollTakesTheLogOffline(t *testing.T) {
	for op, name := range map[vfs.Op]string{vfs.OpSync: "file", vfs.OpSyncDir: "folder"} {
		for n := 1; ; n++ {
			mem := vfs.NewMem()
			faulty := &vfs.Faulty{FS: mem}
			l := openMem(t, faulty, smallSegments)
			mustAppend(t, l, fsyncBatch(t, "a"), AppendOptions{})
			mustAppend(t, l, fsyncBatch(t, "b"), AppendOptions{})
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			faulty.Arm(op, n, false, syscall.EIO)
			_, err := l.Append(background, fsyncBatch(t, "c"), AppendOptions{})
			if err == nil {
				if n == 1 {
					t.Fatalf("a roll syncs no %s", name)
				}
				t.Logf("a roll syncs %d times a %s", n-1, name)
				l.abandon()
				break
			}
			wantCode(t, err, CodeStorage)
			if !errors.Is(err, syscall.EIO) || l.Err() == nil {
				t.Errorf("sync %d of a %s: %v, offline: %v", n, name, err, l.Err())
			}
			_, err = l.Append(background, fsyncBatch(t, "d"), AppendOptions{})
			wantCode(t, err, CodeStorage)
			if got := fsyncValues(t, l); got != "ab" {
				t.Errorf("sync %d of a %s: offline it is read as %s", n, name, got)
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			l = openMem(t, mem, smallSegments)
			if got := fsyncValues(t, l); got != "ab" || l.Err() != nil {
				t.Errorf("sync %d of a %s: after a restart it is read as %s, offline: %v", n, name, got, l.Err())
			}
			mustAppend(t, l, fsyncBatch(t, "e"), AppendOptions{})
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			for seed := range uint64(5) {
				after := openMem(t, mem.CrashCopy(seed), smallSegments)
				if got := fsyncValues(t, after); got != "abe" {
					t.Errorf("sync %d of a %s: after a power cut it is read as %s", n, name, got)
				}
				after.abandon()
			}
			l.abandon()
		}
	}
}

// TestWhatAFailedFsyncLeftIsWrittenAgain: the process that starts after a failed fsync
// reads bytes that the disk does not have. What it takes over is synced for good.
func TestWhatAFailedFsyncLeftIsWrittenAgain(t *testing.T) {
	mem := vfs.NewMem()
	faulty := &vfs.Faulty{FS: mem}
	l := openMem(t, faulty, func(o *Options) { o.Committer = &manualCommitter{} })
	mustAppend(t, l, fsyncBatch(t, "a"), AppendOptions{})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, fsyncBatch(t, "b"), AppendOptions{})
	faulty.Arm(vfs.OpSync, 1, false, syscall.EIO)
	wantCode(t, l.Flush(), CodeStorage)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	l = openMem(t, mem, func(o *Options) { o.Committer = &manualCommitter{} })
	before := fsyncValues(t, l)
	mustAppend(t, l, fsyncBatch(t, "c"), AppendOptions{})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		after := openMem(t, mem.CrashCopy(seed))
		if got := fsyncValues(t, after); got != before+"c" {
			t.Errorf("after a power cut the log is read as %s, it was %sc", got, before)
		}
		after.abandon()
	}
	l.abandon()
	if fmt.Sprint(before) != "ab" {
		t.Errorf("after the restart %s", before)
	}
}
