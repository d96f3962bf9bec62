package consumer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/serde"
)

type world struct {
	t       *testing.T
	cluster *kfake.Cluster
	client  *kgo.Client // producer and admin
}

func newWorld(t *testing.T, partitions int32) *world {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, "in"), kfake.SeedTopics(1, "dead", "out"),
		kfake.GroupMinSessionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic("in"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &world{t, c, cl}
}

func (w *world) produce(n, keys int) {
	w.t.Helper()
	var records []*kgo.Record
	for i := range n {
		r := kgo.StringRecord(strconv.Itoa(i))
		if keys > 0 {
			r.Key = fmt.Append(nil, "k", i%keys)
		}
		records = append(records, r)
	}
	if err := w.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// committed returns the sum of the group's committed offsets.
func (w *world) committed() (sum int64) {
	w.t.Helper()
	offsets, err := kadm.NewClient(w.client).FetchOffsets(limit(w.t), "g")
	if errors.Is(err, kerr.GroupIDNotFound) {
		return 0
	}
	if err != nil {
		w.t.Fatal(err)
	}
	offsets.Each(func(o kadm.OffsetResponse) { sum += max(0, o.At) })
	return sum
}

func (w *world) read(topic string, n int) []*kgo.Record {
	w.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.cluster.ListenAddrs()...), kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(limit(w.t))
		if err := fs.Err(); err != nil {
			w.t.Fatalf("%s after %d of %d records: %v", topic, len(out), n, err)
		}
		out = append(out, fs.Records()...)
	}
	return out
}

func (w *world) open(opts ...Option) *Consumer[string, string] {
	w.t.Helper()
	return openWith(w, Raw[string]{}, opts...)
}

func openWith(w *world, value Decoder[string], opts ...Option) *Consumer[string, string] {
	w.t.Helper()
	c, err := New(Raw[string]{}, value, w.options(opts...)...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) options(opts ...Option) []Option {
	return append([]Option{
		WithSeeds(w.cluster.ListenAddrs()...), WithGroup("g"), WithTopics("in"),
		WithKafka(kgo.HeartbeatInterval(50*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond)),
		WithRetry(Retry{Attempts: 3, Backoff: time.Millisecond}),
		WithDrainTimeout(5 * time.Second),
	}, opts...)
}

func limit(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// start runs c until stop is called, which returns Run's error.
func start(t *testing.T, c *Consumer[string, string], h Handler[string, string]) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(limit(t))
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, h) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// until waits for something to become true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("in vain: %s", what)
}

func TestEveryRecordInTheOrderOfItsKey(t *testing.T) {
	w := newWorld(t, 2)
	const n, keys = 2000, 50
	w.produce(n, keys)
	c := w.open(WithWorkers(8), WithMaxBuffered(100), WithMaxPoll(50))
	var mu sync.Mutex
	last := map[string]int{}
	count := 0
	var active, most atomic.Int32
	stop := start(t, c, func(_ context.Context, r *Record[string, string]) error {
		now := active.Add(1)
		defer active.Add(-1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		i, _ := strconv.Atoi(r.Value)
		mu.Lock()
		defer mu.Unlock()
		if before, ok := last[r.Key]; ok && i != before+keys {
			t.Errorf("key %s: %d after %d", r.Key, i, before)
		}
		last[r.Key] = i
		count++
		return nil
	})
	until(t, "all records handled", func() bool { mu.Lock(); defer mu.Unlock(); return count == n })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := w.committed(); got != n {
		t.Errorf("committed %d, want %d", got, n)
	}
	if s := c.Snapshot(); s.LagRecords != 0 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMoreHandlersThanPartitions(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(8, 8)
	c := w.open(WithWorkers(8))
	all := make(chan struct{})
	var here atomic.Int32
	stop := start(t, c, func(ctx context.Context, _ *Record[string, string]) error {
		if here.Add(1) == 8 {
			close(all)
		}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	select {
	case <-all:
	case <-limit(t).Done():
		t.Errorf("%d handlers of one partition run at once, want 8", here.Load())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsCommittedBeforeItIsHandled(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(10, 10)
	c := w.open(WithWorkers(4), WithCommitInterval(time.Millisecond))
	gate := make(chan struct{})
	var others atomic.Int32
	stop := start(t, c, func(_ context.Context, r *Record[string, string]) error {
		if r.Offset == 3 {
			<-gate
			return nil
		}
		others.Add(1)
		return nil
	})
	until(t, "commit of what comes before the slow record", func() bool { return w.committed() == 3 })
	until(t, "the others handled", func() bool { return others.Load() == 9 })
	if got := w.committed(); got != 3 {
		t.Errorf("committed %d while offset 3 is being handled", got)
	}
	close(gate)
	until(t, "commit of everything", func() bool { return w.committed() == 10 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestCommitSyncBeforeTheNextRecord(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(20, 0)
	c := w.open(WithWorkers(1), WithOrder(OrderByPartition), WithCommit(CommitSync))
	var handled atomic.Int64
	stop := start(t, c, func(_ context.Context, r *Record[string, string]) error {
		if got := w.committed(); got != r.Offset {
			t.Errorf("offset %d is handled while %d is committed", r.Offset, got)
		}
		handled.Add(1)
		return nil
	})
	until(t, "all handled", func() bool { return handled.Load() == 20 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestAFailedCommitEndsSyncRunOnly(t *testing.T) {
	for mode, ends := range map[CommitMode]bool{CommitSync: true, CommitAsync: false} {
		w := newWorld(t, 1)
		w.produce(1, 0)
		refuse := atomic.Bool{}
		refuse.Store(true)
		w.cluster.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			if !refuse.Load() {
				return nil, nil, false
			}
			in := req.(*kmsg.OffsetCommitRequest)
			out := in.ResponseKind().(*kmsg.OffsetCommitResponse)
			for _, topic := range in.Topics {
				rt := kmsg.NewOffsetCommitResponseTopic()
				rt.Topic, rt.TopicID = topic.Topic, topic.TopicID
				for _, p := range topic.Partitions {
					rp := kmsg.NewOffsetCommitResponseTopicPartition()
					rp.Partition, rp.ErrorCode = p.Partition, kerr.GroupAuthorizationFailed.Code
					rt.Partitions = append(rt.Partitions, rp)
				}
				out.Topics = append(out.Topics, rt)
			}
			return out, nil, true
		})
		o := &journal{}
		c := w.open(WithCommit(mode), WithCommitInterval(5*time.Millisecond), WithObserver(o))
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(limit(t))
		go func() { done <- c.Run(ctx, func(context.Context, *Record[string, string]) error { return nil }) }()
		if ends {
			if err := <-done; !errors.Is(err, kerr.GroupAuthorizationFailed) {
				t.Errorf("sync: %v", err)
			}
		} else {
			until(t, "errors reported", func() bool { return o.count("commit failed") > 2 })
			refuse.Store(false)
			until(t, "tried again", func() bool { return w.committed() == 1 })
			cancel()
			if err := <-done; err != nil {
				t.Errorf("async: %v", err)
			}
		}
		cancel()
	}
}

// journal is an observer that keeps what it sees.
type journal struct {
	mu   sync.Mutex
	seen []string
}

func (j *journal) note(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen = append(j.seen, s)
}

func (j *journal) count(s string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, x := range j.seen {
		if x == s {
			n++
		}
	}
	return n
}

type traceKey struct{}

func (j *journal) Handling(ctx context.Context, r *kgo.Record, attempt int) (context.Context, func(Outcome, error)) {
	return context.WithValue(ctx, traceKey{}, r.Offset), func(o Outcome, _ error) {
		j.note(fmt.Sprintf("%d/%d %s", r.Offset, attempt, o))
	}
}

func (j *journal) Committed(_ map[string]map[int32]kgo.EpochOffset, err error) {
	if err != nil {
		j.note("commit failed")
	} else {
		j.note("committed")
	}
}

var errHandler = errors.New("no luck")

func TestRetriesThenDeadLetter(t *testing.T) {
	w := newWorld(t, 1)
	if err := w.client.ProduceSync(limit(t),
		&kgo.Record{Key: []byte("k"), Value: []byte("twice"), Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("x")}}},
		&kgo.Record{Key: []byte("k"), Value: []byte("never"), Headers: []kgo.RecordHeader{{Key: "own", Value: []byte("x")}}},
		&kgo.Record{Key: []byte("k"), Value: []byte("permanent")},
		&kgo.Record{Key: []byte("k"), Value: []byte("panic")},
		&kgo.Record{Key: []byte("k"), Value: []byte("fine")},
	).FirstErr(); err != nil {
		t.Fatal(err)
	}
	o := &journal{}
	c := w.open(WithDeadLetter("dead"), WithObserver(o), WithCommit(CommitSync))
	stop := start(t, c, func(ctx context.Context, r *Record[string, string]) error {
		if ctx.Value(traceKey{}) != r.Offset {
			t.Error("the observer's context did not reach the handler")
		}
		switch r.Value {
		case "twice":
			if r.Attempt < 2 {
				return errHandler
			}
		case "never":
			return errHandler
		case "permanent":
			return Permanent(errHandler)
		case "panic":
			panic("boom")
		}
		return nil
	})
	until(t, "all committed", func() bool { return w.committed() == 5 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	j := strings.Join(o.seen, ", ")
	for _, want := range []string{"0/1 retried", "0/2 handled", "1/1 retried", "1/2 retried", "1/3 dead-lettered", "2/1 dead-lettered", "3/1 dead-lettered", "4/1 handled"} {
		if o.count(want) != 1 {
			t.Errorf("%q is missing in %s", want, j)
		}
	}
	dead := w.read("dead", 3)
	first := map[string]string{}
	for _, h := range dead[0].Headers {
		first[h.Key] = string(h.Value)
	}
	at, err := time.Parse(time.RFC3339Nano, first[HeaderTime])
	if err != nil || time.Since(at) > time.Minute {
		t.Errorf("time %q: %v", first[HeaderTime], err)
	}
	delete(first, HeaderTime)
	want := map[string]string{"own": "x", HeaderTopic: "in", HeaderPartition: "0", HeaderOffset: "1", HeaderGroup: "g", HeaderAttempts: "3", HeaderStage: "handle", HeaderReason: "no luck"}
	if fmt.Sprint(first) != fmt.Sprint(want) || string(dead[0].Key) != "k" || string(dead[0].Value) != "never" {
		t.Errorf("dead letter %s=%s %v, want %v", dead[0].Key, dead[0].Value, first, want)
	}
	if reason := header(dead[2], HeaderReason); !strings.Contains(string(reason), "boom") {
		t.Errorf("the panic's reason is %s", reason)
	}
}

func TestFailurePolicies(t *testing.T) {
	for _, policy := range []Failure{Stop, Skip} {
		w := newWorld(t, 1)
		w.produce(3, 0)
		c := w.open(WithOnFailure(policy), WithOrder(OrderByPartition), WithRetry(Retry{}))
		ctx, cancel := context.WithCancel(limit(t))
		done := make(chan error, 1)
		go func() {
			done <- c.Run(ctx, func(_ context.Context, r *Record[string, string]) error {
				if r.Offset == 1 {
					return errHandler
				}
				return nil
			})
		}()
		if policy == Stop {
			if err := <-done; !errors.Is(err, errHandler) || !strings.Contains(err.Error(), "in/0 offset 1") {
				t.Errorf("stop: %v", err)
			}
			if got := w.committed(); got != 1 {
				t.Errorf("stop: committed %d, want 1: what was handled before", got)
			}
		} else {
			until(t, "the rest handled", func() bool {
				return c.Snapshot().LagRecords == 0 && len(c.Snapshot().Partitions) > 0 && c.Snapshot().Partitions[0].Position == 3
			})
			cancel()
			if err := <-done; err != nil {
				t.Errorf("skip: %v", err)
			}
			if got := w.committed(); got != 3 {
				t.Errorf("skip: committed %d, want 3", got)
			}
		}
		cancel()
		c.Close()
	}
}

// moody is a decoder whose registry goes away.
type moody struct {
	Raw[string]
	down *atomic.Bool
}

func (m moody) DecodeRecord(ctx context.Context, topic string, h, b []byte, v *string) error {
	switch {
	case m.down.Load():
		return serde.ErrUnavailable
	case string(b) == "1":
		return errors.New("not a frame")
	}
	return m.Raw.DecodeRecord(ctx, topic, h, b, v)
}

func TestUndecodableRecords(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(3, 0)
	down := &atomic.Bool{}
	down.Store(true)
	o := &journal{}
	c := openWith(w, moody{down: down}, WithDeadLetter("dead"), WithObserver(o), WithRetry(Retry{}))
	stop := start(t, c, func(context.Context, *Record[string, string]) error { return nil })
	until(t, "waits for the registry", func() bool { return o.count("0/2 retried") == 1 })
	if o.count("0/1 dead-lettered") != 0 {
		t.Error("a record was given up because the registry is down")
	}
	down.Store(false)
	until(t, "all handled", func() bool { return c.Snapshot().Partitions[0].Position == 3 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	dead := w.read("dead", 1)[0]
	if string(header(dead, HeaderStage)) != "decode" || !strings.Contains(string(header(dead, HeaderReason)), "value of in/0 offset 1: not a frame") {
		t.Errorf("dead letter %s: %s", header(dead, HeaderStage), header(dead, HeaderReason))
	}
}

func TestRebalanceLosesAndRepeatsNothing(t *testing.T) {
	w := newWorld(t, 4)
	const n = 1200
	var mu sync.Mutex
	seen := map[string]int{}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(seen) }
	handle := func(_ context.Context, r *Record[string, string]) error {
		time.Sleep(200 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		seen[r.Value]++
		return nil
	}
	a := w.open(WithMaxPoll(20), WithMaxBuffered(20), WithCommitInterval(time.Hour))
	stopA := start(t, a, handle)
	w.produce(n, 100)
	until(t, "the first member at work", func() bool { return count() > 50 })
	b := w.open(WithMaxPoll(20), WithMaxBuffered(20), WithCommitInterval(time.Hour))
	stopB := start(t, b, handle)
	until(t, "both members at work", func() bool { return len(b.Snapshot().Partitions) > 0 || count() == n })
	if err := stopA(); err != nil { // leaves with work undone
		t.Fatal(err)
	}
	a.Close()
	until(t, "everything handled", func() bool { return count() == n })
	if err := stopB(); err != nil {
		t.Fatal(err)
	}
	for v, times := range seen {
		if times != 1 {
			t.Errorf("record %s was handled %d times", v, times)
		}
	}
	if got := w.committed(); got != n {
		t.Errorf("committed %d, want %d", got, n)
	}
}

func TestShutdownWaitsForHandlers(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(50, 0)
	c := w.open(WithWorkers(2), WithCommitInterval(time.Hour))
	started, finished := make(chan struct{}, 100), atomic.Int32{}
	gate := make(chan struct{})
	stop := start(t, c, func(ctx context.Context, _ *Record[string, string]) error {
		started <- struct{}{}
		<-gate
		if ctx.Err() != nil {
			t.Error("the handler's context ended although it had time")
		}
		finished.Add(1)
		return nil
	})
	<-started
	<-started
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	select {
	case <-ended:
		t.Fatal("Run returned while handlers run")
	case <-time.After(20 * time.Millisecond):
	}
	close(gate)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if finished.Load() != 2 || w.committed() != 2 {
		t.Errorf("%d finished, %d committed; want 2 and 2", finished.Load(), w.committed())
	}
}

func TestDrainTimeoutEndsHandlers(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(1, 0)
	c := w.open(WithDrainTimeout(10 * time.Millisecond))
	started := make(chan struct{})
	stop := start(t, c, func(ctx context.Context, _ *Record[string, string]) error {
		close(started)
		<-ctx.Done()
		return ctx.Err()
	})
	<-started
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := w.committed(); got != 0 {
		t.Errorf("committed %d, want nothing: the handler was not done", got)
	}
}

func TestPollAndCommit(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(10, 0)
	c := w.open()
	ctx := limit(t)
	var got []*Record[string, string]
	for len(got) < 4 {
		batch, err := c.Poll(ctx, 4-len(got))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, batch...)
	}
	for i, r := range got {
		if r.Value != strconv.Itoa(i) || r.Offset != int64(i) || !r.NullKey || r.Err != nil || r.Raw() == nil {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if w.committed() != 0 {
		t.Error("committed by itself")
	}
	if err := c.CommitRecords(ctx, got[0], got[2]); err != nil || w.committed() != 1 {
		t.Errorf("%v, committed %d, want 1: offset 1 is open", err, w.committed())
	}
	if err := c.Commit(ctx); err != nil || w.committed() != 4 {
		t.Errorf("%v, committed %d, want 4", err, w.committed())
	}
	rest, err := c.Poll(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 2)
	c.CommitAsync(func(err error) { outcome <- err })
	if err := <-outcome; err != nil || w.committed() != int64(4+len(rest)) {
		t.Errorf("%v, committed %d, want %d", err, w.committed(), 4+len(rest))
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	for {
		if _, err := c.Poll(short, 1); err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("nothing left: %v", err)
			}
			break
		}
	}
	if err := c.Run(ctx, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("Run after Poll: %v", err)
	}
	c.Close()
	c.CommitAsync(func(err error) { outcome <- err })
	if err := <-outcome; !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestPollReturnsWhatCannotBeDecoded(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(2, 0)
	c := openWith(w, moody{down: &atomic.Bool{}}, WithDeadLetter("dead"))
	ctx := limit(t)
	var got []*Record[string, string]
	for len(got) < 2 {
		batch, err := c.Poll(ctx, 2)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, batch...)
	}
	var de *DecodeError
	if got[0].Err != nil || !errors.As(got[1].Err, &de) || de.Offset != 1 {
		t.Fatalf("errors %v and %v", got[0].Err, got[1].Err)
	}
	if err := c.DeadLetter(ctx, got[1], got[1].Err); err != nil {
		t.Fatal(err)
	}
	if r := w.read("dead", 1)[0]; string(r.Value) != "1" {
		t.Errorf("dead letter %s", r.Value)
	}
}

func TestManualCommitsInRun(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(3, 0)
	c := w.open(WithCommit(CommitManual))
	var n atomic.Int32
	stop := start(t, c, func(context.Context, *Record[string, string]) error { n.Add(1); return nil })
	until(t, "handled", func() bool { return len(c.Snapshot().Partitions) > 0 && c.Snapshot().Partitions[0].Position == 3 })
	if w.committed() != 0 {
		t.Error("committed by itself")
	}
	if err := c.Commit(limit(t)); err != nil || w.committed() != 3 {
		t.Errorf("%v, committed %d", err, w.committed())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestImpossibleOptions(t *testing.T) {
	_, err := New(Raw[string]{}, Decoder[string](Raw[string]{}), WithWorkers(0), WithCommitInterval(0), WithLogger(nil))
	for _, want := range []string{"no brokers", "no group", "no topics", "0 workers", "interval 0s", "nil"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestRetryDelays(t *testing.T) {
	r := Retry{Attempts: 5, Backoff: 100 * time.Millisecond, MaxBackoff: time.Second}
	for attempt, longest := range map[int]time.Duration{1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 1000: time.Second} {
		for range 20 {
			if d := r.delay(attempt); d < longest/2 || d > longest {
				t.Errorf("attempt %d: %v, want %v to %v", attempt, d, longest/2, longest)
			}
		}
	}
	if d := r.delay(0); d < 50*time.Millisecond || d > 100*time.Millisecond {
		t.Errorf("before any attempt: %v, want what follows the first", d)
	}
	if d := (Retry{Backoff: time.Hour, MaxBackoff: 1<<63 - 1}).delay(1000); d < 1<<61 {
		t.Errorf("the longest wait there is: %v", d)
	}
	if (Retry{}).again(1) || !r.again(4) || r.again(5) || !(Retry{Attempts: -1}).again(1000) {
		t.Error("wrong number of attempts")
	}
}
