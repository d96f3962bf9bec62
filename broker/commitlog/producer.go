package commitlog

import (
	"cmp"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// recentBatches is how many batches of a producer can be recognised as retries:
// the largest number of requests an idempotent client keeps in flight.
const recentBatches = 5

// batchMeta is what is remembered of a producer's batch.
type batchMeta struct {
	lastSequence int32
	offsetDelta  int32 // last offset − first offset
	lastOffset   int64
	timestamp    int64
}

func (m batchMeta) firstSequence() int32 {
	return int32((int64(m.lastSequence) - int64(m.offsetDelta)) & 0x7fffffff)
}

// producerState is one idempotent producer in one partition.
type producerState struct {
	id               int64
	epoch            int16
	coordinatorEpoch int32
	lastTimestamp    int64
	txnFirstOffset   int64 // of the open transaction, or −1
	count            int8
	batches          [recentBatches]batchMeta // the oldest first
}

func (p *producerState) last() (batchMeta, bool) {
	if p.count == 0 {
		return batchMeta{}, false
	}
	return p.batches[p.count-1], true
}

func (p *producerState) add(m batchMeta) {
	if p.count == recentBatches {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = m
	p.count++
}

// duplicate finds the batch of which b is a retry.
func (p *producerState) duplicate(b record.Batch) (batchMeta, bool) {
	if b.ProducerEpoch() != p.epoch {
		return batchMeta{}, false
	}
	first, last := b.BaseSequence(), b.LastSequence()
	for _, m := range p.batches[:p.count] {
		if m.lastSequence == last && m.firstSequence() == first {
			return m, true
		}
	}
	return batchMeta{}, false
}

// producerTable is the state of all producers of a partition: which appends are
// retries, which are out of order, which transactions are open. It changes only
// with the log, and can be made anew by replaying it.
type producerTable struct {
	producers map[int64]*producerState
	open      []openTxn // by first offset, ascending
}

type openTxn struct{ producerID, firstOffset int64 }

// endedTxn is what a marker did.
type endedTxn struct {
	producerID  int64
	firstOffset int64
	lastOffset  int64 // of the marker
	aborted     bool
}

func newProducerTable() *producerTable {
	return &producerTable{producers: map[int64]*producerState{}}
}

// firstOpen is the first offset of the oldest open transaction, or −1.
func (t *producerTable) firstOpen() int64 {
	if len(t.open) == 0 {
		return -1
	}
	return t.open[0].firstOffset
}

// check decides whether a data batch of a client may be appended. A retry returns
// the batch it repeats.
func (t *producerTable) check(b record.Batch, txnVerified bool) (dup batchMeta, isDup bool, err *Error) {
	id, epoch := b.ProducerID(), b.ProducerEpoch()
	p := t.producers[id]
	if p == nil {
		if b.IsTransactional() && !txnVerified {
			return dup, false, unverified(id)
		}
		return dup, false, nil // nothing is known: any sequence will do (KIP-360)
	}
	numbered := b.BaseSequence() != record.NoSequence // a coordinator's batches are not
	if numbered {
		if dup, isDup = p.duplicate(b); isDup {
			return dup, true, nil
		}
	}
	if epoch < p.epoch {
		return dup, false, refuse(CodeInvalidProducerEpoch, "producer %d has epoch %d, the batch has %d", id, p.epoch, epoch)
	}
	if numbered {
		if err := p.checkSequence(b); err != nil {
			return dup, false, err
		}
	}
	inTxn := p.txnFirstOffset >= 0
	if inTxn && !b.IsTransactional() {
		return dup, false, refuse(CodeInvalidTxnState, "producer %d writes outside of its transaction, which began at offset %d", id, p.txnFirstOffset)
	}
	if b.IsTransactional() && !txnVerified && !(inTxn && epoch == p.epoch) {
		return dup, false, unverified(id)
	}
	return dup, false, nil
}

func unverified(id int64) *Error {
	return refuse(CodeInvalidTxnState, "producer %d has no transaction that this partition is part of", id)
}

func (p *producerState) checkSequence(b record.Batch) *Error {
	first := b.BaseSequence()
	if b.ProducerEpoch() != p.epoch {
		if first != 0 && p.epoch != record.NoProducerEpoch {
			return refuse(CodeOutOfOrderSequence, "producer %d begins epoch %d with sequence %d, not 0", p.id, b.ProducerEpoch(), first)
		}
		return nil
	}
	last, ok := p.last()
	if !ok {
		return nil
	}
	if want := record.AddSequence(last.lastSequence, 1); first != want {
		return refuse(CodeOutOfOrderSequence, "producer %d sends sequence %d after %d", p.id, first, last.lastSequence)
	}
	return nil
}

// checkMarker decides whether a marker may be appended.
func (t *producerTable) checkMarker(b record.Batch, m record.Marker) *Error {
	p := t.producers[b.ProducerID()]
	if p == nil {
		return nil
	}
	if b.ProducerEpoch() < p.epoch {
		return refuse(CodeInvalidProducerEpoch, "producer %d has epoch %d, the marker has %d", p.id, p.epoch, b.ProducerEpoch())
	}
	if m.CoordinatorEpoch < p.coordinatorEpoch {
		return refuse(CodeCoordinatorFenced, "a coordinator of epoch %d wrote for producer %d, the marker has %d", p.coordinatorEpoch, p.id, m.CoordinatorEpoch)
	}
	return nil
}

func (t *producerTable) get(id int64) *producerState {
	p := t.producers[id]
	if p == nil {
		p = &producerState{id: id, epoch: record.NoProducerEpoch, coordinatorEpoch: -1, txnFirstOffset: -1}
		t.producers[id] = p
	}
	return p
}

func (p *producerState) setEpoch(epoch int16) {
	if epoch != p.epoch {
		p.epoch, p.count = epoch, 0
	}
}

// apply takes over an appended data batch of an idempotent producer. It is also
// how the table is made anew from the log.
func (t *producerTable) apply(b record.Batch) {
	p := t.get(b.ProducerID())
	p.setEpoch(b.ProducerEpoch())
	p.add(batchMeta{lastSequence: b.LastSequence(), offsetDelta: b.LastOffsetDelta(), lastOffset: b.LastOffset(), timestamp: b.MaxTimestamp()})
	p.lastTimestamp = b.MaxTimestamp()
	if b.IsTransactional() && p.txnFirstOffset < 0 {
		p.txnFirstOffset = b.BaseOffset()
		t.open = append(t.open, openTxn{p.id, p.txnFirstOffset})
	}
}

// applyMarker takes over an appended marker. ok is false if it ended nothing.
func (t *producerTable) applyMarker(b record.Batch, m record.Marker) (ended endedTxn, ok bool) {
	p := t.get(b.ProducerID())
	p.setEpoch(b.ProducerEpoch())
	p.coordinatorEpoch = m.CoordinatorEpoch
	p.lastTimestamp = b.MaxTimestamp()
	if p.txnFirstOffset < 0 {
		return ended, false
	}
	ended = endedTxn{producerID: p.id, firstOffset: p.txnFirstOffset, lastOffset: b.LastOffset(), aborted: m.Type == record.Abort}
	p.txnFirstOffset = -1
	t.open = slices.DeleteFunc(t.open, func(o openTxn) bool { return o.producerID == p.id })
	return ended, true
}

// replay takes over any stored batch. If it ended a transaction by aborting it, the
// transaction for the index is returned.
func (t *producerTable) replay(b record.Batch) (aborted AbortedTxn, ok bool, err error) {
	if !b.HasProducerID() {
		return aborted, false, nil
	}
	if !b.IsControl() {
		t.apply(b)
		return aborted, false, nil
	}
	m, found, err := b.Control()
	if err != nil || !found || m.Type != record.Abort && m.Type != record.Commit {
		return aborted, false, err
	}
	ended, found := t.applyMarker(b, m)
	if !found || !ended.aborted {
		return aborted, false, nil
	}
	return t.abortedTxn(ended), true, nil
}

// abortedTxn is the index entry for a transaction that was just ended.
func (t *producerTable) abortedTxn(e endedTxn) AbortedTxn {
	stable := t.firstOpen()
	if stable < 0 {
		stable = e.lastOffset + 1
	}
	return AbortedTxn{ProducerID: e.producerID, FirstOffset: e.firstOffset, LastOffset: e.lastOffset, LastStableOffset: stable}
}

// expire forgets producers that wrote nothing since before, in milliseconds, and
// have no open transaction.
func (t *producerTable) expire(before int64) {
	for id, p := range t.producers {
		if p.txnFirstOffset < 0 && p.lastTimestamp < before {
			delete(t.producers, id)
		}
	}
}

// sorted returns the producers by ID.
func (t *producerTable) sorted() []*producerState {
	all := make([]*producerState, 0, len(t.producers))
	for _, p := range t.producers {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *producerState) int { return cmp.Compare(a.id, b.id) })
	return all
}
