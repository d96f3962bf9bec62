package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// fetchRequest reads partition 0 of topic from an offset on.
func fetchRequest(topic string, offset int64, change func(*kmsg.FetchRequest)) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(11)
	req.SessionEpoch, req.MinBytes, req.MaxBytes, req.MaxWaitMillis = -1, 1, 1<<20, 0
	rt, rp := kmsg.NewFetchRequestTopic(), kmsg.NewFetchRequestTopicPartition()
	rt.Topic, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = topic, offset, 1<<20, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if change != nil {
		change(req)
	}
	return req
}

func TestAFetchWaitsForRecordsAndWakesWithThem(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	reader, writer := dialRaw(t, b), dialRaw(t, b)
	req := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.MaxWaitMillis = 300_000 }) // longer than the client waits
	reader.write(frameOf(req, 1))
	writer.ask(produceRequest("t", -1, batchOf(t, 2)))
	got := reader.answerTo(req, 1).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if len(got.RecordBatches) == 0 || got.HighWatermark != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAFetchAnswersAtLeastTheBatchThatHoldsTheOffset(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	c.ask(produceRequest("t", -1, batchOf(t, 5)))
	c.ask(produceRequest("t", -1, batchOf(t, 5)))
	resp := c.ask(fetchRequest("t", 7, func(r *kmsg.FetchRequest) { r.MaxBytes, r.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1 })).(*kmsg.FetchResponse)
	batch, rest, err := record.Next(resp.Topics[0].Partitions[0].RecordBatches)
	if err != nil || len(rest) != 0 || batch.BaseOffset() != 5 || batch.LastOffset() != 9 {
		t.Errorf("%v, %d bytes behind it", err, len(rest))
	}
}

func TestRecordsAreNeverNullWhateverGoesWrong(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	for name, x := range map[string]struct {
		req  *kmsg.FetchRequest
		want int16
	}{
		"at the end":        {fetchRequest("t", 0, nil), 0},
		"beyond the end":    {fetchRequest("t", 5, nil), kerr.OffsetOutOfRange.Code},
		"unknown topic":     {fetchRequest("nowhere", 0, nil), kerr.UnknownTopicOrPartition.Code},
		"unknown partition": {fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].Partition = 9 }), kerr.UnknownTopicOrPartition.Code},
		"epoch to come":     {fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 99 }), kerr.UnknownLeaderEpoch.Code},
	} {
		got := c.ask(x.req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
		if got.ErrorCode != x.want || got.RecordBatches == nil {
			t.Errorf("%s: error %d, want %d; records null: %t", name, got.ErrorCode, x.want, got.RecordBatches == nil)
		}
	}
}

func TestAFetchSessionTellsNewsOnly(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	first := c.ask(fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.SessionEpoch = 0 })).(*kmsg.FetchResponse)
	if first.SessionID == 0 || len(first.Topics) != 1 {
		t.Fatalf("%+v", first)
	}
	next := func(epoch int32, code int16, topics int) {
		t.Helper()
		req := fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.SessionID, r.SessionEpoch, r.Topics = first.SessionID, epoch, nil })
		if resp := c.ask(req).(*kmsg.FetchResponse); resp.ErrorCode != code || len(resp.Topics) != topics {
			t.Errorf("epoch %d: error %d and %d topics, want %d and %d", epoch, resp.ErrorCode, len(resp.Topics), code, topics)
		}
	}
	next(1, 0, 0)
	c.ask(produceRequest("t", -1, batchOf(t, 1)))
	next(2, 0, 1)
	next(2, kerr.InvalidFetchSessionEpoch.Code, 0)
	if resp := c.ask(fetchRequest("t", 0, func(r *kmsg.FetchRequest) { r.SessionID = first.SessionID })).(*kmsg.FetchResponse); resp.ErrorCode != 0 {
		t.Errorf("closing: error %d", resp.ErrorCode)
	}
	next(3, kerr.FetchSessionIDNotFound.Code, 0)
}

// manyPartitions is a request for partitions from to to of a topic, most of which there are not.
func manyPartitions(id, epoch, from, to int32) *kmsg.FetchRequest {
	return fetchRequest("t", 0, func(r *kmsg.FetchRequest) {
		r.SessionID, r.SessionEpoch = id, epoch
		one := r.Topics[0].Partitions[0]
		r.Topics[0].Partitions = nil
		for one.Partition = from; one.Partition < to; one.Partition++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, one)
		}
	})
}

// TestFetchSessionsRememberOnlySoMuch opens sessions with partitions that do not exist, and lets
// one grow.
func TestFetchSessionsRememberOnlySoMuch(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Limits.Partitions = 60 })
	newTopic(t, b, "t")
	most := int32(b.sessions.maxParts)
	c := dialRaw(t, b)
	ask := func(id, epoch, from, to int32) *kmsg.FetchResponse {
		t.Helper()
		return c.ask(manyPartitions(id, epoch, from, to)).(*kmsg.FetchResponse)
	}
	first := ask(0, 0, 0, most-10)
	if first.ErrorCode != 0 || first.SessionID == 0 {
		t.Fatalf("error %d, session %d", first.ErrorCode, first.SessionID)
	}
	if second := ask(0, 0, 0, 20); second.ErrorCode != 0 || second.SessionID != 0 || len(second.Topics[0].Partitions) != 20 {
		t.Errorf("without room: error %d, session %d, %d partitions", second.ErrorCode, second.SessionID, len(second.Topics[0].Partitions))
	}
	if grown := ask(first.SessionID, 1, most-20, most); grown.ErrorCode != 0 {
		t.Errorf("up to the bound: error %d", grown.ErrorCode)
	}
	if grown := ask(first.SessionID, 2, most, most+1); grown.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("beyond the bound: error %d", grown.ErrorCode)
	}
	if n := b.sessions.total.Load(); n != 0 {
		t.Errorf("%d partitions are remembered of no session", n)
	}
	again := ask(0, 0, 0, 20)
	if again.SessionID == 0 {
		t.Error("no session though there is room")
	}
	forget := manyPartitions(again.SessionID, 1, 0, 0)
	forget.Topics = nil
	forget.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{3, 4, 5, 99}}}
	if resp := c.ask(forget).(*kmsg.FetchResponse); resp.ErrorCode != 0 || b.sessions.total.Load() != 17 {
		t.Errorf("error %d, %d partitions", resp.ErrorCode, b.sessions.total.Load())
	}
	if resp := ask(again.SessionID, finalEpoch, 0, 1); resp.ErrorCode != 0 || b.sessions.total.Load() != 0 {
		t.Errorf("at the end: error %d, %d partitions", resp.ErrorCode, b.sessions.total.Load())
	}
}

// TestAFetchPaysForWhatItsSessionAdds waits with a request of a few bytes for many partitions.
func TestAFetchPaysForWhatItsSessionAdds(t *testing.T) {
	const partitions = 300
	b := startBroker(t)
	c := dialRaw(t, b)
	create := at(7, &kmsg.CreateTopicsRequest{TimeoutMillis: 60_000, Topics: []kmsg.CreateTopicsRequestTopic{{Topic: "t", NumPartitions: partitions, ReplicationFactor: 1}}})
	if made := c.ask(create).(*kmsg.CreateTopicsResponse).Topics[0]; made.ErrorCode != 0 {
		t.Fatalf("%+v", made)
	}
	session := c.ask(manyPartitions(0, 0, 0, partitions)).(*kmsg.FetchResponse).SessionID
	eventually(t, "the first is paid back", func() bool { return b.memory.inUse() == 0 })
	wait := manyPartitions(session, 1, 0, 0)
	wait.Topics, wait.MaxWaitMillis = nil, 300_000
	c.write(frameOf(wait, 9))
	eventually(t, "the fetch waits, and has paid", func() bool { return b.memory.inUse() == partitions*sessionElementBytes })
	if out := produced(dialRaw(t, b).ask(produceRequest("t", -1, batchOf(t, 1)))); out.ErrorCode != 0 {
		t.Fatalf("%+v", out)
	}
	if resp := c.answerTo(wait, 9).(*kmsg.FetchResponse); resp.ErrorCode != 0 || len(resp.Topics) != 1 {
		t.Errorf("%+v", resp)
	}
	eventually(t, "it is paid back", func() bool { return b.memory.inUse() == 0 })
}
