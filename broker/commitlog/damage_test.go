package commitlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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
