package share

import (
	"reflect"
	"slices"
	"testing"
	"time"
)

// batchesOf are n batches of size records each, from first on.
func batchesOf(first int64, n, size int) Read {
	r := Read{From: first, To: first}
	for range n {
		r.Batches = append(r.Batches, Batch{First: r.To, Last: r.To + int64(size) - 1})
		r.To += int64(size)
	}
	return r
}

func TestOnlySoMuchIsInFlight(t *testing.T) {
	k := Key{Group: "g"}
	c := New(Options{MaxInFlight: 10}, nil)
	c.Open(atStart, k, 0)
	acquire := func(read Read, want Want) []Acquisition {
		got, _, _ := c.Acquire(atStart, k, "a", read, want)
		return got
	}
	accept := func(first, last int64) Effects {
		t.Helper()
		fault, e := c.Acknowledge(atStart, k, "a", []Ack{{First: first, Last: last, Types: []int8{Accept}}})
		if fault != nil {
			t.Fatal(fault.Reason)
		}
		return e
	}
	full := func() bool {
		at, _ := c.Position(atStart, k, 0)
		return at.Full
	}
	// The batch that reaches the bound is given whole, none is begun beyond it.
	if got := acquire(batchesOf(0, 5, 4), Want{MaxRecords: 100, JoinUpTo: 100}); !reflect.DeepEqual(got, []Acquisition{{0, 11, 1}}) || !full() {
		t.Fatalf("acquired %v, full: %v", got, full())
	}
	if got := acquire(batchesOf(12, 1, 4), Want{MaxRecords: 100}); got != nil {
		t.Errorf("beyond the bound: %v", got)
	}
	// What is done behind something that is not holds its place.
	if accept(4, 7); !full() {
		t.Error("not full, though nothing was finished from the start on")
	}
	if e := accept(0, 3); full() || !slices.Equal(e.Ready, []Key{k}) {
		t.Errorf("full: %v, told: %v", full(), e.Ready)
	}
	if got := acquire(batchesOf(12, 3, 4), Want{MaxRecords: 100, Strict: true, JoinUpTo: 100}); !reflect.DeepEqual(got, []Acquisition{{12, 17, 1}}) {
		t.Errorf("strictly up to the bound: %v", got)
	}
	// A full partition gives what was released, all the same.
	if f, _ := c.Acknowledge(atStart, k, "a", []Ack{{First: 9, Last: 10, Types: []int8{Release}}}); f != nil {
		t.Fatal(f.Reason)
	}
	if at, _ := c.Position(atStart, k, 0); at.Full || at.Offset != 9 {
		t.Errorf("%+v", at)
	}
	if got := acquire(batchesOf(8, 1, 4), Want{MaxRecords: 100}); !reflect.DeepEqual(got, []Acquisition{{9, 10, 2}}) || !full() {
		t.Errorf("what was released: %v, full: %v", got, full())
	}
}

func TestHowMuchIsAcquired(t *testing.T) {
	for name, c := range map[string]struct {
		read Read
		want Want
		got  []Acquisition
	}{
		"a batch that is begun is given whole": {batchesOf(0, 3, 4), Want{MaxRecords: 5, JoinUpTo: 1}, []Acquisition{{0, 3, 1}, {4, 7, 1}}},
		"strictly":                             {batchesOf(0, 3, 4), Want{MaxRecords: 5, JoinUpTo: 100, Strict: true}, []Acquisition{{0, 4, 1}}},
		"joined up to a size":                  {batchesOf(0, 5, 4), Want{MaxRecords: 100, JoinUpTo: 8}, []Acquisition{{0, 7, 1}, {8, 15, 1}, {16, 19, 1}}},
		"larger than that size":                {batchesOf(0, 2, 20), Want{MaxRecords: 100, JoinUpTo: 8}, []Acquisition{{0, 19, 1}, {20, 39, 1}}},
		"none":                                 {batchesOf(0, 2, 4), Want{MaxRecords: 0, JoinUpTo: 8}, nil},
	} {
		m := New(Options{}, nil)
		m.Open(atStart, Key{}, 0)
		if got, lock, e := m.Acquire(atStart, Key{}, "a", c.read, c.want); !reflect.DeepEqual(got, c.got) || lock != 30*time.Second || len(e.Records) != 0 {
			t.Errorf("%s: %v for %v, records %v; want %v", name, got, lock, e.Records, c.got)
		}
	}
}

// A lock that is renewed runs out later than one that is not.
func TestARenewedLockLasts(t *testing.T) {
	k := Key{Group: "g"}
	c := New(Options{}, nil)
	c.Open(atStart, k, 0)
	c.Acquire(atStart, k, "a", batchesOf(0, 1, 2), Want{MaxRecords: 2})
	later := atStart.Add(20 * time.Second)
	if f, _ := c.Acknowledge(later, k, "b", []Ack{{First: 0, Last: 0, Types: []int8{Renew}}}); f == nil {
		t.Error("somebody else renews the lock")
	}
	if f, e := c.Acknowledge(later, k, "a", []Ack{{First: 0, Last: 0, Types: []int8{Renew}}}); f != nil || e.Counts.Renewed != 1 || len(e.Records) != 0 {
		t.Fatalf("%v, %+v", f, e)
	}
	if next := c.NextTimer(); !next.Equal(atStart.Add(30 * time.Second)) {
		t.Errorf("the first lock runs out at %v", next)
	}
	if e := c.Tick(atStart.Add(30 * time.Second)); e.Counts.TimedOut != 1 || !slices.Equal(e.Ready, []Key{k}) {
		t.Errorf("%+v", e)
	}
	if f, _ := c.Acknowledge(later, k, "a", []Ack{{First: 1, Last: 1, Types: []int8{Renew}}}); f == nil {
		t.Error("a lock that ran out is renewed")
	}
	if e := c.Tick(atStart.Add(49 * time.Second)); e.Counts.TimedOut != 0 {
		t.Errorf("%+v", e)
	}
	if e := c.Tick(atStart.Add(50 * time.Second)); e.Counts.TimedOut != 1 {
		t.Errorf("%+v", e)
	}
}
