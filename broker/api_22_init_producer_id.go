package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// InitProducerId (22), versions 0 to 5.
//
//	2  flexible
//	3  producer ID and epoch of a producer that goes on after an error (KIP-360)
//	4  PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH
//	5  the client knows TRANSACTION_ABORTABLE
//
// Without a transactional ID the answer is a new producer ID, which idempotent
// producers use; who may write to any topic may have one.
func (b *Broker) initProducerID(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.InitProducerIDRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = code, txn.NoProducer, txn.NoProducer
		return resp
	}
	if req.TransactionalID == nil {
		if !b.allowedCluster(r, kmsg.ACLOperationIdempotentWrite) &&
			!b.auth.allowsSome(r.principal(), r.conn.host, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTopic) {
			return answer(refusal(kerr.ClusterAuthorizationFailed.Code))
		}
		id, err := b.producerIDs.take()
		if err != nil {
			b.log.Error("no producer ID", "err", err)
			return answer(refusal(kerr.CoordinatorNotAvailable.Code))
		}
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID = id
		return answer(resp)
	}
	if !b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, *req.TransactionalID) {
		return answer(refusal(kerr.TransactionalIDAuthorizationFailed.Code))
	}
	return askTxn(b, *req.TransactionalID, refusal, func(c *txn.Coordinator, now time.Time) (kmsg.Response, txn.Effects) {
		return c.InitProducerID(now, req)
	})
}
