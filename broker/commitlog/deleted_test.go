package commitlog

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// deletedNames are the files in the folder that are to go.
func deletedNames(t *testing.T, fsys vfs.FS) []string {
	t.Helper()
	names, err := fsys.List("data/topic-0")
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, deletedSuffix) })
}

func removeDeleted(t *testing.T, l *Log, atMs int64, want int) {
	t.Helper()
	if n, err := l.RemoveDeleted(time.UnixMilli(atMs)); n != want || err != nil {
		t.Errorf("at %d ms: removed %d files, want %d, %v", atMs, n, want, err)
	}
}

func TestFilesOfRetentionStayForTheirDelay(t *testing.T) {
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(c *Config) { c.RetentionAge, c.DeleteDelay = 5*time.Second, 2*time.Second })
	if r, err := l.Retain(time.UnixMilli(10_500)); err != nil || r.Segments != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	set := deletedNames(t, mem)
	if !slices.Contains(set, "00000000000000000000.log.deleted") || !slices.Contains(set, "00000000000000000003.index.deleted") {
		t.Fatalf("%q", set)
	}
	removeDeleted(t, l, 12_499, 0)
	// A shorter delay counts for what goes from then on.
	c := l.Config()
	c.DeleteDelay = 0
	l.SetConfig(c)
	removeDeleted(t, l, 12_499, 0)
	removeDeleted(t, l, 12_500, len(set))
	if left := deletedNames(t, mem); len(left) != 0 {
		t.Errorf("%q", left)
	}
	if r, err := l.Retain(time.UnixMilli(100_000)); err != nil || r.Segments != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if left := deletedNames(t, mem); len(left) != 0 {
		t.Errorf("without a delay: %q", left)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFilesOfCompactionStayForTheirDelay(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	c := l.Config()
	c.DeleteDelay = 2 * time.Second
	l.SetConfig(c)
	round := func(atMs int64) {
		put(t, l, record.BatchOptions{}, "a", "1")
		put(t, l, record.BatchOptions{}, "a", "2")
		seal(t, l)
		if done := compact(t, l, atMs); !done.Ran {
			t.Fatalf("%+v", done)
		}
	}
	round(1000)
	first := deletedNames(t, mem)
	if !slices.Contains(first, "00000000000000000000.log.deleted") {
		t.Fatalf("%q", first)
	}
	// The second round's file takes the name of the first one's and stays its full time.
	round(2500)
	removeDeleted(t, l, 3100, 0)
	wantContents(t, l, "3-3 a=2")
	removeDeleted(t, l, 4500, len(deletedNames(t, mem)))
	if left := deletedNames(t, mem); len(left) != 0 {
		t.Errorf("%q", left)
	}
	wantContents(t, l, "3-3 a=2")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpeningRemovesDeletedFiles(t *testing.T) {
	for _, way := range []string{"closed", "killed", "power cut"} {
		mem := vfs.NewMem()
		l := openTimed(t, mem, 10, func(c *Config) { c.RetentionAge = 5 * time.Second })
		if _, err := l.Retain(time.UnixMilli(10_500)); err != nil {
			t.Fatal(err)
		}
		after := mem
		switch way {
		case "closed":
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		case "killed":
			l.abandon()
		case "power cut":
			l.abandon()
			after = mem.CrashCopy(7)
		}
		if left := deletedNames(t, after); len(left) == 0 {
			t.Errorf("%s: no file was left for the opening", way)
		}
		l = openMem(t, after)
		if left := deletedNames(t, after); len(left) != 0 {
			t.Errorf("%s: %q", way, left)
		}
		if o := l.Offsets(); o.Start != 6 || o.End != 10 {
			t.Errorf("%s: %+v", way, o)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRemovalIsTriedAgain(t *testing.T) {
	mem := vfs.NewMem()
	faulty := &vfs.Faulty{FS: mem}
	l := compactable(t, faulty)
	put(t, l, record.BatchOptions{}, "a", "1")
	put(t, l, record.BatchOptions{}, "a", "2")
	seal(t, l)
	compact(t, l, 1000)
	set := len(deletedNames(t, mem))
	faulty.Arm(vfs.OpRemove, 1, true, syscall.EIO)
	n, err := l.RemoveDeleted(time.UnixMilli(100_000))
	if n != 0 || !errors.Is(err, syscall.EIO) || KafkaCode(err) != CodeStorage || l.Err() != nil {
		t.Errorf("%d, %v, offline: %v", n, err, l.Err())
	}
	faulty.Arm(0, 0, false, nil)
	removeDeleted(t, l, 100_000, set)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
