package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// OffsetDelete (47), version 0. Offsets of a topic that a member is subscribed
// to are kept (GROUP_SUBSCRIBED_TO_TOPIC), and all of a group whose members'
// subscriptions are unknown (NON_EMPTY_GROUP).
func (b *Broker) offsetDelete(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.OffsetDeleteRequest)
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	refusal := func(code int16) kmsg.Response {
		resp.ErrorCode = code
		resp.Topics = nil
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeGroup, req.Group) {
		return answer(refusal(kerr.GroupAuthorizationFailed.Code))
	}
	asked := *req
	asked.Topics = nil
	for _, t := range req.Topics {
		code := int16(0)
		switch {
		case !b.allowedTopic(r, kmsg.ACLOperationRead, t.Topic):
			code = kerr.TopicAuthorizationFailed.Code
		case b.topics.byName(t.Topic) == nil:
			code = kerr.UnknownTopicOrPartition.Code
		default:
			asked.Topics = append(asked.Topics, t)
			continue
		}
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, _ time.Time) (kmsg.Response, group.Effects) {
		got, e := c.OffsetDelete(&asked)
		resp.ErrorCode = got.ErrorCode
		if resp.Topics = append(resp.Topics, got.Topics...); resp.ErrorCode != 0 {
			resp.Topics = nil
		}
		return resp, e
	})
}
