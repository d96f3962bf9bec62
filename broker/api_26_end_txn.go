package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// EndTxn (26), versions 0 to 5.
//
//	2  PRODUCER_FENCED in place of INVALID_PRODUCER_EPOCH
//	3  flexible
//	4  the client knows TRANSACTION_ABORTABLE
//	5  producer ID and epoch for the next transaction (KIP-890)
//
// The answer comes when every partition has its marker, so that what was
// committed can be read then.
func (b *Broker) endTxn(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.EndTxnRequest)
	refusal := func(code int16) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = code, txn.NoProducer, txn.NoProducer
		return resp
	}
	if !b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID) {
		return answer(refusal(kerr.TransactionalIDAuthorizationFailed.Code))
	}
	s, err := b.transactions.shard(req.TransactionalID)
	if err != nil {
		return answer(refusal(kerr.CoordinatorNotAvailable.Code))
	}
	answered := make(chan kmsg.Response, 1)
	var waiter uint64 // 0 until the machine sees the request
	s.do(func(now time.Time) txn.Effects {
		waiter = s.waiters.add(answered)
		return s.c.EndTxn(now, txn.Waiter(waiter), req)
	}, func(code int16) {
		switch {
		case code == 0:
		case waiter == 0:
			answered <- refusal(code)
		default:
			s.waiters.resolve(waiter, refusal(code))
		}
	})
	return later(func(ctx context.Context) reply {
		select {
		case resp := <-answered:
			if resp == nil {
				resp = refusal(kerr.NotCoordinator.Code)
			}
			return answer(resp)
		case <-ctx.Done():
			s.do(func(time.Time) txn.Effects {
				s.waiters.resolve(waiter, nil)
				return txn.Effects{}
			}, func(int16) {})
			return refused("the connection ended while a transaction was being ended")
		}
	})
}
