package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// OffsetCommit (8), versions 1 to 10.
//
//	1   generation and member
//	2–4 a retention time of its own, which is honoured
//	6   leader epoch of the record before the offset
//	7   group instance ID
//	8   flexible
//	9   member epoch of KIP-848 in the generation's place
//	10  topics by ID
//
// A generation of −1 is a consumer that manages its partitions itself; it may
// commit as long as the group has no members. The answer comes when the offsets
// are durable. Partitions that do not exist are refused, the others of the same
// request are not.
//
// Left out: version 0, which kept offsets in ZooKeeper.
func (b *Broker) offsetCommit(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.OffsetCommitRequest)
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	asked := *req
	asked.Topics = nil
	var open []*kmsg.OffsetCommitResponseTopicPartition
	mayRead := b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group)
	resp.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t, rt := &req.Topics[i], &resp.Topics[i]
		*rt = kmsg.NewOffsetCommitResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		found, code := b.commitTopic(r, t.Topic, t.TopicID, req.Version >= 10)
		if !mayRead {
			code = kerr.GroupAuthorizationFailed.Code
		}
		some := *t
		some.Partitions = nil
		rt.Partitions = make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for j, p := range t.Partitions {
			rp := &rt.Partitions[j]
			*rp = kmsg.NewOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			switch {
			case code != 0:
			case found.partition(p.Partition) == nil:
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				some.Partitions = append(some.Partitions, p)
				open = append(open, rp)
			}
		}
		if len(some.Partitions) > 0 {
			some.Topic = found.Name
			asked.Topics = append(asked.Topics, some)
		}
	}
	if len(open) == 0 {
		return answer(resp)
	}
	refusal := func(code int16) kmsg.Response {
		for _, p := range open {
			p.ErrorCode = code
		}
		return resp
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		got, e := c.OffsetCommit(now, &asked)
		i := 0
		for _, t := range got.Topics {
			for _, p := range t.Partitions {
				open[i].ErrorCode = p.ErrorCode
				i++
			}
		}
		return resp, e
	})
}

// commitTopic finds a topic that offsets are committed for, by name or ID.
func (b *Broker) commitTopic(r *request, name string, id [16]byte, byID bool) (*topic, int16) {
	var t *topic
	missing := kerr.UnknownTopicOrPartition.Code
	if byID {
		if t, missing = b.topics.byID(id), kerr.UnknownTopicID.Code; t != nil {
			name = t.Name
		}
	} else {
		t = b.topics.byName(name)
	}
	switch {
	case byID && t == nil:
		return nil, missing
	case !b.allowedTopic(r, kmsg.ACLOperationRead, name):
		return nil, kerr.TopicAuthorizationFailed.Code
	case t == nil:
		return nil, missing
	}
	return t, 0
}
