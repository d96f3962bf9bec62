package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// DeleteRecords (21), versions 0 to 2.
//
//	2  flexible
//
// Moves the log start offset, durably; -1 means to the high watermark. Files go
// with the next round of retention. Topics that are compacted and not also
// deleted from are refused.
func (b *Broker) deleteRecords(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DeleteRecordsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewDeleteRecordsResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		for _, p := range asked.Partitions {
			o := kmsg.NewDeleteRecordsResponseTopicPartition()
			o.Partition, o.LowWatermark = p.Partition, -1
			switch {
			case !b.allowedTopic(r, kmsg.ACLOperationDelete, asked.Topic):
				o.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case t == nil || t.partition(p.Partition) == nil:
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case t.Internal || !t.values.Delete && t.values.Compact:
				o.ErrorCode = kerr.PolicyViolation.Code
			default:
				deleteBefore(t.partition(p.Partition), p.Offset, &o)
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}

func deleteBefore(p *Partition, offset int64, out *kmsg.DeleteRecordsResponseTopicPartition) {
	if p.log == nil {
		out.ErrorCode = kerr.KafkaStorageError.Code
		return
	}
	if offset == -1 {
		offset = p.log.HighWatermark()
	}
	start, err := p.log.DeleteRecordsBefore(offset)
	if err != nil {
		out.ErrorCode = int16(commitlog.KafkaCode(err))
		return
	}
	out.LowWatermark = start
	p.watch.signal()
}
