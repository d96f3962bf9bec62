package topics

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// setUntilFault sets one fact to 1, 2, … and returns the last number that was
// acknowledged and the last that was tried. The journal is written anew again and
// again on the way.
func setUntilFault(fsys vfs.FS) (acked, tried int, err error) {
	s, err := Open("data", Options{FS: fsys, RewriteBytes: 1})
	if err != nil {
		return 0, 0, err
	}
	defer s.Close()
	padding := strings.Repeat(" ", 600) // entries of more than a sector
	for tried = 1; tried <= 25; tried++ {
		if err := s.SetFacts("k", []Fact{{"n", json.RawMessage(fmt.Sprintf("[%d,%q]", tried, padding))}}); err != nil {
			return acked, tried, err
		}
		acked = tried
	}
	return acked, acked, nil
}

// numberIn opens what a crash left and returns the number, after setting another fact
// and another crash.
func numberIn(mem *vfs.Mem, seed uint64) (int, error) {
	s, err := Open("data", Options{FS: mem, RewriteBytes: 1})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	read := func(s *Store) (n int, err error) {
		if raw := s.Fact("k", "n"); raw != nil {
			var pair []any
			if err := json.Unmarshal(raw, &pair); err != nil {
				return 0, err
			}
			n = int(pair[0].(float64))
		}
		return n, nil
	}
	n, err := read(s)
	if err != nil {
		return 0, err
	}
	if err := s.SetFacts("k", []Fact{{"after", json.RawMessage(`1`)}}); err != nil {
		return 0, err
	}
	again, err := Open("data", Options{FS: mem.CrashCopy(seed)})
	if err != nil {
		return 0, fmt.Errorf("after another crash: %w", err)
	}
	defer again.Close()
	if m, err := read(again); err != nil || m != n || again.Fact("k", "after") == nil {
		return 0, fmt.Errorf("after another crash it is %d, %v; it was %d", m, err, n)
	}
	return n, nil
}

// TestJournalAndFaultAtEveryOperation takes the power away at the n-th change of the
// file system, or fails that one only, for every n.
func TestJournalAndFaultAtEveryOperation(t *testing.T) {
	for _, powerCut := range []bool{true, false} {
		for n := 1; ; n++ {
			mem := vfs.NewMem()
			if err := vfs.MakeFolder(mem, "data"); err != nil {
				t.Fatal(err)
			}
			faulty := &vfs.Faulty{FS: mem, Ops: vfs.OpChange, N: n, Sticky: powerCut}
			acked, tried, err := setUntilFault(faulty)
			for i, after := range []*vfs.Mem{mem.CrashCopy(1), mem.CrashCopy(2), mem.CrashCopy(3), mem.Clone()} {
				got, recovery := numberIn(after, uint64(n))
				if recovery != nil || got != acked && got != tried {
					t.Fatalf("power cut %v, operation %d, copy %d: %d, %v; acknowledged was %d, tried %d (%v)", powerCut, n, i, got, recovery, acked, tried, err)
				}
			}
			if faulty.Count() < n {
				t.Logf("power cut %v: %d operations", powerCut, n-1)
				break
			}
		}
	}
}
