package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/topics"
)

// IncrementalAlterConfigs (44), versions 0 and 1.
//
//	1  flexible
//
// Each change sets a configuration, deletes it (the default counts again), or
// appends to or subtracts from a list. The changes of a resource happen all or
// none.
func (b *Broker) incrementalAlterConfigs(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.IncrementalAlterConfigsRequest)
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i := range req.Resources {
		asked := &req.Resources[i]
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = asked.ResourceType, asked.ResourceName
		code, why := b.checkConfigResource(r, asked.ResourceType, asked.ResourceName, kmsg.ACLOperationAlterConfigs)
		if code == 0 {
			if why = malformedChanges(asked.Configs); why != "" {
				code = kerr.InvalidRequest.Code
			} else if err := b.incrementConfigs(asked, req.ValidateOnly); err != nil {
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

func malformedChanges(changes []kmsg.IncrementalAlterConfigsRequestResourceConfig) string {
	seen := map[string]bool{}
	for _, c := range changes {
		switch {
		case seen[c.Name]:
			return fmt.Sprintf("configuration %s is changed twice", c.Name)
		case c.Op < kmsg.IncrementalAlterConfigOpSet || c.Op > kmsg.IncrementalAlterConfigOpSubtract:
			return fmt.Sprintf("configuration %s: unknown operation %d", c.Name, c.Op)
		case c.Value == nil && c.Op != kmsg.IncrementalAlterConfigOpDelete:
			return fmt.Sprintf("configuration %s has no value", c.Name)
		}
		seen[c.Name] = true
	}
	return ""
}

func (b *Broker) incrementConfigs(asked *kmsg.IncrementalAlterConfigsRequestResource, dryRun bool) error {
	if asked.ResourceType == kmsg.ConfigResourceTypeTopic {
		return b.changeConfigs(asked.ResourceName, dryRun, func(configs map[string]string) error {
			for i := range asked.Configs {
				c := &asked.Configs[i]
				d, ok := topics.Lookup(c.Name)
				if !ok {
					return &topics.Error{Code: topics.InvalidConfig, Reason: "unknown topic config name: " + c.Name}
				}
				old, set := configs[c.Name]
				if !set {
					old = b.brokerSources(d)[0].value
				}
				v, err := changedConfig(c, d, old)
				if err != nil {
					return err
				}
				if v == nil {
					delete(configs, c.Name)
				} else {
					configs[c.Name] = *v
				}
			}
			return nil
		})
	}
	values := map[string]*string{}
	if asked.ResourceType == kmsg.ConfigResourceTypeGroupConfig {
		for i := range asked.Configs {
			c := &asked.Configs[i]
			v, err := changedConfig(c, &topics.Definition{Type: topics.String}, "") // none is a list
			if err != nil {
				return err
			}
			values[c.Name] = v
		}
		return b.changeGroupConfigs(asked.ResourceName, dryRun, values)
	}
	for i := range asked.Configs {
		c := &asked.Configs[i]
		values[c.Name] = c.Value
		d, ok := brokerSynonym(c.Name)
		if !ok {
			continue // refused with a reason below
		}
		v, err := changedConfig(c, d, b.brokerSources(d)[0].value)
		if err != nil {
			return err
		}
		values[c.Name] = v
	}
	return b.changeBrokerConfigs(asked.ResourceName, dryRun, values)
}

// changedConfig is the value after a change, nil if there is none any more.
func changedConfig(c *kmsg.IncrementalAlterConfigsRequestResourceConfig, d *topics.Definition, old string) (*string, error) {
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpDelete:
		return nil, nil
	case kmsg.IncrementalAlterConfigOpSet:
		return c.Value, nil
	}
	if d.Type != topics.List {
		return nil, &topics.Error{Code: topics.InvalidConfig, Reason: fmt.Sprintf("configuration %s is no list: nothing can be appended to or subtracted from it", c.Name)}
	}
	items := topics.SplitList(old)
	for _, item := range topics.SplitList(*c.Value) {
		items = slices.DeleteFunc(items, func(have string) bool { return have == item })
		if c.Op == kmsg.IncrementalAlterConfigOpAppend {
			items = append(items, item)
		}
	}
	return kmsg.StringPtr(strings.Join(items, ",")), nil
}
