package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// ShareGroupDescribe (77), version 1 (KIP-932).
//
// A group with partitions of a topic that the client may not describe is refused
// whole. Groups of other types are not found here.
func (b *Broker) shareGroupDescribe(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ShareGroupDescribeRequest)
	resp := req.ResponseKind().(*kmsg.ShareGroupDescribeResponse)
	resp.Groups = make([]kmsg.ShareGroupDescribeResponseGroup, len(req.GroupIDs))
	refuse := func(i int, code int16) {
		g := kmsg.NewShareGroupDescribeResponseGroup()
		g.GroupID, g.ErrorCode, g.ErrorMessage = req.GroupIDs[i], code, kmsg.StringPtr(kerr.ErrorForCode(code).Error())
		resp.Groups[i] = g
	}
	return eachGroup(b, req.GroupIDs, refuse, func(i int, c *group.Coordinator, _ time.Time) group.Effects {
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, req.GroupIDs[i]) {
			refuse(i, kerr.GroupAuthorizationFailed.Code)
			return group.Effects{}
		}
		resp.Groups[i] = c.DescribeShareGroup(req.GroupIDs[i])
		for _, m := range resp.Groups[i].Members {
			for _, t := range m.Assignment.TopicPartitions {
				if !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic) {
					refuse(i, kerr.TopicAuthorizationFailed.Code)
					return group.Effects{}
				}
			}
		}
		if req.IncludeAuthorizedOperations {
			resp.Groups[i].AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeGroup, req.GroupIDs[i])
		}
		return group.Effects{}
	}, resp)
}
