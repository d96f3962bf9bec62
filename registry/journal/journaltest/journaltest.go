// Package journaltest holds the tests that every journal.Journal passes.
//
// An implementation calls Run from its own test:
//
//	func TestJournal(t *testing.T) {
//		journaltest.Run(t, func(t *testing.T) journal.Journal { return open(t) })
//	}
package journaltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// patience bounds what must not block. No test depends on it to pass.
const patience = 2 * time.Minute

// Run tests the journals that open returns: each call gives an empty one, which
// Run closes.
func Run(t *testing.T, open func(t *testing.T) journal.Journal) {
	for _, c := range []struct {
		name string
		test func(*testing.T, context.Context, journal.Journal)
	}{
		{"EmptyJournalEndsWhereItBegins", empty},
		{"AppendedRecordsAreReadInOrder", inOrder},
		{"TombstonesAreNotEmptyValues", tombstones},
		{"AppendElsewhereIsRefusedAndWritesNothing", moved},
		{"AppendIsAllOrNothing", allOrNothing},
		{"ReadHonoursItsMaximum", maximum},
		{"ReadAtTheEndDoesNotWait", atTheEnd},
		{"WaitReturnsWhenTheEndHasMoved", waits},
		{"WaitEndsWithItsContext", waitCancelled},
		{"OneOfManyAppendsWins", race},
		{"RecordsDoNotAliasTheCallersBytes", aliasing},
		{"LargeRecordsSurvive", large},
		{"StartedRecordsBecomeDurableInOrder", started},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			j := open(t)
			defer j.Close()
			c.test(t, ctx, j)
		})
	}
}

// started is for a journal.Starter.
func started(t *testing.T, ctx context.Context, j journal.Journal) {
	s, ok := j.(journal.Starter)
	if !ok {
		t.Skip("it appends one batch after the other")
	}
	at := mustEnd(t, ctx, j)
	var waits []func(context.Context) error
	for i := range 10 {
		first, more := rec(2*i), rec(2*i+1)
		first.Timestamp, more.Timestamp = 1_700_000_000_000+int64(i), 1_600_000_000_000-int64(i)
		end, wait, err := s.Start(ctx, at, []journal.Record{first, more})
		if err != nil {
			t.Fatal(err)
		}
		if end != at+2 {
			t.Fatalf("two records at %d end at %d", at, end)
		}
		if _, _, err := s.Start(ctx, at, []journal.Record{rec(99)}); !errors.Is(err, journal.ErrMoved) {
			t.Fatalf("a second start at %d: %v, want ErrMoved", at, err)
		}
		if _, err := s.Append(ctx, at, []journal.Record{rec(99)}); !errors.Is(err, journal.ErrMoved) {
			t.Fatalf("an append behind a start at %d: %v, want ErrMoved", at, err)
		}
		waits, at = append(waits, wait), end
	}
	if err := waits[len(waits)-1](ctx); err != nil {
		t.Fatal(err)
	}
	if end := mustEnd(t, ctx, j); end != at {
		t.Fatalf("the last one is durable, and the journal ends at %d, not %d", end, at)
	}
	all := readAll(t, ctx, j, 100)
	if len(all) != 20 {
		t.Fatalf("%d records, want 20", len(all))
	}
	for i, r := range all {
		want := 1_700_000_000_000 + int64(i/2)
		if i%2 == 1 {
			want = 1_600_000_000_000 - int64(i/2)
		}
		if string(r.Key) != string(rec(i).Key) || string(r.Value) != string(rec(i).Value) || r.Timestamp != want {
			t.Fatalf("record %d is %s at %d", i, r.Key, r.Timestamp)
		}
	}
	for _, wait := range waits[:len(waits)-1] {
		if err := wait(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

func rec(i int) journal.Record {
	return journal.Record{Key: fmt.Appendf(nil, `{"keytype":"SCHEMA","subject":"s","version":%d,"magic":1}`, i+1), Value: fmt.Appendf(nil, `{"n":%d}`, i)}
}

func mustEnd(t *testing.T, ctx context.Context, j journal.Journal) journal.Offset {
	t.Helper()
	end, err := j.End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func mustAppend(t *testing.T, ctx context.Context, j journal.Journal, records ...journal.Record) journal.Offset {
	t.Helper()
	end, err := j.Append(ctx, mustEnd(t, ctx, j), records)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

// readAll reads to the end in steps of max.
func readAll(t *testing.T, ctx context.Context, j journal.Journal, max int) []journal.Record {
	t.Helper()
	var all []journal.Record
	at := journal.Offset(0)
	for {
		records, next, err := j.Read(ctx, at, max)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 && next == at {
			return all
		}
		if len(records) > max {
			t.Fatalf("%d records, asked for %d", len(records), max)
		}
		if next <= at || len(records) > 0 && next <= records[len(records)-1].Offset {
			t.Fatalf("next offset %d from %d is not beyond what was read", next, at)
		}
		all, at = append(all, records...), next
	}
}

func empty(t *testing.T, ctx context.Context, j journal.Journal) {
	if all := readAll(t, ctx, j, 10); len(all) != 0 {
		t.Fatalf("%d records in an empty journal", len(all))
	}
	if _, err := j.Append(ctx, mustEnd(t, ctx, j), []journal.Record{rec(0)}); err != nil {
		t.Fatalf("the first append: %v", err)
	}
}

func inOrder(t *testing.T, ctx context.Context, j journal.Journal) {
	for i := range 20 {
		before := mustEnd(t, ctx, j)
		end := mustAppend(t, ctx, j, rec(i))
		if end <= before || end != mustEnd(t, ctx, j) {
			t.Fatalf("end went from %d to %d, now %d", before, end, mustEnd(t, ctx, j))
		}
	}
	all := readAll(t, ctx, j, 7)
	if len(all) != 20 {
		t.Fatalf("%d records, want 20", len(all))
	}
	for i, r := range all {
		if want := rec(i); string(r.Key) != string(want.Key) || string(r.Value) != string(want.Value) {
			t.Errorf("record %d is %s %s", i, r.Key, r.Value)
		}
		if i > 0 && (r.Offset <= all[i-1].Offset || r.Timestamp < all[i-1].Timestamp) {
			t.Errorf("record %d: offset %d at %d ms after offset %d at %d ms", i, r.Offset, r.Timestamp, all[i-1].Offset, all[i-1].Timestamp)
		}
		if r.Timestamp <= 0 {
			t.Errorf("record %d has no timestamp", i)
		}
	}
}

func tombstones(t *testing.T, ctx context.Context, j journal.Journal) {
	mustAppend(t, ctx, j, rec(0), journal.Record{Key: rec(0).Key})
	all := readAll(t, ctx, j, 10)
	if len(all) != 2 || all[0].Value == nil || all[1].Value != nil {
		t.Fatalf("got %v", all)
	}
}

func moved(t *testing.T, ctx context.Context, j journal.Journal) {
	start := mustEnd(t, ctx, j)
	end := mustAppend(t, ctx, j, rec(0))
	for _, at := range []journal.Offset{start, end + 1, end + 100} {
		if _, err := j.Append(ctx, at, []journal.Record{rec(1)}); !errors.Is(err, journal.ErrMoved) {
			t.Errorf("append at %d with the end at %d: %v, want ErrMoved", at, end, err)
		}
	}
	if all := readAll(t, ctx, j, 10); len(all) != 1 || mustEnd(t, ctx, j) != end {
		t.Errorf("%d records, end %d", len(all), mustEnd(t, ctx, j))
	}
}

func allOrNothing(t *testing.T, ctx context.Context, j journal.Journal) {
	var batch []journal.Record
	for i := range 50 {
		batch = append(batch, rec(i))
	}
	end := mustAppend(t, ctx, j, batch...)
	if all := readAll(t, ctx, j, 100); len(all) != 50 {
		t.Fatalf("%d records, want 50", len(all))
	}
	if _, err := j.Append(ctx, end-1, batch); !errors.Is(err, journal.ErrMoved) {
		t.Fatalf("append inside: %v", err)
	}
	if all := readAll(t, ctx, j, 100); len(all) != 50 {
		t.Fatalf("%d records after a refused batch, want 50", len(all))
	}
}

func maximum(t *testing.T, ctx context.Context, j journal.Journal) {
	for i := range 5 {
		mustAppend(t, ctx, j, rec(i))
	}
	for _, max := range []int{1, 2, 5, 6} {
		if all := readAll(t, ctx, j, max); len(all) != 5 {
			t.Errorf("in steps of %d: %d records", max, len(all))
		}
	}
}

func atTheEnd(t *testing.T, ctx context.Context, j journal.Journal) {
	end := mustAppend(t, ctx, j, rec(0))
	records, next, err := j.Read(ctx, end, 10)
	if err != nil || len(records) != 0 || next != end {
		t.Errorf("read at the end %d: %d records, next %d, %v", end, len(records), next, err)
	}
}

func waits(t *testing.T, ctx context.Context, j journal.Journal) {
	start := mustEnd(t, ctx, j)
	done := make(chan error, 1)
	go func() { done <- j.Wait(ctx, start) }()
	end := mustAppend(t, ctx, j, rec(0))
	if err := <-done; err != nil {
		t.Errorf("waiting: %v", err)
	}
	if err := j.Wait(ctx, end-1); err != nil {
		t.Errorf("waiting for what has happened: %v", err)
	}
}

func waitCancelled(t *testing.T, ctx context.Context, j journal.Journal) {
	ctx, cancel := context.WithCancel(ctx)
	end := mustEnd(t, ctx, j)
	done := make(chan error, 1)
	go func() { done <- j.Wait(ctx, end) }()
	cancel()
	if err := <-done; err == nil {
		t.Error("waiting ended without a reason")
	}
}

func race(t *testing.T, ctx context.Context, j journal.Journal) {
	const writers, rounds = 8, 20
	for round := range rounds {
		at := mustEnd(t, ctx, j)
		var won atomic.Int32
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				switch _, err := j.Append(ctx, at, []journal.Record{rec(w)}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, journal.ErrMoved):
					t.Errorf("writer %d: %v", w, err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("round %d: %d of %d appends at %d were accepted", round, won.Load(), writers, at)
		}
	}
	if all := readAll(t, ctx, j, 100); len(all) != rounds {
		t.Errorf("%d records, want %d", len(all), rounds)
	}
}

func aliasing(t *testing.T, ctx context.Context, j journal.Journal) {
	r := rec(0)
	want := string(r.Key) + string(r.Value)
	mustAppend(t, ctx, j, r)
	for i := range r.Key {
		r.Key[i] = 'x'
	}
	for i := range r.Value {
		r.Value[i] = 'x'
	}
	all := readAll(t, ctx, j, 10)
	if len(all) != 1 || string(all[0].Key)+string(all[0].Value) != want {
		t.Errorf("got %v", all)
	}
}

func large(t *testing.T, ctx context.Context, j journal.Journal) {
	r := rec(0)
	r.Value = make([]byte, 900_000)
	for i := range r.Value {
		r.Value[i] = byte('a' + i%26)
	}
	mustAppend(t, ctx, j, r, rec(1))
	all := readAll(t, ctx, j, 10)
	if len(all) != 2 || string(all[0].Value) != string(r.Value) {
		t.Errorf("%d records, want 2, the first as it was appended", len(all))
	}
}
