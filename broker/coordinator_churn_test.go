package broker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/broker/group"
)

var churnSeed = flag.Uint64("churn-seed", 0, "the seed of the churn test; 0: another each time")

// TestNobodyIsStrandedByChurn lets real clients of both protocols come, go, die
// and commit in one group while its topic grows and coordinators read their log
// anew. In the end every partition has exactly one owner, every living member is
// in the group, every record was seen and committed, and no committed offset was
// ever seen to go back.
func TestNobodyIsStrandedByChurn(t *testing.T) {
	for _, static := range []bool{false, true} {
		t.Run(fmt.Sprintf("static=%v", static), func(t *testing.T) {
			t.Parallel()
			seed := *churnSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("-churn-seed=%d", seed)
			w := newChurn(t, seed, static)
			for range 30 {
				w.step()
			}
			w.settle()
		})
	}
}

const churnTopic, churnGroup = "t", "g"

type churn struct {
	t          *testing.T
	r          *rand.Rand
	b          *Broker
	static     bool
	adm        *kadm.Client
	producer   *kgo.Client
	partitions int
	produced   int
	members    [5]*churner // nil: that one is away
	dying      sync.WaitGroup

	mu        sync.Mutex
	seen      map[string]bool
	committed map[int32]int64 // the highest that was seen
}

// churner is a member with a lifeline that can be cut.
type churner struct {
	*kgo.Client
	w     *churn
	stop  context.CancelFunc
	ended chan struct{}

	mu    sync.Mutex
	dead  bool
	conns []net.Conn
	owns  map[int32]bool
}

func newChurn(t *testing.T, seed uint64, static bool) *churn {
	b := startBroker(t)
	w := &churn{t: t, r: rand.New(rand.NewPCG(seed, 7)), b: b, static: static, partitions: 3,
		seen: map[string]bool{}, committed: map[int32]int64{}}
	createTopic(t, b, churnTopic, int32(w.partitions), nil)
	setGroupConfig(t, b, churnGroup, "consumer.heartbeat.interval.ms", "200", "consumer.session.timeout.ms", "6000")
	w.producer = w.newProducer()
	w.adm = kadm.NewClient(newClient(t, b))
	t.Cleanup(func() {
		for i := range w.members {
			w.leave(i)
		}
		w.dying.Wait()
	})
	return w
}

func (w *churn) step() {
	w.t.Helper()
	i := w.r.IntN(len(w.members))
	switch n := w.r.IntN(100); {
	case n < 45 && w.members[i] == nil:
		w.join(i)
	case n < 25:
		w.leave(i)
	case n < 40:
		w.die(i)
	case n < 55:
		w.partitions++
		if res, err := w.adm.CreatePartitions(w.t.Context(), 1, churnTopic); err != nil || res.Error() != nil {
			w.t.Fatal(err, res)
		}
		w.flush()
		w.producer = w.newProducer() // the old one learns of the partition when it likes
	case n < 65:
		shards, err := w.b.groups.open(true)
		if err != nil {
			w.t.Fatal(err)
		}
		s := shards[partitionOf(churnGroup, int32(len(shards)))]
		s.failed.Store(true)
		signal(s.wake)
	default:
		w.produce(1 + w.r.IntN(50))
	}
	w.look()
	time.Sleep(time.Duration(w.r.IntN(400)) * time.Millisecond) // clients do what they do; nothing depends on how much
}

func (w *churn) newProducer() *kgo.Client {
	return newClient(w.t, w.b, kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

func (w *churn) flush() {
	w.t.Helper()
	if err := w.producer.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *churn) produce(n int) {
	w.t.Helper()
	for range n {
		w.produced++
		r := &kgo.Record{Topic: churnTopic, Partition: int32(w.r.IntN(w.partitions)), Value: fmt.Appendf(nil, "%d", w.produced)}
		w.producer.Produce(w.t.Context(), r, func(r *kgo.Record, err error) {
			if err != nil {
				w.t.Errorf("record %s: %v", r.Value, err)
			}
		})
	}
}

// look compares what is committed now with what was.
func (w *churn) look() map[int32]int64 {
	w.t.Helper()
	now := map[int32]int64{}
	offsets, err := w.adm.FetchOffsets(w.t.Context(), churnGroup)
	if err != nil {
		return now // the coordinator is reading its log
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Err != nil || o.At < 0 {
			return
		}
		now[o.Partition] = o.At
		if o.At < w.committed[o.Partition] {
			w.t.Errorf("partition %d: offset %d is committed, it was %d", o.Partition, o.At, w.committed[o.Partition])
		}
		w.committed[o.Partition] = max(o.At, w.committed[o.Partition])
	})
	return now
}

func (w *churn) join(i int) {
	w.t.Helper()
	c := &churner{w: w, ended: make(chan struct{}), owns: map[int32]bool{}}
	change := func(owns bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			c.mu.Lock()
			defer c.mu.Unlock()
			for _, p := range partitions[churnTopic] {
				c.owns[p] = owns
			}
		}
	}
	opts := []kgo.Opt{kgo.ConsumerGroup(churnGroup), kgo.ConsumeTopics(churnTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(200 * time.Millisecond), kgo.SessionTimeout(6 * time.Second), kgo.RebalanceTimeout(8 * time.Second),
		kgo.FetchMaxWait(100 * time.Millisecond), kgo.MetadataMinAge(10 * time.Millisecond), kgo.MetadataMaxAge(500 * time.Millisecond),
		kgo.RetryTimeout(3 * time.Second), kgo.BlockRebalanceOnPoll(), kgo.DisableAutoCommit(), kgo.Dialer(c.dial),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false))}
	if w.r.IntN(2) == 0 {
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	} else {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if w.static {
		opts = append(opts, kgo.InstanceID(fmt.Sprintf("instance-%d", i)))
	}
	c.Client = newClient(w.t, w.b, opts...)
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go c.run(ctx)
	w.members[i] = c
}

func (c *churner) run(ctx context.Context) {
	defer close(c.ended)
	for ctx.Err() == nil {
		fetches := c.PollFetches(ctx)
		var got []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, r) })
		c.w.mu.Lock()
		for _, r := range got {
			c.w.seen[string(r.Value)] = true
		}
		c.w.mu.Unlock()
		if len(got) > 0 {
			_ = c.CommitRecords(ctx, got...) // it may be too late for that: somebody else reads it again
		}
		c.AllowRebalance()
	}
}

func (c *churner) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		_ = conn.Close()
		return nil, errors.New("this client is dead")
	}
	c.conns = append(c.conns, conn)
	return conn, nil
}

// leave has a member say good-bye. One that is static says at most that it will be back.
func (w *churn) leave(i int) {
	c := w.members[i]
	if c == nil {
		return
	}
	w.members[i] = nil
	c.stop()
	<-c.ended
	c.CloseAllowingRebalance()
}

// die has a member go without a word.
func (w *churn) die(i int) {
	c := w.members[i]
	if c == nil {
		return
	}
	w.members[i] = nil
	c.mu.Lock()
	c.dead = true
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.stop()
	w.dying.Go(func() {
		<-c.ended
		c.CloseAllowingRebalance()
	})
}

// settle waits until all is as it must be with those that live.
func (w *churn) settle() {
	w.t.Helper()
	for i := range w.members {
		if w.members[i] == nil && w.r.IntN(2) == 0 || i == 0 && w.members[0] == nil {
			w.join(i)
		}
	}
	w.produce(3 * w.partitions)
	w.flush()
	living := 0
	for _, c := range w.members {
		if c != nil {
			living++
		}
	}
	why := ""
	defer func() {
		if w.t.Failed() {
			w.t.Log(why)
		}
	}()
	eventually(w.t, "every partition has one owner, and every living member is in the group", func() bool {
		owners := map[int32]int{}
		for _, c := range w.members {
			if c == nil {
				continue
			}
			c.mu.Lock()
			for p, owns := range c.owns {
				if owns {
					owners[p]++
				}
			}
			c.mu.Unlock()
		}
		var positions group.Positions
		w.b.groups.ask(w.t.Context(), churnGroup, func(c *group.Coordinator, _ time.Time) group.Effects {
			for _, p := range c.AllPositions() {
				if p.Group == churnGroup {
					positions = p
				}
			}
			return group.Effects{}
		})
		why = fmt.Sprintf("%d living members, %d partitions, owners %v, the group is %s with %d members", living, w.partitions, owners, positions.State, positions.Members)
		if positions.State != group.Stable || positions.Members != living || len(owners) != w.partitions {
			return false
		}
		for _, n := range owners {
			if n != 1 {
				return false
			}
		}
		return true
	})
	ends, err := w.adm.ListEndOffsets(w.t.Context(), churnTopic)
	if err != nil {
		w.t.Fatal(err)
	}
	eventually(w.t, "all that there is has been read and committed", func() bool {
		now := w.look()
		missing := []string{}
		ends.Each(func(o kadm.ListedOffset) {
			if now[o.Partition] != o.Offset {
				missing = append(missing, fmt.Sprintf("partition %d: %d of %d", o.Partition, now[o.Partition], o.Offset))
			}
		})
		slices.Sort(missing)
		why = fmt.Sprint(missing)
		return len(missing) == 0
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range w.produced {
		if !w.seen[fmt.Sprint(n+1)] {
			w.t.Errorf("nobody has seen record %d", n+1)
		}
	}
}
