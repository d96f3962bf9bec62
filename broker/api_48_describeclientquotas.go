package broker

import (
	"context"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeClientQuotas (48), versions 0 and 1.
//
//	1  flexible
//
// A filter is a list of parts: this name, the default, or any that is given.
// Strict means that entities have no parts beyond those.
func (b *Broker) describeClientQuotas(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeClientQuotasRequest)
	resp := req.ResponseKind().(*kmsg.DescribeClientQuotasResponse)
	fail := func(e *kerr.Error, why string) reply {
		resp.ErrorCode, resp.ErrorMessage, resp.Entries = e.Code, kmsg.StringPtr(why), nil
		return answer(resp)
	}
	if !b.allowedCluster(r, kmsg.ACLOperationDescribeConfigs) {
		return fail(kerr.ClusterAuthorizationFailed, "not allowed to describe the cluster's configurations")
	}
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
	seen := map[string]bool{}
	for _, c := range req.Components {
		if _, ok := (quotaEntity{}).part(c.EntityType); !ok {
			return fail(kerr.UnsupportedVersion, "unknown entity type "+c.EntityType)
		}
		if seen[c.EntityType] || c.MatchType < 0 || c.MatchType > 2 || c.MatchType == 0 && c.Match == nil {
			return fail(kerr.InvalidRequest, "the filter of entity type "+c.EntityType+" is there twice or says nothing")
		}
		seen[c.EntityType] = true
	}
	for _, e := range b.quotas.all() {
		if !e.Entity.matches(req) {
			continue
		}
		out := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, kind := range quotaParts {
			name, _ := e.Entity.part(kind)
			if name == nil {
				continue
			}
			p := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			p.Type = kind
			if *name != "" {
				p.Name = name
			}
			out.Entity = append(out.Entity, p)
		}
		for _, key := range slices.Sorted(maps.Keys(e.Values)) {
			v := kmsg.NewDescribeClientQuotasResponseEntryValue()
			v.Key, v.Value = key, e.Values[key]
			out.Values = append(out.Values, v)
		}
		resp.Entries = append(resp.Entries, out)
	}
	return answer(resp)
}

// quotaParts are the kinds of parts that an entity may have.
var quotaParts = []string{"user", "client-id", "ip"}

// part returns an entity's part of a kind. It reports false if there is no such
// kind.
func (e quotaEntity) part(kind string) (*string, bool) {
	switch kind {
	case "user":
		return e.User, true
	case "client-id":
		return e.ClientID, true
	case "ip":
		return e.IP, true
	}
	return nil, false
}

func (e quotaEntity) matches(req *kmsg.DescribeClientQuotasRequest) bool {
	asked := 0
	for i := range req.Components {
		c := &req.Components[i]
		name, _ := e.part(c.EntityType)
		switch {
		case name == nil,
			c.MatchType == 0 && *name != *c.Match,
			c.MatchType == 1 && *name != "":
			return false
		}
		asked++
	}
	if !req.Strict {
		return true
	}
	has := 0
	for _, kind := range quotaParts {
		if name, _ := e.part(kind); name != nil {
			has++
		}
	}
	return has == asked
}
