package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// DeleteAcls (31), versions 1 to 3.
//
//	1  pattern types
//	2  flexible
//	3  resource type user
func (b *Broker) deleteACLs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DeleteACLsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteACLsResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationAlter)
	for i := range req.Filters {
		q := &req.Filters[i]
		res := kmsg.NewDeleteACLsResponseResult()
		f := aclFilter{q.ResourceType, q.ResourceName, q.ResourcePatternType, q.Principal, q.Host, q.Operation, q.PermissionType}
		fail := func(e *kerr.Error, why string) { res.ErrorCode, res.ErrorMessage = e.Code, kmsg.StringPtr(why) }
		if !allowed {
			fail(kerr.ClusterAuthorizationFailed, "not allowed to alter the cluster")
		} else if why := f.fault(); why != "" {
			fail(kerr.InvalidRequest, why)
		} else {
			var facts []topics.Fact
			for _, a := range b.auth.all() {
				if !f.matches(a) {
					continue
				}
				facts = append(facts, topics.Fact{Key: a.key()})
				m := kmsg.NewDeleteACLsResponseResultMatchingACL()
				m.ResourceType, m.ResourceName, m.ResourcePatternType = a.Resource, a.Name, a.Pattern
				m.Principal, m.Host, m.Operation, m.PermissionType = a.Principal, a.Host, a.Operation, a.Permission
				res.MatchingACLs = append(res.MatchingACLs, m)
			}
			if err := b.changeACLs(facts); err != nil {
				res.MatchingACLs = nil
				fail(kerr.KafkaStorageError, err.Error())
			}
		}
		resp.Results = append(resp.Results, res)
	}
	return answer(resp)
}
