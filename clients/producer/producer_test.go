package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func cluster(t *testing.T, partitions int32) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, c *kfake.Cluster, opts ...Option) *Producer[string, string] {
	t.Helper()
	opts = append([]Option{WithSeeds(c.ListenAddrs()...), WithTopic("orders")}, opts...)
	p, err := New(Raw[string]{}, Encoder[string](Raw[string]{}), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	return p
}

// readAll returns n committed records of the topic.
func readAll(t *testing.T, c *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx := limit(t)
	var got []*kgo.Record
	for len(got) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", len(got), n, err)
		}
		got = append(got, fs.Records()...)
	}
	return got
}

func TestSendTellsWhereARecordWent(t *testing.T) {
	c := cluster(t, 1)
	p := open(t, c)
	ctx := limit(t)
	at := time.UnixMilli(1_700_000_000_000)
	for i := range 3 {
		d, err := p.Send(ctx, Record[string, string]{Key: "k", Value: "v", Timestamp: at, Headers: []Header{{Key: "h", Value: []byte("x")}}})
		if err != nil || d.Topic != "orders" || d.Partition != 0 || d.Offset != int64(i) || d.Bytes != 2 || !d.Timestamp.Equal(at) {
			t.Errorf("record %d: %+v, %v", i, d, err)
		}
	}
	for _, r := range readAll(t, c, 3) {
		if string(r.Key) != "k" || string(r.Value) != "v" || len(r.Headers) != 1 || r.Headers[0].Key != "h" {
			t.Errorf("read %+v", r)
		}
	}
	if s := p.Stats(); s != (Stats{Records: 3, Bytes: 6}) {
		t.Errorf("stats %+v", s)
	}
}

func TestNullsAndEmptiesDiffer(t *testing.T) {
	c := cluster(t, 1)
	p := open(t, c)
	if _, err := p.SendAll(limit(t), []Record[string, string]{{}, {NullKey: true, Value: "v"}, {Key: "k", NullValue: true}}); err != nil {
		t.Fatal(err)
	}
	got := readAll(t, c, 3)
	if got[0].Key == nil || got[0].Value == nil {
		t.Errorf("empty key and value became %v and %v", got[0].Key, got[0].Value)
	}
	if got[1].Key != nil || got[2].Value != nil {
		t.Errorf("null key and value became %v and %v", got[1].Key, got[2].Value)
	}
}

func TestSendAllKeepsOrderPerKey(t *testing.T) {
	c := cluster(t, 3)
	p := open(t, c)
	var records []Record[string, string]
	for i := range 300 {
		records = append(records, Record[string, string]{Key: fmt.Sprint("k", i%7), Value: fmt.Sprint(i)})
	}
	results, err := p.SendAll(limit(t), records)
	if err != nil {
		t.Fatal(err)
	}
	home := map[string]int32{}
	for i, r := range results {
		key := records[i].Key
		if at, ok := home[key]; ok && at != r.Delivery.Partition {
			t.Errorf("key %s went to partitions %d and %d", key, at, r.Delivery.Partition)
		}
		home[key] = r.Delivery.Partition
	}
	last := map[string]int{}
	for _, r := range readAll(t, c, 300) {
		var i int
		fmt.Sscan(string(r.Value), &i)
		if before, ok := last[string(r.Key)]; ok && i <= before {
			t.Errorf("key %s: %d after %d", r.Key, i, before)
		}
		last[string(r.Key)] = i
	}
}

func TestPartitionsByHand(t *testing.T) {
	c := cluster(t, 3)
	p := open(t, c, WithPartitioner(kgo.ManualPartitioner()))
	d, err := p.Send(limit(t), Record[string, string]{Value: "v", Partition: 2})
	if err != nil || d.Partition != 2 {
		t.Errorf("%+v, %v", d, err)
	}
}

// picky fails on some values.
type picky struct{ Raw[string] }

var errPicky = errors.New("picky")

func (picky) AppendRecord(_ context.Context, dst []byte, _ string, v string) (out, header []byte, err error) {
	if v == "bad" {
		return dst, nil, errPicky
	}
	return append(dst, v...), []byte{1, 2}, nil
}

func (picky) HeaderName() string { return "__value_schema_id" }

func TestOutcomesBeforeTheWire(t *testing.T) {
	c := cluster(t, 1)
	ctx := limit(t)
	p, err := New(Raw[string]{}, Encoder[string](picky{}), WithSeeds(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(ctx, Record[string, string]{Topic: "orders", Value: "bad"}); !errors.Is(err, errPicky) {
		t.Errorf("unencodable: %v", err)
	}
	if _, err := p.Send(ctx, Record[string, string]{Value: "v"}); !errors.Is(err, ErrNoTopic) {
		t.Errorf("no topic: %v", err)
	}
	results, err := p.SendAll(ctx, []Record[string, string]{{Topic: "orders", Value: "good"}, {Topic: "orders", Value: "bad"}})
	if !errors.Is(err, errPicky) || !strings.Contains(err.Error(), "record 1") || results[0].Err != nil {
		t.Errorf("one of two: %v, %+v", err, results)
	}
	if got := readAll(t, c, 1); len(got[0].Headers) != 1 || got[0].Headers[0].Key != "__value_schema_id" {
		t.Errorf("headers %+v, want the schema's", got[0].Headers)
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Send(ctx, Record[string, string]{Topic: "orders"}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if s := p.Stats(); s.Errors != 4 || s.Records != 1 || s.InFlight != 0 {
		t.Errorf("stats %+v", s)
	}
}

// stall keeps produce requests until release is called.
func stall(c *kfake.Cluster) (release func()) {
	gate := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		c.SleepControl(func() { <-gate })
		return nil, nil, false
	})
	return sync.OnceFunc(func() { close(gate) })
}

func TestBackPressure(t *testing.T) {
	t.Run("fails", func(t *testing.T) {
		c := cluster(t, 1)
		release := stall(c)
		defer release()
		p := open(t, c, WithMaxInFlight(2, 1<<20), WithFailWhenFull())
		outcomes := make(chan error, 3)
		for range 3 {
			p.SendAsync(limit(t), Record[string, string]{Value: "v"}, func(_ Delivery, err error) { outcomes <- err })
		}
		if err := <-outcomes; !errors.Is(err, ErrFull) {
			t.Errorf("the third record: %v", err)
		}
		release()
		for range 2 {
			if err := <-outcomes; err != nil {
				t.Errorf("an accepted record: %v", err)
			}
		}
	})
	t.Run("blocks", func(t *testing.T) {
		c := cluster(t, 1)
		release := stall(c)
		defer release()
		p := open(t, c, WithMaxInFlight(1, 1<<20))
		outcomes := make(chan error, 3)
		done := func(_ Delivery, err error) { outcomes <- err }
		p.SendAsync(limit(t), Record[string, string]{Value: "v"}, done)
		short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		p.SendAsync(short, Record[string, string]{Value: "v"}, done)
		if err := <-outcomes; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("no room until the context ended: %v", err)
		}
		blocked := make(chan struct{})
		go func() {
			p.SendAsync(limit(t), Record[string, string]{Value: "v"}, done)
			close(blocked)
		}()
		release()
		<-blocked
		for range 2 {
			if err := <-outcomes; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestFlushAndCloseHaveDeadlines(t *testing.T) {
	c := cluster(t, 1)
	release := stall(c)
	defer release()
	p := open(t, c)
	outcome := make(chan error, 1)
	p.SendAsync(limit(t), Record[string, string]{Value: "v"}, func(_ Delivery, err error) { outcome <- err })
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := p.Flush(short); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 records") {
		t.Errorf("flush: %v", err)
	}
	if err := p.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if err := <-outcome; err == nil {
		t.Error("a record that was not delivered has no error")
	}
	if err := p.Close(context.Background()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

func TestDeliveryTimeout(t *testing.T) {
	c := cluster(t, 1)
	p := open(t, c, WithDeliveryTimeout(time.Second))
	c.Close() // nobody to send to
	type name struct{}
	cancellable, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, ctx := range []context.Context{context.Background(), context.WithValue(context.Background(), name{}, "x"), cancellable} {
		if _, err := p.Send(ctx, Record[string, string]{Value: "v"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", ctx, err)
		}
	}
}

func TestContextsOfRecords(t *testing.T) {
	type name struct{}
	d := deadlines{timeout: 16 * time.Second}
	defer d.close()
	start := time.Now()
	plain := context.WithValue(context.Background(), name{}, "x")
	a, _ := d.bound(plain, start)
	b, _ := d.bound(plain, start.Add(999*time.Millisecond))
	c, _ := d.bound(plain, start.Add(time.Second))
	if a.Done() != b.Done() || a.Done() == c.Done() {
		t.Error("records of one slice share an end, others do not")
	}
	if a.Value(name{}) != "x" {
		t.Error("the caller's values are lost")
	}
	if at, ok := a.Deadline(); !ok || at.Sub(start) < 16*time.Second || at.Sub(start) > 18*time.Second {
		t.Errorf("deadline after %v", at.Sub(start))
	}
	own, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if got, _ := d.bound(own, start); got != own {
		t.Error("a context with a deadline is taken as it is")
	}
}

func TestBrokerErrorsReachTheRecord(t *testing.T) {
	c := cluster(t, 1)
	c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		in := req.(*kmsg.ProduceRequest)
		out := in.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range in.Topics {
			rt := kmsg.NewProduceResponseTopic()
			rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
			for _, part := range topic.Partitions {
				rp := kmsg.NewProduceResponseTopicPartition()
				rp.Partition, rp.ErrorCode = part.Partition, kerr.InvalidRecord.Code
				rt.Partitions = append(rt.Partitions, rp)
			}
			out.Topics = append(out.Topics, rt)
		}
		return out, nil, true
	})
	if _, err := open(t, c).Send(limit(t), Record[string, string]{Value: "v"}); !errors.Is(err, kerr.InvalidRecord) {
		t.Errorf("got %v, want the broker's INVALID_RECORD", err)
	}
}

// tracer is an observer that adds a header.
type tracer struct {
	mu   sync.Mutex
	seen []string
}

func (o *tracer) Sending(_ context.Context, r *kgo.Record) func(Delivery, error) {
	r.Headers = append(r.Headers, Header{Key: "traceparent", Value: []byte("00-x")})
	return func(d Delivery, err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.seen = append(o.seen, fmt.Sprint(d.Offset, err))
	}
}

func TestObserver(t *testing.T) {
	c := cluster(t, 1)
	o := &tracer{}
	p := open(t, c, WithObserver(o))
	if _, err := p.Send(limit(t), Record[string, string]{Value: "v"}); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, c, 1); len(got[0].Headers) != 1 || got[0].Headers[0].Key != "traceparent" {
		t.Errorf("headers %+v", got[0].Headers)
	}
	if len(o.seen) != 1 || o.seen[0] != "0 <nil>" {
		t.Errorf("seen %v", o.seen)
	}
}

func TestTransactions(t *testing.T) {
	c := cluster(t, 2)
	p := open(t, c, WithTransactionalID("tx"), WithKafka(kgo.UnknownTopicRetries(0)))
	ctx := limit(t)
	broken := errors.New("broken")
	if _, err := p.Send(ctx, Record[string, string]{Value: "outside"}); !errors.Is(err, ErrNoTransaction) {
		t.Errorf("outside of a transaction: %v", err)
	}
	send := func(tx *Tx[string, string], values ...string) {
		for _, v := range values {
			tx.Send(ctx, Record[string, string]{Key: v, Value: v})
		}
	}
	if err := p.Transact(ctx, func(_ context.Context, tx *Tx[string, string]) error { send(tx, "aborted", "too"); return broken }); !errors.Is(err, broken) {
		t.Errorf("a function that fails: %v", err)
	}
	if err := p.Transact(ctx, func(_ context.Context, tx *Tx[string, string]) error {
		send(tx, "lost")
		tx.Send(ctx, Record[string, string]{Topic: "no such topic!", Value: "x"})
		return nil
	}); err == nil {
		t.Error("a record that was not delivered did not abort the transaction")
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		p.Transact(ctx, func(_ context.Context, tx *Tx[string, string]) error { send(tx, "panicked"); panic("x") })
	}()
	var kept *Tx[string, string]
	if err := p.Transact(ctx, func(_ context.Context, tx *Tx[string, string]) error { kept = tx; send(tx, "a", "b"); return nil }); err != nil {
		t.Errorf("a good one: %v", err)
	}
	send(kept, "late")
	if err := p.Transact(ctx, func(_ context.Context, tx *Tx[string, string]) error { send(tx, "c"); return nil }); err != nil {
		t.Errorf("another good one: %v", err)
	}
	seen := map[string]bool{}
	for _, r := range readAll(t, c, 3) {
		seen[string(r.Value)] = true
	}
	if !seen["a"] || !seen["b"] || !seen["c"] {
		t.Errorf("visible: %v, want a, b, c", seen)
	}
	if err := open(t, c).Transact(ctx, nil); !errors.Is(err, ErrNoID) {
		t.Errorf("without an ID: %v", err)
	}
}

func TestImpossibleOptions(t *testing.T) {
	_, err := New(Raw[string]{}, Encoder[string](Raw[string]{}), WithMaxInFlight(0, 0), WithDeliveryTimeout(0), WithLinger(-1))
	for _, want := range []string{"no brokers", "0 records", "time-out 0s", "linger"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestEncodeAllocatesOnlyTheRecord(t *testing.T) {
	codec := Codec[string, string]{Key: Raw[string]{}, Value: Raw[string]{}, Topic: "orders"}
	r := Record[string, string]{Key: "key", Value: strings.Repeat("v", 400)}
	ctx := context.Background()
	if got := testing.AllocsPerRun(100, func() { codec.Encode(ctx, r) }); got > 2 {
		t.Errorf("%v allocations, want at most 2: the record and its bytes", got)
	}
}
