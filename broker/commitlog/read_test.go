package commitlog

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// filled returns a log on disk with n batches of two records in small segments.
func filled(t *testing.T, n int) *Log {
	t.Helper()
	l, err := Open(Options{Dir: filepath.Join(t.TempDir(), "topic-0"), Config: func() Config {
		c := DefaultConfig()
		c.SegmentBytes, c.IndexIntervalBytes = 1000, 200
		return c
	}()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for i := range n {
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, fmt.Sprint(i), strings.Repeat("x", i%50)), AppendOptions{})
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestEmptyReadsAreEmptyNotNull: null record bytes break clients.
func TestEmptyReadsAreEmptyNotNull(t *testing.T) {
	l := filled(t, 1)
	for _, o := range []ReadOptions{{Offset: 2, MaxBytes: 100}, {Offset: 0, MaxBytes: 1}} {
		r, err := l.Read(o)
		if err != nil || r.Records == nil || len(r.Records) != 0 || r.NextOffset != o.Offset {
			t.Errorf("%+v: %v, %v, next %d", o, r.Records, err, r.NextOffset)
		}
		r.Release()
	}
}

// TestRecentBatchesComeFromMemory: once somebody read at the end, what is appended
// is served without the file, and is the same.
func TestRecentBatchesComeFromMemory(t *testing.T) {
	faulty := &vfs.Faulty{FS: vfs.NewMem()}
	l := openMem(t, faulty, func(o *Options) { o.TailBytes = 3 * tailChunkBytes })
	defer l.Close()
	if _, err := l.Read(ReadOptions{Offset: 0, MaxBytes: 1}); err != nil {
		t.Fatal(err)
	}
	var want []byte
	var kept []ReadResult
	for i := range 200 {
		p := batchOf(t, record.BatchOptions{}, fmt.Sprint(i), strings.Repeat("v", 5000))
		a := mustAppend(t, l, p, AppendOptions{})
		if err := l.WaitDurable(background, a.EndOffset()); err != nil {
			t.Fatal(err)
		}
		want = append(want, p...)
		faulty.Arm(vfs.OpRead|vfs.OpOpen, 1, true, nil) // no file is asked
		r, err := l.Read(ReadOptions{Offset: a.LastOffset, MaxBytes: 1 << 20})
		if err != nil || !bytes.Equal(r.Records, p) {
			t.Fatalf("batch %d: %d bytes, %v", i, len(r.Records), err)
		}
		faulty.Arm(0, 0, false, nil)
		kept = append(kept, r)
	}
	if len(l.tail.chunks) != 3 {
		t.Errorf("%d chunks", len(l.tail.chunks))
	}
	// What a reader holds does not change when its chunk is let go.
	pos := 0
	for i := range kept {
		if !bytes.Equal(kept[i].Records, want[pos:pos+len(kept[i].Records)]) {
			t.Fatalf("batch %d changed under its reader", i)
		}
		pos += len(kept[i].Records)
		kept[i].Release()
	}
	// A batch that is too large interrupts the tail; readers do not notice.
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, strings.Repeat("w", tailBatchBytes)), AppendOptions{})
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, "after"), AppendOptions{})
	if values, _ := readAll(t, l, 390, UpToEnd); len(values) != 12 || values[11] != "after" {
		t.Errorf("%d values", len(values))
	}
}

// TestTimestampOfAnOffset looks up every offset of a log with many segments.
func TestTimestampOfAnOffset(t *testing.T) {
	l := openMem(t, vfs.NewMem(), func(o *Options) {
		o.Config = DefaultConfig()
		o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 400, 100
	})
	const base = 1_700_000_000_000
	for i := range int64(30) { // two records each
		builder := record.NewBuilder(record.BatchOptions{})
		builder.Add(base+i, []byte("k"), []byte("v"))
		builder.Add(base+i+1000, []byte("k"), []byte("v"))
		batch, err := builder.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, batch, AppendOptions{})
	}
	if n := len(l.Segments()); n < 5 {
		t.Fatalf("only %d segments", n)
	}
	for offset := range int64(60) {
		got, ok, err := l.TimestampAt(offset)
		if want := int64(base) + offset/2; err != nil || !ok || got != want {
			t.Errorf("offset %d: %d, %v, %v; want %d", offset, got, ok, err, want)
		}
	}
	if got, ok, err := l.TimestampAt(60); ok || err != nil {
		t.Errorf("the end of the log: %d, %v, %v", got, ok, err)
	}
	if got, ok, err := l.TimestampAt(-5); !ok || err != nil || got != base {
		t.Errorf("before the start: %d, %v, %v", got, ok, err)
	}
}
