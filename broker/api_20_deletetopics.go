package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics (20), versions 0 to 6.
//
//	1  throttle time
//	4  flexible
//	5  error messages; THROTTLING_QUOTA_EXCEEDED where older clients are made to wait
//	6  topics by ID
//
// A topic is gone when the answer leaves. The broker's own topics are refused.
func (b *Broker) deleteTopics(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DeleteTopicsRequest)
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	changes := mutating{quotas: b.quotas, r: r, strict: req.Version >= 5}
	asked := req.Topics
	for _, name := range req.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		asked = append(asked, t)
	}
	for i := range asked {
		t := kmsg.NewDeleteTopicsResponseTopic()
		t.Topic, t.TopicID = asked[i].Topic, asked[i].TopicID
		if code, why := b.deleteAsked(r, &asked[i], &t, &changes); code != 0 {
			t.ErrorCode, t.ErrorMessage = code, kmsg.StringPtr(why)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return changes.answer(resp)
}

func (b *Broker) deleteAsked(r *request, asked *kmsg.DeleteTopicsRequestTopic, out *kmsg.DeleteTopicsResponseTopic, changes *mutating) (code int16, why string) {
	if asked.Topic != nil && asked.TopicID != ([16]byte{}) {
		return kerr.InvalidRequest.Code, "a topic is named by name or by ID, not by both"
	}
	var t *topic
	if asked.Topic != nil {
		t = b.topics.byName(*asked.Topic)
		if !b.allowedTopic(r, kmsg.ACLOperationDelete, *asked.Topic) {
			if !b.allowedTopic(r, kmsg.ACLOperationDescribe, *asked.Topic) || t != nil {
				return kerr.TopicAuthorizationFailed.Code, "not allowed to delete the topic"
			}
		}
		if t == nil {
			return kerr.UnknownTopicOrPartition.Code, "there is no such topic"
		}
	} else {
		t = b.topics.byID(asked.TopicID)
		if t == nil || !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Name) {
			return kerr.UnknownTopicID.Code, "there is no topic with this ID"
		}
		out.Topic = kmsg.StringPtr(t.Name)
		if !b.allowedTopic(r, kmsg.ACLOperationDelete, t.Name) {
			return kerr.TopicAuthorizationFailed.Code, "not allowed to delete the topic"
		}
	}
	if t.Internal {
		return kerr.InvalidTopicException.Code, "the topic is the broker's own"
	}
	if req := asked.Topic; req != nil {
		out.TopicID = t.ID
	}
	if !changes.partitions(len(t.parts)) {
		return kerr.ThrottlingQuotaExceeded.Code, changes.refusal()
	}
	if err := b.deleteTopic(t.Name); err != nil {
		return topicErrorCode(err), err.Error()
	}
	return 0, ""
}
