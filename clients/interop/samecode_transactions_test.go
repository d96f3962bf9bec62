package interop

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/consumer"
	"github.com/dovetail-dev/dovetail/clients/producer"
)

// committed reads a topic up to its end as a reader of committed records, and
// counts the orders.
func (a application[V]) committed(t *testing.T, topic string) map[int64]int {
	t.Helper()
	got := map[int64]int{}
	for _, r := range committed(t, a.broker, topic) {
		var o V
		if err := a.decode.Decode(t.Context(), topic, r.Value, &o); err != nil {
			t.Fatal(err)
		}
		got[a.id(o)]++
	}
	return got
}

var errChangedMind = errors.New("changed my mind")

// transactions: what was committed is seen, what was aborted is not.
func (a application[V]) transactions(t *testing.T) {
	topic := a.topic(t, "payments", 2)
	transactional := producer.WithTransactionalID(a.format + "-payer")
	p := a.producer(t, topic, transactional)
	ctx := a.context(t)
	want := map[int64]int{}
	for round := range int64(6) {
		err := p.Transact(ctx, func(ctx context.Context, tx *producer.Tx[string, V]) error {
			for _, r := range a.numbered(100*round, 100*round+20) {
				tx.Send(ctx, r)
				if round%2 == 0 {
					want[a.id(r.Value)] = 1
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
	if got := a.committed(t, topic); !maps.Equal(got, want) {
		t.Errorf("%d orders, want %d: %v", len(got), len(want), got)
	}
	// Who has the same transactional ID fences the one before.
	next := a.producer(t, topic, transactional)
	one := func(ctx context.Context, tx *producer.Tx[string, V]) error {
		tx.Send(ctx, a.numbered(1000, 1001)[0])
		return nil
	}
	if err := next.Transact(ctx, one); err != nil {
		t.Fatal(err)
	}
	if err := p.Transact(ctx, one); err == nil {
		t.Error("the producer that was fenced committed")
	}
}

// exactlyOnce: a processor copies a topic; batches that fail in the middle, and a
// processor that takes over, leave nothing out and nothing twice.
func (a application[V]) exactlyOnce(t *testing.T) {
	const count = 300
	input, output := a.topic(t, "input", 2), a.topic(t, "output", 2)
	a.produce(t, input, 0, count)
	admin := kadm.NewClient(newKgo(t, a.broker))
	for turn, until := range []int64{count / 3, count} {
		p, err := consumer.NewProcessor(a.keyed, a.decode, a.member("copiers", input,
			consumer.WithTransactionalID(a.format+"-copier"), consumer.WithMaxPoll(40),
			consumer.WithRetry(consumer.Retry{Attempts: 5, Backoff: time.Millisecond}))...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(a.context(t))
		var watch sync.WaitGroup
		watch.Go(func() {
			defer stop()
			for ctx.Err() == nil && a.committedTotal(ctx, admin, "copiers") < until {
				time.Sleep(5 * time.Millisecond)
			}
		})
		batch := 0
		err = p.Run(ctx, func(ctx context.Context, records []*consumer.Record[string, V], out *consumer.Output) error {
			batch++
			for i, r := range records {
				value, err := a.encode.Append(ctx, nil, output, r.Value)
				if err != nil {
					return err
				}
				out.Send(ctx, &kgo.Record{Topic: output, Key: []byte(r.Key), Value: value})
				if batch%3 == 2 && i == len(records)/2 {
					return errChangedMind
				}
			}
			return nil
		})
		watch.Wait()
		stop()
		p.Close()
		if err != nil {
			t.Fatalf("turn %d: %v", turn, err)
		}
		if n := a.committedTotal(t.Context(), admin, "copiers"); n < until {
			t.Fatalf("turn %d: the group has committed %d of %d records", turn, n, until)
		}
	}
	got := a.committed(t, output)
	for id := range int64(count) {
		if got[id] != 1 {
			t.Errorf("order %d came %d times", id, got[id])
		}
	}
	if len(got) != count {
		t.Errorf("%d orders, want %d", len(got), count)
	}
}
