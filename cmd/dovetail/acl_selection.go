package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// aclRule is a rule, in Kafka's words.
type aclRule struct {
	Principal    string `json:"principal"`
	Host         string `json:"host"`
	Permission   string `json:"permission"`
	Operation    string `json:"operation"`
	ResourceType string `json:"resourceType"`
	ResourceName string `json:"resourceName"`
	Pattern      string `json:"pattern"`
}

func newACLRule(kind kmsg.ACLResourceType, name string, pattern kmsg.ACLResourcePatternType, principal, host string, op kmsg.ACLOperation, permission kmsg.ACLPermissionType) aclRule {
	return aclRule{principal, host, permission.String(), op.String(), kind.String(), name, pattern.String()}
}

func (r aclRule) String() string {
	return fmt.Sprintf("%s %s from %s %s %s %s (%s)", r.Permission, r.Principal, r.Host, r.Operation, r.ResourceType, r.ResourceName, r.Pattern)
}

// sortedRules orders rules, each once, by resource and then by principal.
func sortedRules(rules []aclRule) []aclRule {
	slices.SortFunc(rules, func(a, b aclRule) int {
		return cmp.Or(cmp.Compare(a.ResourceType, b.ResourceType), cmp.Compare(a.ResourceName, b.ResourceName), cmp.Compare(a.Pattern, b.Pattern),
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Permission, b.Permission), cmp.Compare(a.Operation, b.Operation))
	})
	return slices.Compact(rules)
}

// aclFilter is a filter as brokers know them: nil and Any mean all. With nothing left
// open it is a rule.
type aclFilter struct {
	resource   kmsg.ACLResourceType
	name       *string
	pattern    kmsg.ACLResourcePatternType
	principal  *string
	host       *string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

func anyACL() aclFilter {
	return aclFilter{resource: kmsg.ACLResourceTypeAny, pattern: kmsg.ACLResourcePatternTypeAny, operation: kmsg.ACLOperationAny, permission: kmsg.ACLPermissionTypeAny}
}

// aclSelection is what the flags say of rules: those to add, or filters of those that
// there are.
type aclSelection struct {
	principals, hosts, operations                   []string
	permission, pattern, kind                       string
	topics, groups, transactionalIDs, tokens, users []string
	cluster, producer, consumer                     bool
}

func (a *aclCommand) selectionFlags(cmd *cobra.Command, s *aclSelection, adding bool) {
	f := cmd.Flags()
	f.StringArrayVar(&s.principals, "principal", nil, "who: User:name, User:* for everybody, User:CN=… of a certificate; repeat it for several")
	f.StringSliceVar(&s.hosts, "host", nil, "IP address that he comes from, * for any")
	f.StringSliceVar(&s.operations, "operation", nil, operationNames(append(aclOperations(), kmsg.ACLOperationAll)))
	f.StringVar(&s.permission, "permission", "", "allow or deny")
	f.StringSliceVar(&s.topics, "topic", nil, "name of a topic, * for all")
	f.StringSliceVar(&s.groups, "group", nil, "name of a group, * for all")
	f.StringSliceVar(&s.transactionalIDs, "transactional-id", nil, "transactional ID, * for all")
	f.StringSliceVar(&s.tokens, "delegation-token", nil, "delegation token, * for all")
	f.StringArrayVar(&s.users, "user-principal", nil, "User:name whose tokens it is about")
	f.BoolVar(&s.cluster, "cluster", false, "the cluster")
	f.BoolVar(&s.producer, "producer", false, "the operations that a producer needs, on --topic and --transactional-id")
	f.BoolVar(&s.consumer, "consumer", false, "the operations that a consumer needs, on --topic and --group")
	complete(cmd, "principal", a.completePrincipals)
	complete(cmd, "topic", a.completeTopics)
	complete(cmd, "group", a.completeGroups)
	complete(cmd, "transactional-id", a.completeTransactionalIDs)
	var operations []string
	for _, op := range append(aclOperations(), kmsg.ACLOperationAll) {
		operations = append(operations, operationName(op))
	}
	oneOf(cmd, "operation", operations...)
	oneOf(cmd, "permission", "allow", "deny")
	if adding {
		f.StringVar(&s.pattern, "pattern", "literal", "what names mean: literal, or prefixed for all that begin so")
		oneOf(cmd, "pattern", "literal", "prefixed")
		f.Lookup("host").Usage += "; any if nothing is said"
		f.Lookup("permission").Usage += "; allow if nothing is said"
	} else {
		f.StringVar(&s.pattern, "pattern", "", "which rules a name selects: literal or prefixed ones of that name, match for each that counts for it, or any of that name, as if nothing is said")
		oneOf(cmd, "pattern", "literal", "prefixed", "match", "any")
		f.StringVar(&s.kind, "resource-type", "", "any resource of a type: topic, group, cluster, transactional-id, delegation-token or user")
		oneOf(cmd, "resource-type", "topic", "group", "cluster", "transactional-id", "delegation-token", "user")
	}
}

// empty reports whether no flag selects anything.
func (s *aclSelection) empty() bool {
	return len(s.principals)+len(s.hosts)+len(s.operations)+len(s.topics)+len(s.groups)+len(s.transactionalIDs)+len(s.tokens)+len(s.users) == 0 &&
		s.permission == "" && s.pattern == "" && s.kind == "" && !s.cluster && !s.producer && !s.consumer
}

// filters returns what is to be listed or removed.
func (s *aclSelection) filters() ([]aclFilter, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	if s.kind != "" {
		if base.resource, err = kmsg.ParseACLResourceType(s.kind); err != nil {
			return nil, fmt.Errorf("--resource-type %q: want topic, group, cluster, transactional-id, delegation-token or user", s.kind)
		}
	}
	named, err := s.on(base)
	if err != nil {
		return nil, err
	}
	if len(named) > 0 && s.kind != "" {
		return nil, errors.New("--resource-type is for resources of any name: leave it or the names out")
	}
	if len(named) == 0 {
		if base.pattern == kmsg.ACLResourcePatternTypeMatch {
			return nil, errors.New("--pattern match needs a name, such as --topic orders")
		}
		if named, err = s.operate(base); err != nil {
			return nil, err
		}
	}
	return s.who(named), nil
}

// rules returns what is to be added.
func (s *aclSelection) rules() ([]aclFilter, error) {
	base, err := s.base()
	if err != nil {
		return nil, err
	}
	switch {
	case len(s.principals) == 0:
		return nil, errors.New("a rule for whom? Give --principal User:name")
	case base.pattern != kmsg.ACLResourcePatternTypeLiteral && base.pattern != kmsg.ACLResourcePatternTypePrefixed:
		return nil, fmt.Errorf("--pattern %q: a rule is literal or prefixed", s.pattern)
	case len(s.operations) == 0 && !s.producer && !s.consumer:
		return nil, errors.New("a rule for what? Give --operation, --producer or --consumer")
	case (s.producer || s.consumer) && len(s.topics) == 0:
		return nil, errors.New("a producer or consumer of what? Give --topic")
	case s.consumer && len(s.groups) == 0:
		return nil, errors.New("a consumer of which group? Give --group, * for any")
	}
	for _, host := range s.hosts {
		if _, err := netip.ParseAddr(host); err != nil && host != "*" {
			return nil, fmt.Errorf("--host %q: want an IP address, or * for any: names are not looked up", host)
		}
	}
	if len(s.hosts) == 0 {
		s.hosts = []string{"*"}
	}
	if s.permission == "" {
		base.permission = kmsg.ACLPermissionTypeAllow
	}
	named, err := s.on(base)
	if err != nil {
		return nil, err
	}
	if len(named) == 0 {
		return nil, errors.New("a rule about what? Give --topic, --group, --transactional-id, --cluster, --delegation-token or --user-principal")
	}
	return s.who(named), nil
}

// base is what is the same for all: permission and pattern.
func (s *aclSelection) base() (aclFilter, error) {
	base := anyACL()
	var err error
	if s.permission != "" {
		if base.permission, err = kmsg.ParseACLPermissionType(s.permission); err != nil || base.permission == kmsg.ACLPermissionTypeAny {
			return base, fmt.Errorf("--permission %q: want allow or deny", s.permission)
		}
	}
	if s.pattern != "" {
		if base.pattern, err = kmsg.ParseACLResourcePatternType(s.pattern); err != nil {
			return base, fmt.Errorf("--pattern %q: want literal, prefixed, match or any", s.pattern)
		}
	}
	if (s.producer || s.consumer) && len(s.operations) > 0 {
		return base, errors.New("--producer and --consumer are operations themselves: leave --operation out")
	}
	for _, p := range append(slices.Clone(s.principals), s.users...) {
		if kind, name, _ := strings.Cut(p, ":"); kind == "" || name == "" {
			return base, fmt.Errorf("principal %q: want a kind and a name, such as User:%s", p, strings.Trim(p, ":"))
		}
	}
	return base, nil
}

// on returns the filters for the resources that are named, none if none is.
func (s *aclSelection) on(base aclFilter) ([]aclFilter, error) {
	var out []aclFilter
	for _, r := range []struct {
		flag  string
		kind  kmsg.ACLResourceType
		names []string
	}{
		{"--topic", kmsg.ACLResourceTypeTopic, s.topics},
		{"--group", kmsg.ACLResourceTypeGroup, s.groups},
		{"--transactional-id", kmsg.ACLResourceTypeTransactionalId, s.transactionalIDs},
		{"--delegation-token", kmsg.ACLResourceTypeDelegationToken, s.tokens},
		{"--user-principal", kmsg.ACLResourceTypeUser, s.users},
		{"--cluster", kmsg.ACLResourceTypeCluster, map[bool][]string{true: {"kafka-cluster"}}[s.cluster]},
	} {
		for _, name := range r.names {
			if name == "" {
				return nil, fmt.Errorf("%s: the name is empty", r.flag)
			}
			base := base
			base.resource, base.name = r.kind, &name
			if r.kind == kmsg.ACLResourceTypeCluster && base.pattern == kmsg.ACLResourcePatternTypePrefixed {
				base.pattern = kmsg.ACLResourcePatternTypeLiteral // there is one, and --pattern is for the others
			}
			all, err := s.operate(base)
			if err != nil {
				return nil, err
			}
			if len(all) == 0 {
				return nil, fmt.Errorf("%s %s: neither --producer nor --consumer is about that", r.flag, name)
			}
			out = append(out, all...)
		}
	}
	return out, nil
}

// needed are the operations of producers and consumers, which a broker asks for.
var needed = map[bool]map[kmsg.ACLResourceType][]kmsg.ACLOperation{
	true: { // producers
		kmsg.ACLResourceTypeTopic:           {kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationCreate},
		kmsg.ACLResourceTypeTransactionalId: {kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe},
	},
	false: { // consumers
		kmsg.ACLResourceTypeTopic: {kmsg.ACLOperationRead, kmsg.ACLOperationDescribe},
		kmsg.ACLResourceTypeGroup: {kmsg.ACLOperationRead},
	},
}

// known are the operations that each type of resource has; ALL is one of every.
var known = map[kmsg.ACLResourceType][]kmsg.ACLOperation{
	kmsg.ACLResourceTypeTopic: {kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete,
		kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs},
	kmsg.ACLResourceTypeGroup: {kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs},
	kmsg.ACLResourceTypeTransactionalId: {kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe},
	kmsg.ACLResourceTypeDelegationToken: {kmsg.ACLOperationDescribe},
	kmsg.ACLResourceTypeUser:            {kmsg.ACLOperationCreateTokens, kmsg.ACLOperationDescribeTokens},
	kmsg.ACLResourceTypeCluster: {kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite},
}

// operate returns a filter for each operation on a resource.
func (s *aclSelection) operate(base aclFilter) ([]aclFilter, error) {
	var ops []kmsg.ACLOperation
	for _, name := range s.operations {
		op, err := kmsg.ParseACLOperation(name)
		if err != nil || op == kmsg.ACLOperationAny {
			return nil, fmt.Errorf("--operation %q: want %s", name, operationNames(append(aclOperations(), kmsg.ACLOperationAll)))
		}
		if has, ok := known[base.resource]; ok && op != kmsg.ACLOperationAll && !slices.Contains(has, op) {
			return nil, fmt.Errorf("--operation %s: there is none on a resource of type %s, which has %s", name,
				strings.ToLower(base.resource.String()), operationNames(append(slices.Clone(has), kmsg.ACLOperationAll)))
		}
		ops = append(ops, op)
	}
	for producer, asked := range map[bool]bool{true: s.producer, false: s.consumer} {
		if !asked {
			continue
		}
		if base.resource == kmsg.ACLResourceTypeAny {
			return nil, errors.New("--producer and --consumer need a name, such as --topic orders")
		}
		ops = append(ops, needed[producer][base.resource]...)
	}
	if len(ops) == 0 && !s.producer && !s.consumer {
		ops = []kmsg.ACLOperation{kmsg.ACLOperationAny}
	}
	slices.Sort(ops)
	var out []aclFilter
	for _, op := range slices.Compact(ops) {
		base.operation = op
		out = append(out, base)
	}
	return out, nil
}

// aclOperations are those of all resources.
func aclOperations() []kmsg.ACLOperation {
	var out []kmsg.ACLOperation
	for _, ops := range known {
		out = append(out, ops...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// operationName is how the command line calls an operation.
func operationName(op kmsg.ACLOperation) string {
	return strings.ReplaceAll(strings.ToLower(op.String()), "_", "-")
}

func operationNames(ops []kmsg.ACLOperation) string {
	var names []string
	for _, op := range ops {
		names = append(names, operationName(op))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// who returns each filter for each principal from each host.
func (s *aclSelection) who(filters []aclFilter) []aclFilter {
	for _, side := range []struct {
		values []string
		field  func(*aclFilter) **string
	}{
		{s.principals, func(f *aclFilter) **string { return &f.principal }},
		{s.hosts, func(f *aclFilter) **string { return &f.host }},
	} {
		if len(side.values) == 0 {
			continue
		}
		var out []aclFilter
		for _, f := range filters {
			for _, v := range side.values {
				*side.field(&f) = &v
				out = append(out, f)
			}
		}
		filters = out
	}
	return filters
}
