package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// DescribeGroups (15), versions 0 to 6, of groups in the classic protocol.
//
//	3  authorized operations
//	4  group instance ID
//	5  flexible
//	6  GROUP_ID_NOT_FOUND with a message; before, such a group is Dead
//
// Groups of the consumer protocol are described by ConsumerGroupDescribe.
func (b *Broker) describeGroups(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeGroupsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	return eachGroup(b, req.Groups, func(i int, code int16) {
		g := kmsg.NewDescribeGroupsResponseGroup()
		g.Group, g.ErrorCode = req.Groups[i], code
		resp.Groups[i] = g
	}, func(i int, c *group.Coordinator, _ time.Time) group.Effects {
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, req.Groups[i]) {
			resp.Groups[i] = kmsg.NewDescribeGroupsResponseGroup()
			resp.Groups[i].Group, resp.Groups[i].ErrorCode = req.Groups[i], kerr.GroupAuthorizationFailed.Code
			return group.Effects{}
		}
		resp.Groups[i] = c.DescribeGroup(req.Groups[i], req.Version)
		if req.IncludeAuthorizedOperations && resp.Groups[i].ErrorCode == 0 {
			resp.Groups[i].AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeGroup, req.Groups[i])
		}
		return group.Effects{}
	}, resp)
}
