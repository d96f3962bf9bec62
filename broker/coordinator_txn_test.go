package broker

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// committedOnly reads what a read_committed consumer sees of a topic up to its
// last stable offset.
func committedOnly(t *testing.T, b *Broker, topic string, n int) []string {
	t.Helper()
	var out []string
	for _, r := range consume(t, b, topic, n, kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond)) {
		out = append(out, string(r.Value))
	}
	return out
}

// transactionProtocols are clients with an epoch per transaction and without.
var transactionProtocols = map[string][]kgo.Opt{
	"v2": nil,
	"v1": {kgo.MaxVersions(kversion.V3_5_0())},
}

func TestTransactionsCommitAndAbort(t *testing.T) {
	for name, opts := range transactionProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "t", 1, nil)
			client := newClient(t, b, append([]kgo.Opt{kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t")}, opts...)...)
			for i := range 20 {
				if err := client.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				for j := range 5 {
					if err := client.ProduceSync(t.Context(), kgo.StringRecord(fmt.Sprintf("%d-%d", i, j))).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
				if err := client.EndTransaction(t.Context(), i%2 == 0); err != nil {
					t.Fatalf("transaction %d: %v", i, err)
				}
			}
			got := committedOnly(t, b, "t", 50)
			for i, v := range got {
				if want := fmt.Sprintf("%d-%d", i/5*2, i%5); v != want {
					t.Fatalf("record %d is %s, want %s", i, v, want)
				}
			}
			if all := consume(t, b, "t", 100); len(all) != 100 {
				t.Errorf("%d records uncommitted", len(all))
			}
			adm := kadm.NewClient(newClient(t, b))
			described, err := adm.DescribeTransactions(t.Context(), "x")
			if err != nil {
				t.Fatal(err)
			}
			if d := described["x"]; d.State != "CompleteAbort" || d.Err != nil {
				t.Errorf("described as %+v", d)
			}
			listed, err := adm.ListTransactions(t.Context(), nil, nil)
			if err != nil || len(listed) != 1 {
				t.Errorf("listed %+v, %v", listed, err)
			}
		})
	}
}

func TestOpenTransactionIsNotSeenAndSurvivesRestart(t *testing.T) {
	for name, opts := range transactionProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			addr := ""
			fixed := func(o *Options) {
				o.DataDir = dir
				if addr != "" {
					o.Listeners = []Listener{{Addr: addr}}
				}
			}
			b := startBroker(t, fixed)
			addr = b.Addr("").String()
			createTopic(t, b, "t", 1, nil)
			client := newClient(t, b, append([]kgo.Opt{kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t")}, opts...)...)
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := client.ProduceSync(t.Context(), kgo.StringRecord("before")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			offsets, err := kadm.NewClient(newClient(t, b)).ListCommittedOffsets(t.Context(), "t")
			if err != nil {
				t.Fatal(err)
			}
			if o, _ := offsets.Lookup("t", 0); o.Offset != 0 {
				t.Errorf("last stable offset %d, want 0", o.Offset)
			}
			closeBroker(t, b)

			b = startBroker(t, fixed)
			if err := client.ProduceSync(t.Context(), kgo.StringRecord("after")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := client.EndTransaction(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if got := committedOnly(t, b, "t", 2); fmt.Sprint(got) != "[before after]" {
				t.Errorf("read %v", got)
			}
		})
	}
}

func TestTransactionTimesOut(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	client := newClient(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"), kgo.TransactionTimeout(5*time.Second))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("lost")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	other := newClient(t, b, kgo.DefaultProduceTopic("t"))
	if err := other.ProduceSync(t.Context(), kgo.StringRecord("seen")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := committedOnly(t, b, "t", 1); got[0] != "seen" {
		t.Errorf("read %v", got)
	}
	if err := client.EndTransaction(t.Context(), true); err == nil {
		t.Error("a transaction that timed out was committed")
	}
}

func TestTransactionTimeoutIsBounded(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Coordinators.MaxTransactionTimeout = time.Hour })
	if err := newClient(t, b, kgo.TransactionalID("x"), kgo.TransactionTimeout(time.Hour)).BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	_, _, err := newClient(t, b, kgo.TransactionalID("y"), kgo.TransactionTimeout(time.Hour+time.Millisecond)).ProducerID(t.Context())
	if !errors.Is(err, kerr.InvalidTransactionTimeout) {
		t.Errorf("more than the hour allowed: %v", err)
	}
}

func TestNewIncarnationFencesTheOld(t *testing.T) {
	for name, opts := range transactionProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "t", 1, nil)
			start := func() *kgo.Client {
				return newClient(t, b, append([]kgo.Opt{kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t")}, opts...)...)
			}
			old := start()
			if err := old.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := old.ProduceSync(t.Context(), kgo.StringRecord("old")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			next := start()
			if err := next.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := next.ProduceSync(t.Context(), kgo.StringRecord("new")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := old.ProduceSync(t.Context(), kgo.StringRecord("old again")).FirstErr(); err == nil {
				t.Error("the old incarnation can write")
			}
			if err := next.EndTransaction(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if got := committedOnly(t, b, "t", 1); got[0] != "new" {
				t.Errorf("read %v", got)
			}
		})
	}
}

// TestConsumeProcessProduce moves every record of one topic to another exactly
// once, while members come and go and some transactions are aborted.
func TestConsumeProcessProduce(t *testing.T) {
	for name, opts := range transactionProtocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "in", 3, nil)
			createTopic(t, b, "out", 2, nil)
			fill(t, b, "in", 3, 200)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			work := func(id string, stopAfter int) {
				s, err := kgo.NewGroupTransactSession(append([]kgo.Opt{kgo.SeedBrokers(b.Addr("").String()), kgo.TransactionalID(id),
					kgo.ConsumerGroup("etl"), kgo.ConsumeTopics("in"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
					kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DefaultProduceTopic("out"),
					kgo.HeartbeatInterval(100 * time.Millisecond), kgo.FetchMaxWait(50 * time.Millisecond), kgo.FetchMaxPartitionBytes(512)}, opts...)...)
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				for round := 0; ctx.Err() == nil && (stopAfter == 0 || round < stopAfter); round++ {
					poll, stop := context.WithTimeout(ctx, 500*time.Millisecond)
					fetches := s.PollRecords(poll, 20)
					stop()
					if err := s.Begin(); err != nil {
						t.Error(err)
						return
					}
					fetches.EachRecord(func(r *kgo.Record) { s.Produce(ctx, &kgo.Record{Value: r.Value}, nil) })
					if _, err := s.End(ctx, kgo.TransactionEndTry(round%4 != 3)); err != nil && ctx.Err() == nil {
						t.Errorf("%s: %v", id, err)
						return
					}
				}
			}
			go work("a", 0)
			go func() {
				for i := range 3 {
					work(fmt.Sprintf("b%d", i), 4)
				}
			}()
			seen := map[string]int{}
			for _, v := range committedOnly(t, b, "out", 600) {
				seen[v]++
			}
			cancel()
			if len(seen) != 600 {
				t.Errorf("%d different records of 600", len(seen))
			}
			for v, n := range seen {
				if n != 1 {
					t.Errorf("record %s is there %d times", v, n)
				}
			}
		})
	}
}

func TestProducerIDsAreNeverGivenTwice(t *testing.T) {
	dir := t.TempDir()
	seen := map[int64]bool{}
	for range 3 {
		b := startBroker(t, dataDir(dir))
		for range 5 {
			id, epoch, err := newClient(t, b).ProducerID(t.Context())
			if err != nil || epoch != 0 || seen[id] {
				t.Fatalf("producer ID %d, epoch %d, %v; so far %v", id, epoch, err, seen)
			}
			seen[id] = true
		}
		closeBroker(t, b)
	}
}
