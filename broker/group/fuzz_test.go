package group

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzRecord reads arbitrary keys and values. What can be read must be written
// as something that reads the same, and nothing may panic or take memory that
// the input does not account for.
func FuzzRecord(f *testing.F) {
	for _, r := range exampleRecords() {
		f.Add(r.key(), r.value())
		f.Add(r.key(), []byte(nil))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(value) == 0 {
			value = nil
		}
		r, err := decodeRecord(Record{Key: key, Value: value})
		if err != nil || r == nil {
			return
		}
		again, err := decodeRecord(Record{Key: r.key(), Value: r.value()})
		if err != nil {
			t.Fatalf("%#v was read, and cannot be read back: %v", r, err)
		}
		if !bytes.Equal(again.value(), r.value()) || !bytes.Equal(again.key(), r.key()) {
			t.Fatalf("%#v becomes %#v", r, again)
		}
		c := New(Options{}, nil)
		r.apply(c)
		again.apply(c)
	})
}

// FuzzSubscription reads arbitrary bytes as what consumers send.
func FuzzSubscription(f *testing.F) {
	rack := "r"
	f.Add(appendSubscription(nil, subscription{version: 3, topics: []string{"a"}, owned: []ownedTopic{{"a", []int32{1}}}, generation: 4, rack: &rack}))
	f.Add(encodeAssignment(1, []ownedTopic{{"a", []int32{0, 1}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSubscription(b); err == nil {
			if s.version > 3 {
				s.version = 3
			}
			again, err := decodeSubscription(appendSubscription(nil, s))
			if err != nil || !reflect.DeepEqual(s, again) {
				t.Fatalf("%+v becomes %+v, %v", s, again, err)
			}
		}
		if topics, err := decodeAssignment(b); err == nil {
			again, err := decodeAssignment(encodeAssignment(0, topics))
			if err != nil || !reflect.DeepEqual(topics, again) {
				t.Fatalf("%+v becomes %+v, %v", topics, again, err)
			}
		}
	})
}

func exampleRecords() []stored {
	s := func(v string) *string { return &v }
	id := TopicID{1, 2, 3}
	epoch := int32(7)
	g := newClassicGroup(atStart)
	g.protocolType, g.protocol, g.generation, g.state = "consumer", "range", 3, Stable
	g.add(&classicMember{id: "m", instanceID: s("i"), client: Client{"c", "/h"}, session: 1e9, rebalanceTime: 2e9,
		protocols: []protocol{{"range", []byte("metadata")}}, assignment: []byte("assignment")})
	return []stored{
		offsetRecord{"g", topicPartition{"t", 1}, &committed{offset: 5, leaderEpoch: 2, metadata: "m", commitMillis: 9, expireMillis: -1}},
		offsetRecord{"g", topicPartition{"t", 1}, &committed{offset: 5, leaderEpoch: -1, commitMillis: 9, expireMillis: 12}},
		g.record("g"),
		consumerGroupRecord{group: "g", set: &consumerEpoch{epoch: 4, metadataHash: -77}},
		consumerMemberRecord{"g", "m", &memberMetadata{instanceID: s("i"), rackID: s("r"), client: Client{"c", "/h"}, topics: []string{"a", "b"},
			regex: s("x.*"), rebalanceMillis: 100, assignor: s("range"),
			classic: &classicProtocols{sessionMillis: 6000, protocols: []protocol{{"range", []byte("metadata")}}}}},
		targetEpochRecord{"g", &epoch},
		targetRecord{"g", "m", &assignment{id: {0, 2}}},
		currentRecord{"g", "m", &currentAssignment{epoch: 4, previousEpoch: 3, state: memberUnrevoked, assigned: assignment{id: {0}}, revoking: assignment{id: {1}}, since: heldSince{id: {0: 2, 1: 4}}}},
		regexRecord{"g", "x.*", &resolvedRegex{topics: []string{"xa"}, version: 1, timestamp: 5}},
		shareGroupRecord{"g", &consumerEpoch{epoch: 4, metadataHash: -77}},
		shareMemberRecord{"g", "m", &shareMetadata{rackID: s("r"), client: Client{"c", "/h"}, topics: []string{"a", "b"}}},
		shareTargetEpochRecord{"g", &epoch},
		shareTargetRecord{"g", "m", &assignment{id: {0, 2}}},
		shareCurrentRecord{"g", "m", &shareCurrent{epoch: 4, previousEpoch: 3, assigned: assignment{id: {0}}}},
		shareKnownRecord{"g", &map[TopicID]shareTopic{id: {name: "t", partitions: []int32{0, 1}, since: 9}}},
	}
}
