package broker

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// OffsetFetch (9), versions 0 to 10.
//
//	2   null topics ask for all; an error of the whole answer
//	5   leader epoch
//	6   flexible
//	7   require stable: UNSTABLE_OFFSET_COMMIT where a transaction is about to commit
//	8   several groups
//	9   member ID and epoch of KIP-848
//	10  topics by ID
//
// A group or a partition without an offset is answered with offset −1 and no
// error. All versions are brought to the form of version 8 and back.
func (b *Broker) offsetFetch(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.OffsetFetchRequest)
	resp := req.ResponseKind().(*kmsg.OffsetFetchResponse)
	groups := req.Groups
	if req.Version < 8 {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = req.Group
		if req.Topics != nil || req.Version < 2 {
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		}
		for _, t := range req.Topics {
			gt := kmsg.NewOffsetFetchRequestGroupTopic()
			gt.Topic, gt.Partitions = t.Topic, t.Partitions
			g.Topics = append(g.Topics, gt)
		}
		groups = []kmsg.OffsetFetchRequestGroup{g}
	}
	resp.Groups = make([]kmsg.OffsetFetchResponseGroup, len(groups))
	ids := make([]string, len(groups))
	refuse := func(i int, code int16) {
		resp.Groups[i] = kmsg.NewOffsetFetchResponseGroup()
		resp.Groups[i].Group, resp.Groups[i].ErrorCode = groups[i].Group, code
	}
	var asked []int
	for i := range groups {
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, groups[i].Group) {
			refuse(i, kerr.GroupAuthorizationFailed.Code)
			continue
		}
		asked = append(asked, i)
	}
	ids = ids[:0]
	for _, i := range asked {
		ids = append(ids, groups[i].Group)
	}
	rep := eachGroup(b, ids, func(i int, code int16) { refuse(asked[i], code) }, func(i int, c *group.Coordinator, _ time.Time) group.Effects {
		resp.Groups[asked[i]] = b.fetchOffsets(r, c, groups[asked[i]], req)
		return group.Effects{}
	}, resp)
	if req.Version >= 8 {
		return rep
	}
	return later(func(ctx context.Context) reply {
		rep.later(ctx)
		single(resp, req)
		return answer(resp)
	})
}

// fetchOffsets asks for what the client may see and is there.
func (b *Broker) fetchOffsets(r *request, c *group.Coordinator, g kmsg.OffsetFetchRequestGroup, req *kmsg.OffsetFetchRequest) kmsg.OffsetFetchResponseGroup {
	byID := req.Version >= 10
	all := g.Topics == nil
	var refused []kmsg.OffsetFetchResponseGroupTopic
	if !all {
		visible := []kmsg.OffsetFetchRequestGroupTopic{}
		for _, t := range g.Topics {
			code := int16(0)
			if byID {
				if known := b.topics.byID(t.TopicID); known != nil {
					t.Topic = known.Name
				} else {
					code = kerr.UnknownTopicID.Code
				}
			}
			if code == 0 && !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic) {
				code = kerr.TopicAuthorizationFailed.Code
			}
			if code == 0 {
				visible = append(visible, t)
				continue
			}
			rt := kmsg.NewOffsetFetchResponseGroupTopic()
			rt.Topic, rt.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p, -1, -1, kmsg.StringPtr(""), code
				rt.Partitions = append(rt.Partitions, rp)
			}
			refused = append(refused, rt)
		}
		g.Topics = visible
	}
	out := c.OffsetFetch(g, req.RequireStable)
	if out.ErrorCode != 0 {
		return out
	}
	if all {
		out.Topics = slices.DeleteFunc(out.Topics, func(t kmsg.OffsetFetchResponseGroupTopic) bool {
			return !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic) || byID && b.topics.byName(t.Topic) == nil
		})
		for i := range out.Topics {
			if t := b.topics.byName(out.Topics[i].Topic); t != nil {
				out.Topics[i].TopicID = t.ID
			}
		}
	}
	out.Topics = append(out.Topics, refused...)
	return out
}

// single brings the answer for one group to the form before version 8.
func single(resp *kmsg.OffsetFetchResponse, req *kmsg.OffsetFetchRequest) {
	g := resp.Groups[0]
	resp.Groups = nil
	resp.ErrorCode = g.ErrorCode
	if g.ErrorCode != 0 && req.Version < 2 { // there is no place for it but at every partition
		for _, t := range req.Topics {
			gt := kmsg.NewOffsetFetchResponseGroupTopic()
			gt.Topic = t.Topic
			for _, p := range t.Partitions {
				gp := kmsg.NewOffsetFetchResponseGroupTopicPartition()
				gp.Partition, gp.Offset, gp.Metadata, gp.ErrorCode = p, -1, kmsg.StringPtr(""), g.ErrorCode
				gt.Partitions = append(gt.Partitions, gp)
			}
			g.Topics = append(g.Topics, gt)
		}
	}
	for _, t := range g.Topics {
		rt := kmsg.NewOffsetFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewOffsetFetchResponseTopicPartition()
			rp.Partition, rp.Offset, rp.LeaderEpoch, rp.Metadata, rp.ErrorCode = p.Partition, p.Offset, p.LeaderEpoch, p.Metadata, p.ErrorCode
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
}
