package broker

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/share"
)

// DescribeShareGroupOffsets (90), versions 0 and 1 (KIP-932).
//
//	1  lag (KIP-1226)
//
// Null topics mean all that the group knows. A partition that nobody has fetched
// from yet has start offset and lag −1. Topics that the client may not describe
// are left out of the list of all.
func (b *Broker) describeShareGroupOffsets(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeShareGroupOffsetsRequest)
	return later(func(ctx context.Context) reply {
		resp := req.ResponseKind().(*kmsg.DescribeShareGroupOffsetsResponse)
		for i := range req.Groups {
			resp.Groups = append(resp.Groups, b.shareGroupOffsets(ctx, r, &req.Groups[i]))
		}
		return answer(resp)
	})
}

func (b *Broker) shareGroupOffsets(ctx context.Context, r *request, asked *kmsg.DescribeShareGroupOffsetsRequestGroup) kmsg.DescribeShareGroupOffsetsResponseGroup {
	out := kmsg.NewDescribeShareGroupOffsetsResponseGroup()
	out.GroupID = asked.GroupID
	refuse := func(err *kerr.Error) kmsg.DescribeShareGroupOffsetsResponseGroup {
		out.ErrorCode, out.ErrorMessage = err.Code, kmsg.StringPtr(err.Description)
		return out
	}
	if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, asked.GroupID) {
		return refuse(kerr.GroupAuthorizationFailed)
	}
	var known []group.ShareTopic
	var missing *kerr.Error
	code := b.groups.ask(ctx, asked.GroupID, func(c *group.Coordinator, _ time.Time) group.Effects {
		known, missing = c.ShareTopics(asked.GroupID)
		return group.Effects{}
	})
	switch {
	case code != 0:
		return refuse(kerr.TypedErrorForCode(code))
	case missing != nil:
		return refuse(missing)
	}
	topics := asked.Topics
	if topics == nil {
		for _, t := range known {
			if b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Name) {
				all := kmsg.NewDescribeShareGroupOffsetsRequestGroupTopic()
				all.Topic, all.Partitions = t.Name, t.Partitions
				topics = append(topics, all)
			}
		}
	}
	for _, t := range topics {
		ot := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopic()
		ot.Topic = t.Topic
		found := b.topics.byName(t.Topic)
		allowed := b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic)
		if found != nil && allowed {
			ot.TopicID = found.ID
		}
		for _, n := range t.Partitions {
			p := kmsg.NewDescribeShareGroupOffsetsResponseGroupTopicPartition()
			p.Partition, p.StartOffset, p.Lag = n, -1, -1
			switch {
			case !allowed:
				p.ErrorCode = kerr.TopicAuthorizationFailed.Code
			case found == nil || found.partition(n) == nil:
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case slices.ContainsFunc(known, func(k group.ShareTopic) bool { return k.ID == group.TopicID(found.ID) }):
				b.shareProgress(ctx, share.Key{Group: asked.GroupID, Topic: found.ID, Partition: n}, found.partition(n), &p)
			}
			if p.ErrorCode != 0 {
				p.ErrorMessage = kmsg.StringPtr(kerr.TypedErrorForCode(p.ErrorCode).Description)
			}
			ot.Partitions = append(ot.Partitions, p)
		}
		out.Topics = append(out.Topics, ot)
	}
	return out
}

// shareProgress fills in how far a group is in a partition. Its lag is what is
// neither done nor, before the start offset, of no concern.
func (b *Broker) shareProgress(ctx context.Context, k share.Key, part *Partition, out *kmsg.DescribeShareGroupOffsetsResponseGroupTopicPartition) {
	shard, err := b.shares.shard(k)
	if err != nil {
		out.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return
	}
	var at share.Progress
	var ok bool
	if code := shard.ask(ctx, func(time.Time) share.Effects { at, ok = shard.c.Progress(k); return share.Effects{} }); code != 0 {
		out.ErrorCode = code
		return
	}
	if ok {
		out.StartOffset, out.LeaderEpoch = at.Start, part.leaderEpoch()
		out.Lag = max(0, part.offsets().HighWatermark-at.Start-at.Finished)
	}
}
