package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch (23), versions 2 to 4.
//
//	2  current leader epoch, throttle time
//	3  replica ID
//	4  flexible
//
// The answer is where an epoch ends in this log, so that a client notices that
// records which it has read were cut off. Epochs grow when a start had to cut.
func (b *Broker) offsetForLeaderEpoch(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.OffsetForLeaderEpochRequest)
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		for j := range asked.Partitions {
			p := &asked.Partitions[j]
			o := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			o.Partition, o.LeaderEpoch, o.EndOffset = p.Partition, -1, -1
			switch {
			case !b.allowedTopic(r, kmsg.ACLOperationDescribe, asked.Topic):
				o.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case t == nil || t.partition(p.Partition) == nil:
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				part := t.partition(p.Partition)
				if o.ErrorCode = part.checkEpoch(p.CurrentLeaderEpoch); o.ErrorCode == 0 {
					o.LeaderEpoch, o.EndOffset = part.log.EpochEnd(p.LeaderEpoch)
				}
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}
