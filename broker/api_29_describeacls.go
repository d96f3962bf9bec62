package broker

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeAcls (29), versions 1 to 3.
//
//	1  pattern types
//	2  flexible
//	3  resource type user
//
// Rules are kept, changed and told also while Options.Authorize is off: they
// take effect when it is switched on.
func (b *Broker) describeACLs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeACLsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeACLsResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, kmsg.StringPtr("not allowed to describe the cluster")
		return answer(resp)
	}
	f := aclFilter{req.ResourceType, req.ResourceName, req.ResourcePatternType, req.Principal, req.Host, req.Operation, req.PermissionType}
	if why := f.fault(); why != "" {
		resp.ErrorCode, resp.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(why)
		return answer(resp)
	}
	type resource struct {
		kind    kmsg.ACLResourceType
		name    string
		pattern kmsg.ACLResourcePatternType
	}
	index := map[resource]int{}
	for _, a := range b.auth.all() {
		if !f.matches(a) {
			continue
		}
		key := resource{a.Resource, a.Name, a.Pattern}
		at, ok := index[key]
		if !ok {
			at = len(resp.Resources)
			index[key] = at
			res := kmsg.NewDescribeACLsResponseResource()
			res.ResourceType, res.ResourceName, res.ResourcePatternType = a.Resource, a.Name, a.Pattern
			resp.Resources = append(resp.Resources, res)
		}
		out := kmsg.NewDescribeACLsResponseResourceACL()
		out.Principal, out.Host, out.Operation, out.PermissionType = a.Principal, a.Host, a.Operation, a.Permission
		resp.Resources[at].ACLs = append(resp.Resources[at].ACLs, out)
	}
	return answer(resp)
}

// aclFilter says which rules are meant. Nil and Any mean all.
type aclFilter struct {
	resource   kmsg.ACLResourceType
	name       *string
	pattern    kmsg.ACLResourcePatternType
	principal  *string
	host       *string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

// fault says what is wrong with the filter.
func (f aclFilter) fault() string {
	switch {
	case f.resource < kmsg.ACLResourceTypeAny || f.resource > kmsg.ACLResourceTypeUser:
		return "unknown resource type"
	case f.pattern < kmsg.ACLResourcePatternTypeAny || f.pattern > kmsg.ACLResourcePatternTypePrefixed:
		return "unknown pattern type"
	case f.operation < kmsg.ACLOperationAny || f.operation > kmsg.ACLOperationDescribeTokens:
		return "unknown operation"
	case f.permission < kmsg.ACLPermissionTypeAny || f.permission > kmsg.ACLPermissionTypeAllow:
		return "unknown permission type"
	}
	return ""
}

func (f aclFilter) matches(a acl) bool {
	return (f.resource == kmsg.ACLResourceTypeAny || f.resource == a.Resource) &&
		f.matchesName(a) &&
		(f.principal == nil || *f.principal == a.Principal) &&
		(f.host == nil || *f.host == a.Host) &&
		(f.operation == kmsg.ACLOperationAny || f.operation == a.Operation) &&
		(f.permission == kmsg.ACLPermissionTypeAny || f.permission == a.Permission)
}

func (f aclFilter) matchesName(a acl) bool {
	switch f.pattern {
	case kmsg.ACLResourcePatternTypeAny:
		return f.name == nil || *f.name == a.Name
	case kmsg.ACLResourcePatternTypeMatch:
		// Every rule that would count for a resource of that name.
		if f.name == nil {
			return true
		}
		if a.Pattern == kmsg.ACLResourcePatternTypePrefixed {
			return strings.HasPrefix(*f.name, a.Name)
		}
		return a.Name == *f.name || a.Name == "*"
	}
	return f.pattern == a.Pattern && (f.name == nil || *f.name == a.Name)
}
