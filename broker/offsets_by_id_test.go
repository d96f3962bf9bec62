package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// From version 10 on, OffsetCommit and OffsetFetch name topics by ID alone.
func TestOffsetsAreCommittedAndFetchedByTopicID(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "orders", 2, nil)
	createTopic(t, b, "other", 1, nil)
	c := dialRaw(t, b)
	orders, other, unknown := b.topics.byName("orders").ID, b.topics.byName("other").ID, [16]byte{1, 2, 3}
	commit := func(offset int64, topics ...[16]byte) *kmsg.OffsetCommitResponse {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.SetVersion(10)
		req.Group, req.Generation = "g", -1
		for _, id := range topics {
			rt := kmsg.NewOffsetCommitRequestTopic()
			rt.TopicID = id
			for _, n := range []int32{0, 1} {
				p := kmsg.NewOffsetCommitRequestTopicPartition()
				p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = n, offset+int64(n), 0, kmsg.StringPtr("done")
				rt.Partitions = append(rt.Partitions, p)
			}
			req.Topics = append(req.Topics, rt)
		}
		return c.ask(req).(*kmsg.OffsetCommitResponse)
	}
	fetch := func(version int16, topics ...kmsg.OffsetFetchRequestGroupTopic) kmsg.OffsetFetchResponseGroup {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.SetVersion(version)
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group, g.Topics = "g", topics
		req.Groups = append(req.Groups, g)
		return c.ask(req).(*kmsg.OffsetFetchResponse).Groups[0]
	}
	byID := func(id [16]byte, partitions ...int32) kmsg.OffsetFetchRequestGroupTopic {
		rt := kmsg.NewOffsetFetchRequestGroupTopic()
		rt.TopicID, rt.Partitions = id, partitions
		return rt
	}
	ids, partitions := kerr.UnknownTopicID.Code, kerr.UnknownTopicOrPartition.Code

	// What is not there does not keep the rest from being committed.
	committed := commit(40, unknown, orders, other)
	for i, want := range []struct {
		id    [16]byte
		codes [2]int16
	}{{unknown, [2]int16{ids, ids}}, {orders, [2]int16{0, 0}}, {other, [2]int16{0, partitions}}} {
		rt := committed.Topics[i]
		if rt.TopicID != want.id || len(rt.Partitions) != 2 || rt.Partitions[0].ErrorCode != want.codes[0] || rt.Partitions[1].ErrorCode != want.codes[1] {
			t.Errorf("topic %d: %+v, want %+v", i, rt, want)
		}
	}

	answered := map[[16]byte][]kmsg.OffsetFetchResponseGroupTopicPartition{}
	for _, rt := range fetch(10, byID(unknown, 0), byID(orders, 1, 0, 7), byID(other, 0)).Topics {
		answered[rt.TopicID] = rt.Partitions
	}
	if p := answered[unknown]; len(p) != 1 || p[0].ErrorCode != ids || p[0].Offset != -1 {
		t.Errorf("of a topic that is not there: %+v", p)
	}
	if p := answered[orders]; len(p) != 3 || p[0].Offset != 41 || p[1].Offset != 40 || *p[0].Metadata != "done" || p[0].LeaderEpoch != 0 || p[2].Offset != -1 || p[2].ErrorCode != 0 {
		t.Errorf("orders: %+v", p)
	}
	if p := answered[other]; len(p) != 1 || p[0].Offset != 40 {
		t.Errorf("other: %+v", p)
	}

	// All of a group are told with their IDs; an earlier version knows them by name.
	told := map[[16]byte]int{}
	for _, rt := range fetch(10).Topics {
		told[rt.TopicID] = len(rt.Partitions)
	}
	if len(told) != 2 || told[orders] != 2 || told[other] != 1 {
		t.Errorf("all of the group: %v", told)
	}
	named := kmsg.NewOffsetFetchRequestGroupTopic()
	named.Topic, named.Partitions = "orders", []int32{1}
	if g := fetch(9, named); g.Topics[0].Topic != "orders" || g.Topics[0].Partitions[0].Offset != 41 {
		t.Errorf("by name: %+v", g)
	}

	// The ID of a deleted topic is not that of one that is made anew with its name.
	if err := b.deleteTopic("orders"); err != nil {
		t.Fatal(err)
	}
	createTopic(t, b, "orders", 2, nil)
	if rt := commit(50, orders).Topics[0]; rt.Partitions[0].ErrorCode != ids {
		t.Errorf("committed for a topic that was deleted: %+v", rt)
	}
	if g := fetch(10, byID(orders, 0)); g.Topics[0].Partitions[0].ErrorCode != ids {
		t.Errorf("fetched of a topic that was deleted: %+v", g)
	}
	if g := fetch(10, byID(b.topics.byName("orders").ID, 0)); g.Topics[0].Partitions[0].ErrorCode != 0 || g.Topics[0].Partitions[0].Offset != -1 {
		t.Errorf("the new topic has the offsets of the old: %+v", g)
	}
}
