package broker

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/txn"
)

// ListTransactions (66), versions 0 to 2.
//
//	1  only those that have been open for a time
//	2  only those whose transactional ID matches an expression (RE2), whole
//
// IDs that the client may not describe are left out.
func (b *Broker) listTransactions(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ListTransactionsRequest)
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	f := txn.Filter{States: req.StateFilters, ProducerIDs: req.ProducerIDFilters, Duration: time.Duration(req.DurationFilterMillis) * time.Millisecond}
	if p := req.TransactionalIDPattern; p != nil && *p != "" {
		var err error
		if f.Pattern, err = regexp.Compile(`^(?:` + *p + `)$`); err != nil || len(*p) > maxPatternBytes {
			resp.ErrorCode = kerr.InvalidRegularExpression.Code
			return answer(resp)
		}
	}
	resp.UnknownStateFilters = f.UnknownStates()
	shards, err := b.transactions.open(false)
	if err != nil {
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return answer(resp)
	}
	lists := make([][]kmsg.ListTransactionsResponseTransactionState, len(shards))
	codes := make([]int16, len(shards))
	var all sync.WaitGroup
	all.Add(len(shards))
	for i, s := range shards {
		s.do(func(now time.Time) txn.Effects {
			lists[i] = s.c.List(now, f)
			return txn.Effects{}
		}, func(code int16) {
			codes[i] = code
			all.Done()
		})
	}
	return later(func(context.Context) reply {
		all.Wait()
		for i, list := range lists {
			if codes[i] != 0 {
				resp.ErrorCode, resp.TransactionStates = codes[i], nil
				return answer(resp)
			}
			for _, t := range list {
				if b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, t.TransactionalID) {
					resp.TransactionStates = append(resp.TransactionStates, t)
				}
			}
		}
		slices.SortFunc(resp.TransactionStates, func(x, y kmsg.ListTransactionsResponseTransactionState) int {
			return cmp.Compare(x.TransactionalID, y.TransactionalID)
		})
		return answer(resp)
	})
}

// maxPatternBytes bounds an expression that a client sends.
const maxPatternBytes = 4096
