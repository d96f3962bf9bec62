package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// Heartbeat (12), versions 0 to 4.
//
//	3  group instance ID
//	4  flexible
//
// REBALANCE_IN_PROGRESS asks the member to join again.
func (b *Broker) heartbeat(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.HeartbeatRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
		resp.ErrorCode = code
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		return c.Heartbeat(now, req)
	})
}
