package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// JoinGroup (11), versions 0 to 9.
//
//	1  rebalance timeout; before, it is the session timeout
//	4  MEMBER_ID_REQUIRED: a new member joins again with the ID it gets
//	5  group instance ID (static members)
//	6  flexible
//	7  protocol type in the answer
//	8  reason, which is not used
//	9  a leader may be told to skip the assignment
//
// The answer comes when the group's generation begins. If the connection ends
// before, a member that does not know its ID yet is taken out again.
func (b *Broker) joinGroup(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.JoinGroupRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
		resp.ErrorCode, resp.MemberID, resp.Generation = code, req.MemberID, -1
		if req.Version < 7 {
			resp.Protocol = kmsg.StringPtr("")
		}
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	from := r.client()
	return parkGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time, to group.Waiter) group.Effects {
		return c.JoinGroup(now, to, from, req)
	})
}
