package commitlog

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestTheStateSaysWhereTheLogBegins, not the larger of two numbers of which one has no
// checksum. The checkpoint has the say where there is no state.
func TestTheStateSaysWhereTheLogBegins(t *testing.T) {
	for _, tt := range []struct {
		deleted, checkpoint int64
		stateless           bool
		want                int64
	}{
		{0, 0, false, 0}, {0, 7, false, 0}, {3, 0, false, 3}, {3, 9, false, 3}, {3, 1 << 40, false, 3},
		{0, 7, true, 7}, {3, 0, true, 0}, {3, 2, true, 2},
	} {
		mem := vfs.NewMem()
		l := openMem(t, mem)
		for i := range 10 {
			mustAppend(t, l, batchOf(t, record.BatchOptions{}, fmt.Sprint(i)), AppendOptions{})
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.DeleteRecordsBefore(tt.deleted); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if tt.stateless {
			if err := mem.Remove("data/topic-0/" + stateFile); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // and the next start the same
			l = openMem(t, mem, func(o *Options) { o.LogStartOffset = tt.checkpoint })
			if values, _ := readAll(t, l, l.StartOffset(), UpToEnd); l.StartOffset() != tt.want || len(values) != 10-int(tt.want) {
				t.Errorf("%+v: the log begins at %d with %d records", tt, l.StartOffset(), len(values))
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestCheckpointsAreComparedWithTheirChecksum(t *testing.T) {
	mem := vfs.NewMem()
	write := func(path, content string) {
		t.Helper()
		if err := writeFile(mem, path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	at := func(offset int64) map[TopicPartition]int64 { return map[TopicPartition]int64{{"t", 0}: offset} }
	for offset := range int64(3) {
		if err := WriteCheckpoint(mem, "c", at(offset)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadCheckpoint(mem, "c"); err != nil || got[TopicPartition{"t", 0}] != offset {
			t.Error(got, err)
		}
	}
	write("c", "0\n1\nt 0 3\n")
	if _, err := ReadCheckpoint(mem, "c"); err == nil || !strings.Contains(err.Error(), "c: not what was written") {
		t.Error(err)
	}
	// A damaged one is not made good by being replaced in part.
	if err := WriteCheckpoint(mem, "c", at(4)); err != nil {
		t.Fatal(err)
	}
	write("c", "0\n1\nt 0 3\n")
	if _, err := ReadCheckpoint(mem, "c"); err == nil {
		t.Error("what was wrong before is believed")
	}
	// Kafka writes no checksum, and one that is damaged itself proves nothing.
	for _, sums := range []string{"", "?", "123", "00000000 x"} {
		write("c"+sumSuffix, sums)
		if got, err := ReadCheckpoint(mem, "c"); err != nil || got[TopicPartition{"t", 0}] != 3 {
			t.Errorf("%q: %v %v", sums, got, err)
		}
	}
}

// TestACheckpointIsWholeAfterAnyCrash, whichever operation was the last.
func TestACheckpointIsWholeAfterAnyCrash(t *testing.T) {
	for n := 1; ; n++ {
		mem := vfs.NewMem()
		if err := vfs.MakeFolder(mem, "d"); err != nil {
			t.Fatal(err)
		}
		if err := WriteCheckpoint(mem, "d/c", map[TopicPartition]int64{{"t", 0}: 1}); err != nil {
			t.Fatal(err)
		}
		faulty := &vfs.Faulty{FS: mem}
		faulty.Arm(vfs.OpChange, n, true, nil)
		err := WriteCheckpoint(faulty, "d/c", map[TopicPartition]int64{{"t", 0}: 2})
		for seed := range uint64(8) {
			got, readErr := ReadCheckpoint(mem.CrashCopy(seed), "d/c")
			if at := got[TopicPartition{"t", 0}]; readErr != nil || at != 1 && at != 2 || err == nil && at != 2 {
				t.Errorf("operation %d, seed %d: %v, %v; the write said %v", n, seed, got, readErr, err)
			}
		}
		if err == nil {
			if n < 10 {
				t.Errorf("only %d operations", n)
			}
			return
		}
	}
}
