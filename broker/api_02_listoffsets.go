package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// ListOffsets (2), versions 0 to 11.
//
//	0   a list of offsets
//	1   one offset, and its timestamp
//	2   isolation level, throttle time
//	4   leader epochs
//	6   flexible
//	7   -3: the record with the largest timestamp
//	8   -4: the earliest offset on local disks
//	9   -5: the latest offset on remote disks
//	10  timeout
//	11  -6: the earliest offset that is not yet on remote disks
//
// -1 is the latest offset that the client may read, -2 the earliest. Without
// tiered storage everything is local: -4 is the earliest, and -5 and -6, where
// nothing waits to become remote, are answered with no offset.
func (b *Broker) listOffsets(ctx context.Context, r *request) reply {
	req := r.body.(*kmsg.ListOffsetsRequest)
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		times := map[int32]int{}
		for j := range asked.Partitions {
			times[asked.Partitions[j].Partition]++
		}
		for j := range asked.Partitions {
			p := &asked.Partitions[j]
			o := kmsg.NewListOffsetsResponseTopicPartition()
			o.Partition = p.Partition
			switch {
			case times[p.Partition] == 0:
				continue // answered
			case times[p.Partition] > 1:
				times[p.Partition] = 0
				o.ErrorCode = kerr.InvalidRequest.Code
			case !b.allowedTopic(r, kmsg.ACLOperationDescribe, asked.Topic):
				o.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case t == nil || t.partition(p.Partition) == nil:
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				b.listOffset(t.partition(p.Partition), b.room(ctx), req, p, &o)
			}
			if req.Version == 0 && o.ErrorCode == 0 && o.Offset >= 0 {
				o.OldStyleOffsets = []int64{o.Offset}
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}

// Timestamps that stand for an offset.
const (
	latestOffset         = -1
	earliestOffset       = -2
	maxTimestampOffset   = -3
	earliestLocalOffset  = -4
	latestTieredOffset   = -5
	earliestUploadOffset = -6
)

func (b *Broker) listOffset(p *Partition, room commitlog.Room, req *kmsg.ListOffsetsRequest, asked *kmsg.ListOffsetsRequestTopicPartition, out *kmsg.ListOffsetsResponseTopicPartition) {
	known := int32(-1)
	if req.Version >= 4 {
		known = asked.CurrentLeaderEpoch
	}
	if out.ErrorCode = p.checkEpoch(known); out.ErrorCode != 0 {
		return
	}
	offsets := p.log.Offsets()
	limit := offsets.HighWatermark
	if req.IsolationLevel == 1 {
		limit = offsets.LastStable
	}
	found := func(offset, timestamp int64, epoch int32) {
		out.Offset, out.Timestamp, out.LeaderEpoch = offset, timestamp, epoch
	}
	switch ts := asked.Timestamp; {
	case ts == latestOffset:
		found(limit, -1, p.log.LeaderEpoch())
	case ts == earliestOffset, ts == earliestLocalOffset && req.Version >= 8:
		found(offsets.Start, -1, p.log.EpochAt(offsets.Start))
	case ts == latestTieredOffset && req.Version >= 9, ts == earliestUploadOffset && req.Version >= 11:
		found(-1, -1, -1)
	case ts == maxTimestampOffset && req.Version >= 7, ts >= 0:
		point, ok, err := lookUpTime(p.log, ts, room)
		switch {
		case err != nil:
			b.readFault(p, err)
			out.ErrorCode = int16(commitlog.KafkaCode(err))
		case ok && point.Offset < limit:
			found(point.Offset, point.Timestamp, point.LeaderEpoch)
		default:
			found(-1, -1, -1)
		}
	default:
		out.ErrorCode = kerr.UnsupportedVersion.Code
	}
}

func lookUpTime(log *commitlog.Log, timestamp int64, room commitlog.Room) (commitlog.Point, bool, error) {
	if timestamp == maxTimestampOffset {
		return log.MaxTimestamp(room)
	}
	return log.OffsetForTimestamp(timestamp, room)
}
