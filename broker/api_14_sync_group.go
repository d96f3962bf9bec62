package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// SyncGroup (14), versions 0 to 5.
//
//	3  group instance ID
//	4  flexible
//	5  protocol type and name, which must be the group's
//
// The leader brings the assignment; everybody is answered once it is durable.
func (b *Broker) syncGroup(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.SyncGroupRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
		resp.ErrorCode, resp.MemberAssignment = code, []byte{}
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	return parkGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time, to group.Waiter) group.Effects {
		return c.SyncGroup(now, to, req)
	})
}
