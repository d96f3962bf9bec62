package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// DeleteShareGroupOffsets (92), version 0 (KIP-932).
//
// The group must have no members. It forgets what it has done with the topics,
// and begins anew where its configuration says.
func (b *Broker) deleteShareGroupOffsets(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DeleteShareGroupOffsetsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteShareGroupOffsetsResponse)
	refuse := func(err *kerr.Error, why string) reply {
		resp.ErrorCode, resp.ErrorMessage = err.Code, kmsg.StringPtr(why)
		return answer(resp)
	}
	if !b.allowed(r, kmsg.ACLOperationDelete, kmsg.ACLResourceTypeGroup, req.GroupID) {
		return refuse(kerr.GroupAuthorizationFailed, kerr.GroupAuthorizationFailed.Description)
	}
	var ids []group.TopicID
	var keys []share.Key
	for i := range req.Topics {
		out := kmsg.NewDeleteShareGroupOffsetsResponseTopic()
		out.Topic = req.Topics[i].Topic
		t := b.topics.byName(out.Topic)
		switch {
		case !b.allowedTopic(r, kmsg.ACLOperationRead, out.Topic):
			out.ErrorCode = kerr.TopicAuthorizationFailed.Code
		case t == nil:
			out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		default:
			out.TopicID = t.ID
			ids = append(ids, group.TopicID(t.ID))
			for n := range t.parts {
				keys = append(keys, share.Key{Group: req.GroupID, Topic: t.ID, Partition: int32(n)})
			}
		}
		if out.ErrorCode != 0 {
			out.ErrorMessage = kmsg.StringPtr(kerr.TypedErrorForCode(out.ErrorCode).Description)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return later(func(ctx context.Context) reply {
		var refused *kerr.Error
		var why string
		code := b.groups.ask(ctx, req.GroupID, func(c *group.Coordinator, now time.Time) (e group.Effects) {
			if refused, why, e = c.PrepareShareOffsets(now, req.GroupID, nil); refused == nil {
				e = c.ForgetShareTopics(req.GroupID, ids) // nobody can begin anew before the rest is done
			}
			return e
		})
		if code == 0 && refused == nil {
			code = b.shares.eachKey(keys, func(c *share.Coordinator, _ time.Time, k share.Key) share.Effects { return c.Delete(k) })
		}
		if code != 0 {
			refused, why = kerr.TypedErrorForCode(code), "the coordinator is not available"
		}
		if refused != nil {
			resp.Topics = nil
			return refuse(refused, why)
		}
		return answer(resp)
	})
}
