package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// dataDir keeps a broker's data where a second start finds it.
func dataDir(dir string) func(*Options) { return func(o *Options) { o.DataDir = dir } }

func closeBroker(t *testing.T, b *Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// fill produces n records into each partition of a topic.
func fill(t *testing.T, b *Broker, topic string, partitions, n int) {
	t.Helper()
	client := newClient(t, b, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for p := range partitions {
		for i := range n {
			records = append(records, &kgo.Record{Topic: topic, Partition: int32(p), Value: fmt.Appendf(nil, "%d-%d", p, i)})
		}
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// member is a consumer of a group that polls until it is closed.
type member struct {
	t      *testing.T
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu   sync.Mutex
	owns map[string]map[int32]bool
	got  []string
}

func startMember(t *testing.T, b *Broker, group, topic string, opts ...kgo.Opt) *member {
	t.Helper()
	m := &member{t: t, done: make(chan struct{}), owns: map[string]map[int32]bool{}}
	change := func(add bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for t, ps := range partitions {
				if m.owns[t] == nil {
					m.owns[t] = map[int32]bool{}
				}
				for _, p := range ps {
					if add {
						m.owns[t][p] = true
					} else {
						delete(m.owns[t], p)
					}
				}
			}
		}
	}
	all := append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(100 * time.Millisecond), kgo.SessionTimeout(6 * time.Second), kgo.RebalanceTimeout(10 * time.Second),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
		kgo.DisableAutoCommit()}, opts...)
	m.client = newClient(t, b, all...)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go func() {
		defer close(m.done)
		for ctx.Err() == nil {
			fetches := m.client.PollFetches(ctx)
			m.mu.Lock()
			fetches.EachRecord(func(r *kgo.Record) { m.got = append(m.got, string(r.Value)) })
			m.mu.Unlock()
		}
	}()
	t.Cleanup(m.close)
	return m
}

func (m *member) close() {
	m.stop()
	<-m.done
	m.client.Close()
}

func (m *member) partitions(topic string) []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []int32
	for p := range m.owns[topic] {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

func (m *member) received() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.got)
}

// eventually waits for something that is on its way.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen within two minutes: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// share checks that members have disjoint shares of n partitions, each within
// one of the fair number.
func fairlyShared(topic string, n int, members ...*member) func() bool {
	return func() bool {
		seen := map[int32]bool{}
		for _, m := range members {
			ps := m.partitions(topic)
			if len(ps) < n/len(members) || len(ps) > (n+len(members)-1)/len(members) {
				return false
			}
			for _, p := range ps {
				if seen[p] {
					return false
				}
				seen[p] = true
			}
		}
		return len(seen) == n
	}
}

// protocols are the ways in which franz-go takes part in a group.
var protocols = map[string][]kgo.Opt{
	"eager":       {kgo.Balancers(kgo.RangeBalancer())},
	"cooperative": {kgo.Balancers(kgo.CooperativeStickyBalancer())},
	"kip-848":     {kgo.ServerSideBalancer()},
}

func TestMembersShareAndTakeOver(t *testing.T) {
	for name, opts := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t)
			createTopic(t, b, "t", 6, nil)
			fill(t, b, "t", 6, 50)
			first := startMember(t, b, "g", "t", opts...)
			eventually(t, "the first member has all", fairlyShared("t", 6, first))
			second := startMember(t, b, "g", "t", opts...)
			eventually(t, "two members share", fairlyShared("t", 6, first, second))
			listing := kmsg.NewListGroupsRequest()
			groups, err := listing.RequestWith(t.Context(), newClient(t, b))
			if err != nil || len(groups.Groups) != 1 {
				t.Fatalf("groups: %+v, %v", groups, err)
			}
			want := "classic"
			if name == "kip-848" {
				want = "consumer"
			}
			if g := groups.Groups[0]; g.GroupType != want || g.ProtocolType != "consumer" || g.Group != "g" {
				t.Errorf("listed as %+v", g)
			}
			first.close()
			eventually(t, "the other takes over", fairlyShared("t", 6, second))
			other := startMember(t, b, "another group", "t", opts...)
			eventually(t, "a second group reads all for itself", func() bool { return other.received() == 300 })
		})
	}
}

func TestCommitsSurviveRestart(t *testing.T) {
	for name, opts := range protocols {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := startBroker(t, dataDir(dir))
			createTopic(t, b, "t", 2, nil)
			fill(t, b, "t", 2, 10)
			m := startMember(t, b, "g", "t", opts...)
			eventually(t, "all is read", func() bool { return m.received() == 20 })
			commit := func(offset int64, do func(offsets map[string]map[int32]kgo.EpochOffset)) {
				do(map[string]map[int32]kgo.EpochOffset{"t": {0: {Epoch: 0, Offset: offset}, 1: {Epoch: -1, Offset: offset + 1}}})
			}
			commit(3, func(offsets map[string]map[int32]kgo.EpochOffset) {
				m.client.CommitOffsetsSync(t.Context(), offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
					if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
						t.Errorf("synchronous commit: %+v, %v", resp, err)
					}
				})
			})
			done := make(chan struct{})
			commit(5, func(offsets map[string]map[int32]kgo.EpochOffset) {
				m.client.CommitOffsets(t.Context(), offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
					if err != nil || resp.Topics[0].Partitions[0].ErrorCode != 0 {
						t.Errorf("asynchronous commit: %+v, %v", resp, err)
					}
					close(done)
				})
			})
			<-done
			m.close()
			closeBroker(t, b)

			b = startBroker(t, dataDir(dir))
			adm := kadm.NewClient(newClient(t, b))
			offsets, err := adm.FetchOffsets(t.Context(), "g")
			if err != nil {
				t.Fatal(err)
			}
			for p, want := range map[int32]int64{0: 5, 1: 6} {
				if o, ok := offsets.Lookup("t", p); !ok || o.At != want {
					t.Errorf("partition %d: offset %+v, want %d", p, o, want)
				}
			}
			again := startMember(t, b, "g", "t", opts...)
			eventually(t, "the rest is read", func() bool { return again.received() == 9 })
		})
	}
}

func TestOffsetMetadataComesBack(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	adm := kadm.NewClient(newClient(t, b))
	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: "t", Partition: 0, At: 7, LeaderEpoch: 3, Metadata: "how far I came"})
	if err := adm.CommitAllOffsets(t.Context(), "simple", os); err != nil {
		t.Fatal(err)
	}
	got, err := adm.FetchOffsets(t.Context(), "simple")
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := got.Lookup("t", 0); o.At != 7 || o.LeaderEpoch != 3 || o.Metadata != "how far I came" {
		t.Errorf("fetched %+v", o)
	}
	os = kadm.Offsets{}
	os.Add(kadm.Offset{Topic: "t", Partition: 0, At: 8, Metadata: string(make([]byte, 4097))})
	os.Add(kadm.Offset{Topic: "t", Partition: 9, At: 8})
	resp, err := adm.CommitOffsets(t.Context(), "simple", os)
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := resp.Lookup("t", 0); !errors.Is(o.Err, kerr.OffsetMetadataTooLarge) {
		t.Errorf("metadata of 4097 bytes: %v", o.Err)
	}
	if o, _ := resp.Lookup("t", 9); !errors.Is(o.Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("partition that does not exist: %v", o.Err)
	}
}

func TestDeletedTopicLosesItsOffsets(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "u", 1, nil)
	adm := kadm.NewClient(newClient(t, b))
	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: "t", Partition: 0, At: 7})
	os.Add(kadm.Offset{Topic: "u", Partition: 0, At: 8})
	if err := adm.CommitAllOffsets(t.Context(), "g", os); err != nil {
		t.Fatal(err)
	}
	if _, err := adm.DeleteTopics(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	got, err := adm.FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := got.Lookup("t", 0); ok {
		t.Error("the deleted topic has an offset")
	}
	if o, _ := got.Lookup("u", 0); o.At != 8 {
		t.Errorf("the other topic: %+v", o)
	}
}
