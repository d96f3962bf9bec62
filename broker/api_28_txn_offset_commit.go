package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// TxnOffsetCommit (28), versions 0 to 5.
//
//	2  leader epoch of the record before the offset
//	3  flexible; member, group instance ID and generation, which are checked
//	4  the client knows TRANSACTION_ABORTABLE
//	5  it adds the group to the transaction itself (KIP-890)
//
// Before version 5 the group must have been added by AddOffsetsToTxn. Offsets
// count once the transaction is committed; until then a fetch that wants stable
// offsets is told to wait.
func (b *Broker) txnOffsetCommit(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.TxnOffsetCommitRequest)
	resp := req.ResponseKind().(*kmsg.TxnOffsetCommitResponse)
	asked := *req
	asked.Topics = nil
	var open []*kmsg.TxnOffsetCommitResponseTopicPartition
	refuseAll := int16(0)
	switch {
	case !b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, req.TransactionalID):
		refuseAll = kerr.TransactionalIDAuthorizationFailed.Code
	case !b.allowed(r, kmsg.ACLOperationRead, kmsg.ACLResourceTypeGroup, req.Group):
		refuseAll = kerr.GroupAuthorizationFailed.Code
	}
	resp.Topics = make([]kmsg.TxnOffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t, rt := &req.Topics[i], &resp.Topics[i]
		*rt = kmsg.NewTxnOffsetCommitResponseTopic()
		rt.Topic = t.Topic
		found, code := b.commitTopic(r, t.Topic, [16]byte{}, false)
		if refuseAll != 0 {
			code = refuseAll
		}
		some := *t
		some.Partitions = nil
		rt.Partitions = make([]kmsg.TxnOffsetCommitResponseTopicPartition, len(t.Partitions))
		for j, p := range t.Partitions {
			rp := &rt.Partitions[j]
			*rp = kmsg.NewTxnOffsetCommitResponseTopicPartition()
			rp.Partition, rp.ErrorCode = p.Partition, code
			switch {
			case code != 0:
			case found.partition(p.Partition) == nil:
				rp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			default:
				some.Partitions = append(some.Partitions, p)
				open = append(open, rp)
			}
		}
		if len(some.Partitions) > 0 {
			asked.Topics = append(asked.Topics, some)
		}
	}
	if len(open) == 0 {
		return answer(resp)
	}
	refusal := func(code int16) kmsg.Response {
		for _, p := range open {
			p.ErrorCode = code
		}
		return resp
	}
	s, err := b.groups.shard(req.Group)
	if err != nil {
		return answer(refusal(kerr.CoordinatorNotAvailable.Code))
	}
	code := b.transactions.confirm(transactionalWrite{transactionalID: req.TransactionalID, producerID: req.ProducerID,
		producerEpoch: req.ProducerEpoch, topic: offsetsTopic, partition: s.partition, add: req.Version >= 5})
	if code != 0 {
		return answer(refusal(txnCommitCode(code, req.Version)))
	}
	return askGroup(b, req.Group, refusal, func(c *group.Coordinator, now time.Time) (kmsg.Response, group.Effects) {
		got, e := c.TxnOffsetCommit(now, &asked)
		i := 0
		for _, t := range got.Topics {
			for _, p := range t.Partitions {
				open[i].ErrorCode = p.ErrorCode
				i++
			}
		}
		return resp, e
	})
}

// txnCommitCode is a code of the transaction coordinator as a client of that
// version acts rightly upon it.
func txnCommitCode(code, version int16) int16 {
	switch {
	case code == kerr.ProducerFenced.Code:
		return kerr.InvalidProducerEpoch.Code
	case code == kerr.ConcurrentTransactions.Code && version < 5:
		return kerr.CoordinatorLoadInProgress.Code // which it tries again after
	}
	return code
}
