package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// DeleteGroups (42), versions 0 to 2.
//
//	2  flexible
//
// A group goes with its offsets. One that has members is refused.
func (b *Broker) deleteGroups(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DeleteGroupsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(req.Groups))
	refuse := func(i int, code int16) {
		resp.Groups[i] = kmsg.NewDeleteGroupsResponseGroup()
		resp.Groups[i].Group, resp.Groups[i].ErrorCode = req.Groups[i], code
	}
	// What a share group has delivered lies elsewhere, and goes before the group.
	shared := make([]bool, len(req.Groups))
	all := eachGroup(b, req.Groups, refuse, func(i int, c *group.Coordinator, _ time.Time) (e group.Effects) {
		if !b.allowed(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeGroup, req.Groups[i]) {
			refuse(i, kerr.GroupAuthorizationFailed.Code)
			return e
		}
		if shared[i] = c.EmptyShareGroup(req.Groups[i]); !shared[i] {
			resp.Groups[i], e = c.DeleteGroup(req.Groups[i])
		}
		return e
	}, resp)
	return later(func(ctx context.Context) reply {
		rep := all.later(ctx)
		for i, id := range req.Groups {
			if !shared[i] {
				continue
			}
			code := b.shares.deleteGroup(id)
			if code == 0 {
				code = b.groups.ask(ctx, id, func(c *group.Coordinator, _ time.Time) (e group.Effects) {
					resp.Groups[i], e = c.DeleteGroup(id)
					return e
				})
			}
			if code != 0 {
				refuse(i, code)
			}
		}
		return rep
	})
}
