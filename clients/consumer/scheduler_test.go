package consumer

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// taps remembers what was paused.
type taps struct {
	mu     sync.Mutex
	paused map[string]bool
	calls  int
}

func (f *taps) set(which map[string][]int32, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	for topic, ids := range which {
		for _, id := range ids {
			f.paused[fmt.Sprint(topic, id)] = on
		}
	}
}

func (f *taps) PauseFetchPartitions(which map[string][]int32) map[string][]int32 {
	f.set(which, true)
	return nil
}

func (f *taps) ResumeFetchPartitions(which map[string][]int32) { f.set(which, false) }

func newTestScheduler(order Order, maxBuffered int) (*scheduler, *taps) {
	s := newScheduler(order, maxBuffered)
	f := &taps{paused: map[string]bool{}}
	s.flow = f
	s.assign(context.Background(), "t", 0)
	return s, f
}

func fetched(from int64, keys ...string) kgo.FetchTopicPartition {
	var p kgo.FetchTopicPartition
	p.Topic = "t"
	p.HighWatermark = from + int64(len(keys)) + 100
	for i, k := range keys {
		r := &kgo.Record{Topic: "t", Offset: from + int64(i)}
		if k != "" {
			r.Key = []byte(k)
		}
		p.Records = append(p.Records, r)
	}
	return p
}

// available takes everything that may run now.
func available(s *scheduler) (lanes []*lane, offsets []int64) {
	for {
		s.mu.Lock()
		n := len(s.ready)
		s.mu.Unlock()
		if n == 0 {
			return lanes, offsets
		}
		l, task, _ := s.next()
		lanes = append(lanes, l)
		offsets = append(offsets, task.record.Offset)
	}
}

func TestOrders(t *testing.T) {
	for _, c := range []struct {
		order Order
		first []int64
	}{
		{OrderByKey, []int64{0, 1, 3, 4}}, // a, b, and the two without a key
		{OrderByPartition, []int64{0}},
		{Unordered, []int64{0, 1, 2, 3, 4}},
	} {
		s, _ := newTestScheduler(c.order, 100)
		s.add(fetched(0, "a", "b", "a", "", ""))
		lanes, got := available(s)
		if fmt.Sprint(got) != fmt.Sprint(c.first) {
			t.Errorf("order %d: %v run side by side, want %v", c.order, got, c.first)
		}
		s.finish(lanes[0])
		_, got = available(s)
		var want []int64
		switch c.order {
		case OrderByKey:
			want = []int64{2}
		case OrderByPartition:
			want = []int64{1}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("order %d: %v follow, want %v", c.order, got, want)
		}
	}
}

func TestBuffersAreBounded(t *testing.T) {
	s, f := newTestScheduler(Unordered, 4)
	s.add(fetched(0, "a", "b", "c"))
	if f.paused["t0"] {
		t.Error("paused below the bound")
	}
	s.add(fetched(3, "d", "e"))
	if !f.paused["t0"] || !s.snapshot().Partitions[0].Paused {
		t.Error("not paused at the bound")
	}
	lanes, _ := available(s)
	for i, l := range lanes {
		s.finish(l)
		if want := i < 2; f.paused["t0"] != want { // 5 records, resumed at 2
			t.Errorf("%d of 5 handled: paused %v, want %v", i+1, f.paused["t0"], want)
		}
	}
	if f.calls != 2 {
		t.Errorf("%d calls of the client, want one pause and one resume", f.calls)
	}
}

func TestARevokedPartitionIsResumed(t *testing.T) {
	s, f := newTestScheduler(Unordered, 1)
	s.add(fetched(0, "a", "b"))
	s.release(context.Background(), map[string][]int32{"t": {0}})
	if f.paused["t0"] {
		t.Error("the client keeps the pause for whoever gets the partition next")
	}
}

func TestReleaseWaitsForRunningHandlersOnly(t *testing.T) {
	s, _ := newTestScheduler(OrderByKey, 100)
	s.add(fetched(0, "a", "a", "b"))
	l, _, _ := s.next() // offset 0 runs
	released := make(chan []*partition)
	go func() { released <- s.release(context.Background(), map[string][]int32{"t": {0}}) }()
	for {
		s.mu.Lock()
		gone := l.part.gone
		s.mu.Unlock()
		if gone {
			break
		}
		time.Sleep(time.Millisecond)
	}
	select {
	case <-released:
		t.Fatal("released while a handler runs")
	default:
	}
	s.finish(l)
	parts := <-released
	if o := s.offsets(parts)["t"][0]; o.Offset != 1 {
		t.Errorf("commit %d, want 1: the record that ran", o.Offset)
	}
	if l.part.ctx.Err() == nil {
		t.Error("the handlers' context goes on")
	}
	if _, more := available(s); len(more) != 0 {
		t.Errorf("records %v of a revoked partition run", more)
	}
	s.add(fetched(1, "a"))
	if _, more := available(s); len(more) != 0 {
		t.Error("records of a partition that is not assigned run")
	}
}

func TestReleaseFinishesWhatWouldBeRepeated(t *testing.T) {
	s, _ := newTestScheduler(OrderByKey, 100)
	s.add(fetched(0, "a", "a", "a", "b", "b"))
	a, _, _ := s.next() // offset 0
	b, _, _ := s.next() // offset 3
	released := make(chan []*partition)
	go func() { released <- s.release(context.Background(), map[string][]int32{"t": {0}}) }()
	for gone := false; !gone; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		gone = a.part.gone
		s.mu.Unlock()
	}
	s.finish(b)
	s.finish(a)
	for _, want := range []int64{1, 2} { // not 4: nothing behind it was handled
		l, next, _ := s.next()
		if next.record.Offset != want {
			t.Fatalf("offset %d runs, want %d", next.record.Offset, want)
		}
		s.finish(l)
	}
	if o := s.offsets(<-released)["t"][0]; o.Offset != 4 {
		t.Errorf("commit %d, want 4", o.Offset)
	}
}

func TestReleaseGivesUpAtTheTimeout(t *testing.T) {
	s, _ := newTestScheduler(OrderByKey, 100)
	s.add(fetched(0, "a"))
	l, _, _ := s.next()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	parts := s.release(now, map[string][]int32{"t": {0}})
	if l.part.ctx.Err() == nil {
		t.Error("the handler was not told")
	}
	if len(s.offsets(parts)) != 0 {
		t.Error("a record that is not handled would be committed")
	}
	s.finish(l) // late, and harmless
	s.stop(context.Background())
}

func TestRetriesKeepTheOrderAndFreeTheWorker(t *testing.T) {
	s, _ := newTestScheduler(OrderByKey, 100)
	s.add(fetched(0, "a", "a", "b"))
	l, task0, _ := s.next()
	task0.attempts = 1
	s.again(l, task0, 20*time.Millisecond)
	other, other0, _ := s.next()
	if other0.record.Offset != 2 {
		t.Fatalf("offset %d runs while 0 waits, want 2", other0.record.Offset)
	}
	s.finish(other)
	l, again, _ := s.next() // blocks until the timer
	if again.record.Offset != 0 || again.attempts != 1 {
		t.Errorf("offset %d after %d attempts, want 0 after 1", again.record.Offset, again.attempts)
	}
	if moved, next := s.finish(l); !moved || next != 1 {
		t.Errorf("moved %v to %d", moved, next)
	}
	l, follows, _ := s.next()
	if follows.record.Offset != 1 {
		t.Errorf("offset %d follows, want 1", follows.record.Offset)
	}
	if moved, next := s.finish(l); !moved || next != 3 {
		t.Errorf("moved %v to %d, want 3: offset 2 was handled before", moved, next)
	}
}

func TestSnapshotShowsLagAndSkew(t *testing.T) {
	s, _ := newTestScheduler(Unordered, 1000)
	s.assign(context.Background(), "t", 1)
	var keys []string
	for i := range 80 {
		keys = append(keys, fmt.Sprint("k", i%2*i)) // every second one is k0
	}
	p := fetched(10, keys...)
	p.HighWatermark = 100
	s.add(p)
	lanes, _ := available(s)
	for _, l := range lanes[:30] {
		s.finish(l)
	}
	snap := s.snapshot()
	if snap.LagRecords != 60 || snap.Running != 50 || snap.Skew != 2 {
		t.Errorf("lag %d, running %d, skew %v; want 60, 50, 2", snap.LagRecords, snap.Running, snap.Skew)
	}
	if ps := snap.Partitions[0]; ps.Position != 40 || ps.Committed != -1 || ps.Handled != 30 || ps.Buffered != 50 {
		t.Errorf("%+v", ps)
	}
	if ps := snap.Partitions[1]; ps.Position != -1 || ps.LagRecords != 0 {
		t.Errorf("an idle partition: %+v", ps)
	}
	if len(snap.HotKeys) == 0 || snap.HotKeys[0].Key != "k0" || snap.HotKeys[0].Count < 20 {
		t.Errorf("hot keys %v, want k0 first", snap.HotKeys)
	}
}

func TestHeavyHittersAreBoundedAndFound(t *testing.T) {
	var h heavyHitters
	for i := range 100_000 {
		h.add(fmt.Append(nil, "rare", i))
		if i%4 == 0 {
			h.add([]byte("often"))
		}
	}
	if len(h.counts) != trackedKeys {
		t.Errorf("%d keys, want %d", len(h.counts), trackedKeys)
	}
	if top := h.top(1)[0]; top.Key != "often" || top.Count < 15_000 || top.Count > 40_000 {
		t.Errorf("top %+v, want often about 25000 times", top)
	}
}

func BenchmarkSchedule(b *testing.B) {
	s, _ := newTestScheduler(OrderByKey, 1<<30)
	const n = 1000
	p := fetched(0, make([]string, n)...)
	for i := range p.Records {
		p.Records[i].Key = fmt.Append(nil, "key-", i%100)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range p.Records {
			p.Records[i].Offset += n
		}
		s.add(p)
		for range n {
			l, _, _ := s.next()
			s.finish(l)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}
