package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeConfigs (32), versions 0 to 4.
//
//	1  sources and synonyms
//	3  types and documentation
//	4  flexible
//
// Topics, groups and brokers have configurations, each with every value it could
// have and where that comes from; see configs.go and group_configs.go. A broker resource without a name
// is what is set for all brokers.
//
// Left out: broker loggers and client metrics, which are refused.
func (b *Broker) describeConfigs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeConfigsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		code, why := b.checkConfigResource(r, asked.ResourceType, asked.ResourceName, kmsg.ACLOperationDescribeConfigs)
		switch {
		case code != 0:
			out.ErrorCode, out.ErrorMessage = code, kmsg.StringPtr(why)
		case asked.ResourceType == kmsg.ConfigResourceTypeTopic:
			if t := b.topics.byName(asked.ResourceName); t != nil {
				var cleanup map[string]string
				if t.Internal {
					cleanup = internalCleanup(t.Name)
				}
				out.Configs = b.describeTopicConfigs(t.Configs, cleanup, asked.ConfigNames)
			}
		case asked.ResourceType == kmsg.ConfigResourceTypeGroupConfig:
			out.Configs = b.describeGroupConfigs(asked.ResourceName, asked.ConfigNames)
		default:
			out.Configs = b.describeBrokerConfigs(asked.ResourceName, asked.ConfigNames)
		}
		for i := range out.Configs {
			if !req.IncludeSynonyms {
				out.Configs[i].ConfigSynonyms = nil
			}
			if !req.IncludeDocumentation {
				out.Configs[i].Documentation = nil
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return answer(resp)
}

// checkConfigResource says why a resource's configurations cannot be seen or
// changed, if they cannot.
func (b *Broker) checkConfigResource(r *request, kind kmsg.ConfigResourceType, name string, op kmsg.ACLOperation) (code int16, why string) {
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		switch {
		case !b.allowedTopic(r, op, name):
			return kerr.TopicAuthorizationFailed.Code, "not allowed for this topic"
		case b.topics.byName(name) == nil:
			return kerr.UnknownTopicOrPartition.Code, "there is no such topic"
		}
		return 0, ""
	case kmsg.ConfigResourceTypeBroker:
		switch {
		case !b.allowedCluster(r, op):
			return kerr.ClusterAuthorizationFailed.Code, "not allowed for the cluster"
		case name != "" && name != b.node():
			return kerr.InvalidRequest.Code, "the only broker is " + b.node() + ", not " + name
		}
		return 0, ""
	case kmsg.ConfigResourceTypeGroupConfig:
		switch {
		case !b.allowed(r, op, kmsg.ACLResourceTypeGroup, name):
			return kerr.GroupAuthorizationFailed.Code, "not allowed for this group"
		case name == "":
			return kerr.InvalidRequest.Code, "the group ID is missing"
		}
		return 0, ""
	}
	return kerr.InvalidRequest.Code, "only topics, groups and brokers have configurations here"
}
