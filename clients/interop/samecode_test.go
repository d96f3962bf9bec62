package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/producer"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/serde"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
)

// An application of ours, and what it needs: the same for both brokers.
type application struct {
	broker, registry string
}

// typedOrder has the schema order.avsc.
type typedOrder struct {
	ID       int64   `avro:"id"`
	Customer string  `avro:"customer"`
	Total    float64 `avro:"total"`
	Note     *string `avro:"note"`
}

// The typed producer, consumer and processor do the same against Dovetail and
// against Apache Kafka.
func testSameCode(t *testing.T, kafka string) {
	ours := startServer(t)
	beside := startServer(t, "--journal=kafka://"+kafka)
	for name, app := range map[string]application{
		"Dovetail":     {ours.kafka, ours.registry},
		"Apache Kafka": {kafka, beside.registry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("commits", app.commits)
			t.Run("transactions", app.transactions)
			t.Run("exactly once", app.exactlyOnce)
		})
	}
}

func (a application) topic(t *testing.T, name string, partitions int32) {
	t.Helper()
	if _, err := kadm.NewClient(newKgo(t, a.broker)).CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
		t.Fatal(err)
	}
}

func (a application) serdes(t *testing.T) (*serde.Serializer[typedOrder], *serde.Deserializer[typedOrder]) {
	t.Helper()
	text, err := os.ReadFile("order.avsc")
	if err != nil {
		t.Fatal(err)
	}
	registry, err := srclient.New([]string{"http://" + a.registry})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serdeavro.NewSerializer[typedOrder](registry, string(text))
	if err != nil {
		t.Fatal(err)
	}
	d, err := serdeavro.NewDeserializer[typedOrder](registry, string(text))
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func (a application) producer(t *testing.T, topic string, opts ...producer.Option) *producer.Producer[string, typedOrder] {
	t.Helper()
	s, _ := a.serdes(t)
	p, err := producer.New(producer.Raw[string]{}, s, append(opts, producer.WithSeeds(a.broker), producer.WithTopic(topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

const keys = 10

func numbered(n int) []producer.Record[string, typedOrder] {
	records := make([]producer.Record[string, typedOrder], n)
	for i := range records {
		records[i] = producer.Record[string, typedOrder]{Key: fmt.Sprint(i % keys), Value: typedOrder{ID: int64(i), Customer: fmt.Sprint("c", i)}}
	}
	return records
}

// commits: three members of one group, one after the other, with synchronous,
// asynchronous and manual commits. Each stops in order in the middle; together
// they see every record once, and those of a key in order.
func (a application) commits(t *testing.T) {
	const count, share = 600, 200
	a.topic(t, "orders", 3)
	results, err := a.producer(t, "orders").SendAll(t.Context(), numbered(count))
	if err != nil || len(results) != count {
		t.Fatalf("%d results: %v", len(results), err)
	}
	seen, last := map[int64]int{}, map[string]int64{}
	note := func(r *consumer.Record[string, typedOrder]) {
		seen[r.Value.ID]++
		if previous, ok := last[r.Key]; ok && r.Value.ID <= previous {
			t.Errorf("key %s: order %d came after %d", r.Key, r.Value.ID, previous)
		}
		last[r.Key] = r.Value.ID
	}
	for mode, want := range []int{share, 2 * share, count} {
		_, d := a.serdes(t)
		c, err := consumer.New(consumer.Raw[string]{}, d, consumer.WithSeeds(a.broker), consumer.WithGroup("readers"),
			consumer.WithTopics("orders"), consumer.WithWorkers(8), consumer.WithMaxPoll(50),
			consumer.WithCommit([]consumer.CommitMode{consumer.CommitSync, consumer.CommitAsync, consumer.CommitManual}[mode]),
			consumer.WithCommitInterval(20*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		if mode == 2 {
			for len(seen) < want {
				records, err := c.Poll(ctx, 100)
				if err != nil {
					t.Fatalf("poll after %d orders: %v", len(seen), err)
				}
				for _, r := range records {
					note(r)
				}
				if err := c.Commit(ctx); err != nil {
					t.Fatalf("commit: %v", err)
				}
			}
		} else {
			var mu sync.Mutex
			done, stop := context.WithCancel(ctx)
			err = c.Run(done, func(_ context.Context, r *consumer.Record[string, typedOrder]) error {
				mu.Lock()
				defer mu.Unlock()
				note(r)
				if len(seen) >= want {
					stop()
				}
				return nil
			})
			stop()
			if err != nil {
				t.Fatalf("run: %v", err)
			}
			if len(seen) < want {
				t.Fatalf("only %d of %d orders in time", len(seen), want)
			}
		}
		cancel()
		c.Close()
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("order %d came %d times", id, times)
		}
	}
	if len(seen) != count {
		t.Errorf("%d orders, want %d", len(seen), count)
	}
}

// committed reads a topic up to its end as a reader of committed records.
func (a application) committed(t *testing.T, topic string, want int) map[int64]int {
	t.Helper()
	_, d := a.serdes(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(newKgo(t, a.broker)).ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	cl := newKgo(t, a.broker, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	got := map[int64]int{}
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v, with partitions %v left and %d of %d orders", err, left, len(got), want)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if r.Attrs.IsControl() {
				return
			}
			var o typedOrder
			if err := d.Decode(ctx, topic, r.Value, &o); err != nil {
				t.Fatal(err)
			}
			got[o.ID]++
		})
	}
	return got
}

var errChangedMind = errors.New("changed my mind")

// transactions: what was committed is seen, what was aborted is not.
func (a application) transactions(t *testing.T) {
	a.topic(t, "payments", 2)
	p := a.producer(t, "payments", producer.WithTransactionalID("payer"))
	want := map[int64]int{}
	for round := range 6 {
		err := p.Transact(t.Context(), func(ctx context.Context, tx *producer.Tx[string, typedOrder]) error {
			for i := range 20 {
				id := int64(round*100 + i)
				tx.Send(ctx, producer.Record[string, typedOrder]{Key: fmt.Sprint(i), Value: typedOrder{ID: id}})
				if round%2 == 0 {
					want[id] = 1
				}
			}
			if round%2 == 1 {
				return errChangedMind
			}
			return nil
		})
		if (round%2 == 1) != errors.Is(err, errChangedMind) {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	if got := a.committed(t, "payments", len(want)); !maps.Equal(got, want) {
		t.Errorf("%d orders, want %d: %v", len(got), len(want), got)
	}
	// Who has the same transactional ID fences the one before.
	next := a.producer(t, "payments", producer.WithTransactionalID("payer"))
	one := func(ctx context.Context, tx *producer.Tx[string, typedOrder]) error {
		tx.Send(ctx, producer.Record[string, typedOrder]{Key: "k", Value: typedOrder{ID: 1000}})
		return nil
	}
	if err := next.Transact(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if err := p.Transact(t.Context(), one); err == nil {
		t.Error("the producer that was fenced committed")
	}
}

// exactlyOnce: a processor copies a topic; batches that fail in the middle, and a
// processor that takes over, leave nothing out and nothing twice.
func (a application) exactlyOnce(t *testing.T) {
	const count = 300
	a.topic(t, "input", 2)
	a.topic(t, "output", 2)
	if _, err := a.producer(t, "input").SendAll(t.Context(), numbered(count)); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(newKgo(t, a.broker))
	for turn, until := range []int64{count / 3, count} {
		_, d := a.serdes(t)
		p, err := consumer.NewProcessor(consumer.Raw[string]{}, d, consumer.WithSeeds(a.broker), consumer.WithGroup("copiers"),
			consumer.WithTopics("input"), consumer.WithTransactionalID("copier"), consumer.WithMaxPoll(40),
			consumer.WithRetry(consumer.Retry{Attempts: 5, Backoff: time.Millisecond}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
		var watch sync.WaitGroup
		watch.Go(func() {
			defer stop()
			for ctx.Err() == nil && committedTotal(ctx, admin, "copiers") < until {
				time.Sleep(5 * time.Millisecond)
			}
		})
		batch := 0
		err = p.Run(ctx, func(ctx context.Context, records []*consumer.Record[string, typedOrder], out *consumer.Output) error {
			batch++
			for i, r := range records {
				out.Send(ctx, &kgo.Record{Topic: "output", Key: []byte(r.Key), Value: r.Raw().Value})
				if batch%3 == 2 && i == len(records)/2 {
					return errChangedMind
				}
			}
			return nil
		})
		watch.Wait()
		p.Close()
		if err != nil {
			t.Fatalf("turn %d: %v", turn, err)
		}
		if n := committedTotal(t.Context(), admin, "copiers"); n < until {
			t.Fatalf("turn %d: the group has committed %d of %d records", turn, n, until)
		}
	}
	got := a.committed(t, "output", count)
	for id := range int64(count) {
		if got[id] != 1 {
			t.Errorf("order %d came %d times", id, got[id])
		}
	}
}

// committedTotal is how many records a group has committed of topics that began
// empty and hold no holes.
func committedTotal(ctx context.Context, admin *kadm.Client, group string) (total int64) {
	offsets, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0 // there is no such group yet
	}
	offsets.Each(func(o kadm.OffsetResponse) { total += max(o.At, 0) })
	return total
}
