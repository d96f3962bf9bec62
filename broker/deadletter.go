package broker

import (
	"errors"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Dead letters, schema.validation.mode=dlq: records that are not what their
// schemas say go to the topic <topic>.dlq, with headers that say where they
// were meant to go and why they did not. What is left of their batch is appended
// with the count of offsets and the sequence numbers that the producer gave it,
// so that its next batch and its retries are what it expects; offsets of bad
// records are holes, as after compaction. The dead letters are durable before
// the rest is appended: a crash in between, or a retry, leaves a letter twice,
// never a record lost.
//
// Batches of transactions are refused as in mode reject: a dead letter that
// stays when its transaction is aborted would tell of something that never
// happened. So are batches with MaxBatchFaults bad records or more.

// deadLetterSuffix makes the name of a topic's dead-letter topic.
const deadLetterSuffix = ".dlq"

// Headers of a dead letter, besides those that the record had.
const (
	headerDeadTopic     = "dovetail.dlq.topic"
	headerDeadPartition = "dovetail.dlq.partition"
	headerDeadRecord    = "dovetail.dlq.record" // its index in the producer's batch, from 0
	headerDeadReason    = "dovetail.dlq.reason"
)

// divert puts the records at fault into the dead-letter topic and returns the
// batch without them.
func (b *Broker) divert(t *topic, partition int32, opened *record.Opened, faults []RecordError) (record.Batch, error) {
	batch := opened.Batch()
	reasons := make(map[int]string, len(faults))
	for _, f := range faults {
		reasons[f.Index] = f.Reason
	}
	options := record.BatchOptions{Codec: batch.Codec(), TimestampType: batch.TimestampType()}
	if batch.HasProducerID() {
		options.Producer = &record.Producer{ID: batch.ProducerID(), Epoch: batch.ProducerEpoch(), BaseSequence: batch.BaseSequence()}
	}
	rest := record.NewBuilder(options)
	it, err := opened.Records()
	if err != nil {
		return nil, err
	}
	// Each record is copied into one of the two, and both are made a batch of.
	if err := opened.Reserve(2 * it.Bytes()); err != nil {
		return nil, err
	}
	defer it.Close()
	var dead []Record
	var room []byte
	for it.Next() {
		r := it.Record()
		reason, bad := reasons[it.Index()]
		if !bad {
			rest.AddStored(r.OffsetDelta, batch.BaseTimestamp()+r.TimestampDelta, r)
			continue
		}
		letter := copyRecord(&room, batch, r, 0)
		for _, h := range [][2]string{
			{headerDeadTopic, t.Name}, {headerDeadPartition, strconv.Itoa(int(partition))}, {headerDeadRecord, strconv.Itoa(it.Index())}, {headerDeadReason, reason},
		} {
			letter.Headers = append(letter.Headers, record.Header{Key: []byte(h[0]), Value: []byte(h[1])})
		}
		dead = append(dead, letter)
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	to, err := b.deadLetterPartition(t, partition)
	if err != nil {
		return nil, err
	}
	if _, err := to.AppendRecords(b.stopping, AnyEnd, dead...); err != nil {
		return nil, err
	}
	return rest.AppendSpan(nil, batch.LastOffsetDelta(), batch.MaxTimestamp())
}

// deadLetterPartition finds or makes where a partition's dead letters go.
func (b *Broker) deadLetterPartition(t *topic, partition int32) (*Partition, error) {
	name := t.Name + deadLetterSuffix
	b.topics.mu.Lock()
	dead := b.topics.byName(name)
	var err error
	if dead == nil {
		dead, err = b.createTopicLocked(topics.Topic{Name: name, Partitions: t.Partitions, ReplicationFactor: t.ReplicationFactor})
	}
	b.topics.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return b.partition(name, partition%dead.Partitions)
}

// diverted counts and notes how records at fault fared.
func (b *Broker) diverted(t *topic, records int, err error) {
	outcome := "kept"
	if err != nil {
		outcome = "refused"
	}
	b.metrics.deadLetters.WithLabelValues(t.Name, outcome).Add(float64(records))
	b.noted(FaultDeadLetters, t.Name, -1, "bad records cannot be put into the dead-letter topic, and their batches are refused", err)
}

// deadLetterCode is what a producer is told if dead letters cannot be kept.
func deadLetterCode(err error) int16 {
	var malformed *record.Error
	if errors.As(err, &malformed) {
		return kerr.CorruptMessage.Code
	}
	return kerr.KafkaStorageError.Code
}
