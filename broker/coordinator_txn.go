package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/group"
	"github.com/dovetail-dev/dovetail/broker/record"
	"github.com/dovetail-dev/dovetail/broker/topics"
	"github.com/dovetail-dev/dovetail/broker/txn"
)

// txnCoordinators are the coordinators of all transactional IDs, one per
// partition of `__transaction_state`.
type txnCoordinators struct {
	shards[*txnShard]
	opts txn.Options
}

// txnShard is the coordinator of one partition.
type txnShard struct {
	*coordinatorShard
	of      *txnCoordinators
	c       *txn.Coordinator
	waiters waiters
}

func newTxnCoordinators(ctx context.Context, b *Broker, opts txn.Options) *txnCoordinators {
	x := &txnCoordinators{opts: opts}
	x.shards = shards[*txnShard]{b: b, ctx: ctx, running: &b.running, topic: txnTopic, configs: internalTopicConfigs, keeps: "transactions",
		on: func(c *coordinatorShard) (*txnShard, machine) {
			s := &txnShard{of: x, coordinatorShard: c}
			return s, s
		}}
	return x
}

func (s *txnShard) fresh() { s.c = txn.New(s.of.opts, s.log) }

func (s *txnShard) replayRecord(_ record.Batch, key, value []byte) error {
	return s.c.Replay(txn.Record{Key: key, Value: value})
}

func (s *txnShard) replayMarker(record.Batch, record.Marker) {}
func (s *txnShard) loaded(now time.Time)                     { s.carryOut(now, s.c.Loaded(now), nil) }
func (s *txnShard) tick(now time.Time)                       { s.carryOut(now, s.c.Tick(now), nil) }
func (s *txnShard) next() time.Time                          { return s.c.NextTimer() }
func (s *txnShard) lost()                                    { s.waiters.resolveAll() }

// carryOut does what the machine asks for: records first, and once they are
// durable, answers and markers.
func (s *txnShard) carryOut(now time.Time, e txn.Effects, then func(err error)) {
	batch, err := coordinatorBatch(now, nil, func(add func(key, value []byte)) {
		for _, r := range e.Records {
			add(r.Key, r.Value)
		}
	})
	if batch == nil && err == nil && len(e.Answers) == 0 && len(e.Endings) == 0 && then == nil {
		return
	}
	deliver := func(err error) {
		for _, a := range e.Answers {
			if err != nil {
				s.waiters.resolve(uint64(a.To), nil)
			} else {
				s.waiters.resolve(uint64(a.To), a.Response)
			}
		}
		if err == nil {
			for _, ending := range e.Endings {
				s.of.running.Go(func() { s.finish(ending) })
			}
		}
		if then != nil {
			then(err)
		}
	}
	if err != nil {
		s.log.Error("coordinator cannot make a batch", "err", err)
		s.failed.Store(true)
		deliver(err)
		return
	}
	s.write(batch, deliver)
}

// do is like groupShard.do.
func (s *txnShard) do(op func(now time.Time) txn.Effects, then func(code int16)) {
	s.call(func(now time.Time) {
		if !s.usable() {
			then(s.unavailable())
			return
		}
		s.carryOut(now, op(now), func(err error) {
			if err != nil {
				then(s.unavailable())
				return
			}
			then(0)
		})
	})
}

// finish writes the markers of an ended transaction, for as long as it takes.
func (s *txnShard) finish(e txn.Ending) {
	m := group.Marker{Producer: group.Producer{ID: e.Producer.ID, Epoch: e.Producer.Epoch}, Commit: e.Commit}
	left := e.Partitions
	for delay := 10 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		codes := s.b.writeMarkers(s.of.ctx, m, left)
		var again []txn.TopicPartition
		for i, code := range codes {
			switch code {
			case 0, kerr.UnknownTopicOrPartition.Code: // a topic that is gone needs no marker
			case kerr.InvalidProducerEpoch.Code, kerr.TransactionCoordinatorFenced.Code:
				s.log.Warn("marker refused, a later one is there", "transactional id", e.TransactionalID, "topic", left[i].Topic, "partition", left[i].Partition)
			default:
				again = append(again, left[i])
			}
		}
		if len(again) == 0 {
			break
		}
		if len(left) == len(e.Partitions) || delay > time.Second {
			s.log.Warn("markers of a transaction cannot be written now", "transactional id", e.TransactionalID, "partitions", len(again))
		}
		left = again
		s.do(func(time.Time) txn.Effects { return s.c.Delayed(e) }, func(int16) {})
		select {
		case <-time.After(delay):
		case <-s.of.ctx.Done():
			return // the next start goes on
		}
	}
	s.do(func(now time.Time) txn.Effects { return s.c.Completed(now, e) }, func(int16) {})
}

// writeMarkers ends a transaction in partitions and waits until that is
// durable. It returns a code for each.
func (b *Broker) writeMarkers(ctx context.Context, m group.Marker, partitions []txn.TopicPartition) []int16 {
	codes := make([]int16, len(partitions))
	var all sync.WaitGroup
	for i, tp := range partitions {
		if tp.Topic == offsetsTopic {
			all.Add(1)
			b.groups.endTransaction(tp.Partition, m, func(code int16) {
				codes[i] = code
				all.Done()
			})
			continue
		}
		part, end, code := b.writeMarker(ctx, m, tp)
		if codes[i] = code; code == 0 {
			all.Go(func() { codes[i] = int16(commitlog.KafkaCode(part.log.WaitDurable(ctx, end))) })
		}
	}
	all.Wait()
	return codes
}

func (b *Broker) writeMarker(ctx context.Context, m group.Marker, tp txn.TopicPartition) (part *Partition, end int64, code int16) {
	t := b.topics.byName(tp.Topic)
	if t == nil || t.partition(tp.Partition) == nil {
		return nil, 0, kerr.UnknownTopicOrPartition.Code
	}
	part = t.partition(tp.Partition)
	if part.offline() != nil {
		return nil, 0, kerr.KafkaStorageError.Code
	}
	marker := record.Marker{Type: record.Abort, CoordinatorEpoch: m.CoordinatorEpoch}
	if m.Commit {
		marker.Type = record.Commit
	}
	batch := record.AppendMarker(nil, m.Producer.ID, m.Producer.Epoch, b.opts.Now().UnixMilli(), marker)
	a, err := part.log.Append(ctx, batch, commitlog.AppendOptions{Origin: commitlog.FromCoordinator})
	if err != nil {
		return nil, 0, int16(commitlog.KafkaCode(err))
	}
	return part, a.EndOffset(), 0
}

// verify is what Produce asks of the coordinator before it appends a
// transactional batch.
// One that goes on with what it has open there need not ask.
func (x *txnCoordinators) verify(w transactionalWrite) (int16, string) {
	if t := x.b.topics.byName(w.topic); t != nil {
		if p := t.partition(w.partition); p != nil && p.log != nil && p.log.HasOpenTransaction(w.producerID, w.producerEpoch) {
			return 0, ""
		}
	}
	code := x.confirm(w)
	switch code {
	case 0:
		return 0, ""
	case kerr.ProducerFenced.Code:
		return kerr.InvalidProducerEpoch.Code, "another producer with this transactional ID began after this one, or its transaction timed out"
	case kerr.ConcurrentTransactions.Code:
		if !w.add {
			code = kerr.NotEnoughReplicas.Code // what clients before KIP-890 try again after
		}
		return code, "the transaction before is still being finished"
	case kerr.InvalidTxnState.Code:
		return code, fmt.Sprintf("partition %s-%d is not part of an open transaction of %q", w.topic, w.partition, w.transactionalID)
	case kerr.InvalidProducerIDMapping.Code:
		return code, fmt.Sprintf("producer ID %d is not that of transactional ID %q", w.producerID, w.transactionalID)
	case kerr.CoordinatorLoadInProgress.Code, kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code:
		return kerr.NotEnoughReplicas.Code, "the transaction coordinator is not available"
	}
	return code, ""
}

// confirm makes sure, durably, that a partition is part of the producer's open
// transaction, adding it if the write may do so.
func (x *txnCoordinators) confirm(w transactionalWrite) int16 {
	s, err := x.shard(w.transactionalID)
	if err != nil {
		return kerr.CoordinatorNotAvailable.Code
	}
	p := txn.Producer{ID: w.producerID, Epoch: w.producerEpoch}
	tp := txn.TopicPartition{Topic: w.topic, Partition: w.partition}
	done := make(chan int16, 1)
	var code int16
	s.do(func(now time.Time) (e txn.Effects) {
		if w.add {
			code, e = s.c.Add(now, w.transactionalID, p, []txn.TopicPartition{tp}, txn.V2)
		} else {
			code = s.c.Verify(w.transactionalID, p, tp)
		}
		return e
	}, func(unavailable int16) { done <- unavailable })
	if unavailable := <-done; unavailable != 0 {
		return unavailable
	}
	return code
}

// askTxn has the coordinator of a transactional ID do op.
func askTxn(b *Broker, id string, refusal func(code int16) kmsg.Response, op func(c *txn.Coordinator, now time.Time) (kmsg.Response, txn.Effects)) reply {
	s, err := b.transactions.shard(id)
	if err != nil {
		return answer(refusal(kerr.CoordinatorNotAvailable.Code))
	}
	answered := make(chan kmsg.Response, 1)
	var resp kmsg.Response
	s.do(func(now time.Time) txn.Effects {
		var e txn.Effects
		resp, e = op(s.c, now)
		return e
	}, func(code int16) {
		if code != 0 {
			answered <- refusal(code)
			return
		}
		answered <- resp
	})
	return later(func(ctx context.Context) reply {
		select {
		case resp := <-answered:
			return answer(resp)
		case <-ctx.Done():
			return refused("the connection ended while an answer was waited for")
		}
	})
}

// producerIDs hands out producer IDs from blocks whose ends are kept among the
// broker's facts before the first of them is used, so that no ID is given twice.
type producerIDs struct {
	mu        sync.Mutex
	store     *topics.Store
	next, end int64
}

const (
	producerIDKind  = "producer-ids"
	producerIDKey   = "next"
	producerIDBlock = 1000 // as in Kafka
)

func (p *producerIDs) take() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == p.end {
		first := int64(0)
		if raw := p.store.Fact(producerIDKind, producerIDKey); raw != nil {
			if err := json.Unmarshal(raw, &first); err != nil {
				return 0, fmt.Errorf("next producer ID: %w", err)
			}
		}
		raw, err := json.Marshal(first + producerIDBlock)
		if err != nil {
			return 0, err
		}
		if err := p.store.SetFacts(producerIDKind, []topics.Fact{{Key: producerIDKey, Value: raw}}); err != nil {
			return 0, err
		}
		p.next, p.end = first, first+producerIDBlock
	}
	p.next++
	return p.next - 1, nil
}
