package broker

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// ConsumerGroupDescribe (69), versions 0 and 1 (KIP-848).
//
//	1  member type: 0 speaks the classic protocol, 1 the consumer protocol
//
// A group with partitions of a topic that the client may not describe is refused
// whole. Groups of the classic protocol are not found here, and are described by
// DescribeGroups.
func (b *Broker) consumerGroupDescribe(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ConsumerGroupDescribeRequest)
	resp := req.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
	resp.Groups = make([]kmsg.ConsumerGroupDescribeResponseGroup, len(req.Groups))
	refuse := func(i int, code int16) {
		g := kmsg.NewConsumerGroupDescribeResponseGroup()
		g.Group, g.ErrorCode, g.ErrorMessage = req.Groups[i], code, kmsg.StringPtr(kerr.ErrorForCode(code).Error())
		resp.Groups[i] = g
	}
	return eachGroup(b, req.Groups, refuse, func(i int, c *group.Coordinator, _ time.Time) group.Effects {
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, req.Groups[i]) {
			refuse(i, kerr.GroupAuthorizationFailed.Code)
			return group.Effects{}
		}
		resp.Groups[i] = c.DescribeConsumerGroup(req.Groups[i])
		for _, m := range resp.Groups[i].Members {
			for _, t := range slices.Concat(m.Assignment.TopicPartitions, m.TargetAssignment.TopicPartitions) {
				if !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic) {
					refuse(i, kerr.TopicAuthorizationFailed.Code)
					return group.Effects{}
				}
			}
		}
		for j := range resp.Groups[i].Members {
			if m := &resp.Groups[i].Members[j]; m.SubscribedTopicRegex == nil {
				m.SubscribedTopicRegex = kmsg.StringPtr("")
			}
		}
		if req.IncludeAuthorizedOperations && resp.Groups[i].ErrorCode == 0 {
			resp.Groups[i].AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeGroup, req.Groups[i])
		}
		return group.Effects{}
	}, resp)
}
