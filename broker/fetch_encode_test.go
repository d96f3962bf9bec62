package broker

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// TestFetchAnswersAreWhatTheCodecWouldWrite compares the encoder with kmsg's on
// random answers of every version.
func TestFetchAnswersAreWhatTheCodecWouldWrite(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		version := int16(4 + seed%15)
		topics, want := randomFetch(rng, version)
		var got []byte
		for _, part := range encodeFetch(version, 77, want.ThrottleMillis, want.ErrorCode, want.SessionID, topics) {
			got = append(got, part.data...)
		}
		frame := appendResponseHeader(nil, 77, taggedResponse(want))
		frame = want.AppendTo(frame)
		finishFrame(frame, len(frame))
		if !bytes.Equal(got, frame) {
			t.Fatalf("seed %d, version %d:\ngot  %x\nwant %x", seed, version, got, frame)
		}
	}
}

func randomFetch(rng *rand.Rand, version int16) ([]fetchedTopic, *kmsg.FetchResponse) {
	want := kmsg.NewPtrFetchResponse()
	want.SetVersion(version)
	want.ThrottleMillis = rng.Int32N(3)
	if version >= 7 {
		want.ErrorCode, want.SessionID = int16(rng.IntN(2)), rng.Int32()
	}
	want.Topics = []kmsg.FetchResponseTopic{}
	var topics []fetchedTopic
	for range rng.IntN(4) {
		wt := kmsg.NewFetchResponseTopic()
		ft := fetchedTopic{}
		if version >= 13 {
			wt.TopicID[3] = byte(rng.Int())
			ft.id = wt.TopicID
		} else {
			wt.Topic = "topic"[:rng.IntN(6)]
			ft.name = wt.Topic
		}
		for range rng.IntN(4) {
			wp := kmsg.NewFetchResponseTopicPartition()
			wp.Partition, wp.ErrorCode = rng.Int32N(9), int16(rng.IntN(3))
			wp.HighWatermark, wp.LastStableOffset = rng.Int64(), rng.Int64()
			fp := fetchedPartition{partition: wp.Partition, errorCode: wp.ErrorCode, highWatermark: wp.HighWatermark, lastStable: wp.LastStableOffset}
			if version >= 5 {
				wp.LogStartOffset = rng.Int64()
				fp.logStart = wp.LogStartOffset
			}
			wp.RecordBatches = make([]byte, rng.IntN(3)*rng.IntN(300))
			for i := range wp.RecordBatches {
				wp.RecordBatches[i] = byte(rng.Int())
			}
			fp.records = wp.RecordBatches
			if rng.IntN(3) == 0 {
				fp.records = nil // an error: still never null
			}
			if fp.records == nil {
				wp.RecordBatches = []byte{}
			}
			if fp.committed = rng.IntN(2) == 0; fp.committed {
				wp.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
				for range rng.IntN(3) {
					a := kmsg.NewFetchResponseTopicPartitionAbortedTransaction()
					a.ProducerID, a.FirstOffset = rng.Int64(), rng.Int64()
					wp.AbortedTransactions = append(wp.AbortedTransactions, a)
					fp.aborted = append(fp.aborted, commitlog.AbortedTxn{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
				}
			}
			if version >= 12 && rng.IntN(2) == 0 {
				fp.diverging = &divergence{rng.Int32N(9), rng.Int64()}
				wp.DivergingEpoch.Epoch, wp.DivergingEpoch.EndOffset = fp.diverging.epoch, fp.diverging.endOffset
			}
			wt.Partitions = append(wt.Partitions, wp)
			ft.partitions = append(ft.partitions, fp)
		}
		want.Topics = append(want.Topics, wt)
		topics = append(topics, ft)
	}
	return topics, want
}
