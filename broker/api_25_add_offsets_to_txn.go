package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// AddOffsetsToTxn (25), versions 0 to 4.
//
//	2  PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH
//	3  flexible
//	4  the client knows TRANSACTION_ABORTABLE
//
// It adds the partition of `__consumer_offsets` that the group lives in.
func (b *Broker) addOffsetsToTxn(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AddOffsetsToTxnRequest)
	say := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
		if resp.ErrorCode = code; code == kerr.ProducerFenced.Code && req.Version < 2 {
			resp.ErrorCode = kerr.InvalidProducerEpoch.Code
		}
		return resp
	}
	switch {
	case !b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID):
		return answer(say(kerr.TransactionalIDAuthorizationFailed.Code))
	case !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group):
		return answer(say(kerr.GroupAuthorizationFailed.Code))
	}
	s, err := b.groups.shard(req.Group)
	if err != nil {
		return answer(say(kerr.CoordinatorNotAvailable.Code))
	}
	at := []txn.TopicPartition{{Topic: offsetsTopic, Partition: s.partition}}
	return askTxn(b, req.TransactionalID, say, func(c *txn.Coordinator, now time.Time) (kmsg.Response, txn.Effects) {
		code, e := c.Add(now, req.TransactionalID, txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}, at, txn.V1)
		return say(code), e
	})
}
