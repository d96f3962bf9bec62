package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// AlterConfigs (33), versions 0 to 2.
//
//	2  flexible
//
// What a resource was configured with is replaced by what the request says:
// everything not in it falls back to the default. Clients of today use
// IncrementalAlterConfigs.
func (b *Broker) alterConfigs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AlterConfigsRequest)
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		code, why := b.checkConfigResource(r, asked.ResourceType, asked.ResourceName, kmsg.ACLOperationAlterConfigs)
		if code == 0 {
			if err := b.replaceConfigs(asked, req.ValidateOnly); err != nil {
				code, why = topicErrorCode(err), err.Error()
			}
		}
		if code != 0 {
			out.ErrorCode, out.ErrorMessage = code, kmsg.StringPtr(why)
		}
		resp.Resources = append(resp.Resources, out)
	}
	return answer(resp)
}

func (b *Broker) replaceConfigs(asked *kmsg.AlterConfigsRequestResource, dryRun bool) error {
	values := map[string]*string{}
	for _, c := range asked.Configs {
		if _, twice := values[c.Name]; twice || c.Value == nil {
			return &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf("configuration %s needs one value", c.Name)}
		}
		values[c.Name] = c.Value
	}
	if asked.ResourceType == kmsg.ConfigResourceTypeTopic {
		return b.changeConfigs(asked.ResourceName, dryRun, func(configs map[string]string) error {
			clear(configs)
			for name, v := range values {
				configs[name] = *v
			}
			return nil
		})
	}
	if asked.ResourceType == kmsg.ConfigResourceTypeGroupConfig {
		for name := range b.groupConfigs.of(asked.ResourceName).values {
			if values[name] == nil {
				values[name] = nil
			}
		}
		return b.changeGroupConfigs(asked.ResourceName, dryRun, values)
	}
	for i := range topics.Definitions() {
		d := &topics.Definitions()[i]
		if len(d.Synonyms) == 0 {
			continue
		}
		name := d.Synonyms[0]
		if _, set := b.dynamicConfig(asked.ResourceName, name); set && values[name] == nil {
			values[name] = nil
		}
	}
	return b.changeBrokerConfigs(asked.ResourceName, dryRun, values)
}
