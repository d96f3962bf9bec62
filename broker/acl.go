package broker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// acl is one rule of access control, as kept and as clients describe it.
type acl struct {
	Resource   kmsg.ACLResourceType        `json:"resource"`
	Name       string                      `json:"name"`
	Pattern    kmsg.ACLResourcePatternType `json:"pattern"`
	Principal  string                      `json:"principal"`
	Host       string                      `json:"host"`
	Operation  kmsg.ACLOperation           `json:"operation"`
	Permission kmsg.ACLPermissionType      `json:"permission"`
}

const aclKind = "acl"

// anonymous is who clients of a listener without authentication are.
const anonymous = "User:ANONYMOUS"

// key is the rule's identity.
func (a acl) key() string {
	raw, err := json.Marshal(a)
	if err != nil {
		panic("broker: an ACL is always JSON: " + err.Error())
	}
	return string(raw)
}

// authorizer decides who may do what. Rules come from the store; its owner
// calls load after it has changed them.
type authorizer struct {
	enabled bool
	super   []string
	store   *topics.Store
	rules   atomic.Pointer[[]acl]
}

func newAuthorizer(enabled bool, super []string, store *topics.Store) (*authorizer, error) {
	a := &authorizer{enabled: enabled, super: super, store: store}
	return a, a.load()
}

// load takes the rules as the store has them now.
func (a *authorizer) load() error {
	var rules []acl
	for _, f := range a.store.Facts(aclKind) {
		var rule acl
		if err := json.Unmarshal(f.Value, &rule); err != nil {
			return fmt.Errorf("access control list %s: %w", f.Key, err)
		}
		rules = append(rules, rule)
	}
	a.rules.Store(&rules)
	return nil
}

func (a *authorizer) all() []acl { return *a.rules.Load() }

// allows says whether principal at host may do op: no rule forbids it and one
// allows it. Super users may do everything.
func (a *authorizer) allows(principal, host string, op kmsg.ACLOperation, resource kmsg.ACLResourceType, name string) bool {
	if !a.enabled || slices.Contains(a.super, principal) {
		return true
	}
	allowed := false
	for _, rule := range a.all() {
		if !rule.concerns(principal, host) || !rule.covers(resource, name) {
			continue
		}
		if rule.Permission == kmsg.ACLPermissionTypeDeny {
			if rule.Operation == op || rule.Operation == kmsg.ACLOperationAll {
				return false
			}
			continue
		}
		allowed = allowed || implies(rule.Operation, op)
	}
	return allowed
}

// allowsSome says whether there is any resource of a kind on which principal
// may do op. It is what an operation asks that is not about one resource.
func (a *authorizer) allowsSome(principal, host string, op kmsg.ACLOperation, resource kmsg.ACLResourceType) bool {
	if !a.enabled || slices.Contains(a.super, principal) {
		return true
	}
	return slices.ContainsFunc(a.all(), func(rule acl) bool {
		return rule.concerns(principal, host) && rule.Resource == resource &&
			rule.Permission == kmsg.ACLPermissionTypeAllow && implies(rule.Operation, op)
	})
}

func (a acl) concerns(principal, host string) bool {
	return (a.Principal == principal || a.Principal == "User:*") && (a.Host == host || a.Host == "*")
}

func (a acl) covers(resource kmsg.ACLResourceType, name string) bool {
	if a.Resource != resource {
		return false
	}
	if a.Pattern == kmsg.ACLResourcePatternTypePrefixed {
		return strings.HasPrefix(name, a.Name)
	}
	return a.Name == name || a.Name == "*"
}

// implies says whether being allowed to do have includes want.
func implies(have, want kmsg.ACLOperation) bool {
	if have == want || have == kmsg.ACLOperationAll {
		return true
	}
	switch want {
	case kmsg.ACLOperationDescribe:
		return have == kmsg.ACLOperationRead || have == kmsg.ACLOperationWrite || have == kmsg.ACLOperationDelete || have == kmsg.ACLOperationAlter
	case kmsg.ACLOperationDescribeConfigs:
		return have == kmsg.ACLOperationAlterConfigs
	}
	return false
}

// clusterName is the name of the one resource of type cluster.
const clusterName = "kafka-cluster"

// allowed says whether the client that sent r may do op.
func (b *Broker) allowed(r *request, op kmsg.ACLOperation, resource kmsg.ACLResourceType, name string) bool {
	return b.auth.allows(r.principal(), r.conn.host, op, resource, name)
}

// allowedTopic and allowedCluster are allowed for the two common kinds.
func (b *Broker) allowedTopic(r *request, op kmsg.ACLOperation, name string) bool {
	return b.allowed(r, op, kmsg.ACLResourceTypeTopic, name)
}

func (b *Broker) allowedCluster(r *request, op kmsg.ACLOperation) bool {
	return b.allowed(r, op, kmsg.ACLResourceTypeCluster, clusterName)
}

// principal is who sent the request.
func (r *request) principal() string {
	if r.as != "" {
		return r.as
	}
	return anonymous
}

// authorizedOperations is the set of operations that the client may do, as
// bits, of those that a kind of resource knows.
func (b *Broker) authorizedOperations(r *request, resource kmsg.ACLResourceType, name string) int32 {
	var ops []kmsg.ACLOperation
	switch resource {
	case kmsg.ACLResourceTypeTopic:
		ops = []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete,
			kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs}
	case kmsg.ACLResourceTypeGroup:
		ops = []kmsg.ACLOperation{kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
			kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs}
	case kmsg.ACLResourceTypeCluster:
		ops = []kmsg.ACLOperation{kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
			kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite}
	}
	var bits int32
	for _, op := range ops {
		if b.allowed(r, op, resource, name) {
			bits |= 1 << op
		}
	}
	return bits
}
