package commitlog

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// repairAll repairs what opening or an inspection finds, until there is nothing, and
// returns the copies that were kept.
func repairAll(t *testing.T, mem *vfs.Mem) (copies []string) {
	t.Helper()
	o := Options{FS: mem, Dir: "data/topic-0"}
	for range 10 {
		l, err := Open(o)
		if err == nil {
			err = l.Close()
		}
		var damage *DamageError
		if err != nil && !errors.As(err, &damage) {
			t.Fatal(err)
		}
		if damage == nil {
			found, err := Inspect(o)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(found, func(f Finding) bool { return f.Damage != nil })
			if at < 0 {
				return copies
			}
			damage = found[at].Damage
		}
		r, err := Repair(o, damage)
		if err != nil {
			t.Fatal(err)
		}
		copies = append(copies, r.Copy)
	}
	t.Fatal("it cannot be repaired")
	return nil
}

// TestASecondFaultAfterARepairIsReported: of the same file, whatever it is; each repair
// keeps what it found, and loses nothing but what is damaged.
func TestASecondFaultAfterARepairIsReported(t *testing.T) {
	flip := func(value string) func(t *testing.T, mem *vfs.Mem, file string) {
		return func(t *testing.T, mem *vfs.Mem, file string) {
			p, err := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.Index(p, value[0])
			for string(p[at:at+len(value)]) != value {
				at += 1 + slices.Index(p[at+1:], value[0])
			}
			overwrite(t, mem, file, int64(at), []byte("?"))
		}
	}
	for name, second := range map[string]struct {
		change func(t *testing.T, mem *vfs.Mem, file string)
		lost   []string // besides value-03; nil: everything from some value on
	}{
		"a flipped bit before the first":         {flip("value-01"), []string{"value-01"}},
		"a flipped bit behind the first":         {flip("value-05"), []string{"value-05"}},
		"a flipped bit in what came after":       {flip("value-14"), []string{"value-14"}},
		"a flipped bit in the batch at the end":  {flip("value-19"), []string{"value-19"}},
		"the batch at the end is torn":           {func(t *testing.T, mem *vfs.Mem, file string) { truncateFile(t, mem, file, -5) }, []string{"value-19"}},
		"the file ends with what was repaired":   {func(t *testing.T, mem *vfs.Mem, file string) { truncateFile(t, mem, file, -5*85) }, nil},
		"garbage behind the end, never promised": {func(t *testing.T, mem *vfs.Mem, file string) { overwrite(t, mem, file, 1<<14, []byte("x")) }, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			produce := func(from, to int) {
				t.Helper()
				l := openMem(t, mem)
				for i := from; i < to; i++ {
					a := mustAppend(t, l, batchOf(t, record.BatchOptions{}, fmt.Sprintf("value-%02d", i)), AppendOptions{})
					if a.BaseOffset != int64(i) {
						t.Fatalf("value %d got offset %d", i, a.BaseOffset)
					}
				}
				if err := l.Flush(); err != nil {
					t.Fatal(err)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			file := fileName(0, logSuffix)
			produce(0, 10)
			flip("value-03")(t, mem, file)
			first, err := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if copies := repairAll(t, mem); len(copies) != 1 {
				t.Fatalf("kept are %v", copies)
			}
			produce(10, 20)
			second.change(t, mem, file)
			found, err := vfs.ReadFile(mem, "data/topic-0/"+file, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			copies := repairAll(t, mem)
			if promised := second.lost == nil || len(second.lost) > 0; promised != (len(copies) > 0) {
				t.Fatalf("kept are %v", copies)
			}
			for _, c := range copies[:min(1, len(copies))] {
				if kept, err := vfs.ReadFile(mem, "data/topic-0/"+c, 1<<20); err != nil || string(kept) != string(found) {
					t.Errorf("%s is not the file as it was: %v", c, err)
				}
			}
			if kept, err := vfs.ReadFile(mem, "data/topic-0/"+file+damagedSuffix, 1<<20); err != nil || string(kept) != string(first) {
				t.Errorf("the first copy is not what it was: %v", err)
			}
			l := openMem(t, mem)
			defer l.Close()
			if l.EndOffset() != 20 {
				t.Errorf("the log goes on at offset %d", l.EndOffset())
			}
			values, _ := readAll(t, l, 0, UpToEnd)
			for i := range 20 {
				v := fmt.Sprintf("value-%02d", i)
				if second.lost == nil && i > 13 {
					break // the cut took them
				}
				if gone := i == 3 || slices.Contains(second.lost, v); gone == slices.Contains(values, v) {
					t.Errorf("%s: gone is %v", v, !gone)
				}
			}
			if gaps := l.Recovered().Gaps; len(gaps) > 0 {
				t.Errorf("%v were given up, not missed", gaps)
			}
		})
	}
}

// TestARepairDoesNotHideWhatGoesMissingLater: next to the repaired segment.
func TestARepairDoesNotHideWhatGoesMissingLater(t *testing.T) {
	mem := vfs.NewMem()
	l := openTimed(t, mem, 10, func(*Config) {}) // three records a segment
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	overwrite(t, mem, fileName(3, logSuffix), 100, []byte{0xff})
	if err := mem.Remove("data/topic-0/" + fileName(3, indexSuffix)); err != nil { // so that it is read
		t.Fatal(err)
	}
	o := Options{FS: mem, Dir: "data/topic-0"}
	found, err := Inspect(o)
	if err != nil || len(found) == 0 || found[0].Damage == nil {
		t.Fatalf("%+v, %v", found, err)
	}
	r, err := Repair(o, found[0].Damage)
	if err != nil {
		t.Fatal(err)
	}
	l = openMem(t, mem)
	if gaps := l.Recovered().Gaps; len(gaps) > 0 {
		t.Errorf("after the repair, which gave up %d to %d, %v are missing", r.FirstLostOffset, r.EndLostOffset, gaps)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range swapOrder {
		if err := mem.Remove("data/topic-0/" + fileName(6, suffix)); err != nil {
			t.Fatal(err)
		}
	}
	l = openMem(t, mem)
	defer l.Close()
	if gaps := l.Recovered().Gaps; !slices.Equal(gaps, []Gap{{6, 9}}) {
		t.Errorf("%v are missing", gaps)
	}
}
