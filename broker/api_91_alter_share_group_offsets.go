package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// AlterShareGroupOffsets (91), version 0 (KIP-932).
//
// The group must have no members; one that is not there is made. A partition's
// delivery state is forgotten, and it starts at the given offset.
func (b *Broker) alterShareGroupOffsets(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AlterShareGroupOffsetsRequest)
	resp := req.ResponseKind().(*kmsg.AlterShareGroupOffsetsResponse)
	refuse := func(err *kerr.Error, why string) reply {
		resp.ErrorCode, resp.ErrorMessage = err.Code, kmsg.StringPtr(why)
		return answer(resp)
	}
	if req.GroupID == "" {
		return refuse(kerr.InvalidGroupID, "the group ID is empty")
	}
	if !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.GroupID) {
		return refuse(kerr.GroupAuthorizationFailed, kerr.GroupAuthorizationFailed.Description)
	}
	names := []string{}
	starts := map[share.Key]int64{}
	var keys []share.Key
	for i := range req.Topics {
		asked := &req.Topics[i]
		out := kmsg.NewAlterShareGroupOffsetsResponseTopic()
		out.Topic = asked.Topic
		t := b.topics.byName(asked.Topic)
		allowed := b.allowedTopic(r, kmsg.ACLOperationRead, asked.Topic)
		if t != nil && allowed {
			out.TopicID = t.ID
			names = append(names, t.Name)
		}
		for _, p := range asked.Partitions {
			op := kmsg.NewAlterShareGroupOffsetsResponseTopicPartition()
			op.Partition = p.Partition
			switch {
			case !allowed:
				op.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case t == nil || t.partition(p.Partition) == nil:
				op.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case p.StartOffset < 0:
				op.ErrorCode = kerr.InvalidRequest.Code
			default:
				k := share.Key{Group: req.GroupID, Topic: t.ID, Partition: p.Partition}
				keys, starts[k] = append(keys, k), p.StartOffset
			}
			if op.ErrorCode != 0 {
				op.ErrorMessage = kmsg.StringPtr(kerr.TypedErrorForCode(op.ErrorCode).Description)
			}
			out.Partitions = append(out.Partitions, op)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return later(func(ctx context.Context) reply {
		var refused *kerr.Error
		var why string
		code := b.groups.ask(ctx, req.GroupID, func(c *group.Coordinator, now time.Time) (e group.Effects) {
			refused, why, e = c.PrepareShareOffsets(now, req.GroupID, names)
			return e
		})
		if code == 0 && refused == nil {
			code = b.shares.eachKey(keys, func(c *share.Coordinator, now time.Time, k share.Key) share.Effects { return c.Set(now, k, starts[k]) })
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
