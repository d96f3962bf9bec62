package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// EndTxn commits or aborts the producer's transaction. The answer comes when
// its markers are written, or when that takes long ([Coordinator.Delayed]): the
// outcome is durable before the first of them. Version 5 gives the producer
// its epoch for the next transaction (KIP-890).
//
// A client that asks again, because the answer was lost, gets the answer again;
// while markers are being written it gets CONCURRENT_TRANSACTIONS; asking for
// the other outcome gets INVALID_TXN_STATE.
func (c *Coordinator) EndTxn(now time.Time, to Waiter, req *kmsg.EndTxnRequest) Effects {
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = NoProducer, NoProducer
	e := ender{to: to, resp: resp, commit: req.Commit, bumps: req.Version >= 5, producer: Producer{req.ProducerID, req.ProducerEpoch}}
	code := c.end(now, req.TransactionalID, e)
	if code == kerr.ProducerFenced.Code && req.Version < 2 {
		code = kerr.InvalidProducerEpoch.Code
	}
	if code != 0 {
		resp.ErrorCode = code
		c.answer(to, resp)
	}
	return c.take()
}

type ender struct {
	to       Waiter
	resp     *kmsg.EndTxnResponse
	commit   bool
	bumps    bool // the client takes a new epoch from the answer
	producer Producer
}

func (e ender) outcome() (preparing, complete State) {
	if e.commit {
		return PrepareCommit, CompleteCommit
	}
	return PrepareAbort, CompleteAbort
}

// end answers through the ender, or returns an error code.
func (c *Coordinator) end(now time.Time, id string, e ender) int16 {
	t := c.transactions[id]
	if id == "" {
		return kerr.InvalidRequest.Code
	}
	retry := e.bumps && t != nil && t.previous.ID >= 0 && e.producer == t.previous
	if !retry {
		var code int16
		if t, code = c.find(id, e.producer); code != 0 {
			return code
		}
	}
	preparing, complete := e.outcome()
	switch t.state {
	case preparing:
		return kerr.ConcurrentTransactions.Code
	case complete:
		switch {
		case retry || !e.bumps:
			c.sayDone(e, t)
			return 0
		case e.commit: // a new transaction that nothing was written in
			return kerr.InvalidTxnState.Code
		}
	case Ongoing:
	default:
		if retry && e.commit && (t.state == PrepareAbort || t.state == CompleteAbort) {
			return kerr.ProducerFenced.Code // it was aborted over the client's head
		}
		// Aborting what has nothing in it gives a client of KIP-890 its epoch.
		if retry || e.commit || !e.bumps || t.state.preparing() {
			return kerr.InvalidTxnState.Code
		}
	}
	next := t.clone()
	next.state, next.updated = preparing, now
	if t.state != Ongoing {
		next.partitions, next.started = nil, now
	}
	if e.bumps {
		next.version = V2
		next.previous = t.producer
		next.producer.Epoch++
		if t.exhausted() {
			p, code := c.newProducer()
			if code != 0 {
				return code
			}
			next.next = p
		}
	}
	c.waiting[id] = append(c.waiting[id], waiting{to: e.to, response: e.resp})
	c.prepare(next)
	return 0
}

func (c *Coordinator) sayDone(e ender, t *transaction) {
	e.resp.ProducerID, e.resp.ProducerEpoch = t.producer.ID, t.producer.Epoch
	c.answer(e.to, e.resp)
}

// prepare makes an outcome durable and asks for its markers.
func (c *Coordinator) prepare(next *transaction) {
	c.write(next.id, next)
	c.effects.Endings = append(c.effects.Endings, next.ending())
}

func (t *transaction) ending() Ending {
	return Ending{TransactionalID: t.id, Producer: t.producer, Commit: t.state == PrepareCommit, Partitions: t.sortedPartitions()}
}

// Completed says that all markers of an ending are durable.
func (c *Coordinator) Completed(now time.Time, e Ending) Effects {
	t := c.transactions[e.TransactionalID]
	if t == nil || !t.state.preparing() || t.producer != e.Producer {
		return Effects{}
	}
	next := t.clone()
	next.state = CompleteAbort
	if t.state == PrepareCommit {
		next.state = CompleteCommit
	}
	next.partitions, next.started, next.updated = nil, time.Time{}, now
	if t.next.ID >= 0 {
		next.producer, next.next = t.next, Producer{NoProducer, NoProducer}
	}
	c.write(t.id, next)
	c.answerEnd(next)
	return c.take()
}

// Delayed says that markers of an ending cannot be written now. Who waits is
// told of the outcome, which stands; requests for the next transaction will
// get CONCURRENT_TRANSACTIONS until Completed.
func (c *Coordinator) Delayed(e Ending) Effects {
	if t := c.transactions[e.TransactionalID]; t != nil && t.producer == e.Producer {
		next := t.clone()
		if t.next.ID >= 0 {
			next.producer = t.next
		}
		c.answerEnd(next)
	}
	return c.take()
}

func (c *Coordinator) answerEnd(t *transaction) {
	for _, w := range c.waiting[t.id] {
		w.response.ProducerID, w.response.ProducerEpoch = t.producer.ID, t.producer.Epoch
		c.answer(w.to, w.response)
	}
	delete(c.waiting, t.id)
}
