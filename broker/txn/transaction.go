package txn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// State is the state of a transaction, with the numbers that are stored.
type State int8

// States of a transaction.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
)

var stateNames = [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int8(s))
	}
	return stateNames[s]
}

// Preparing says that the outcome is decided and markers are being written.
func (s State) preparing() bool { return s == PrepareCommit || s == PrepareAbort }

// Producer is a producer ID with the epoch of one of its incarnations.
type Producer struct {
	ID    int64
	Epoch int16
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// NoProducer stands for "not told" and "none yet".
const NoProducer = -1

// lastEpoch is the highest epoch that a producer uses. One more exists, which
// only fences.
const lastEpoch = 1<<15 - 2

// transaction is what is kept of a transactional ID.
type transaction struct {
	id         string
	producer   Producer
	previous   Producer // the epoch before, for a client that missed the step to this one; ID −1: none
	next       Producer // of the next transaction, when this one's epochs are used up; ID −1: none
	timeout    time.Duration
	state      State
	partitions map[TopicPartition]struct{}
	started    time.Time // zero: not Ongoing
	updated    time.Time
	version    int16 // of the transaction protocol that the client speaks: 2 bumps the epoch with each EndTxn
}

func (t *transaction) clone() *transaction {
	c := *t
	c.partitions = maps.Clone(t.partitions)
	return &c
}

func (t *transaction) sortedPartitions() []TopicPartition {
	return slices.SortedFunc(maps.Keys(t.partitions), func(a, b TopicPartition) int {
		if a.Topic != b.Topic {
			if a.Topic < b.Topic {
				return -1
			}
			return 1
		}
		return int(a.Partition) - int(b.Partition)
	})
}

// exhausted says that the producer ID has no epoch left for another incarnation.
func (t *transaction) exhausted() bool { return t.producer.Epoch >= lastEpoch }

func keyOf(id string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(id)))
	return append(b, id...)
}

func (t *transaction) value() []byte {
	v := kmsg.NewTxnMetadataValue()
	v.Version = 1
	v.ProducerID, v.ProducerEpoch = t.producer.ID, t.producer.Epoch
	v.TimeoutMillis = int32(t.timeout.Milliseconds())
	v.State = kmsg.TransactionState(t.state)
	v.LastUpdateTimestamp, v.StartTimestamp = t.updated.UnixMilli(), -1
	if !t.started.IsZero() {
		v.StartTimestamp = t.started.UnixMilli()
	}
	v.PreviousProducerID, v.NextProducerID, v.NextProducerEpoch = t.previous.ID, t.next.ID, t.next.Epoch
	v.ClientTransactionVersion = t.version
	if t.state != Empty {
		v.Topics = []kmsg.TxnMetadataValueTopic{}
	}
	for _, p := range t.sortedPartitions() {
		if len(v.Topics) == 0 || v.Topics[len(v.Topics)-1].Topic != p.Topic {
			topic := kmsg.NewTxnMetadataValueTopic()
			topic.Topic = p.Topic
			v.Topics = append(v.Topics, topic)
		}
		last := &v.Topics[len(v.Topics)-1]
		last.Partitions = append(last.Partitions, p.Partition)
	}
	return v.AppendTo(nil)
}

// decode reads a record. A nil transaction with no error is a tombstone.
func decode(rec Record) (id string, t *transaction, err error) {
	if len(rec.Key) < 4 || binary.BigEndian.Uint16(rec.Key) != 0 {
		return "", nil, errors.New("transaction record: key is not of version 0")
	}
	n := int(binary.BigEndian.Uint16(rec.Key[2:]))
	if n != len(rec.Key)-4 {
		return "", nil, fmt.Errorf("transaction record: key says %d bytes and has %d", n, len(rec.Key)-4)
	}
	id = string(rec.Key[4:])
	if rec.Value == nil {
		return id, nil, nil
	}
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(rec.Value); err != nil {
		return id, nil, fmt.Errorf("transactional ID %q: %w", id, err)
	}
	t = &transaction{
		id: id, producer: Producer{v.ProducerID, v.ProducerEpoch},
		previous: Producer{v.PreviousProducerID, NoProducer}, next: Producer{v.NextProducerID, v.NextProducerEpoch},
		timeout:    time.Duration(v.TimeoutMillis) * time.Millisecond,
		state:      State(v.State),
		partitions: make(map[TopicPartition]struct{}),
		updated:    time.UnixMilli(v.LastUpdateTimestamp),
		version:    v.ClientTransactionVersion,
	}
	if t.previous.ID >= 0 {
		t.previous.Epoch = lastEpoch // it had used up its epochs
		if t.previous.ID == t.producer.ID {
			t.previous.Epoch = t.producer.Epoch - 1
		}
	}
	if t.state < Empty || t.state > CompleteAbort {
		return id, nil, fmt.Errorf("transactional ID %q: state %d", id, int8(t.state))
	}
	if v.StartTimestamp >= 0 {
		t.started = time.UnixMilli(v.StartTimestamp)
	}
	for _, topic := range v.Topics {
		for _, p := range topic.Partitions {
			t.partitions[TopicPartition{topic.Topic, p}] = struct{}{}
		}
	}
	return id, t, nil
}
