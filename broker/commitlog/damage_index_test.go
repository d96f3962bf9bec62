package commitlog

import (
	"fmt"
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestAnyFlippedBitOfAnIndex of a sealed and of the active segment changes no answer.
func TestAnyFlippedBitOfAnIndex(t *testing.T) {
	mem, _ := damagedLog(t)
	l := openMem(t, mem.Clone(), damageOptions)
	want := answers(t, l)
	l.abandon()
	for _, suffix := range []string{indexSuffix, timeSuffix, txnSuffix} {
		names := filesOf(t, mem, suffix)
		for _, name := range []string{names[0], names[len(names)-1]} {
			p, err := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			for i := range p {
				for _, bit := range []byte{1, 1 << 4, 1 << 7} {
					mem := mem.Clone()
					overwrite(t, mem, name, int64(i), []byte{p[i] ^ bit})
					l, err := Open(Options{FS: mem, Dir: "data/topic-0", CleanShutdown: i%2 == 0, Committer: &manualCommitter{}, Config: func() Config { o := Options{}; damageOptions(&o); return o.Config }()})
					if err != nil {
						t.Fatalf("%s, byte %d, bit %x: %v", name, i, bit, err)
					}
					if got := answers(t, l); got != want {
						t.Fatalf("%s, byte %d, bit %x:\n got %s\nwant %s", name, i, bit, got, want)
					}
					l.abandon()
				}
			}
		}
	}
}

// TestAFlippedBitOfAnIndexInUse: what a search finds is compared with the batch there.
func TestAFlippedBitOfAnIndexInUse(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem, damageOptions)
	for i := range 40 {
		b := record.NewBuilder(record.BatchOptions{})
		b.Add(int64(1000+10*i), nil, []byte("value"))
		b.Add(int64(1000+10*i+1), nil, []byte("value"))
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, p, AppendOptions{})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lookups := func(l *Log) (found string) {
		largest, _, err := l.MaxTimestamp(nil)
		found = fmt.Sprintln(largest, err)
		for i := int64(39); i >= 0; i-- { // backwards, so that no reader's position helps
			point, ok, err := l.OffsetForTimestamp(1000+10*i, nil)
			at, _, atErr := l.TimestampAt(2 * i)
			r, readErr := l.Read(ReadOptions{Offset: 2 * i, MaxBytes: 1, MinOneBatch: true})
			if len(r.Records) < record.HeaderBytes {
				return fmt.Sprintf("%s nothing at offset %d, %v", found, 2*i, readErr)
			}
			found += fmt.Sprintln(point, ok, at, record.Batch(r.Records).BaseOffset(), err, atErr, readErr)
			r.Release()
		}
		return found
	}
	open := func(mem *vfs.Mem) *Log {
		return openMem(t, mem, damageOptions, func(o *Options) { o.CleanShutdown, o.Committer, o.TailBytes = true, &manualCommitter{}, -1 })
	}
	whole := open(mem.Clone())
	want := lookups(whole)
	whole.abandon()
	cut := mem.Clone()
	times := filesOf(t, cut, timeSuffix)
	truncateFile(t, cut, times[len(times)-1], -2*timeEntryBytes)
	without := open(cut)
	if got := lookups(without); got != want {
		t.Errorf("without the last entries of the active segment:\n got %s\nwant %s", got, want)
	}
	without.abandon()
	for _, suffix := range []string{indexSuffix, timeSuffix} {
		name := filesOf(t, mem, suffix)[0]
		p, err := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			for bit := byte(1); bit != 0; bit <<= 1 {
				mem := mem.Clone()
				overwrite(t, mem, name, int64(i), []byte{p[i] ^ bit})
				l := open(mem)
				if got := lookups(l); got != want {
					t.Fatalf("%s, byte %d, bit %x:\n got %s\nwant %s", name, i, bit, got, want)
				}
				l.abandon()
			}
		}
	}
}

// TestCompactedSegmentThatLostBatchesIsNoticed: the offsets that are there do not tell,
// since compaction leaves gaps.
func TestCompactedSegmentThatLostBatchesIsNoticed(t *testing.T) {
	for name, cut := range map[string]func(p []byte) []byte{
		"emptied": func(p []byte) []byte { return nil },
		"without its last batch": func(p []byte) []byte {
			at := 0
			for b := range record.All(p) {
				at = len(p) - len(b)
			}
			return p[:at]
		},
	} {
		mem := vfs.NewMem()
		l := compactable(t, mem)
		for i := range 9 {
			put(t, l, record.BatchOptions{}, fmt.Sprint("k", i%5), fmt.Sprint(i))
		}
		seal(t, l)
		put(t, l, record.BatchOptions{}, "z", "1")
		compact(t, l, 0)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		file := fileName(0, logSuffix)
		p, err := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		left := cut(p)
		truncateFile(t, mem, file, int64(len(left)-len(p)))
		first := int64(8)
		if len(left) == 0 {
			first = 0
		}
		for range 2 { // also by the start after the one that made the indexes anew
			config := l.Config()
			found, err := Inspect(Options{FS: mem, Dir: "data/topic-0", Config: config})
			if err != nil || !slices.ContainsFunc(found, func(f Finding) bool { return !f.Harmless && f.Offset == first }) {
				t.Errorf("%s: inspection finds %+v, %v", name, found, err)
			}
			l := compactable(t, mem)
			if got := l.Recovered().Gaps; len(got) != 1 || got[0] != (Gap{first, 9}) {
				t.Errorf("%s: %v are missing", name, got)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWrongLeaderEpochsAreCollectedAnew: whatever a digit was changed to.
func TestWrongLeaderEpochsAreCollectedAnew(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem)
	for epoch := range int32(4) {
		l.SetLeaderEpoch(2 * epoch)
		for range 5 {
			mustAppend(t, l, batchOf(t, record.BatchOptions{}, "a", "b"), AppendOptions{})
		}
	}
	want := slices.Clone(l.epochs)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := vfs.ReadFile(mem, "data/topic-0/"+epochFile, 1<<20)
	if err != nil || string(p) != "0\n4\n0 0\n2 10\n4 20\n6 30\n" {
		t.Fatalf("%q, %v", p, err)
	}
	for i, was := range p {
		for is := byte('0'); is <= '9' && was >= '0' && was <= '9'; is++ {
			mem := mem.Clone()
			overwrite(t, mem, epochFile, int64(i), []byte{is})
			l := openMem(t, mem)
			// Where the first epoch began decides nothing.
			if len(l.epochs) != len(want) || !slices.Equal(l.epochs[1:], want[1:]) || l.epochs[0].epoch != 0 {
				t.Errorf("byte %d as %c: %v", i, is, l.epochs)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestCompactionIsNoDamage: a process that is killed after it leaves no segment that is
// taken for another one.
func TestCompactionIsNoDamage(t *testing.T) {
	mem := vfs.NewMem()
	l := compactable(t, mem)
	for i := range 4 {
		put(t, l, record.BatchOptions{}, fmt.Sprint("k", i), "1")
		if i > 0 {
			put(t, l, record.BatchOptions{}, fmt.Sprint("m", i), "1")
		}
		seal(t, l)
	}
	put(t, l, record.BatchOptions{}, "k0", "2")
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if c := compact(t, l, 0); c.Segments != 4 || c.SegmentsLeft != 1 {
		t.Fatalf("%+v", c)
	}
	l.abandon()
	for range 2 {
		l = compactable(t, mem)
		if r := l.Recovered(); len(r.Gaps) > 0 || r.RebuiltIndexes > 0 {
			t.Errorf("%+v", r)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLargestTimestampSurvivesALostEntry of the active segment's time index.
func TestLargestTimestampSurvivesALostEntry(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem, func(o *Options) { o.Config = DefaultConfig(); o.Config.IndexIntervalBytes = 100 })
	for i := range 20 {
		b := record.NewBuilder(record.BatchOptions{})
		b.Add(int64(1000+i+i%10*1000), nil, []byte("value")) // 10009 at offset 9, 10019 at 19
		if i == 9 {
			b.Add(50_000, nil, []byte("value"))
		}
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, p, AppendOptions{})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	truncateFile(t, mem, fileName(0, timeSuffix), -timeEntryBytes)
	l = openMem(t, mem)
	defer l.Close()
	if found, ok, err := l.MaxTimestamp(nil); err != nil || !ok || found.Offset != 10 || found.Timestamp != 50_000 {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
}

// TestStateOfAnotherPartitionIsNone of this one: the log is neither cut off nor hidden.
func TestStateOfAnotherPartitionIsNone(t *testing.T) {
	mem, end := damagedLog(t)
	other := logState{durableOffset: end + 7, startOffset: end - 1, cleanedOffset: 3}
	overwrite(t, mem, stateFile, 0, other.append(nil, "data/topic-1"))
	overwrite(t, mem, stateFile, stateSlotBytes, other.append(nil, "data/topic-1"))
	l := openMem(t, mem, damageOptions)
	defer l.Close()
	if l.StartOffset() != 0 || l.EndOffset() != end {
		t.Errorf("%+v", l.Offsets())
	}
}

// TestATimeIndexThatLostEntriesIsMadeAnew: without those that are missing, the record
// with the largest timestamp would not be found where later ones are older.
func TestATimeIndexThatLostEntriesIsMadeAnew(t *testing.T) {
	mem := vfs.NewMem()
	big := func(o *Options) { damageOptions(o); o.Config.SegmentBytes = 1 << 20 }
	l := openMem(t, mem, big)
	for i := range 30 {
		timestamp := int64(1000 + i)
		if i == 10 {
			timestamp = 9000
		}
		b := record.NewBuilder(record.BatchOptions{})
		b.Add(timestamp, nil, []byte("value"))
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, p, AppendOptions{})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for entries := range 4 {
		mem := mem.Clone()
		truncateFile(t, mem, filesOf(t, mem, timeSuffix)[0], -int64(entries)*timeEntryBytes)
		l := openMem(t, mem, big, func(o *Options) { o.CleanShutdown, o.Committer = true, &manualCommitter{} })
		if point, ok, err := l.MaxTimestamp(nil); !ok || err != nil || point.Offset != 10 || point.Timestamp != 9000 {
			t.Errorf("without %d entries the largest timestamp is %+v, %v, %v", entries, point, ok, err)
		}
		if want := min(entries, 1); l.Recovered().RebuiltIndexes != want {
			t.Errorf("without %d entries %d indexes were made anew", entries, l.Recovered().RebuiltIndexes)
		}
		l.abandon()
	}
}
