package commitlog

import "github.com/dovetail-dev/dovetail/broker/record"

// clean writes what stays of a batch. final says that it is the last of its group,
// of which something always stays: the end of the group must be known.
func (k *compaction) clean(out *cleanedSegment, b record.Batch, final bool) error {
	if b.IsControl() {
		return k.cleanControl(out, b, final)
	}
	drop := k.txns.dropped(b)
	if b.BaseOffset() >= k.mapEnd {
		return out.add(b)
	}
	it, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer it.Close()
	expired := b.HasDeleteHorizon() && k.now >= b.BaseTimestamp()
	kept, tombstones := 0, false
	stays := func(r *record.Record) bool {
		if drop || r.Key == nil {
			return false
		}
		offset := b.BaseOffset() + int64(r.OffsetDelta)
		if offset >= k.mapEnd {
			return true
		}
		if newest, known := k.latest[k.hasher.hash(r.Key)]; known && newest > offset {
			return false
		}
		return r.Value != nil || !expired
	}
	for it.Next() {
		r := it.Record()
		if !stays(r) {
			continue
		}
		kept++
		tombstones = tombstones || r.Value == nil
	}
	if it.Err() != nil {
		return it.Err()
	}
	k.result.Dropped += int64(b.Count()) - int64(kept)
	horizon := k.horizon(b, tombstones)
	if kept == int(b.Count()) && kept > 0 && (horizon == nil || b.HasDeleteHorizon()) {
		return out.add(b)
	}
	if kept == 0 && !final && !k.isLastOfProducer(b) {
		return nil
	}
	builder := record.NewBuilder(k.optionsOf(b, horizon))
	again, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer again.Close()
	for kept > 0 && again.Next() {
		r := again.Record()
		if stays(r) {
			builder.AddStored(r.OffsetDelta, b.BaseTimestamp()+r.TimestampDelta, r)
		}
	}
	p, err := builder.AppendSpan(nil, b.LastOffsetDelta(), b.MaxTimestamp())
	if err != nil {
		return err
	}
	return out.add(p)
}

// horizon is the delete horizon that the batch must carry, or nil.
func (k *compaction) horizon(b record.Batch, needed bool) *int64 {
	if b.HasDeleteHorizon() {
		h := b.BaseTimestamp()
		return &h
	}
	if !needed {
		return nil
	}
	h := k.now + k.config.DeleteRetention.Milliseconds()
	return &h
}

func (k *compaction) optionsOf(b record.Batch, horizon *int64) record.BatchOptions {
	o := record.BatchOptions{
		Codec: b.Codec(), TimestampType: b.TimestampType(), Transactional: b.IsTransactional(), Control: b.IsControl(),
		BaseOffset: b.BaseOffset(), LeaderEpoch: b.LeaderEpoch(), DeleteHorizon: horizon,
	}
	if b.HasProducerID() {
		o.Producer = &record.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence()}
	}
	return o
}

func (k *compaction) isLastOfProducer(b record.Batch) bool {
	if !b.HasProducerID() {
		return false
	}
	last, ok := k.lasts[b.ProducerID()]
	if !ok {
		return false
	}
	if last.offset < 0 {
		return b.IsControl() && b.ProducerEpoch() == last.epoch
	}
	return last.offset == b.LastOffset()
}

// cleanControl keeps a marker as long as its transaction has batches here, and then
// until its horizon.
func (k *compaction) cleanControl(out *cleanedSegment, b record.Batch, final bool) error {
	aborted, hasBatches := k.txns.marker(b)
	empty := b.Count() == 0
	discardable := !hasBatches && !empty
	expired := b.HasDeleteHorizon() && k.now >= b.BaseTimestamp()
	if b.BaseOffset() >= k.mapEnd {
		discardable, expired = false, false
	}
	if discardable && expired || empty {
		if !final && !k.isLastOfProducer(b) {
			k.result.Dropped += int64(b.Count())
			return nil
		}
	}
	if aborted != nil {
		if err := out.s.txns.add(*aborted); err != nil {
			return err
		}
	}
	if !discardable || b.HasDeleteHorizon() {
		return out.add(b)
	}
	it, err := b.Records(1 << 20)
	if err != nil {
		return err
	}
	defer it.Close()
	builder := record.NewBuilder(k.optionsOf(b, k.horizon(b, true)))
	for it.Next() {
		builder.AddStored(it.Record().OffsetDelta, b.BaseTimestamp()+it.Record().TimestampDelta, it.Record())
	}
	if it.Err() != nil {
		return it.Err()
	}
	p, err := builder.AppendSpan(nil, b.LastOffsetDelta(), b.MaxTimestamp())
	if err != nil {
		return err
	}
	return out.add(p)
}
