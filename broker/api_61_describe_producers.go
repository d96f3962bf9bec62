package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeProducers (61), version 0: the idempotent and transactional producers
// that partitions know, with the start of what is open, which is how hanging
// transactions are found.
func (b *Broker) describeProducers(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeProducersRequest)
	resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, b.producersOf(r, t.Topic, p))
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return answer(resp)
}

func (b *Broker) producersOf(r *request, name string, partition int32) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = partition
	refuse := func(err *kerr.Error) kmsg.DescribeProducersResponseTopicPartition {
		out.ErrorCode, out.ErrorMessage = err.Code, kmsg.StringPtr(err.Description)
		return out
	}
	t := b.topics.byName(name)
	switch {
	case !b.allowedTopic(r, kmsg.ACLOperationRead, name):
		return refuse(kerr.TopicAuthorizationFailed)
	case t == nil || t.partition(partition) == nil:
		return refuse(kerr.UnknownTopicOrPartition)
	}
	part := t.partition(partition)
	if part.log == nil {
		return refuse(kerr.KafkaStorageError)
	}
	for _, p := range part.log.ActiveProducers() {
		ap := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		ap.ProducerID, ap.ProducerEpoch, ap.LastSequence = p.ProducerID, int32(p.ProducerEpoch), p.LastSequence
		ap.LastTimestamp, ap.CoordinatorEpoch, ap.CurrentTxnStartOffset = p.LastTimestamp, p.CoordinatorEpoch, p.TxnFirstOffset
		out.ActiveProducers = append(out.ActiveProducers, ap)
	}
	return out
}
