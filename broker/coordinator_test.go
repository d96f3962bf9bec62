package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestPartitionOfIsKafkas compares with Java's String.hashCode, which decides
// where Kafka keeps a group: a topic of its can then be taken over as it is.
func TestPartitionOfIsKafkas(t *testing.T) {
	for _, c := range []struct {
		key    string
		units  []int32 // UTF-16
		hashed int32   // known from Java, or 0
	}{
		{"", nil, 0},
		{"hello", []int32{'h', 'e', 'l', 'l', 'o'}, 99162322},
		{"grüße", []int32{'g', 'r', 0xfc, 0xdf, 'e'}, 0},
		{"\U0001F600", []int32{0xd83d, 0xde00}, 0},
		{"a key that overflows", []int32("a key that overflows"), 0},
	} {
		var h int32
		for _, u := range c.units {
			h = 31*h + u
		}
		if c.hashed != 0 && h != c.hashed {
			t.Fatalf("%q: hash %d, Java says %d", c.key, h, c.hashed)
		}
		if got, want := partitionOf(c.key, 50), (h&0x7fffffff)%50; got != want {
			t.Errorf("%q is in partition %d, want %d", c.key, got, want)
		}
	}
}

// TestCoordinatorStartsAnewAfterALostWrite lets coordinators believe that a
// write was lost: they read their log again, and members go on.
func TestCoordinatorStartsAnewAfterALostWrite(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	fill(t, b, "t", 2, 5)
	m := startMember(t, b, "g", "t")
	eventually(t, "the member reads", func() bool { return m.received() == 10 })
	if err := m.client.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	shards, err := b.groups.open(false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shards {
		s.failed.Store(true)
		signal(s.wake)
	}
	fill(t, b, "t", 2, 5)
	eventually(t, "the member reads on", func() bool { return m.received() >= 20 })
	eventually(t, "and commits", func() bool { return m.client.CommitUncommittedOffsets(t.Context()) == nil })
	offsets, err := kadm.NewClient(newClient(t, b)).FetchOffsets(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(2) {
		if o, ok := offsets.Lookup("t", p); !ok || o.At != 10 {
			t.Errorf("partition %d: %+v", p, o)
		}
	}
}

// TestRequestThatAnotherMachineSeesIsAnsweredByIt makes a coordinator read its
// log again while a JoinGroup is queued. The client must not be told to try
// again: the member ID that the queued request hands out would be nobody's, and
// every rebalance would wait for it as long as a session lasts.
func TestRequestThatAnotherMachineSeesIsAnsweredByIt(t *testing.T) {
	b := startBroker(t)
	shards, err := b.groups.open(true)
	if err != nil {
		t.Fatal(err)
	}
	s := shards[partitionOf("g", int32(len(shards)))]
	c := dialRaw(t, b)
	join := kmsg.NewPtrJoinGroupRequest()
	join.SetVersion(9)
	join.Group, join.ProtocolType, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = "g", "consumer", 45_000, 60_000
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	join.Protocols = append(join.Protocols, protocol)
	for try := range 3 {
		gate, held := make(chan struct{}), make(chan struct{})
		s.call(func(time.Time) { close(held); <-gate })
		<-held
		answered := make(chan kmsg.Response, 1)
		go func() { answered <- c.ask(join) }()
		eventually(t, "the request is queued", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.calls) == 1
		})
		s.failed.Store(true)
		close(gate)
		resp := (<-answered).(*kmsg.JoinGroupResponse)
		if resp.ErrorCode != kerr.MemberIDRequired.Code || resp.MemberID == "" {
			t.Fatalf("try %d: code %d (%v), member %q", try, resp.ErrorCode, kerr.ErrorForCode(resp.ErrorCode), resp.MemberID)
		}
	}
}
