package commitlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// damagedLog makes a closed log of several segments with transactions in it.
func damagedLog(t *testing.T) (*vfs.Mem, int64) { return damagedLogOf(t, "data/topic-0", 1) }

// damagedLogOf is damagedLog in a folder, with two producers of which the first is given.
func damagedLogOf(t *testing.T, dir string, producer int64) (*vfs.Mem, int64) {
	t.Helper()
	mem := vfs.NewMem()
	l := openMem(t, mem, damageOptions, func(o *Options) { o.Dir = dir })
	for i := range int32(40) {
		mustAppend(t, l, idem(t, producer, 0, i, 1, false), AppendOptions{})
		mustAppend(t, l, idem(t, producer+1, 0, i, 1, true), AppendOptions{TxnVerified: true})
		if i%4 == 3 && i < 38 {
			mustAppend(t, l, record.AppendMarker(nil, producer+1, 0, 1, record.Marker{Type: record.ControlType(i / 4 % 2)}), AppendOptions{Origin: FromCoordinator})
		}
	}
	end := l.EndOffset()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return mem, end
}

func damageOptions(o *Options) {
	o.Config = DefaultConfig()
	o.Config.SegmentBytes, o.Config.IndexIntervalBytes = 1500, 100
}

// overwrite changes bytes of a file; negative positions count from its end.
func overwrite(t *testing.T, mem *vfs.Mem, name string, pos int64, p []byte) {
	t.Helper()
	f, err := mem.OpenFile("data/topic-0/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if size, _ := f.Size(); pos < 0 {
		pos += size
	}
	if _, err := f.WriteAt(p, pos); err != nil {
		t.Fatal(err)
	}
}

func truncateFile(t *testing.T, mem *vfs.Mem, name string, by int64) {
	t.Helper()
	f, err := mem.OpenFile("data/topic-0/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	if err := f.Truncate(max(size+by, 0)); err != nil {
		t.Fatal(err)
	}
}

func filesOf(t *testing.T, mem *vfs.Mem, suffix string) (names []string) {
	t.Helper()
	all, err := mem.List("data/topic-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}

// TestNamedDamageOfDerivedFiles: whatever happens to a file that is made from the
// log, opening makes it anew, and the log answers as before.
func TestNamedDamageOfDerivedFiles(t *testing.T) {
	remove := func(t *testing.T, mem *vfs.Mem, name string) {
		if err := mem.Remove("data/topic-0/" + name); err != nil {
			t.Fatal(err)
		}
	}
	empty := func(t *testing.T, mem *vfs.Mem, name string) { truncateFile(t, mem, name, -1<<40) }
	half := func(t *testing.T, mem *vfs.Mem, name string) { truncateFile(t, mem, name, -3) }
	garbage := func(t *testing.T, mem *vfs.Mem, name string) {
		overwrite(t, mem, name, -7, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	entry := func(t *testing.T, mem *vfs.Mem, name string) {
		for suffix, width := range map[string]int64{indexSuffix: offsetEntryBytes, timeSuffix: timeEntryBytes, txnSuffix: txnEntryBytes} {
			if strings.HasSuffix(name, suffix) {
				truncateFile(t, mem, name, -width)
			}
		}
	}
	flipped := func(at func(size int64) int64) func(*testing.T, *vfs.Mem, string) {
		return func(t *testing.T, mem *vfs.Mem, name string) {
			p, err := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if i := at(int64(len(p))); i >= 0 && i < int64(len(p)) {
				overwrite(t, mem, name, i, []byte{p[i] ^ 4})
			}
		}
	}
	// A log with other producers, other times and other batches, as long as ours.
	other, _ := damagedLogOf(t, "data/topic-1", 5)
	another := func(t *testing.T, mem *vfs.Mem, name string) {
		files, err := other.List("data/topic-1")
		if err != nil {
			t.Fatal(err)
		}
		suffix := name[strings.LastIndexByte(name, '.')+1:]
		of, nearest := int64(0), ""
		if at, ok := parseName(name, "."+suffix); ok {
			of = at
		}
		for _, f := range files { // the one of the same name, or the next
			at, _ := parseName(f, "."+suffix)
			if strings.HasSuffix(f, suffix) && (nearest == "" || at <= of) {
				nearest = f
			}
		}
		p, err := vfs.ReadFile(other, "data/topic-1/"+nearest, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		truncateFile(t, mem, name, -1<<40)
		overwrite(t, mem, name, 0, p)
	}
	first := func(t *testing.T, mem *vfs.Mem, name string) {
		overwrite(t, mem, name, 0, []byte{0x7f, 0x01})
	}
	preallocated := func(t *testing.T, mem *vfs.Mem, name string) { overwrite(t, mem, name, 4000, make([]byte, 80)) }
	damages := []struct {
		name   string
		change func(*testing.T, *vfs.Mem, string)
	}{{"removed", remove}, {"empty", empty}, {"cut in an entry", half}, {"garbage at the end", garbage}, {"garbage at the start", first}, {"preallocated", preallocated},
		{"cut by an entry", entry}, {"another partition's", another},
		{"a flipped bit in the first entry", flipped(func(int64) int64 { return 3 })}, {"a flipped bit in the second entry", flipped(func(size int64) int64 { return 15 })},
		{"a flipped bit in the middle", flipped(func(size int64) int64 { return size / 2 })}, {"a flipped bit before the end", flipped(func(size int64) int64 { return size - 5 })},
		{"a flipped bit at the end", flipped(func(size int64) int64 { return size - 1 })}}
	want := ""
	for _, suffix := range []string{"", indexSuffix, timeSuffix, txnSuffix, snapshotSuffix, epochFile, stateFile, sealsFile} {
		for _, d := range damages {
			for _, which := range []string{"all", "first", "last"} {
				mem, end := damagedLog(t)
				names := filesOf(t, mem, suffix)
				switch {
				case suffix == "": // the log as it should be
					names = nil
				case len(names) == 0:
					t.Fatalf("no files %s", suffix)
				case which == "first":
					names = names[:1]
				case which == "last":
					names = names[len(names)-1:]
				}
				for _, name := range names {
					d.change(t, mem, name)
				}
				l, err := Open(Options{FS: mem, Dir: "data/topic-0", Config: func() Config { o := Options{}; damageOptions(&o); return o.Config }()})
				if err != nil {
					t.Errorf("%s %s, %s: %v", suffix, d.name, which, err)
					continue
				}
				got := answers(t, l)
				if want == "" {
					want = got
				}
				if got != want || l.EndOffset() != end {
					t.Errorf("%s %s, %s:\n got %s\nwant %s", suffix, d.name, which, got, want)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

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

// answers is everything that a log says about itself.
func answers(t *testing.T, l *Log) string {
	t.Helper()
	values, next := readAll(t, l, 0, UpToEnd)
	aborted, err := l.AbortedTransactions(0, next)
	if err != nil {
		t.Fatal(err)
	}
	var found []int64
	for offset := int64(0); offset < next; offset++ {
		r, err := l.Read(ReadOptions{Offset: offset, MaxBytes: 1, MinOneBatch: true, UpTo: UpToEnd})
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, record.Batch(r.Records).BaseOffset())
		r.Release()
	}
	point, ok, err := l.OffsetForTimestamp(1_700_000_000_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	largest, _, err := l.MaxTimestamp(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, end := l.EpochEnd(0)
	return fmt.Sprintf("%x %x %v %v %v %v %v %v %v %v", sha256.Sum256([]byte(fmt.Sprint(values))), sha256.Sum256([]byte(fmt.Sprint(found))), aborted, l.Offsets(), point, ok, largest, l.ActiveProducers(), l.OpenTransactions(), end)
}

// TestNamedDamageOfTheLog: above the durable offset damage is an unfinished write and
// is cut off; below it is reported, nothing is touched, and repair takes out what is
// damaged and nothing else.
func TestNamedDamageOfTheLog(t *testing.T) {
	tests := []struct {
		name    string
		change  func(t *testing.T, mem *vfs.Mem, file string)
		durable bool // the damage is below the durable offset
		lost    int  // records
	}{
		{"a torn last batch", func(t *testing.T, mem *vfs.Mem, file string) { truncateFile(t, mem, file, -5) }, false, 1},
		{"zeros behind the end", func(t *testing.T, mem *vfs.Mem, file string) { overwrite(t, mem, file, 5000, make([]byte, 9)) }, false, 0},
		{"garbage behind the end", func(t *testing.T, mem *vfs.Mem, file string) {
			overwrite(t, mem, file, 5000, []byte("garbage garbage garbage"))
		}, false, 0},
		{"a flipped bit in the last batch", func(t *testing.T, mem *vfs.Mem, file string) { overwrite(t, mem, file, -1, []byte{1}) }, false, 1},
		{"a durable batch cut", func(t *testing.T, mem *vfs.Mem, file string) { truncateFile(t, mem, file, -5) }, true, 1},
		{"a durable batch flipped in the middle", func(t *testing.T, mem *vfs.Mem, file string) { overwrite(t, mem, file, 300, []byte{0xff}) }, true, 1},
		{"a durable batch's length broken", func(t *testing.T, mem *vfs.Mem, file string) {
			overwrite(t, mem, file, 8, []byte{0x7f, 0xff, 0xff, 0xff})
		}, true, 1},
		{"a hole of zeros", func(t *testing.T, mem *vfs.Mem, file string) { overwrite(t, mem, file, 200, make([]byte, 200)) }, true, 4},
		{"everything gone", func(t *testing.T, mem *vfs.Mem, file string) { truncateFile(t, mem, file, -1<<40) }, true, 12},
	}
	for _, tt := range tests {
		mem := vfs.NewMem()
		l := openMem(t, mem, func(o *Options) { o.Committer = &manualCommitter{} })
		var want []string
		for i := range 12 {
			want = append(want, fmt.Sprint(i))
			mustAppend(t, l, batchOf(t, record.BatchOptions{}, fmt.Sprint(i)), AppendOptions{})
		}
		if tt.durable {
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		l.abandon()
		file := filesOf(t, mem, logSuffix)[0]
		tt.change(t, mem, file)
		o := Options{FS: mem, Dir: "data/topic-0"}
		l, err := Open(o)
		if tt.durable {
			var damage *DamageError
			if !errors.As(err, &damage) || damage.File != file || damage.DurableOffset != 12 {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			before, _ := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20)
			if _, again := Open(o); again == nil || again.Error() != err.Error() {
				t.Errorf("%s: opening again says %v, before %v", tt.name, again, err)
			}
			wrong := *damage
			wrong.Pos += 73
			if _, err := Repair(o, &wrong); err == nil {
				t.Errorf("%s: a repair at the wrong place did something", tt.name)
			}
			if after, _ := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20); string(after) != string(before) {
				t.Errorf("%s: the damaged file was changed", tt.name)
			}
			repaired, err := Repair(o, damage)
			if err != nil {
				t.Errorf("%s: repair: %v", tt.name, err)
				continue
			}
			if kept, _ := vfs.ReadFile(mem, filepath.Join("data/topic-0", repaired.Copy), 1<<20); string(kept) != string(before) {
				t.Errorf("%s: the damaged file was not kept", tt.name)
			}
			if l, err = Open(o); err != nil {
				t.Errorf("%s: after repair: %v", tt.name, err)
				continue
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if tt.durable && l.EndOffset() != 12 {
			t.Errorf("%s: offsets go on at %d", tt.name, l.EndOffset())
		}
		values, _ := readAll(t, l, l.StartOffset(), UpToEnd)
		lost := 0
		for _, v := range want {
			if !slices.Contains(values, v) {
				lost++
			}
		}
		if lost != tt.lost || !slices.IsSortedFunc(values, func(a, b string) int { return len(a) - len(b) }) {
			t.Errorf("%s: %d records are gone, want %d: %v", tt.name, lost, tt.lost, values)
		}
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, "goes on"), AppendOptions{})
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestWrongIndexIsNotBelieved: an entry that was changed while the log was open, or
// in a sealed segment whose index looks sound from outside.
func TestWrongIndexIsNotBelieved(t *testing.T) {
	mem, _ := damagedLog(t)
	name := filesOf(t, mem, indexSuffix)[0]
	overwrite(t, mem, name, 4, []byte{0, 0, 0, 33})
	overwrite(t, mem, name, 12, []byte{0, 0, 0, 77})
	l := openMem(t, mem, damageOptions)
	defer l.Close()
	if values, _ := readAll(t, l, 0, UpToEnd); len(values) != 80 {
		t.Errorf("%d values", len(values))
	}
	answers(t, l)
}

// TestFolderOfKafkaIsOpened: no file of ours, indexes larger than their content, and
// a recovery point in the data directory's checkpoint.
func TestFolderOfKafkaIsOpened(t *testing.T) {
	for _, clean := range []bool{false, true} {
		mem, end := damagedLog(t)
		want := func() string { l := openMem(t, mem, damageOptions); defer l.Close(); return answers(t, l) }()
		if err := mem.Remove("data/topic-0/" + stateFile); err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{indexSuffix, timeSuffix} {
			if names := filesOf(t, mem, suffix); !clean {
				overwrite(t, mem, names[len(names)-1], 5000, []byte{0})
			}
		}
		if !clean {
			for _, name := range filesOf(t, mem, snapshotSuffix) {
				if offset, _ := parseName(name, snapshotSuffix); offset == end {
					if err := mem.Remove("data/topic-0/" + name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		l := openMem(t, mem, damageOptions, func(o *Options) { o.CleanShutdown, o.RecoveryPoint = clean, end/2 })
		if got := answers(t, l); got != want {
			t.Errorf("clean %v:\n got %s\nwant %s", clean, got, want)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAnotherTopicsFolderIsRefused(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem, func(o *Options) { o.TopicID = [16]byte{1, 2, 3} })
	l.Close()
	if got, _ := vfs.ReadFile(mem, "data/topic-0/partition.metadata", 100); string(got) != "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA" {
		t.Errorf("%q", got)
	}
	if id, err := ReadTopicID(mem, "data/topic-0"); err != nil || id != [16]byte{1, 2, 3} {
		t.Error(id, err)
	}
	_, err := Open(Options{FS: mem, Dir: "data/topic-0", TopicID: [16]byte{4}})
	if err == nil || !strings.Contains(err.Error(), "restore metadata.log") {
		t.Error(err)
	}
}

func TestDataDirectoryFiles(t *testing.T) {
	mem := vfs.NewMem()
	offsets := map[TopicPartition]int64{{"b", 0}: 7, {"a", 10}: 1, {"a", 9}: 1 << 40}
	if err := WriteCheckpoint(mem, RecoveryPointFile, offsets); err != nil {
		t.Fatal(err)
	}
	if got, _ := vfs.ReadFile(mem, RecoveryPointFile, 1000); string(got) != "0\n3\na 9 1099511627776\na 10 1\nb 0 7\n" {
		t.Errorf("%q", got)
	}
	if got, err := ReadCheckpoint(mem, RecoveryPointFile); err != nil || len(got) != 3 || got[TopicPartition{"a", 9}] != 1<<40 {
		t.Error(got, err)
	}
	if got, err := ReadCheckpoint(mem, "missing"); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "0", "1\n0\n", "0\n2\na 1 1\n", "0\n1\na 1\n", "0\n1\na -1 1\n", "0\n1\na 1 x\n", "0\n-1\n"} {
		if _, err := ParseCheckpoint([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if clean, err := TakeCleanShutdown(mem, "."); clean || err != nil {
		t.Error(clean, err)
	}
	if err := WriteCleanShutdown(mem, "."); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		if clean, err := TakeCleanShutdown(mem, "."); clean != want || err != nil {
			t.Error(clean, err)
		}
	}
	m := MetaProperties{ClusterID: "c-1", NodeID: 3, DirectoryID: "d"}
	if err := WriteMetaProperties(mem, ".", m); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadMetaProperties(mem, "."); err != nil || got != m {
		t.Error(got, err)
	}
	if _, err := ParseMetaProperties([]byte("version=0\nbroker.id=1\n")); err == nil {
		t.Error("version 0 was accepted")
	}
}

// FuzzStoredFiles: no content of any file makes a decoder panic, and what is
// accepted is written back the same.
func FuzzStoredFiles(f *testing.F) {
	table := newProducerTable()
	table.apply(record.Batch(idem(f, 1, 2, 3, 4, true)))
	f.Add(table.appendSnapshot(nil))
	f.Add(formatEpochs([]epochStart{{1, 2}, {3, 4}}))
	f.Add(FormatCheckpoint(map[TopicPartition]int64{{"a", 1}: 2}))
	f.Add(formatPartitionMetadata([16]byte{1}))
	f.Add([]byte("#\ncluster.id=a\nnode.id=1\nversion=1\n"))
	f.Add(formatSeals(map[int64][]segmentSeal{0: {{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}}}))
	f.Add(logState{1, 2, 3, checkpointMark{4, 5, 6, 7, 8}}.append(nil, ""))
	f.Fuzz(func(t *testing.T, p []byte) {
		if table, err := parseSnapshot(p); err == nil {
			if again, err := parseSnapshot(table.appendSnapshot(nil)); err != nil || len(again.producers) != len(table.producers) {
				t.Fatalf("an accepted snapshot is not read again: %v", err)
			}
		}
		if epochs, err := parseEpochs(p); err == nil {
			if again, err := parseEpochs(formatEpochs(epochs)); err != nil || !slices.Equal(again, epochs) {
				t.Fatalf("%v: %v", epochs, err)
			}
		}
		if offsets, err := ParseCheckpoint(p); err == nil {
			if again, err := ParseCheckpoint(FormatCheckpoint(offsets)); err != nil || len(again) != len(offsets) {
				t.Fatalf("%v: %v", offsets, err)
			}
		}
		if id, err := parsePartitionMetadata(p); err == nil {
			if again, err := parsePartitionMetadata(formatPartitionMetadata(id)); err != nil || again != id {
				t.Fatal(id, err)
			}
		}
		if all, err := parseSeals(p); err == nil {
			if again, err := parseSeals(formatSeals(all)); err != nil || len(again) != len(all) {
				t.Fatalf("%v: %v", all, err)
			}
		}
		_, _ = ParseMetaProperties(p)
		if s, ok := parseLogState(p, ""); ok {
			if again, ok := parseLogState(s.append(nil, ""), ""); !ok || again != s {
				t.Fatal(s)
			}
		}
	})
}

// FuzzFolder opens a folder whose files are anything: it opens, or says what is wrong.
func FuzzFolder(f *testing.F) {
	mem := vfs.NewMem()
	l := openMem(f, mem)
	mustAppend(f, l, idem(f, 1, 0, 0, 2, true), AppendOptions{TxnVerified: true})
	mustAppend(f, l, record.AppendMarker(nil, 1, 0, 1, record.Marker{Type: record.Abort}), AppendOptions{Origin: FromCoordinator})
	l.Close()
	read := func(name string) []byte { p, _ := vfs.ReadFile(mem, "data/topic-0/"+name, 1<<20); return p }
	f.Add(read(fileName(0, logSuffix)), read(fileName(0, indexSuffix)), read(fileName(0, timeSuffix)), read(fileName(0, txnSuffix)), read(fileName(3, snapshotSuffix)), read(stateFile), uint8(3), false)
	f.Fuzz(func(t *testing.T, log, index, times, txns, snapshot, state []byte, at uint8, clean bool) {
		mem := vfs.NewMem()
		mem.MkdirAll("data/topic-0")
		for name, content := range map[string][]byte{fileName(0, logSuffix): log, fileName(0, indexSuffix): index, fileName(0, timeSuffix): times, fileName(0, txnSuffix): txns, fileName(int64(at), snapshotSuffix): snapshot, stateFile: state} {
			file, _ := mem.Create("data/topic-0/" + name)
			file.WriteAt(content, 0)
		}
		l, err := Open(Options{FS: mem, Dir: "data/topic-0", CleanShutdown: clean, Committer: &manualCommitter{}, Now: func() time.Time { return noon }})
		if err != nil {
			return
		}
		o := l.Offsets()
		for next := o.Start; next < o.End; {
			r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 100, MinOneBatch: true, UpTo: UpToEnd})
			if err != nil || len(r.Records) == 0 {
				break
			}
			next = r.NextOffset
			r.Release()
		}
		l.AbortedTransactions(o.Start, o.End)
		l.OffsetForTimestamp(0, nil)
		if a, err := l.Append(background, batchOf(t, record.BatchOptions{}, "x"), AppendOptions{}); err == nil && a.BaseOffset != o.End {
			t.Fatalf("appended at %d, the log ended at %d", a.BaseOffset, o.End)
		}
		l.Close()
	})
}
