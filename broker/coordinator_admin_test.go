package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestGroupsAreDescribedAndDeleted(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 2, nil)
	createTopic(t, b, "u", 1, nil)
	m := startMember(t, b, "g", "t", kgo.InstanceID("one"), kgo.ClientID("me"), kgo.Balancers(kgo.RangeBalancer()))
	eventually(t, "the member has all", fairlyShared("t", 2, m))
	adm := kadm.NewClient(newClient(t, b))
	groups, err := adm.DescribeGroups(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	g := groups["g"]
	if g.Err != nil || g.State != "Stable" || g.Protocol != "range" || g.ProtocolType != "consumer" || len(g.Members) != 1 {
		t.Fatalf("described as %+v", g)
	}
	if got := g.Members[0]; got.ClientID != "me" || got.ClientHost != "/127.0.0.1" || got.InstanceID == nil || *got.InstanceID != "one" {
		t.Errorf("member %+v", got)
	}
	if parts := g.AssignedPartitions()["t"]; len(parts) != 2 {
		t.Errorf("assigned %v", parts)
	}

	var os kadm.Offsets
	os.Add(kadm.Offset{Topic: "u", Partition: 0, At: 7})
	if resp, err := adm.CommitOffsets(t.Context(), "g", os); err != nil || !errors.Is(resp.Error(), kerr.UnknownMemberID) {
		t.Errorf("commit of a stranger: %v, %v", resp.Error(), err)
	}
	if resp, err := adm.DeleteGroups(t.Context(), "g", "nobody"); err != nil || !errors.Is(resp["g"].Err, kerr.NonEmptyGroup) || !errors.Is(resp["nobody"].Err, kerr.GroupIDNotFound) {
		t.Errorf("delete: %+v, %v", resp, err)
	}
	var some kadm.TopicsSet
	some.Add("t", 0)
	if resp, err := adm.DeleteOffsets(t.Context(), "g", some); err != nil || !errors.Is(resp.Error(), kerr.GroupSubscribedToTopic) {
		t.Errorf("delete an offset in use: %v, %v", resp.Error(), err)
	}
	if resp, err := adm.LeaveGroup(t.Context(), kadm.LeaveGroup("g").InstanceIDs("one")); err != nil || resp.Error() != nil {
		t.Errorf("remove the static member: %v, %v", resp.Error(), err)
	}
	m.close()
	if resp, err := adm.DeleteGroups(t.Context(), "g"); err != nil || resp["g"].Err != nil {
		t.Errorf("delete: %+v, %v", resp, err)
	}
	if listed, err := adm.ListGroups(t.Context()); err != nil || len(listed) != 0 {
		t.Errorf("listed %+v, %v", listed, err)
	}
}

// TestHangingTransactionIsFoundAndAborted is what an admin does about a
// transaction that nobody ends.
func TestHangingTransactionIsFoundAndAborted(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	client := newClient(t, b, kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"), kgo.TransactionTimeout(10*time.Minute))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("hangs")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, b, kgo.DefaultProduceTopic("t")).ProduceSync(t.Context(), kgo.StringRecord("waits")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(newClient(t, b))
	var where kadm.TopicsSet
	where.Add("t", 0)
	producers, err := adm.DescribeProducers(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	var open []kadm.DescribedProducer
	for _, p := range producers.SortedProducers() {
		if p.CurrentTxnStartOffset >= 0 {
			open = append(open, p)
		}
	}
	if len(open) != 1 || open[0].CurrentTxnStartOffset != 0 {
		t.Fatalf("producers %+v", producers)
	}
	resp, err := adm.WriteTxnMarkers(t.Context(), kadm.TxnMarkers{ProducerID: open[0].ProducerID, ProducerEpoch: int16(open[0].ProducerEpoch), Topics: where})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range resp.SortedPartitions() {
		if p.Err != nil {
			t.Errorf("marker for %s-%d: %v", p.Topic, p.Partition, p.Err)
		}
	}
	if got := committedOnly(t, b, "t", 1); got[0] != "waits" {
		t.Errorf("read %v", got)
	}
}
