package broker

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// askShare asks the broker, whatever the client knows of coordinators.
func askShare[R kmsg.Response](t *testing.T, client *kgo.Client, req kmsg.Request) R {
	t.Helper()
	resp, err := client.Broker(1).Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(R)
}

func describeOffsetsOf(group string, topics ...kmsg.DescribeShareGroupOffsetsRequestGroupTopic) *kmsg.DescribeShareGroupOffsetsRequest {
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: group, Topics: topics}}
	return req
}

func alterOffsetsOf(group, topic string, partition int32, start int64) *kmsg.AlterShareGroupOffsetsRequest {
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = group
	req.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: partition, StartOffset: start}}}}
	return req
}

func deleteOffsetsOf(group string, topics ...string) *kmsg.DeleteShareGroupOffsetsRequest {
	req := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	req.GroupID = group
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.DeleteShareGroupOffsetsRequestTopic{Topic: name})
	}
	return req
}

func TestOffsetsOfShareGroupsAreDeleted(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, dataDir(dir))
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "u", 1, nil)
	fill(t, b, "t", 1, 3)
	fill(t, b, "u", 1, 3)
	client := newClient(t, b)
	remove := func(topics ...string) *kmsg.DeleteShareGroupOffsetsResponse {
		t.Helper()
		return askShare[*kmsg.DeleteShareGroupOffsetsResponse](t, client, deleteOffsetsOf("g", topics...))
	}
	if resp := remove("t"); resp.ErrorCode != kerr.GroupIDNotFound.Code || resp.ErrorMessage == nil {
		t.Errorf("of a group that is not there: %+v", resp)
	}
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	s := newSharer(t, b, "g", "a", "t", "u")
	if start, lag := shareOffset(t, b, "g", "t", 0); start != -1 || lag != -1 {
		t.Errorf("before the first fetch: start %d, lag %d", start, lag)
	}
	for i, topic := range []string{"t", "u"} {
		if got := s.fetch(topic); len(got) != 3 {
			t.Fatalf("fetch %d: %v", i, got)
		}
		if code := s.ack(topic, 0, 1, 1); code != 0 {
			t.Fatal(code)
		}
	}
	if resp := remove("t"); resp.ErrorCode != kerr.NonEmptyGroup.Code {
		t.Errorf("of a group with a member: %+v", resp)
	}
	if start, lag := shareOffset(t, b, "g", "t", 0); start != 2 || lag != 1 {
		t.Errorf("start %d, lag %d", start, lag)
	}
	s.ackAt(-1, "t", 0)
	s.beat(-1)
	resp := remove("t", "missing")
	if resp.ErrorCode != 0 || resp.Topics[0].ErrorCode != 0 || resp.Topics[0].TopicID != b.topics.byName("t").ID ||
		resp.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || resp.Topics[1].ErrorMessage == nil {
		t.Errorf("%+v", resp)
	}
	described := askShare[*kmsg.DescribeShareGroupOffsetsResponse](t, client, describeOffsetsOf("g")).Groups[0]
	if len(described.Topics) != 1 || described.Topics[0].Topic != "u" || described.Topics[0].Partitions[0].StartOffset != 2 {
		t.Errorf("after the deletion: %+v", described)
	}
	again := startBroker(t, dataDir(copyDir(t, dir)))
	s = newSharer(t, again, "g", "b", "t", "u")
	wantStrings(t, "of what was forgotten", s.fetch("t"), "0 0-0 ×1", "1 0-1 ×1", "2 0-2 ×1")
	wantStrings(t, "of what was not", s.fetch("u"), "2 0-2 ×1")
}

func TestOffsetsOfShareGroupsThatAreNotThere(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "other", 1, nil)
	client := newClient(t, b)
	newSharer(t, b, "g", "a", "t")
	if g := askShare[*kmsg.DescribeShareGroupOffsetsResponse](t, client, describeOffsetsOf("nobody")).Groups[0]; g.ErrorCode != kerr.GroupIDNotFound.Code || g.ErrorMessage == nil {
		t.Errorf("%+v", g)
	}
	asked := describeOffsetsOf("g", kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "t", Partitions: []int32{0, 1}},
		kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "other", Partitions: []int32{0}}, kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "missing", Partitions: []int32{0}})
	var codes []int16
	for _, rt := range askShare[*kmsg.DescribeShareGroupOffsetsResponse](t, client, asked).Groups[0].Topics {
		for _, p := range rt.Partitions {
			codes = append(codes, p.ErrorCode)
			if p.StartOffset != -1 || p.Lag != -1 || (p.ErrorCode != 0) != (p.ErrorMessage != nil) {
				t.Errorf("%s: %+v", rt.Topic, p)
			}
		}
	}
	unknown := kerr.UnknownTopicOrPartition.Code
	if want := []int16{0, unknown, 0, unknown}; !slices.Equal(codes, want) {
		t.Errorf("error codes %v, want %v", codes, want)
	}
	for _, missing := range []*kmsg.AlterShareGroupOffsetsRequest{alterOffsetsOf("new", "missing", 0, 1), alterOffsetsOf("new", "t", 1, 1)} {
		if resp := askShare[*kmsg.AlterShareGroupOffsetsResponse](t, client, missing); resp.ErrorCode != 0 || resp.Topics[0].Partitions[0].ErrorCode != unknown {
			t.Errorf("%+v", resp)
		}
	}
	if resp := askShare[*kmsg.AlterShareGroupOffsetsResponse](t, client, alterOffsetsOf("", "t", 0, 1)); resp.ErrorCode != kerr.InvalidGroupID.Code {
		t.Errorf("no group: %+v", resp)
	}
}

// TestShareGroupsAreOnlyForWhoMay takes permissions one by one.
func TestShareGroupsAreOnlyForWhoMay(t *testing.T) {
	b := securedBroker(t)
	admin := newClient(t, b, as("admin", "secret", "PLAIN"))
	adm := kadm.NewClient(admin)
	if _, err := adm.CreateTopics(t.Context(), 1, 1, nil, "open", "closed"); err != nil {
		t.Fatal(err)
	}
	if err := admin.ProduceSync(t.Context(), &kgo.Record{Topic: "open", Value: []byte("v")}, &kgo.Record{Topic: "closed", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	allow := func(acl *kadm.ACLBuilder) {
		t.Helper()
		if res, err := adm.CreateACLs(t.Context(), acl); err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
	}
	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Topics("open").Operations(kadm.OpRead))
	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Topics("closed").Operations(kadm.OpDescribe))
	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Groups("mine").Operations(kadm.OpRead))
	alice := newClient(t, b, as("alice", "wonder", "PLAIN"))
	member, earliest := "m", resetEarliest
	if err := b.changeGroupConfigs("mine", false, map[string]*string{"share.auto.offset.reset": &earliest}); err != nil {
		t.Fatal(err)
	}
	beat := func(group string, topics ...string) *kmsg.ShareGroupHeartbeatRequest {
		req := kmsg.NewPtrShareGroupHeartbeatRequest()
		req.GroupID, req.MemberID, req.SubscribedTopicNames = group, member, topics
		return req
	}
	for _, group := range []string{"mine", "theirs"} {
		if resp := askShare[*kmsg.ShareGroupHeartbeatResponse](t, admin, beat(group, "open", "closed")); resp.ErrorCode != 0 {
			t.Fatalf("%+v", resp)
		}
	}
	fetch := func(group string, epoch int32, topics ...string) *kmsg.ShareFetchRequest {
		req := kmsg.NewPtrShareFetchRequest()
		req.GroupID, req.MemberID, req.ShareSessionEpoch, req.MaxBytes, req.MaxRecords, req.BatchSize = &group, &member, epoch, 1<<20, 10, 10
		for _, name := range topics {
			req.Topics = append(req.Topics, kmsg.ShareFetchRequestTopic{TopicID: b.topics.byName(name).ID, Partitions: []kmsg.ShareFetchRequestTopicPartition{kmsg.NewShareFetchRequestTopicPartition()}})
		}
		return req
	}
	group, topic := kerr.GroupAuthorizationFailed.Code, kerr.TopicAuthorizationFailed.Code
	check := func(what string, got, want int16) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	check("heartbeat", askShare[*kmsg.ShareGroupHeartbeatResponse](t, alice, beat("theirs", "open")).ErrorCode, group)
	check("heartbeat, topic", askShare[*kmsg.ShareGroupHeartbeatResponse](t, alice, beat("mine", "secret")).ErrorCode, topic)
	check("heartbeat, allowed", askShare[*kmsg.ShareGroupHeartbeatResponse](t, alice, beat("mine", "open", "closed")).ErrorCode, 0)
	check("fetch", askShare[*kmsg.ShareFetchResponse](t, alice, fetch("theirs", 0, "open")).ErrorCode, group)
	fetched := askShare[*kmsg.ShareFetchResponse](t, alice, fetch("mine", 0, "open", "closed"))
	check("fetch, allowed", fetched.ErrorCode, 0)
	for _, rt := range fetched.Topics {
		if rt.TopicID == b.topics.byName("closed").ID {
			check("fetch, topic", rt.Partitions[0].ErrorCode, topic)
			if len(rt.Partitions[0].Records) > 0 {
				t.Error("alice has records that she may not read")
			}
		}
	}
	if len(fetched.Topics) != 2 {
		t.Errorf("%+v", fetched.Topics)
	}
	ack := func(id, name string, epoch int32) *kmsg.ShareAcknowledgeRequest {
		req := kmsg.NewPtrShareAcknowledgeRequest()
		req.GroupID, req.MemberID, req.ShareSessionEpoch = &id, &member, epoch
		req.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: b.topics.byName(name).ID, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{
			{AcknowledgementBatches: []kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch{{AcknowledgeTypes: []int8{1}}}}}}}
		return req
	}
	check("acknowledge", askShare[*kmsg.ShareAcknowledgeResponse](t, alice, ack("theirs", "open", 1)).ErrorCode, group)
	check("acknowledge, topic", askShare[*kmsg.ShareAcknowledgeResponse](t, alice, ack("mine", "closed", 1)).Topics[0].Partitions[0].ErrorCode, topic)
	// A session is whose it is.
	check("somebody else's session", askShare[*kmsg.ShareAcknowledgeResponse](t, admin, ack("mine", "open", 2)).ErrorCode, kerr.ShareSessionNotFound.Code)
	check("somebody else's session, anew", askShare[*kmsg.ShareFetchResponse](t, admin, fetch("mine", 0, "open")).ErrorCode, kerr.ShareSessionNotFound.Code)

	offsets := func(id string) kmsg.DescribeShareGroupOffsetsResponseGroup {
		return askShare[*kmsg.DescribeShareGroupOffsetsResponse](t, alice, describeOffsetsOf(id)).Groups[0]
	}
	check("describe offsets", offsets("theirs").ErrorCode, group)
	check("describe offsets, allowed", offsets("mine").ErrorCode, 0)
	secret := describeOffsetsOf("mine", kmsg.DescribeShareGroupOffsetsRequestGroupTopic{Topic: "secret", Partitions: []int32{0}})
	check("describe offsets, topic", askShare[*kmsg.DescribeShareGroupOffsetsResponse](t, alice, secret).Groups[0].Topics[0].Partitions[0].ErrorCode, topic)
	describe := kmsg.NewPtrShareGroupDescribeRequest()
	describe.GroupIDs = []string{"theirs", "mine"}
	groups := askShare[*kmsg.ShareGroupDescribeResponse](t, alice, describe).Groups
	check("describe", groups[0].ErrorCode, group)
	check("describe, allowed", groups[1].ErrorCode, 0)

	allow(kadm.NewACLs().Allow("User:alice").AllowHosts().Groups("idle").Operations(kadm.OpRead, kadm.OpDelete))
	check("alter offsets", askShare[*kmsg.AlterShareGroupOffsetsResponse](t, alice, alterOffsetsOf("theirs", "open", 0, 0)).ErrorCode, group)
	check("alter offsets, topic", askShare[*kmsg.AlterShareGroupOffsetsResponse](t, alice, alterOffsetsOf("idle", "closed", 0, 0)).Topics[0].Partitions[0].ErrorCode, topic)
	check("alter offsets, allowed", askShare[*kmsg.AlterShareGroupOffsetsResponse](t, alice, alterOffsetsOf("idle", "open", 0, 0)).Topics[0].Partitions[0].ErrorCode, 0)
	check("delete offsets", askShare[*kmsg.DeleteShareGroupOffsetsResponse](t, alice, deleteOffsetsOf("mine", "open")).ErrorCode, group)
	check("delete offsets, topic", askShare[*kmsg.DeleteShareGroupOffsetsResponse](t, alice, deleteOffsetsOf("idle", "closed")).Topics[0].ErrorCode, topic)
}
