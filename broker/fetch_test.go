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
