package txn

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Version of the transaction protocol that a client speaks.
const (
	V1 int16 = 1 // the client adds partitions before it writes to them
	V2 int16 = 2 // the write adds them; an epoch per transaction (KIP-890)
)

// Add puts partitions into the producer's transaction, and opens one if there
// is none. It returns a Kafka error code, PRODUCER_FENCED for an older epoch.
// The effects must be durable before anything is written to the partitions.
func (c *Coordinator) Add(now time.Time, id string, p Producer, partitions []TopicPartition, version int16) (int16, Effects) {
	t, code := c.find(id, p)
	if code != 0 {
		return code, Effects{}
	}
	if t.state.preparing() {
		return kerr.ConcurrentTransactions.Code, Effects{}
	}
	missing := t.state != Ongoing
	for _, tp := range partitions {
		if _, ok := t.partitions[tp]; !ok {
			missing = true
		}
	}
	if !missing {
		return 0, Effects{}
	}
	next := t.clone()
	if t.state != Ongoing {
		next.partitions, next.started, next.state = nil, now, Ongoing
		next.previous = Producer{NoProducer, NoProducer}
	}
	if next.partitions == nil {
		next.partitions = make(map[TopicPartition]struct{}, len(partitions))
	}
	for _, tp := range partitions {
		next.partitions[tp] = struct{}{}
	}
	if len(next.partitions) > c.opts.MaxPartitions {
		return kerr.PolicyViolation.Code, Effects{}
	}
	next.updated, next.version = now, version
	c.write(id, next)
	return 0, c.take()
}

// Verify says whether the producer has an open transaction with the partition
// in it, which must be so before a transactional batch of a client of protocol
// V1 is appended: INVALID_TXN_STATE if not.
func (c *Coordinator) Verify(id string, p Producer, partition TopicPartition) int16 {
	t, code := c.find(id, p)
	switch {
	case code != 0:
		return code
	case t.state.preparing():
		return kerr.ConcurrentTransactions.Code
	}
	if _, ok := t.partitions[partition]; !ok || t.state != Ongoing {
		return kerr.InvalidTxnState.Code
	}
	return 0
}

func (c *Coordinator) find(id string, p Producer) (*transaction, int16) {
	t := c.transactions[id]
	switch {
	case id == "":
		return nil, kerr.InvalidRequest.Code
	case t == nil || t.producer.ID != p.ID:
		return nil, kerr.InvalidProducerIDMapping.Code
	case t.producer.Epoch != p.Epoch:
		return nil, kerr.ProducerFenced.Code
	}
	return t, 0
}
