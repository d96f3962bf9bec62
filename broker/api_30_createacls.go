package broker

import (
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// CreateAcls (30), versions 1 to 3.
//
//	1  pattern types
//	2  flexible
//	3  resource type user
func (b *Broker) createACLs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.CreateACLsRequest)
	resp := req.ResponseKind().(*kmsg.CreateACLsResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationAlter)
	var facts []topics.Fact
	var made []int
	for i := range req.Creations {
		c := &req.Creations[i]
		res := kmsg.NewCreateACLsResponseResult()
		a := acl{c.ResourceType, c.ResourceName, c.ResourcePatternType, c.Principal, c.Host, c.Operation, c.PermissionType}
		if !allowed {
			res.ErrorCode, res.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, kmsg.StringPtr("not allowed to alter the cluster")
		} else if why := a.fault(); why != "" {
			res.ErrorCode, res.ErrorMessage = kerr.InvalidRequest.Code, kmsg.StringPtr(why)
		} else {
			facts = append(facts, topics.Fact{Key: a.key(), Value: []byte(a.key())})
			made = append(made, i)
		}
		resp.Results = append(resp.Results, res)
	}
	if err := b.changeACLs(facts); err != nil {
		for _, i := range made {
			resp.Results[i].ErrorCode, resp.Results[i].ErrorMessage = kerr.KafkaStorageError.Code, kmsg.StringPtr(err.Error())
		}
	}
	return answer(resp)
}

// fault says what is wrong with a rule.
func (a acl) fault() string {
	switch {
	case a.Resource <= kmsg.ACLResourceTypeAny || a.Resource > kmsg.ACLResourceTypeUser:
		return fmt.Sprintf("resource type %d cannot have a rule", a.Resource)
	case a.Name == "":
		return "the resource has no name"
	case a.Resource == kmsg.ACLResourceTypeCluster && a.Name != clusterName:
		return "the only resource of type cluster is " + clusterName
	case a.Pattern != kmsg.ACLResourcePatternTypeLiteral && a.Pattern != kmsg.ACLResourcePatternTypePrefixed:
		return "the pattern must be literal or prefixed"
	case a.Operation <= kmsg.ACLOperationAny || a.Operation > kmsg.ACLOperationDescribeTokens:
		return fmt.Sprintf("operation %d cannot be allowed or denied", a.Operation)
	case a.Permission != kmsg.ACLPermissionTypeAllow && a.Permission != kmsg.ACLPermissionTypeDeny:
		return "the permission must be allow or deny"
	case a.Host == "":
		return "the host is empty; * means any"
	case !strings.Contains(a.Principal, ":"):
		return fmt.Sprintf("principal %q is not of the form User:name", a.Principal)
	}
	return ""
}

// changeACLs writes rules and lets them take effect.
func (b *Broker) changeACLs(facts []topics.Fact) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	if err := b.store.SetFacts(aclKind, facts); err != nil {
		return err
	}
	return b.auth.load()
}
