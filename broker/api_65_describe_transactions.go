package broker

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// DescribeTransactions (65), version 0: state, producer and partitions of
// transactional IDs. Topics that the client may not describe are left out.
func (b *Broker) describeTransactions(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeTransactionsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	resp.TransactionStates = make([]kmsg.DescribeTransactionsResponseTransactionState, len(req.TransactionalIDs))
	var all sync.WaitGroup
	for i, id := range req.TransactionalIDs {
		out := &resp.TransactionStates[i]
		refuse := func(code int16) {
			*out = kmsg.NewDescribeTransactionsResponseTransactionState()
			out.TransactionalID, out.ErrorCode = id, code
		}
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, id) {
			refuse(kerr.TransactionalIDAuthorizationFailed.Code)
			continue
		}
		s, err := b.transactions.shard(id)
		if err != nil {
			refuse(kerr.CoordinatorNotAvailable.Code)
			continue
		}
		all.Add(1)
		s.do(func(time.Time) txn.Effects {
			*out = s.c.Describe(id)
			out.Topics = slices.DeleteFunc(out.Topics, func(t kmsg.DescribeTransactionsResponseTransactionStateTopic) bool {
				return !b.allowedTopic(r, kmsg.ACLOperationDescribe, t.Topic)
			})
			return txn.Effects{}
		}, func(code int16) {
			if code != 0 {
				refuse(code)
			}
			all.Done()
		})
	}
	return later(func(context.Context) reply {
		all.Wait()
		return answer(resp)
	})
}
