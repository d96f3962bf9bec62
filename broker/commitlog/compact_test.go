package commitlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// compactable opens a log that compacts whenever it is asked to.
func compactable(t *testing.T, fsys vfs.FS) *Log {
	t.Helper()
	return openMem(t, fsys, func(o *Options) {
		o.Config = DefaultConfig()
		o.Config.SegmentBytes = 1 << 20
		o.Config.Compact, o.Config.Delete = true, false
		o.Config.MinDirtyRatio = 0.01
		o.Config.DeleteRetention = 10 * time.Second
		o.Config.TimestampAfterMax = forever
		o.Now = func() time.Time { return time.UnixMilli(0) }
	})
}

// put appends one record; a nil value is a tombstone.
func put(t *testing.T, l *Log, o record.BatchOptions, key, value string) int64 {
	t.Helper()
	b := record.NewBuilder(o)
	v := []byte(value)
	if value == "" {
		v = nil
	}
	b.Add(1, []byte(key), v)
	p, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := mustAppend(t, l, p, AppendOptions{TxnVerified: true})
	return a.BaseOffset
}

// seal rolls the active segment and makes everything durable.
func seal(t *testing.T, l *Log) {
	t.Helper()
	l.amu.Lock()
	err := l.roll()
	l.amu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
}

// contents describes every batch: its offsets and records.
func contents(t *testing.T, l *Log) (lines []string) {
	t.Helper()
	next := l.StartOffset()
	for next < l.EndOffset() {
		r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 1 << 20, MinOneBatch: true, UpTo: UpToEnd})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Records) == 0 {
			break
		}
		for b := range record.All(r.Records) {
			if err := b.CheckCRC(); err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%d-%d", b.BaseOffset(), b.LastOffset())
			if b.IsControl() {
				line += " marker"
			}
			if b.HasDeleteHorizon() {
				line += fmt.Sprintf(" until %d", b.BaseTimestamp())
			}
			it, _ := b.Records(0)
			for it.Next() && !b.IsControl() {
				line += fmt.Sprintf(" %s=%s", it.Record().Key, it.Record().Value)
			}
			lines = append(lines, line)
		}
		next = r.NextOffset
		r.Release()
	}
	return lines
}

func compact(t *testing.T, l *Log, atMs int64) Compacted {
	t.Helper()
	c, err := l.Compact(time.UnixMilli(atMs))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantContents(t *testing.T, l *Log, want ...string) {
	t.Helper()
	if got := contents(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("\n got %q\nwant %q", got, want)
	}
}

func TestCompactionKeepsTheNewestOfEachKey(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	none := record.BatchOptions{}
	put(t, l, none, "a", "1")
	mustAppend(t, l, batchOf(t, record.BatchOptions{Codec: record.Zstd}, "x", "y"), AppendOptions{}) // k0, k1
	put(t, l, none, "k0", "newer")
	put(t, l, none, "a", "2")
	seal(t, l)
	put(t, l, none, "a", "active")
	c := compact(t, l, 1000)
	if !c.Ran || c.Dropped != 2 || c.CleanedTo != 5 {
		t.Errorf("%+v", c)
	}
	want := []string{"1-2 k1=y", "3-3 k0=newer", "4-4 a=2", "5-5 a=active"}
	wantContents(t, l, want...)
	if c := compact(t, l, 2000); c.Ran {
		t.Errorf("nothing is dirty, but: %+v", c)
	}
	// A gap is read over.
	r, err := l.Read(ReadOptions{Offset: 0, MaxBytes: 1, MinOneBatch: true})
	if err != nil || record.Batch(r.Records).BaseOffset() != 1 {
		t.Errorf("%v", err)
	}
	r.Release()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = compactable(t, mem.CrashCopy(1))
	defer l.Close()
	wantContents(t, l, want...)
	if c := compact(t, l, 2000); c.Ran {
		t.Errorf("after a restart nothing is dirty, but: %+v", c)
	}
}

// TestCompactedBatchesSayTheirOwnMaxTimestamp: kafka-dump-log compares the time index
// with the records that are left.
func TestCompactedBatchesSayTheirOwnMaxTimestamp(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, "x", "y"), AppendOptions{}) // k1 is the later one
	put(t, l, record.BatchOptions{}, "k1", "newer")
	seal(t, l)
	compact(t, l, 0)
	wantContents(t, l, "0-1 k0=x", "2-2 k1=newer")
	r, err := l.Read(ReadOptions{MaxBytes: 1, MinOneBatch: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if got := record.Batch(r.Records).MaxTimestamp(); got != 1_700_000_000_000 {
		t.Errorf("%d", got)
	}
	if found, ok, err := l.MaxTimestamp(nil); err != nil || !ok || found.Offset != 0 {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
}

func TestTombstonesStayForTheirTime(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	none := record.BatchOptions{}
	put(t, l, none, "a", "1")
	put(t, l, none, "a", "")
	put(t, l, none, "b", "1")
	seal(t, l)
	compact(t, l, 5000)
	wantContents(t, l, "1-1 until 15000 a=", "2-2 b=1")
	put(t, l, none, "c", "1")
	seal(t, l)
	compact(t, l, 14_999)
	wantContents(t, l, "1-1 until 15000 a=", "2-2 b=1", "3-3 c=1")
	put(t, l, none, "d", "1")
	seal(t, l)
	compact(t, l, 15_000)
	wantContents(t, l, "2-2 b=1", "3-3 c=1", "4-4 d=1")
}

func TestAbortedRecordsGoAndMarkersFollow(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	txn := func(id int64, sequence int32) record.BatchOptions {
		return record.BatchOptions{Producer: &record.Producer{ID: id, BaseSequence: sequence}, Transactional: true}
	}
	marker := func(id int64, kind record.ControlType) {
		mustAppend(t, l, record.AppendMarker(nil, id, 0, 1, record.Marker{Type: kind}), AppendOptions{Origin: FromCoordinator})
	}
	put(t, l, txn(1, 0), "a", "aborted") // 0
	marker(1, record.Abort)              // 1
	put(t, l, txn(1, 1), "b", "1")       // 2
	marker(1, record.Commit)             // 3
	put(t, l, txn(1, 2), "b", "2")       // 4
	seal(t, l)
	// The transaction is open: its segment is beyond the last stable offset.
	if c := compact(t, l, 0); c.Ran {
		t.Fatalf("%+v", c)
	}
	marker(1, record.Commit) // 5
	seal(t, l)
	compact(t, l, 0)
	// Markers stay as long as a round meets batches of their transactions.
	wantContents(t, l, "1-1 marker", "3-3 marker", "4-4 b=2", "5-5 marker")
	put(t, l, record.BatchOptions{}, "c", "1") // 6
	seal(t, l)
	compact(t, l, 0)
	wantContents(t, l, "1-1 marker until 10000", "3-3 marker until 10000", "4-4 b=2", "5-5 marker", "6-6 c=1")
	put(t, l, record.BatchOptions{}, "d", "1") // 7
	seal(t, l)
	compact(t, l, 10_000)
	wantContents(t, l, "4-4 b=2", "5-5 marker", "6-6 c=1", "7-7 d=1")
	if aborted, err := l.AbortedTransactions(0, 100); err != nil || len(aborted) != 0 {
		t.Errorf("%v, %v", aborted, err)
	}
}

func TestProducersLastBatchStaysEmpty(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	put(t, l, record.BatchOptions{Producer: &record.Producer{ID: 7, BaseSequence: 41}}, "a", "1")
	put(t, l, record.BatchOptions{}, "a", "2")
	seal(t, l)
	compact(t, l, 0)
	wantContents(t, l, "0-0", "1-1 a=2")
	l.Close()
	for _, name := range filesOf(t, mem, snapshotSuffix) { // so that the log is all there is
		mem.Remove("data/topic-0/" + name)
	}
	l = compactable(t, mem)
	defer l.Close()
	p := batchOf(t, record.BatchOptions{Producer: &record.Producer{ID: 7, BaseSequence: 41}}, "1")
	if a := mustAppend(t, l, p, AppendOptions{}); !a.Duplicate || a.BaseOffset != 0 {
		t.Errorf("%+v", a)
	}
}

// TestEmptiedBatchIsABareHeader: it keeps its largest timestamp, which no record has
// any more, so the time index must not name it.
func TestEmptiedBatchIsABareHeader(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	b := record.NewBuilder(record.BatchOptions{Codec: record.Zstd, Producer: &record.Producer{ID: 7, BaseSequence: 41}})
	b.Add(900, []byte("a"), nil) // a tombstone, so that there was a horizon
	p, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, p, AppendOptions{})
	seal(t, l)
	compact(t, l, 0)
	wantContents(t, l, "0-0 until 10000 a=")
	put(t, l, record.BatchOptions{}, "b", "1") // at 1 ms
	seal(t, l)
	put(t, l, record.BatchOptions{}, "c", "1")
	compact(t, l, 20_000)
	wantContents(t, l, "0-0", "1-1 b=1", "2-2 c=1")
	check := func() {
		t.Helper()
		r, err := l.Read(ReadOptions{MaxBytes: 1, MinOneBatch: true})
		if err != nil {
			t.Fatal(err)
		}
		e := record.Batch(r.Records)
		if len(e) != record.HeaderBytes || e.Codec() != record.None || e.HasDeleteHorizon() || e.BaseTimestamp() != record.NoTimestamp || e.MaxTimestamp() != 900 || e.BaseSequence() != 41 {
			t.Errorf("% x", []byte(e))
		}
		r.Release()
		if timestamp, _, ok, err := l.segments[0].times.lastPoint(); err != nil || !ok || timestamp != 1 {
			t.Errorf("the time index ends at %d, %v, %v", timestamp, ok, err)
		}
		if found, ok, err := l.MaxTimestamp(nil); err != nil || !ok || found.Offset != 1 {
			t.Errorf("%+v, %v, %v", found, ok, err)
		}
		if at, ok, err := l.TimestampAt(0); err != nil || !ok || at != 900 {
			t.Errorf("%d, %v, %v", at, ok, err)
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := mem.Remove("data/topic-0/" + fileName(0, timeSuffix)); err != nil {
		t.Fatal(err)
	}
	l = compactable(t, mem)
	defer l.Close()
	check() // made anew
}

// TestEmptiedSegmentIsTooOldOneDay: no entry of its time index says how old it is.
func TestEmptiedSegmentIsTooOldOneDay(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	put(t, l, record.BatchOptions{}, "a", "1")
	seal(t, l)
	put(t, l, record.BatchOptions{}, "a", "2")
	c := l.Config()
	c.SegmentBytes, c.MinDirtyRatio = 100, 0 // groups of one
	l.SetConfig(c)
	seal(t, l)
	put(t, l, record.BatchOptions{}, "b", "1")
	compact(t, l, 1000)
	wantContents(t, l, "0-0", "1-1 a=2", "2-2 b=1")
	c.Delete, c.RetentionAge = true, 5*time.Second
	l.SetConfig(c)
	if r, err := l.Retain(time.UnixMilli(5001)); err != nil || r.Segments != 0 {
		t.Errorf("at its age: %+v, %v", r, err)
	}
	if r, err := l.Retain(time.UnixMilli(5002)); err != nil || r.Segments == 0 || r.StartOffset < 1 {
		t.Errorf("beyond its age: %+v, %v", r, err)
	}
}

func TestCompactionLeavesYoungAndBusyAlone(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	put(t, l, record.BatchOptions{}, "a", "1")
	put(t, l, record.BatchOptions{}, "a", "2")
	if c := compact(t, l, 0); c.Ran {
		t.Errorf("the active segment was touched: %+v", c)
	}
	seal(t, l)
	config := l.Config()
	config.MinCompactionLag = time.Second
	l.SetConfig(config)
	if c := compact(t, l, 1000); c.Ran {
		t.Errorf("records of 1 ms were touched at 1000 ms: %+v", c)
	}
	config.MinDirtyRatio = 2 // never
	l.SetConfig(config)
	if c := compact(t, l, 1001); c.Ran || c.DirtyRatio != 1 {
		t.Errorf("%+v", c)
	}
	config.MaxCompactionLag = 2 * time.Second
	l.SetConfig(config)
	if c := compact(t, l, 2002); !c.Ran {
		t.Errorf("overdue, but: %+v", c)
	}
	wantContents(t, l, "1-1 a=2")
}

func TestCompactionWorksInRoundsIfKeysDoNotFit(t *testing.T) {
	l := compactable(t, vfs.NewMem())
	defer l.Close()
	config := l.Config()
	config.CompactionMapKeys = 3
	l.SetConfig(config)
	for i := range 12 {
		put(t, l, record.BatchOptions{}, fmt.Sprintf("k%d", i%6), fmt.Sprint(i))
	}
	seal(t, l)
	rounds := 0
	for compact(t, l, 0).Ran {
		if rounds++; rounds > 20 {
			t.Fatal("no end")
		}
	}
	wantContents(t, l, "6-6 k0=6", "7-7 k1=7", "8-8 k2=8", "9-9 k3=9", "10-10 k4=10", "11-11 k5=11")
	if rounds < 2 {
		t.Errorf("%d rounds", rounds)
	}
}
