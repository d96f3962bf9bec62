package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ElectLeaders (43), versions 0 to 2.
//
//	1  preferred or unclean
//	2  flexible
//
// The one node leads every partition, so no election is needed: partitions that
// are named are told so, and null, which asks for all that need one, gets none.
func (b *Broker) electLeaders(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ElectLeadersRequest)
	resp := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationAlter)
	if !allowed {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
	}
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewElectLeadersResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		for _, n := range asked.Partitions {
			o := kmsg.NewElectLeadersResponseTopicPartition()
			o.Partition = n
			switch {
			case !allowed:
				o.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			case t == nil || t.partition(n) == nil:
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case t.partition(n).offline() != nil:
				o.ErrorCode = kerr.PreferredLeaderNotAvailable.Code
			default:
				o.ErrorCode = kerr.ElectionNotNeeded.Code
			}
			out.Partitions = append(out.Partitions, o)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return answer(resp)
}
