package commitlog

import (
	"slices"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// txnTracker follows transactions through batches in the order of their offsets.
type txnTracker struct {
	aborted []AbortedTxn         // not begun yet, by first offset
	open    map[int64]AbortedTxn // that will be aborted, by producer
	seen    map[int64]bool       // producers with batches since their last marker
}

func newTxnTracker(aborted []AbortedTxn) *txnTracker {
	t := &txnTracker{aborted: slices.Clone(aborted), open: map[int64]AbortedTxn{}, seen: map[int64]bool{}}
	slices.SortFunc(t.aborted, func(a, b AbortedTxn) int { return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1)) })
	return t
}

func (t *txnTracker) begin(offset int64) {
	for len(t.aborted) > 0 && t.aborted[0].FirstOffset <= offset {
		t.open[t.aborted[0].ProducerID] = t.aborted[0]
		t.aborted = t.aborted[1:]
	}
}

// dropped reports whether a batch belongs to an aborted transaction. For a control
// batch it only keeps count.
func (t *txnTracker) dropped(b record.Batch) bool {
	t.begin(b.LastOffset())
	if b.IsControl() {
		t.marker(b)
		return false
	}
	if !b.IsTransactional() {
		return false
	}
	if b.Count() > 0 {
		t.seen[b.ProducerID()] = true
	}
	txn, ok := t.open[b.ProducerID()]
	return ok && b.BaseOffset() >= txn.FirstOffset && b.LastOffset() <= txn.LastOffset
}

// marker ends the producer's transaction: the index entry if it was aborted, and
// whether any of its batches was met.
func (t *txnTracker) marker(b record.Batch) (aborted *AbortedTxn, hasBatches bool) {
	t.begin(b.LastOffset())
	id := b.ProducerID()
	hasBatches = t.seen[id]
	delete(t.seen, id)
	if txn, ok := t.open[id]; ok && txn.LastOffset <= b.LastOffset() {
		delete(t.open, id)
		aborted = &txn
	}
	return aborted, hasBatches
}
