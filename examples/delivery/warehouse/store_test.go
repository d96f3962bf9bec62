package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// rowsOf returns the rows of offsets [from, to), two days apart by turns.
func rowsOf(partition int32, from, to int64) []row {
	var rows []row
	for o := from; o < to; o++ {
		rows = append(rows, row{OrderID: "o", RestaurantID: "r", TotalCents: o, PlacedAt: noon.AddDate(0, 0, int(o%2)), Partition: partition, Offset: o})
	}
	return rows
}

func written(t *testing.T, s *store, at span) commit {
	t.Helper()
	c, err := s.write(at, rowsOf(at.Partition, at.From, at.To))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func added(t *testing.T, s *store, at span) commit {
	t.Helper()
	c := written(t, s, at)
	if err := s.add(c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRowsAreInTheFileOfTheirDay(t *testing.T) {
	s := &store{t.TempDir(), "orders"}
	c := added(t, s, span{3, 10, 15})
	want := []string{"day=2026-03-02/orders-p3-10-15.parquet", "day=2026-03-03/orders-p3-10-15.parquet"}
	if c.Rows != 5 || len(c.Files) != 2 || c.Files[0] != filepath.FromSlash(want[0]) || c.Files[1] != filepath.FromSlash(want[1]) {
		t.Fatalf("%+v", c)
	}
	var offsets []int64
	for _, f := range c.Files {
		rows, err := parquet.ReadFile[row](filepath.Join(s.dir, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if day := "day=" + r.PlacedAt.UTC().Format(time.DateOnly); day != filepath.Dir(f) {
				t.Errorf("%s has a row of %s", f, r.PlacedAt)
			}
			offsets = append(offsets, r.Offset)
		}
	}
	if len(offsets) != 5 || offsets[0] != 10 || offsets[1] != 12 || offsets[3] != 11 {
		t.Errorf("offsets %v", offsets)
	}
}

func TestWhatHasNoCommitIsRemovedAndDoesNotCount(t *testing.T) {
	s := &store{t.TempDir(), "orders"}
	kept := added(t, s, span{0, 0, 4})
	lost := written(t, s, span{0, 4, 8}) // died before the commit
	if err := os.WriteFile(filepath.Join(s.dir, "day=2026-03-02", "orders-p0-8-9.parquet.part"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	ends, err := s.ends()
	if err != nil || ends[0] != 4 || len(ends) != 1 {
		t.Fatalf("%v %v", ends, err)
	}
	if n, err := s.recover(); n != 3 || err != nil {
		t.Errorf("removed %d files: %v", n, err)
	}
	for _, f := range kept.Files {
		if _, err := os.Stat(filepath.Join(s.dir, f)); err != nil {
			t.Error(err)
		}
	}
	for _, f := range lost.Files {
		if _, err := os.Stat(filepath.Join(s.dir, f)); err == nil {
			t.Errorf("%s is still there", f)
		}
	}
	if n, err := s.recover(); n != 0 || err != nil {
		t.Errorf("then removed %d files: %v", n, err)
	}
}

func TestCommitsThatDoNotFollowOneAnotherAreAnError(t *testing.T) {
	for name, second := range map[string]span{"gap": {1, 6, 8}, "overlap": {1, 4, 8}} {
		s := &store{t.TempDir(), "orders"}
		added(t, s, span{1, 0, 5})
		added(t, s, second)
		if _, err := s.ends(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
