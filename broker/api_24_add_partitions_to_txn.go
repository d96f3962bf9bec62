package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// AddPartitionsToTxn (24), versions 0 to 3.
//
//	2  PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH
//	3  flexible
//
// All partitions are added or none: if one cannot be, the others say
// OPERATION_NOT_ATTEMPTED. Clients of KIP-890 do not send it: their writes add.
//
// Left out: versions 4 and 5, in which brokers ask each other.
func (b *Broker) addPartitionsToTxn(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AddPartitionsToTxnRequest)
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	var partitions []txn.TopicPartition
	mayWrite := b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID)
	refused := false
	resp.Topics = make([]kmsg.AddPartitionsToTxnResponseTopic, len(req.Topics))
	for i, t := range req.Topics {
		rt := kmsg.NewAddPartitionsToTxnResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p, b.mayAdd(r, t.Topic, p)
			if !mayWrite {
				rp.ErrorCode = kerr.TransactionalIDAuthorizationFailed.Code
			}
			refused = refused || rp.ErrorCode != 0
			rt.Partitions = append(rt.Partitions, rp)
			partitions = append(partitions, txn.TopicPartition{Topic: t.Topic, Partition: p})
		}
		resp.Topics[i] = rt
	}
	fill := func(code int16) kmsg.Response {
		if code == kerr.ProducerFenced.Code && req.Version < 2 {
			code = kerr.InvalidProducerEpoch.Code
		}
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				if p := &resp.Topics[i].Partitions[j]; p.ErrorCode == 0 {
					p.ErrorCode = code
				}
			}
		}
		return resp
	}
	if refused {
		return answer(fill(kerr.OperationNotAttempted.Code))
	}
	return askTxn(b, req.TransactionalID, fill, func(c *txn.Coordinator, now time.Time) (kmsg.Response, txn.Effects) {
		code, e := c.Add(now, req.TransactionalID, txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}, partitions, txn.V1)
		return fill(code), e
	})
}

func (b *Broker) mayAdd(r *request, name string, partition int32) int16 {
	t := b.topics.byName(name)
	switch {
	case !b.allowedTopic(r, kmsg.ACLOperationWrite, name):
		return kerr.TopicAuthorizationFailed.Code
	case t == nil || t.partition(partition) == nil:
		return kerr.UnknownTopicOrPartition.Code
	case t.Internal:
		return kerr.TopicAuthorizationFailed.Code
	}
	return 0
}
