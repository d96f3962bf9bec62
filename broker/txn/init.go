package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// InitProducerID begins an incarnation of a producer. Without a transactional
// ID that is a new producer ID. With one it is the ID's producer ID with the
// next epoch, which fences every incarnation before; a transaction that one of
// them left open is aborted first, and the client asks again until that is done
// (CONCURRENT_TRANSACTIONS).
//
// A client that tells which incarnation it is (version 3, KIP-360) is fenced if
// another came after it; if only its answer was lost, it gets it again.
func (c *Coordinator) InitProducerID(now time.Time, req *kmsg.InitProducerIDRequest) (*kmsg.InitProducerIDResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = NoProducer, NoProducer
	p, code := c.initProducer(now, req)
	if code == kerr.ProducerFenced.Code && req.Version < 4 {
		code = kerr.InvalidProducerEpoch.Code
	}
	if resp.ErrorCode = code; code == 0 {
		resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
	}
	return resp, c.take()
}

func (c *Coordinator) initProducer(now time.Time, req *kmsg.InitProducerIDRequest) (Producer, int16) {
	if req.TransactionalID == nil {
		return c.newProducer()
	}
	timeout := time.Duration(req.TransactionTimeoutMillis) * time.Millisecond
	told := Producer{req.ProducerID, req.ProducerEpoch}
	switch {
	case *req.TransactionalID == "":
		return Producer{}, kerr.InvalidRequest.Code
	case (told.ID < 0) != (told.Epoch < 0):
		return Producer{}, kerr.InvalidRequest.Code
	case timeout <= 0 || timeout > c.opts.MaxTimeout:
		c.log.Info("transaction timeout refused", "transactional id", *req.TransactionalID, "timeout", timeout,
			"transaction.max.timeout.ms", c.opts.MaxTimeout.Milliseconds())
		return Producer{}, kerr.InvalidTransactionTimeout.Code
	}
	t := c.transactions[*req.TransactionalID]
	if t == nil {
		p, code := c.newProducer()
		if code != 0 {
			return p, code
		}
		c.write(*req.TransactionalID, &transaction{id: *req.TransactionalID, producer: p, timeout: timeout,
			previous: Producer{NoProducer, NoProducer}, next: Producer{NoProducer, NoProducer}, updated: now})
		return p, 0
	}
	return c.nextIncarnation(now, t, told, timeout)
}

func (c *Coordinator) newProducer() (Producer, int16) {
	id, err := c.opts.ProducerIDs()
	if err != nil {
		c.log.Error("no producer ID", "err", err)
		return Producer{}, kerr.CoordinatorNotAvailable.Code
	}
	return Producer{ID: id}, 0
}

func (c *Coordinator) nextIncarnation(now time.Time, t *transaction, told Producer, timeout time.Duration) (Producer, int16) {
	missed := told.ID >= 0 && told == t.previous
	if told.ID >= 0 && told != t.producer && !missed {
		return Producer{}, kerr.ProducerFenced.Code
	}
	switch {
	case t.state.preparing():
		return Producer{}, kerr.ConcurrentTransactions.Code
	case t.state == Ongoing:
		c.fence(now, t)
		return Producer{}, kerr.ConcurrentTransactions.Code
	case missed && t.state == Empty:
		return t.producer, 0 // nobody has used it yet
	}
	next := t.clone()
	next.state, next.started, next.updated, next.timeout = Empty, time.Time{}, now, timeout
	next.partitions, next.version = nil, 0
	next.previous = Producer{NoProducer, NoProducer}
	if told.ID >= 0 {
		next.previous = told
	}
	if t.exhausted() {
		p, code := c.newProducer()
		if code != 0 {
			return p, code
		}
		next.producer = p
	} else {
		next.producer.Epoch++
	}
	c.write(t.id, next)
	return next.producer, 0
}

// fence aborts an open transaction under the next epoch, so that whoever began
// it can no longer write, but can begin again as long as nobody else has (KIP-588).
func (c *Coordinator) fence(now time.Time, t *transaction) {
	next := t.clone()
	next.state, next.updated = PrepareAbort, now
	next.previous = t.producer
	next.producer.Epoch++ // beyond the last there is one that only fences
	c.prepare(next)
}
