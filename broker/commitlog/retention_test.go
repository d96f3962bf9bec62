package commitlog

import (
	"fmt"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// openTimed opens a log and appends one batch of 100 bytes and more per second from
// second 0 on, three to a segment.
func openTimed(t *testing.T, mem *vfs.Mem, seconds int, change func(*Config)) *Log {
	t.Helper()
	l := openMem(t, mem, func(o *Options) {
		o.Config = DefaultConfig()
		o.Config.SegmentBytes = 3*(record.HeaderBytes+110) + 20
		o.Config.RetentionAge = -1
		o.Now = func() time.Time { return time.UnixMilli(0) }
		change(&o.Config)
	})
	for i := range seconds {
		b := record.NewBuilder(record.BatchOptions{})
		b.Add(int64(i)*1000, fmt.Appendf(nil, "k%d", i%4), make([]byte, 100))
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, p, AppendOptions{})
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRetentionByAgeRemovesWholeSegments(t *testing.T) {
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(c *Config) { c.RetentionAge = 5 * time.Second })
	if n := len(l.Segments()); n != 4 {
		t.Fatalf("%d segments", n)
	}
	r, err := l.Retain(time.UnixMilli(10_500)) // 0 to 5 are too old
	if err != nil || r.Segments != 2 || r.StartOffset != 6 || l.StartOffset() != 6 {
		t.Fatalf("%+v, %v", r, err)
	}
	_, err = l.Read(ReadOptions{Offset: 5, MaxBytes: 1})
	wantCode(t, err, CodeOffsetOutOfRange)
	// All of it: the active segment is sealed, the log end stays.
	r, err = l.Retain(time.UnixMilli(100_000))
	if err != nil || r.Segments != 2 || l.StartOffset() != 10 || l.EndOffset() != 10 || l.SizeBytes() != 0 {
		t.Fatalf("%+v, %v, %+v", r, err, l.Offsets())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openMem(t, mem.CrashCopy(3))
	defer l.Close()
	if o := l.Offsets(); o.Start != 10 || o.End != 10 {
		t.Errorf("after a restart: %+v", o)
	}
	if a := mustAppend(t, l, batchOf(t, record.BatchOptions{}, "next"), AppendOptions{}); a.BaseOffset != 10 {
		t.Errorf("%+v", a)
	}
	names, _ := mem.List("data/topic-0")
	for _, name := range names {
		if base, ok := parseName(name, logSuffix); ok && base < 10 {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestRetentionBySizeKeepsAtLeastThatMuch(t *testing.T) {
	l := openTimed(t, vfs.NewMem(), 10, func(c *Config) { c.RetentionBytes = 600 })
	defer l.Close()
	r, err := l.Retain(time.UnixMilli(0))
	if err != nil || r.Segments != 2 || l.SizeBytes() < 600 {
		t.Fatalf("%+v, %v, %d bytes left", r, err, l.SizeBytes())
	}
}

func TestDeletedRecordsStayDeleted(t *testing.T) {
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(c *Config) { c.Delete, c.Compact = false, true })
	if start, err := l.DeleteRecordsBefore(7); err != nil || start != 7 {
		t.Fatal(start, err)
	}
	if start, err := l.DeleteRecordsBefore(2); err != nil || start != 7 {
		t.Fatal(start, err)
	}
	_, err := l.DeleteRecordsBefore(11)
	wantCode(t, err, CodeOffsetOutOfRange)
	again := openMem(t, mem.CrashCopy(0))
	if again.StartOffset() != 7 {
		t.Errorf("after a crash the log starts at %d", again.StartOffset())
	}
	again.Close()
	// Whole segments below go, also with cleanup.policy compact.
	if r, err := l.Retain(time.UnixMilli(0)); err != nil || r.Segments != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	l.Close()
}

func TestLookupByTimestamp(t *testing.T) {
	l := openTimed(t, vfs.NewMem(), 10, func(c *Config) { c.IndexIntervalBytes = 150 })
	defer l.Close()
	for ms := int64(-5); ms < 9001; ms += 250 {
		found, ok, err := l.OffsetForTimestamp(ms, nil)
		want := max(ms+999, 0) / 1000
		if err != nil || !ok || found.Offset != want || found.Timestamp != want*1000 {
			t.Fatalf("%d ms: %+v, %v, %v, want offset %d", ms, found, ok, err, want)
		}
	}
	if _, ok, err := l.OffsetForTimestamp(9001, nil); ok || err != nil {
		t.Error("found what is not there", err)
	}
	if found, ok, err := l.MaxTimestamp(nil); err != nil || !ok || found.Offset != 9 {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
	if _, err := l.DeleteRecordsBefore(4); err != nil {
		t.Fatal(err)
	}
	if found, _, _ := l.OffsetForTimestamp(0, nil); found.Offset != 4 {
		t.Errorf("below the log start: %+v", found)
	}
}

func TestSegmentsRollByAge(t *testing.T) {
	l := openTimed(t, vfs.NewMem(), 10, func(c *Config) { c.SegmentBytes = 1 << 20; c.SegmentAge = 4 * time.Second })
	defer l.Close()
	if s := l.Segments(); len(s) != 2 || s[1].BaseOffset != 5 {
		t.Errorf("%+v", s)
	}
}

func TestLeaderEpochsEnd(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem, func(o *Options) { o.LeaderEpoch = 2 })
	one := func() { mustAppend(t, l, batchOf(t, record.BatchOptions{}, "a"), AppendOptions{}) }
	one()
	one()
	l.SetLeaderEpoch(5)
	l.SetLeaderEpoch(6) // nothing was appended in 5
	one()
	l.SetLeaderEpoch(3) // never back
	one()
	l.SetLeaderEpoch(9)
	check := func(l *Log) {
		t.Helper()
		for _, tt := range []struct {
			ask, found int32
			end        int64
		}{{-1, -1, -1}, {0, 0, 0}, {2, 2, 2}, {3, 2, 2}, {5, 2, 2}, {6, 6, 4}, {8, 6, 4}, {9, 9, 4}, {10, -1, -1}} {
			if epoch, end := l.EpochEnd(tt.ask); epoch != tt.found || end != tt.end {
				t.Errorf("epoch %d ends as epoch %d at %d, want %d at %d", tt.ask, epoch, end, tt.found, tt.end)
			}
		}
		if l.EpochAt(1) != 2 || l.EpochAt(2) != 6 {
			t.Error("epochs of offsets 1 and 2:", l.EpochAt(1), l.EpochAt(2))
		}
	}
	check(l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := vfs.ReadFile(mem, "data/topic-0/leader-epoch-checkpoint", 1000); string(got) != "0\n2\n2 0\n6 2\n" {
		t.Errorf("%q", got)
	}
	l = openMem(t, mem, func(o *Options) { o.LeaderEpoch = 9 })
	defer l.Close()
	check(l)
}
