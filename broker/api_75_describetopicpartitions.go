package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTopicPartitions (75), version 0.
//
// Topics by name, or all of them, page by page: an answer has at most as many
// partitions as the client asks for, and 2,000, and a cursor to where the next
// one begins.
func (b *Broker) describeTopicPartitions(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeTopicPartitionsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeTopicPartitionsResponse)
	left := min(int(req.ResponsePartitionLimit), maxDescribedPartitions)
	if left < 1 {
		left = maxDescribedPartitions
	}
	for _, name := range b.describedNames(r, req) {
		if req.Cursor != nil && name < req.Cursor.Topic {
			continue
		}
		from := int32(0)
		if req.Cursor != nil && name == req.Cursor.Topic {
			from = max(0, req.Cursor.Partition)
		}
		if left == 0 {
			resp.NextCursor = describeCursor(name, from)
			break
		}
		out := kmsg.NewDescribeTopicPartitionsResponseTopic()
		out.Topic = kmsg.StringPtr(name)
		t := b.topics.byName(name)
		switch {
		case !b.allowedTopic(r, kmsg.ACLOperationDescribe, name):
			out.ErrorCode = kerr.TopicAuthorizationFailed.Code
		case t == nil:
			out.ErrorCode = kerr.UnknownTopicOrPartition.Code
		default:
			out.TopicID, out.IsInternal = t.ID, t.Internal
			out.AuthorizedOperations = b.authorizedOperations(r, kmsg.ACLResourceTypeTopic, name)
			end := min(len(t.parts), int(from)+left)
			for i := int(from); i < end; i++ {
				out.Partitions = append(out.Partitions, b.describePartition(t.parts[i]))
			}
			left -= len(out.Partitions)
			if end < len(t.parts) {
				resp.NextCursor = describeCursor(name, int32(end))
			}
		}
		resp.Topics = append(resp.Topics, out)
		if resp.NextCursor != nil {
			break
		}
	}
	return answer(resp)
}

const maxDescribedPartitions = 2000

func describeCursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	return &c
}

// describedNames are the topics that a request is about, sorted, each once.
func (b *Broker) describedNames(r *request, req *kmsg.DescribeTopicPartitionsRequest) []string {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 {
		for _, t := range b.topics.all() {
			if b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	slices.SortFunc(names, cmp.Compare[string])
	return slices.Compact(names)
}

func (b *Broker) describePartition(p *Partition) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	d := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	d.Partition, d.LeaderID, d.LeaderEpoch = p.index, b.opts.NodeID, p.leaderEpoch()
	d.Replicas, d.ISR, d.OfflineReplicas = b.self, b.self, []int32{}
	d.EligibleLeaderReplicas, d.LastKnownELR = []int32{}, []int32{}
	if p.offline() != nil {
		d.ErrorCode, d.LeaderID, d.OfflineReplicas = kerr.LeaderNotAvailable.Code, -1, b.self
	}
	return d
}
