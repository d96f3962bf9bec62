package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// LeaveGroup (13), versions 0 to 5.
//
//	3  several members, also by group instance ID, as admins remove them
//	4  flexible
//	5  reason, which is not used
func (b *Broker) leaveGroup(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.LeaveGroupRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
		resp.ErrorCode = code
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		return c.LeaveGroup(now, req)
	})
}
