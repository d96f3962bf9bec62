package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListConfigResources (74), versions 0 and 1.
//
//	0  client metrics only, of which there are none
//	1  any types; none means all
func (b *Broker) listConfigResources(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ListConfigResourcesRequest)
	resp := req.ResponseKind().(*kmsg.ListConfigResourcesResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationDescribeConfigs) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer(resp)
	}
	if req.Version == 0 {
		return answer(resp)
	}
	wanted := func(kind kmsg.ConfigResourceType) bool {
		return len(req.ResourceTypes) == 0 || slices.Contains(req.ResourceTypes, int8(kind))
	}
	add := func(kind kmsg.ConfigResourceType, name string) {
		c := kmsg.NewListConfigResourcesResponseConfigResource()
		c.Name, c.Type = name, int8(kind)
		resp.ConfigResources = append(resp.ConfigResources, c)
	}
	if wanted(kmsg.ConfigResourceTypeTopic) {
		for _, t := range b.topics.all() {
			add(kmsg.ConfigResourceTypeTopic, t.Name)
		}
	}
	if wanted(kmsg.ConfigResourceTypeBroker) {
		add(kmsg.ConfigResourceTypeBroker, b.node())
	}
	if wanted(kmsg.ConfigResourceTypeGroupConfig) {
		for _, id := range b.groupConfigs.groups() {
			add(kmsg.ConfigResourceTypeGroupConfig, id)
		}
	}
	return answer(resp)
}
