package commitlog

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// closedThenChanged closes a log of ten batches in four segments and changes a file of it.
func closedThenChanged(t *testing.T, name string, change func(p []byte) []byte) *vfs.Mem {
	t.Helper()
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(*Config) {})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := "data/topic-0/" + name
	p, err := vfs.ReadFile(mem, path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFile(mem, path, change(p)); err != nil {
		t.Fatal(err)
	}
	return mem
}

func TestInspectionFindsWhatIsDamagedAndRepairTakesIt(t *testing.T) {
	flip := func(at int) func([]byte) []byte {
		return func(p []byte) []byte { p[at] ^= 0xff; return p }
	}
	for name, d := range map[string]struct {
		file     string
		change   func([]byte) []byte
		harmless bool
		offset   int64 // of the finding
		lost     int   // records, once repaired
	}{
		"a record in the first batch":    {fileName(0, logSuffix), flip(100), false, 0, 1},
		"a record of a middle segment":   {fileName(3, logSuffix), flip(300), false, 4, 1},
		"the end of a middle segment":    {fileName(3, logSuffix), func(p []byte) []byte { return p[:len(p)-5] }, false, 5, 1},
		"the end of the active segment":  {fileName(9, logSuffix), func(p []byte) []byte { return p[:len(p)-5] }, false, 9, 1},
		"an unfinished batch at the end": {fileName(9, logSuffix), func(p []byte) []byte { return append(p, p[:50]...) }, true, 10, 0},
		"a snapshot":                     {fileName(9, snapshotSuffix), flip(3), true, -1, 0},
		"an index":                       {fileName(3, timeSuffix), func(p []byte) []byte { return append(p, 1) }, true, 3, 0},
		"the leader epochs":              {epochFile, func([]byte) []byte { return []byte("x") }, true, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			mem := closedThenChanged(t, d.file, d.change)
			o := Options{FS: mem, Dir: "data/topic-0"}
			found, err := Inspect(o)
			if err != nil || len(found) != 1 || found[0].Harmless != d.harmless || found[0].Offset != d.offset || found[0].Fault == "" || found[0].Remedy == "" {
				t.Fatalf("%+v, %v", found, err)
			}
			if (found[0].Damage != nil) == d.harmless {
				t.Errorf("%+v", found[0])
			}
			if !d.harmless {
				if _, err := Repair(o, found[0].Damage); err != nil {
					t.Fatal(err)
				}
				after, err := Inspect(o)
				for _, f := range after {
					if !f.Harmless {
						t.Errorf("after the repair: %+v", f)
					}
				}
				if err != nil {
					t.Error(err)
				}
			}
			l := openMem(t, mem)
			defer l.Close()
			if values, _ := readAll(t, l, 0, UpToEnd); len(values) != 10-d.lost {
				t.Errorf("%d records are left", len(values))
			}
		})
	}
}

func TestInspectionOfAWholeLogFindsNothingAndChangesNothing(t *testing.T) {
	mem := closedThenChanged(t, stateFile, func(p []byte) []byte { return p })
	before, _ := mem.List("data/topic-0")
	found, err := Inspect(Options{FS: mem, Dir: "data/topic-0"})
	if err != nil || len(found) != 0 {
		t.Errorf("%+v, %v", found, err)
	}
	if after, _ := mem.List("data/topic-0"); strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("%q, before %q", after, before)
	}
}

// TestInspectionNeedsNoWriting: a file system that refuses every change is as good.
func TestInspectionNeedsNoWriting(t *testing.T) {
	mem, _ := damagedLog(t)
	overwrite(t, mem, filesOf(t, mem, logSuffix)[1], 300, []byte{0xff})
	truncateFile(t, mem, filesOf(t, mem, txnSuffix)[2], -1<<40)
	want, err := Inspect(Options{FS: mem, Dir: "data/topic-0"})
	if err != nil || len(want) < 2 {
		t.Fatalf("%+v, %v", want, err)
	}
	readOnly := &vfs.Faulty{FS: mem, Ops: vfs.OpChange, N: 1, Sticky: true, Err: syscall.EROFS}
	found, err := Inspect(Options{FS: readOnly, Dir: "data/topic-0"})
	if err != nil || fmt.Sprint(found) != fmt.Sprint(want) || readOnly.Count() > 0 {
		t.Errorf("%+v, %v, %d changes", found, err, readOnly.Count())
	}
}
