package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// acked is what came of the acknowledgements of the one partition of a fetch.
func acked(t *testing.T, resp *kmsg.ShareFetchResponse) int16 {
	t.Helper()
	if resp.ErrorCode != 0 {
		t.Fatalf("fetch: %d %s", resp.ErrorCode, *resp.ErrorMessage)
	}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			return p.AcknowledgeErrorCode
		}
	}
	return 0
}

// Acknowledgements that come with a fetch are taken before it.
func TestAcknowledgementsComeWithAFetch(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	fill(t, b, "t", 1, 5)
	s := newSharer(t, b, "g", "a", "t")
	if got := s.fetch("t"); len(got) != 5 {
		t.Fatal(got)
	}
	with := func(first int64, types ...int8) *kmsg.ShareFetchRequest {
		req := s.want("t")
		req.Topics[0].Partitions[0].AcknowledgementBatches = []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch{
			{FirstOffset: first, LastOffset: first + int64(len(types)) - 1, AcknowledgeTypes: types}}
		return req
	}
	// accept, release, gap, reject
	wantStrings(t, "what was released comes with the answer", s.got(s.ask(with(0, 1, 2, 0, 3)).(*kmsg.ShareFetchResponse)), "1 0-1 ×2")

	// What cannot be acknowledged is said, and does not keep records from being fetched.
	fill(t, b, "t", 1, 1)
	resp := s.ask(with(2, 1)).(*kmsg.ShareFetchResponse)
	p := resp.Topics[0].Partitions[0]
	if p.AcknowledgeErrorCode != kerr.InvalidRecordState.Code || p.AcknowledgeErrorMessage == nil || p.ErrorCode != 0 || len(p.AcquiredRecords) != 1 || p.AcquiredRecords[0].FirstOffset != 5 {
		t.Errorf("%+v", p)
	}
	if resp.AcquisitionLockTimeoutMillis != 600_000 {
		t.Errorf("locks last %d ms", resp.AcquisitionLockTimeoutMillis)
	}

	// A fetch that renews fetches nothing.
	renew := with(4, 4)
	renew.MaxWaitMillis, renew.MinBytes, renew.MaxBytes, renew.MaxRecords = 0, 0, 0, 0
	renew.IsRenewAck = true
	fill(t, b, "t", 1, 1)
	if resp := s.ask(renew).(*kmsg.ShareFetchResponse); acked(t, resp) != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions[0].AcquiredRecords) != 0 {
		t.Errorf("%+v", resp)
	}
	// The last fetch of a session acknowledges, too, and gives back the rest.
	last := with(4, 1)
	last.ShareSessionEpoch = -1
	if resp := s.ask(last).(*kmsg.ShareFetchResponse); acked(t, resp) != 0 || len(resp.Topics[0].Partitions[0].AcquiredRecords) != 0 {
		t.Errorf("%+v", resp)
	}
	wantStrings(t, "what the session had", newSharer(t, b, "g", "c", "t").fetch("t"), "1 0-1 ×2", "5 0-0 ×1", "6 0-0 ×1")
}

func TestAcknowledgementsThatCannotBeTaken(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	fill(t, b, "t", 1, 6)
	s := newSharer(t, b, "g", "a", "t")
	if got := s.fetch("t"); len(got) != 6 {
		t.Fatal(got)
	}
	type batch = kmsg.ShareAcknowledgeRequestTopicPartitionAcknowledgementBatch
	invalid, state := kerr.InvalidRequest, kerr.InvalidRecordState
	for _, step := range []struct {
		what    string
		want    *kerr.Error
		change  func(*kmsg.ShareAcknowledgeRequest)
		batches []batch
	}{
		{"out of order", invalid, nil, []batch{{FirstOffset: 2, LastOffset: 3, AcknowledgeTypes: []int8{1}}, {FirstOffset: 0, LastOffset: 1, AcknowledgeTypes: []int8{1}}}},
		{"twice", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 1, AcknowledgeTypes: []int8{1}}, {FirstOffset: 1, LastOffset: 2, AcknowledgeTypes: []int8{1}}}},
		{"backwards", invalid, nil, []batch{{FirstOffset: 3, LastOffset: 2, AcknowledgeTypes: []int8{1}}}},
		{"before all", invalid, nil, []batch{{FirstOffset: -1, LastOffset: 0, AcknowledgeTypes: []int8{1}}}},
		{"no type", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 1}}},
		{"too few types", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 2, AcknowledgeTypes: []int8{1, 1}}}},
		{"an unknown type", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 0, AcknowledgeTypes: []int8{5}}}},
		{"a negative type", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 0, AcknowledgeTypes: []int8{-1}}}},
		{"a renewal that is not announced", invalid, nil, []batch{{FirstOffset: 0, LastOffset: 0, AcknowledgeTypes: []int8{4}}}},
		{"a renewal before there were any", invalid, func(r *kmsg.ShareAcknowledgeRequest) { r.Version = 1 }, []batch{{FirstOffset: 0, LastOffset: 0, AcknowledgeTypes: []int8{4}}}},
		{"beyond what was acquired", state, nil, []batch{{FirstOffset: 0, LastOffset: 6, AcknowledgeTypes: []int8{1}}}},
		{"far beyond", state, nil, []batch{{FirstOffset: 0, LastOffset: 1<<63 - 1, AcknowledgeTypes: []int8{1}}}},
		{"a topic that is not there", kerr.UnknownTopicID, func(r *kmsg.ShareAcknowledgeRequest) { r.Topics[0].TopicID = [16]byte{7} }, []batch{{AcknowledgeTypes: []int8{1}}}},
		{"a partition that is not there", kerr.UnknownTopicOrPartition, func(r *kmsg.ShareAcknowledgeRequest) { r.Topics[0].Partitions[0].Partition = 1 }, []batch{{AcknowledgeTypes: []int8{1}}}},
	} {
		req := kmsg.NewPtrShareAcknowledgeRequest()
		req.Version, req.GroupID, req.MemberID, req.ShareSessionEpoch = 2, &s.group, &s.member, s.epoch
		s.epoch++
		rt := kmsg.NewShareAcknowledgeRequestTopic()
		rt.TopicID = b.topics.byName("t").ID
		rt.Partitions = []kmsg.ShareAcknowledgeRequestTopicPartition{{Partition: 0, AcknowledgementBatches: step.batches}}
		req.Topics = append(req.Topics, rt)
		if step.change != nil {
			step.change(req)
		}
		resp := s.ask(req).(*kmsg.ShareAcknowledgeResponse)
		if resp.ErrorCode != 0 {
			t.Fatalf("%s: %+v", step.what, resp)
		}
		if p := resp.Topics[0].Partitions[0]; p.ErrorCode != step.want.Code || p.ErrorMessage == nil || *p.ErrorMessage == "" {
			t.Errorf("%s: %+v, want %s", step.what, p, step.want.Message)
		}
	}
	// None of it was taken.
	if code := s.ack("t", 0, 1, 1, 1, 1, 1, 1); code != 0 {
		t.Errorf("acknowledging them all: %d", code)
	}
	if code := s.ackAt(0, "t", 0, 1); code != kerr.InvalidShareSessionEpoch.Code {
		t.Errorf("a session that begins with an acknowledgement: %d", code)
	}
	if code := s.ackAt(s.epoch+1, "t", 0, 1); code != kerr.InvalidShareSessionEpoch.Code {
		t.Errorf("an epoch that was left out: %d", code)
	}
}

// What a member acknowledges of a partition that it gave up does not have it read the
// partition again.
func TestAnAcknowledgementDoesNotBringAPartitionBack(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	createTopic(t, b, "u", 1, nil)
	setGroupConfig(t, b, "g", "share.auto.offset.reset", "earliest", "share.record.lock.duration.ms", "600000")
	fill(t, b, "t", 1, 1)
	s := newSharer(t, b, "g", "a", "t", "u")
	wantStrings(t, "of the first", s.fetch("t"), "0 0-0 ×1")
	req := s.want("u")
	req.MaxWaitMillis = 0
	req.ForgottenTopicsData = []kmsg.ShareFetchRequestForgottenTopicsData{{TopicID: b.topics.byName("t").ID, Partitions: []int32{0}}}
	wantStrings(t, "nothing in the second", s.got(s.ask(req).(*kmsg.ShareFetchResponse)))
	if code := s.ack("t", 0, 1); code != 0 {
		t.Fatal(code)
	}
	fill(t, b, "t", 1, 1)
	fill(t, b, "u", 1, 1)
	for range 2 { // whichever partition's turn it is
		req = s.want("u")
		req.Topics, req.MaxWaitMillis = nil, 0
		resp := s.ask(req).(*kmsg.ShareFetchResponse)
		for _, rt := range resp.Topics {
			if rt.TopicID != b.topics.byName("u").ID {
				t.Errorf("the member has records of what it gave up: %+v", rt)
			}
		}
	}
}
