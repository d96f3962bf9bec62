package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions (37), versions 0 to 3.
//
//	2  flexible
//	3  THROTTLING_QUOTA_EXCEEDED where older clients are made to wait
//
// Assigned replicas are checked for their number only: there is one node.
// The broker's own topics are refused.
func (b *Broker) createPartitions(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.CreatePartitionsRequest)
	resp := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	changes := mutating{quotas: b.quotas, r: r, strict: req.Version >= 3}
	times := map[string]int{}
	for _, t := range req.Topics {
		times[t.Topic]++
	}
	for _, asked := range req.Topics {
		if times[asked.Topic] == 0 {
			continue
		}
		t := kmsg.NewCreatePartitionsResponseTopic()
		t.Topic = asked.Topic
		fail := func(code int16, why string) { t.ErrorCode, t.ErrorMessage = code, kmsg.StringPtr(why) }
		switch existing := b.topics.byName(asked.Topic); {
		case times[asked.Topic] > 1:
			times[asked.Topic] = 0
			fail(kerr.InvalidRequest.Code, "the topic is in the request more than once")
		case !b.allowedTopic(r, kmsg.ACLOperationAlter, asked.Topic):
			fail(kerr.TopicAuthorizationFailed.Code, "not allowed to alter the topic")
		case existing == nil:
			fail(kerr.UnknownTopicOrPartition.Code, "there is no such topic")
		case len(asked.Assignment) > 0 && len(asked.Assignment) != int(asked.Count)-len(existing.parts):
			fail(kerr.InvalidReplicaAssignment.Code, fmt.Sprintf("%d partitions are added, and replicas assigned to %d", int(asked.Count)-len(existing.parts), len(asked.Assignment)))
		default:
			err := checkInternalPartitions(existing)
			if err == nil {
				err = b.store.CheckSetPartitions(asked.Topic, asked.Count)
			}
			switch {
			case err != nil:
				fail(topicErrorCode(err), err.Error())
			case req.ValidateOnly:
			case !changes.partitions(int(asked.Count) - len(existing.parts)):
				fail(kerr.ThrottlingQuotaExceeded.Code, changes.refusal())
			default:
				if err := b.addPartitions(asked.Topic, asked.Count); err != nil {
					fail(topicErrorCode(err), err.Error())
				}
			}
		}
		resp.Topics = append(resp.Topics, t)
	}
	return changes.answer(resp)
}
