package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/clients/cluster"
)

// newCluster is a cluster with a topic of 3 partitions that holds 6, 3 and 0
// records.
func newCluster(t *testing.T) (*kgo.Client, *cluster.View) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	for i := range 9 {
		r := &kgo.Record{Topic: "orders", Partition: int32(i / 6), Value: fmt.Appendf(nil, "%d", i), Timestamp: time.Unix(int64(i), 0)}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return client, cluster.New(client)
}

func TestSharesAndSkew(t *testing.T) {
	_, v := newCluster(t)
	topics, err := v.Topics(t.Context(), false)
	if err != nil || len(topics) != 1 {
		t.Fatalf("%v %v", topics, err)
	}
	got := topics[0]
	if got.Records != 9 || got.Skew != 2 || got.Partitions[0].RecordShare != 6.0/9 || got.Partitions[1].EndOffset != 3 || got.Partitions[2].RecordShare != 0 {
		t.Errorf("%+v", got)
	}
	_, err = v.Topics(t.Context(), false, "nothing")
	var fault *cluster.TopicError
	if !errors.As(err, &fault) || fault.Topic != "nothing" || !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %v", err)
	}
}

func TestTailIsNewestFirst(t *testing.T) {
	_, v := newCluster(t)
	for _, tc := range []struct {
		partition int32
		n         int
		want      string
	}{
		{-1, 4, "8 7 6 5"}, {0, 2, "5 4"}, {1, 100, "8 7 6"}, {2, 5, ""}, {-1, 0, ""}, {7, 5, ""},
	} {
		records, err := v.Tail(t.Context(), "orders", tc.partition, tc.n)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, r := range records {
			if i > 0 {
				got += " "
			}
			got += string(r.Value)
		}
		if got != tc.want {
			t.Errorf("partition %d, %d records: %q, want %q", tc.partition, tc.n, got, tc.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := v.Tail(ctx, "orders", -1, 1); err == nil {
		t.Error("a context that has ended is no error")
	}
}

func TestGroupsHaveTheirLag(t *testing.T) {
	client, v := newCluster(t)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 2, LeaderEpoch: -1})
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 1, At: 3, LeaderEpoch: -1})
	if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), "billing", offsets); err != nil {
		t.Fatal(err)
	}
	groups, err := v.Groups(t.Context(), "billing")
	if err != nil || len(groups) != 1 {
		t.Fatalf("%v %v", groups, err)
	}
	g := groups[0]
	if g.Lag != 4 || len(g.Positions) != 2 || g.Positions[0].Lag != 4 || g.Positions[1].Lag != 0 || g.State != "Empty" {
		t.Errorf("%+v", g)
	}
	if all, err := v.Groups(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("all groups: %v %v", all, err)
	}
	if _, err := v.Groups(t.Context(), "nobody"); !errors.Is(err, cluster.ErrNoGroup) {
		t.Errorf("a group that is not there: %v", err)
	}
}

func TestAGroupThatCannotBeDescribedHidesNoOther(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 0, LeaderEpoch: -1})
	for _, name := range []string{"billing", "gone"} {
		if err := kadm.NewClient(client).CommitAllOffsets(t.Context(), name, offsets); err != nil {
			t.Fatal(err)
		}
	}
	fake.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked := req.(*kmsg.DescribeGroupsRequest)
		resp := asked.ResponseKind().(*kmsg.DescribeGroupsResponse)
		for _, name := range asked.Groups {
			g := kmsg.NewDescribeGroupsResponseGroup()
			g.Group, g.State = name, "Empty"
			if name == "gone" {
				g.State, g.ErrorCode = "Dead", kerr.GroupIDNotFound.Code
			}
			resp.Groups = append(resp.Groups, g)
		}
		return resp, nil, true
	})
	v := cluster.New(client)
	all, err := v.Groups(t.Context())
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if g := all[0]; g.Group != "billing" || g.Fault != "" || g.State != "Empty" || len(g.Positions) != 1 {
		t.Errorf("%+v", g)
	}
	if g := all[1]; g.Group != "gone" || !strings.Contains(g.Fault, kerr.GroupIDNotFound.Message) || g.Members == nil || g.Positions == nil {
		t.Errorf("%+v", g)
	}
	if _, err := v.Groups(t.Context(), "billing", "gone"); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Errorf("a named group: %v", err)
	}
}

func TestMembersHaveTheirPartitions(t *testing.T) {
	client, v := newCluster(t)
	member, err := kgo.NewClient(append(client.Opts(), kgo.ConsumeTopics("orders"), kgo.ConsumerGroup("billing"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	if fetches := member.PollFetches(t.Context()); fetches.Err() != nil {
		t.Fatal(fetches.Err())
	}
	groups, err := v.Groups(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	g := groups[0]
	if len(g.Members) != 1 || g.Members[0].Partitions != 3 || len(g.Positions) != 3 || g.Positions[0].Member != g.Members[0].Member || g.Positions[2].Committed != -1 {
		t.Errorf("%+v", g)
	}
}

func TestShareGroupsAreGroups(t *testing.T) {
	client, v := newCluster(t)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "orders", Partition: 0, At: 2, LeaderEpoch: -1})
	altered, err := kadm.NewClient(client).AlterShareGroupOffsets(t.Context(), "workers", offsets)
	if err != nil {
		t.Fatal(err, altered)
	}
	groups, err := v.Groups(t.Context())
	if err != nil || len(groups) != 1 {
		t.Fatalf("%v %v", groups, err)
	}
	g := groups[0]
	if g.Group != "workers" || g.Protocol != "share" || g.State != "Empty" || len(g.Positions) == 0 || g.Positions[0].Committed != 2 || g.Positions[0].EndOffset != 6 {
		t.Errorf("%+v", g)
	}
}
