package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// ShareGroupHeartbeat (76), version 1 (KIP-932).
//
// Version 0 was Kafka's early access and is gone. The topics that a member names
// must be such that it may describe them.
func (b *Broker) shareGroupHeartbeat(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ShareGroupHeartbeatRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.ShareGroupHeartbeatResponse)
		resp.ErrorCode = code
		resp.ErrorMessage = kmsg.StringPtr(kerr.ErrorForCode(code).Error())
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.GroupID) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	for _, t := range req.SubscribedTopicNames {
		if !b.allowedTopic(r, kmsg.ACLOperationDescribe, t) {
			return answer(refusal(kerr.TopicAuthorizationFailed.Code))
		}
	}
	from := r.client()
	return askGroup(b, req.GroupID, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		return c.ShareGroupHeartbeat(now, from, req)
	})
}
