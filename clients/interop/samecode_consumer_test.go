package interop

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.etcd.io/bbolt"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/bolt"
	"github.com/dovetail-dev/dovetail/clients/producer"
)

// tally is which orders handlers have seen.
type tally struct {
	mu    sync.Mutex
	times map[int64]int
	last  map[string]int64
	order []string // keys whose orders came in the wrong order
}

func newTally() *tally { return &tally{times: map[int64]int{}, last: map[string]int64{}} }

// note counts an order and returns how many different ones there are now.
func (y *tally) note(key string, id int64) int {
	y.mu.Lock()
	defer y.mu.Unlock()
	if previous, ok := y.last[key]; ok && id <= previous {
		y.order = append(y.order, fmt.Sprintf("key %s: order %d came after %d", key, id, previous))
	}
	y.last[key] = id
	y.times[id]++
	return len(y.times)
}

func (y *tally) count() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	return len(y.times)
}

// check fails unless the orders from 0 to count came once each, those of a key in
// their order.
func (y *tally) check(t *testing.T, count int) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, wrong := range y.order {
		t.Error(wrong)
	}
	for id, times := range y.times {
		if times != 1 || id >= int64(count) {
			t.Errorf("order %d came %d times", id, times)
		}
	}
	if len(y.times) != count {
		t.Errorf("%d orders, want %d", len(y.times), count)
	}
}

// commits: members of one group, one after the other, with every kind of commit.
// Each stops in the middle, where the broker has exactly what it has handled;
// together they see every record once, and those of a key in order.
func (a application[V]) commits(t *testing.T) {
	const count, share = 600, 100
	topic := a.topic(t, "orders", 3)
	a.produce(t, topic, 0, count)
	admin := kadm.NewClient(newKgo(t, a.broker))
	seen := newTally()
	want := 0
	left := func(how string) {
		t.Helper()
		if got := a.committedTotal(a.context(t), admin, "readers"); got != int64(seen.count()) {
			t.Errorf("%s: the group has committed %d of %d orders that were handled", how, got, seen.count())
		}
	}
	for how, mode := range []consumer.CommitMode{consumer.CommitSync, consumer.CommitAsync} {
		want += share
		c := a.consumer(t, "readers", topic, consumer.WithWorkers(8), consumer.WithMaxPoll(50), consumer.WithCommit(mode), consumer.WithCommitInterval(20*time.Millisecond))
		stop := a.start(t, c, func(_ context.Context, r *consumer.Record[string, V]) error {
			seen.note(r.Key, a.id(r.Value))
			return nil
		})
		a.await(t, "the share of a member", func() bool { return seen.count() >= want })
		stop()
		left([]string{"synchronous", "asynchronous"}[how])
	}
	// A member that asks for each of its commits.
	type manual struct {
		name   string
		commit func(context.Context, *consumer.Consumer[string, V], []*consumer.Record[string, V]) error
	}
	for _, m := range []manual{
		{"Commit", func(ctx context.Context, c *consumer.Consumer[string, V], _ []*consumer.Record[string, V]) error {
			return c.Commit(ctx)
		}},
		{"CommitRecords", func(ctx context.Context, c *consumer.Consumer[string, V], records []*consumer.Record[string, V]) error {
			return c.CommitRecords(ctx, records...)
		}},
		{"CommitAsync", func(ctx context.Context, c *consumer.Consumer[string, V], _ []*consumer.Record[string, V]) error {
			done := make(chan error, 1)
			c.CommitAsync(func(err error) { done <- err })
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}},
	} {
		want += share
		if m.name == "CommitAsync" {
			want = count
		}
		c := a.consumer(t, "readers", topic, consumer.WithCommit(consumer.CommitManual))
		ctx := a.context(t)
		for seen.count() < min(want, count) {
			records, err := c.Poll(ctx, 30)
			if err != nil {
				t.Fatalf("poll after %d orders: %v", seen.count(), err)
			}
			for _, r := range records {
				seen.note(r.Key, a.id(r.Value))
			}
			if err := m.commit(ctx, c, records); err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			left(m.name)
		}
		c.Close()
	}
	seen.check(t, count)
}

// backPressure: a producer takes no more than it may have in flight; a consumer
// whose handlers do not get on stops fetching, and goes on when they do.
func (a application[V]) backPressure(t *testing.T) {
	const count, inFlight, buffered, poll = 500, 10, 20, 10
	topic := a.topic(t, "pressed", 1)
	ctx := a.context(t)
	p := a.producer(t, topic, producer.WithMaxInFlight(inFlight, 1<<20), producer.WithFailWhenFull(), producer.WithLinger(time.Minute))
	records := a.numbered(0, count)
	delivered := make(chan error, count)
	done := func(_ producer.Delivery, err error) { delivered <- err }
	for _, r := range records[:inFlight] {
		p.SendAsync(ctx, r, done)
	}
	if _, err := p.Send(ctx, records[inFlight]); !errors.Is(err, producer.ErrFull) {
		t.Errorf("the record after %d in flight: %v, want %v", inFlight, err, producer.ErrFull)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for range inFlight {
		if err := <-delivered; err != nil {
			t.Fatal(err)
		}
	}
	blocking := a.producer(t, topic, producer.WithMaxInFlight(inFlight, 1<<20))
	for _, r := range records[inFlight:] {
		if n := blocking.Stats().InFlight; n > inFlight {
			t.Errorf("%d records in flight, at most %d may be", n, inFlight)
		}
		blocking.SendAsync(ctx, r, done)
	}
	for range records[inFlight:] {
		if err := <-delivered; err != nil {
			t.Fatal(err)
		}
	}

	seen, gate := newTally(), make(chan struct{})
	c := a.consumer(t, "pressed", topic, consumer.WithMaxBuffered(buffered), consumer.WithMaxPoll(poll), consumer.WithWorkers(4))
	stop := a.start(t, c, func(ctx context.Context, r *consumer.Record[string, V]) error {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		seen.note(r.Key, a.id(r.Value))
		return nil
	})
	most := 0
	paused := func() bool {
		s := c.Snapshot()
		if len(s.Partitions) == 0 {
			return false
		}
		most = max(most, s.Partitions[0].Buffered)
		return s.Partitions[0].Paused
	}
	a.await(t, "a pause", paused)
	close(gate)
	a.await(t, "all orders", func() bool { paused(); return seen.count() == count })
	a.await(t, "the end of the pause", func() bool { return !paused() })
	if most > buffered+poll {
		t.Errorf("%d records were buffered, at most %d may be", most, buffered+poll)
	}
	stop()
	seen.check(t, count)
}

// parallel: more handlers run than there are partitions, and those of one key one
// after the other.
func (a application[V]) parallel(t *testing.T) {
	const count, together = 300, 5
	topic := a.topic(t, "parallel", 1)
	a.produce(t, topic, 0, count)
	seen, all := newTally(), make(chan struct{})
	var mu sync.Mutex
	running, busy := 0, map[string]bool{}
	c := a.consumer(t, "parallel", topic, consumer.WithWorkers(8))
	stop := a.start(t, c, func(ctx context.Context, r *consumer.Record[string, V]) error {
		mu.Lock()
		if busy[r.Key] {
			t.Errorf("key %s is handled twice at once", r.Key)
		}
		busy[r.Key] = true
		if running++; running == together {
			select {
			case <-all:
			default:
				close(all)
			}
		}
		mu.Unlock()
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			running--
			busy[r.Key] = false
		}()
		select {
		case <-all: // so many run at once
		case <-ctx.Done():
			return ctx.Err()
		}
		seen.note(r.Key, a.id(r.Value))
		return nil
	})
	a.await(t, fmt.Sprintf("%d handlers at once, and all orders", together), func() bool { return seen.count() == count })
	stop()
	seen.check(t, count)
}

// idempotent: a handler with a store runs once for a record that is delivered
// again, and once for a record that was sent twice.
func (a application[V]) idempotent(t *testing.T) {
	const count = 120
	topic := a.topic(t, "idempotent", 2)
	records := a.numbered(0, count)
	for i := range records {
		records[i].Headers = []producer.Header{{Key: "id", Value: fmt.Append(nil, i)}}
	}
	p := a.producer(t, topic)
	for range 2 { // as an application does that does not know whether it has sent
		if _, err := p.SendAll(a.context(t), records); err != nil {
			t.Fatal(err)
		}
	}
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "handled"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	seen := newTally()
	for member := range 2 {
		store, err := bolt.New(db, "orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		// The first member commits nothing, so that the second one gets it all again.
		c := a.consumer(t, "idempotent", topic, consumer.WithCommit(consumer.CommitManual))
		handled := newTally()
		once := dedup.Handler(store, dedup.ByHeader[string, V]("id"), dedup.Options{}, func(_ context.Context, r *consumer.Record[string, V]) error {
			seen.note(r.Key, a.id(r.Value))
			return nil
		})
		stop := a.start(t, c, func(ctx context.Context, r *consumer.Record[string, V]) error {
			if err := once(ctx, r); err != nil {
				return err
			}
			handled.note(fmt.Sprint(r.Key, " ", r.Partition, " ", r.Offset), int64(r.Partition)<<32|r.Offset)
			return nil
		})
		a.await(t, fmt.Sprintf("all deliveries to member %d", member), func() bool { return handled.count() == 2*count })
		stop()
	}
	seen.check(t, count)
}

// deadLetters: what cannot be handled or decoded goes to the dead-letter topic
// with the reason, and the group goes on behind it.
func (a application[V]) deadLetters(t *testing.T) {
	const count = 40
	topic, dead := a.topic(t, "letters", 1), a.topic(t, "dead", 1)
	a.produce(t, topic, 0, count)
	if err := newKgo(t, a.broker).ProduceSync(a.context(t), &kgo.Record{Topic: topic, Key: []byte("x"), Value: []byte("no order")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	seen := newTally()
	c := a.consumer(t, "letters", topic, consumer.WithDeadLetter(dead), consumer.WithCommit(consumer.CommitSync),
		consumer.WithRetry(consumer.Retry{Attempts: 3, Backoff: time.Millisecond}))
	stop := a.start(t, c, func(_ context.Context, r *consumer.Record[string, V]) error {
		switch id := a.id(r.Value); {
		case id == 7 && r.Attempt < 3:
			return errChangedMind // a retry helps
		case id == 11:
			return errChangedMind
		case id == 12:
			return consumer.Permanent(errChangedMind)
		default:
			seen.note(r.Key, id)
		}
		return nil
	})
	admin := kadm.NewClient(newKgo(t, a.broker))
	a.await(t, "the commit of all records", func() bool { return a.committedTotal(t.Context(), admin, "letters") == count+1 })
	stop()
	if seen.count() != count-2 {
		t.Errorf("%d orders were handled, want %d", seen.count(), count-2)
	}
	var got []string
	for _, r := range committed(t, a.broker, dead) {
		h := map[string]string{}
		for _, header := range r.Headers {
			h[header.Key] = string(header.Value)
		}
		if h[consumer.HeaderTopic] != topic || h[consumer.HeaderGroup] != a.format+"-letters" {
			t.Errorf("a dead letter of %s and %s", h[consumer.HeaderTopic], h[consumer.HeaderGroup])
		}
		got = append(got, strings.Join([]string{string(r.Key), h[consumer.HeaderOffset], h[consumer.HeaderAttempts], h[consumer.HeaderStage]}, " "))
		if decodes := h[consumer.HeaderStage] == "decode"; !decodes && h[consumer.HeaderReason] != errChangedMind.Error() || decodes && (h[consumer.HeaderReason] == "" || string(r.Value) != "no order") {
			t.Errorf("dead letter %q with the reason %q", r.Value, h[consumer.HeaderReason])
		}
	}
	slices.Sort(got)
	if want := []string{"1 11 3 handle", "2 12 1 handle", "x 40 1 decode"}; !slices.Equal(got, want) {
		t.Errorf("dead letters (key, offset, attempts, stage) %q, want %q", got, want)
	}
}

// drain: a member that is to give partitions up while handlers run lets those
// finish; and one that leaves in the middle of its work leaves the rest to the
// other. Nothing is lost and nothing repeated.
func (a application[V]) drain(t *testing.T) {
	const first, second, all = 200, 400, 800
	topic := a.topic(t, "drained", 4)
	a.produce(t, topic, 0, first)
	seen, gate := newTally(), make(chan struct{})
	handle := func(ctx context.Context, r *consumer.Record[string, V]) error {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		seen.note(r.Key, a.id(r.Value))
		return nil
	}
	few := []consumer.Option{consumer.WithMaxPoll(20), consumer.WithMaxBuffered(20), consumer.WithCommitInterval(time.Hour), consumer.WithWorkers(4)}
	leaver := a.consumer(t, "drained", topic, few...)
	stopLeaver := a.start(t, leaver, handle)
	a.await(t, "handlers of the first member", func() bool { return leaver.Snapshot().Running > 0 })
	stayer := a.consumer(t, "drained", topic, few...)
	stopStayer := a.start(t, stayer, handle)
	admin := kadm.NewClient(newKgo(t, a.broker))
	group := a.format + "-drained"
	a.await(t, "two members", func() bool {
		described, err := admin.DescribeGroups(t.Context(), group)
		return err == nil && len(described[group].Members) == 2
	})
	close(gate) // only now can those handlers end, with a second member waiting
	a.await(t, "partitions of the second member", func() bool { return len(stayer.Snapshot().Partitions) > 0 })
	a.produce(t, topic, first, second)
	a.await(t, "work of both", func() bool { return seen.count() == second })
	a.produce(t, topic, second, all)
	stopLeaver()
	a.await(t, "all orders", func() bool { return seen.count() == all })
	stopStayer()
	seen.check(t, all)
	if got := a.committedTotal(t.Context(), admin, "drained"); got != all {
		t.Errorf("%d orders are committed, want %d", got, all)
	}
}
