package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Produce (0), versions 3 to 13; 0 to 2 are offered, since old clients take
// that as a sign that compression works, and refused.
//
//	3   record batches of format 2; transactional ID
//	5   log start offset
//	7   zstd
//	8   which records of a batch are at fault, and why
//	9   flexible
//	10  current leader, with NOT_LEADER_OR_FOLLOWER only, which is never answered here
//	12  transactional writes add the partition to the transaction (KIP-890)
//	13  topics by ID
//
// acks=all is answered when the records are as durable as Options.Durability
// says, acks=1 when they are written, acks=0 not at all: an error then closes
// the connection, which is the only way to tell the client.
//
// Batches are appended in the order of the requests of a connection; waiting
// for the disk overlaps with the requests behind. Bytes are checked where they
// lie in the request, not copied.
//
// Left out: message formats 0 and 1.
func (b *Broker) produce(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ProduceRequest)
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	p := producing{b: b, r: r, req: req}
	switch {
	case req.Acks < -1 || req.Acks > 1:
		p.refuseAll = kerr.InvalidRequiredAcks
	case req.TransactionID != nil && !b.allowed(r, kmsg.ACLOperationWrite, kmsg.ACLResourceTypeTransactionalId, *req.TransactionID):
		p.refuseAll = kerr.TransactionalIDAuthorizationFailed
	}
	bytes := 0
	resp.Topics = make([]kmsg.ProduceResponseTopic, len(req.Topics))
	for i := range req.Topics {
		asked, out := &req.Topics[i], &resp.Topics[i]
		*out = kmsg.NewProduceResponseTopic()
		out.TopicID = asked.TopicID
		out.Partitions = make([]kmsg.ProduceResponseTopicPartition, len(asked.Partitions))
		t, refused := p.topic(asked)
		if t != nil {
			out.Topic = t.Name
		} else {
			out.Topic = strings.Clone(asked.Topic)
		}
		for j := range asked.Partitions {
			o := &out.Partitions[j]
			*o = kmsg.NewProduceResponseTopicPartition()
			o.Partition = asked.Partitions[j].Partition
			o.BaseOffset = -1
			bytes += len(asked.Partitions[j].Records)
			if refused != nil {
				p.fail(o, refused.Code, refused.Description)
				continue
			}
			p.append(t, &asked.Partitions[j], o)
		}
	}
	throttle := b.quotas.produced(r, bytes)
	resp.ThrottleMillis = int32(throttle.Milliseconds())
	if req.Acks == 0 {
		if p.failed != "" {
			return refused("produce with acks=0 failed: " + p.failed)
		}
		rep := noAnswer()
		rep.mute = throttle
		return rep
	}
	rep := answer(resp)
	if req.Acks == -1 && len(p.written) > 0 {
		timeout := max(time.Duration(req.TimeoutMillis)*time.Millisecond, time.Second)
		// What was written is answered for also if the broker is about to stop.
		rep = later(func(context.Context) reply {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			for _, w := range p.written {
				if err := w.partition.log.WaitDurable(ctx, w.end); err != nil {
					p.fail(w.out, int16(commitlog.KafkaCode(err)), err.Error())
					w.out.BaseOffset = -1
				}
			}
			return answer(resp)
		})
	}
	rep.mute = throttle
	return rep
}

// producing is the state of one request.
type producing struct {
	b         *Broker
	r         *request
	req       *kmsg.ProduceRequest
	refuseAll *kerr.Error
	written   []writtenBatch
	failed    string // why the last refused batch was refused
}

// writtenBatch is a batch whose durability is to be waited for.
type writtenBatch struct {
	partition *Partition
	end       int64
	out       *kmsg.ProduceResponseTopicPartition
}

// topic finds a topic and checks that the client may write it.
func (p *producing) topic(asked *kmsg.ProduceRequestTopic) (*topic, *kerr.Error) {
	if p.refuseAll != nil {
		return nil, p.refuseAll
	}
	var t *topic
	name := asked.Topic
	if p.req.Version >= 13 {
		if t = p.b.topics.byID(asked.TopicID); t == nil {
			return nil, kerr.UnknownTopicID
		}
		name = t.Name
	} else {
		t = p.b.topics.byName(name)
	}
	switch {
	case !p.b.allowedTopic(p.r, kmsg.ACLOperationWrite, name):
		return nil, kerr.TopicAuthorizationFailed
	case t == nil:
		return nil, kerr.UnknownTopicOrPartition
	case t.Internal && p.r.clientID != adminClientID:
		return nil, kerr.InvalidTopicException
	}
	return t, nil
}

// adminClientID is the client ID that may write to internal topics. It is not
// protection, but keeps honest clients from mistakes.
const adminClientID = "__admin_client"

// append appends the batch of one partition.
func (p *producing) append(t *topic, asked *kmsg.ProduceRequestTopicPartition, out *kmsg.ProduceResponseTopicPartition) {
	part := t.partition(asked.Partition)
	if part == nil {
		p.fail(out, kerr.UnknownTopicOrPartition.Code, "there is no such partition")
		return
	}
	if err := part.offline(); err != nil {
		p.fail(out, kerr.KafkaStorageError.Code, err.Error())
		return
	}
	if len(asked.Records) == 0 {
		p.fail(out, kerr.InvalidRecord.Code, "there is no record batch")
		return
	}
	batch, err := part.log.Check(asked.Records)
	if err != nil {
		p.refuse(out, err)
		return
	}
	opts := commitlog.AppendOptions{}
	if batch.IsTransactional() {
		if code, why := p.verify(t, asked.Partition, batch); code != 0 {
			p.fail(out, code, why)
			return
		}
		opts.TxnVerified = true
	}
	opened := p.b.open(p.b.stopping, batch)
	defer opened.Close()
	if t.values.Schema.Enabled() {
		fit, ok := p.validate(t, asked.Partition, opened, out)
		if !ok {
			return
		}
		if fit != nil {
			opts.Sparse = true
			opened = p.b.open(p.b.stopping, fit)
			defer opened.Close()
		}
	}
	opts.Opened = opened
	appended, err := part.log.Append(p.b.stopping, opened.Batch(), opts)
	p.b.written(err)
	if err != nil {
		p.refuse(out, err)
		return
	}
	out.BaseOffset, out.LogAppendTime, out.LogStartOffset = appended.BaseOffset, appended.LogAppendTime, appended.LogStartOffset
	p.written = append(p.written, writtenBatch{part, appended.EndOffset(), out})
	if !appended.Duplicate {
		part.produced(p.r.received, opened)
	}
}

// verify asks the transaction coordinator whether the batch belongs into an
// ongoing transaction.
func (p *producing) verify(t *topic, partition int32, batch record.Batch) (code int16, why string) {
	if p.req.TransactionID == nil {
		return kerr.InvalidRequest.Code, "a transactional batch in a request without a transactional ID"
	}
	if p.b.transactions == nil {
		return kerr.InvalidTxnState.Code, "there is no transaction coordinator"
	}
	return p.b.transactions.verify(transactionalWrite{
		transactionalID: strings.Clone(*p.req.TransactionID),
		producerID:      batch.ProducerID(),
		producerEpoch:   batch.ProducerEpoch(),
		topic:           t.Name,
		partition:       partition,
		add:             p.req.Version >= 12,
	})
}

// transactionalWrite is a write that a transaction coordinator is asked about.
type transactionalWrite struct {
	transactionalID string
	producerID      int64
	producerEpoch   int16
	topic           string
	partition       int32
	add             bool // the write itself adds the partition (KIP-890)
}

// validate asks the validator and reports whether the batch may be appended. fit is
// nil then or, with dead letters, what is left of the batch. The checksum is compared
// before anything is done about a bad record; that of a good batch the log compares.
func (p *producing) validate(t *topic, partition int32, opened *record.Opened, out *kmsg.ProduceResponseTopicPartition) (fit record.Batch, ok bool) {
	if p.b.opts.Validator == nil {
		p.fail(out, kerr.InvalidConfig.Code, "the topic wants its records checked against schemas, and this broker has no schema registry: set schema.validation.level to none, or run the registry")
		return nil, false
	}
	faults, err := p.b.opts.Validator.ValidateBatch(p.b.stopping, ValidatedTopic{t.Name, t.values.Schema}, opened)
	if err != nil {
		p.fail(out, kerr.CoordinatorNotAvailable.Code, "the batch could not be checked: "+err.Error())
		return nil, false
	}
	if len(faults) == 0 {
		return nil, true
	}
	batch := opened.Batch()
	if err := batch.CheckCRC(); err != nil {
		p.fail(out, kerr.CorruptMessage.Code, "batch refused: "+err.Error())
		return nil, false
	}
	p.b.metrics.rejected(t.Name, faults)
	if t.values.Schema.DeadLetters && !batch.IsTransactional() && len(faults) < MaxBatchFaults {
		fit, err := p.b.divert(t, partition, opened, faults)
		p.b.diverted(t, len(faults), err)
		if err == nil {
			p.b.rejections.tell(p.b, p.r, t, partition, faults, "records are not what the topic's schemas say, and went to its dead-letter topic")
			return fit, true
		}
		p.fail(out, deadLetterCode(err), "bad records could not be put into the dead-letter topic: "+err.Error())
		return nil, false
	}
	count := strconv.Itoa(len(faults))
	if len(faults) >= MaxBatchFaults {
		count += " or more"
	}
	p.fail(out, kerr.InvalidRecord.Code, fmt.Sprintf("%s of %d records are not what the topic's schemas say; the first is record %d: %s",
		count, batch.Count(), faults[0].Index, faults[0].Reason))
	p.b.rejections.tell(p.b, p.r, t, partition, faults, "batch refused: records are not what the topic's schemas say")
	for _, f := range faults[:min(len(faults), maxRecordErrors)] {
		addRecordError(out, f.Index, f.Reason)
	}
	return nil, false
}

// maxRecordErrors is how many records of a batch an answer names.
const maxRecordErrors = 100

func addRecordError(out *kmsg.ProduceResponseTopicPartition, index int, why string) {
	e := kmsg.NewProduceResponseTopicPartitionErrorRecord()
	e.RelativeOffset, e.ErrorMessage = int32(index), kmsg.StringPtr(why)
	out.ErrorRecords = append(out.ErrorRecords, e)
}

// refuse answers for a batch that the log refused.
func (p *producing) refuse(out *kmsg.ProduceResponseTopicPartition, err error) {
	p.fail(out, int16(commitlog.KafkaCode(err)), err.Error())
	var e *commitlog.Error
	if errors.As(err, &e) {
		for _, f := range e.Records {
			addRecordError(out, f.Index, f.Message)
		}
	}
}

func (p *producing) fail(out *kmsg.ProduceResponseTopicPartition, code int16, why string) {
	out.ErrorCode, out.ErrorMessage = code, kmsg.StringPtr(why)
	p.failed = why
}
