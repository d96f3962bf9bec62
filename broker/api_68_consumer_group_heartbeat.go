package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// ConsumerGroupHeartbeat (68), versions 0 and 1 (KIP-848).
//
//	1  subscription by regular expression (RE2); the client makes its member ID
//
// The topics that a member names must be such that it may describe them. An
// expression stands for those that it may describe.
func (b *Broker) consumerGroupHeartbeat(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ConsumerGroupHeartbeatRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
		resp.ErrorCode = code
		resp.ErrorMessage = kmsg.StringPtr(kerr.ErrorForCode(code).Error())
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	for _, t := range req.SubscribedTopicNames {
		if !b.allowedTopic(r, kmsg.ACLOperationDescribe, t) {
			return answer(refusal(kerr.TopicAuthorizationFailed.Code))
		}
	}
	from := r.client()
	see := func(topic string) bool { return b.allowedTopic(r, kmsg.ACLOperationDescribe, topic) }
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		return c.ConsumerGroupHeartbeat(now, from, see, req)
	})
}
