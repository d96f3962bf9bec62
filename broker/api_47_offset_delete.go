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
	refused := map[string]int{} // topics with refused partitions, by their place in the answer
	for _, t := range req.Topics {
		known := b.topics.byName(t.Topic)
		rt := kmsg.NewOffsetDeleteResponseTopic()
		rt.Topic = t.Topic
		there := t
		there.Partitions = nil
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetDeleteResponseTopicPartition()
			rp.Partition = p.Partition
			switch {
			case !b.allowedTopic(r, kmsg.ACLOperationRead, t.Topic):
				rp.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case known == nil || known.partition(p.Partition) == nil:
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				there.Partitions = append(there.Partitions, p)
				continue
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		if len(there.Partitions) > 0 {
			asked.Topics = append(asked.Topics, there)
		}
		if len(rt.Partitions) > 0 {
			refused[t.Topic] = len(resp.Topics)
			resp.Topics = append(resp.Topics, rt)
		}
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, _ time.Time) (kmsg.Response, group.Effects) {
		got, e := c.OffsetDelete(&asked)
		if resp.ErrorCode = got.ErrorCode; resp.ErrorCode != 0 {
			resp.Topics = nil
			return resp, e
		}
		for _, t := range got.Topics {
			if i, ok := refused[t.Topic]; ok {
				resp.Topics[i].Partitions = append(resp.Topics[i].Partitions, t.Partitions...)
			} else {
				resp.Topics = append(resp.Topics, t)
			}
		}
		return resp, e
	})
}
