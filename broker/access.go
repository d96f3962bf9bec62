package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Record is a record of a partition as a caller in the same process sees it.
type Record struct {
	Offset    int64     // set by the partition
	Timestamp time.Time // the time of the append if zero
	Key       []byte
	Value     []byte // nil is a tombstone
	Headers   []record.Header
}

// ErrMoved is returned by AppendRecords if the partition does not end where the
// caller expected. Nothing was written.
var ErrMoved = errors.New("broker: the partition does not end at the expected offset")

// AnyEnd lets AppendRecords append wherever a partition ends.
const AnyEnd int64 = -1

// Partition returns a partition of a running broker, for use in the same
// process, past connections and permissions.
func (b *Broker) Partition(topic string, partition int32) (*Partition, error) {
	if !b.isRunning() {
		return nil, ErrClosed
	}
	return b.partition(topic, partition)
}

func (b *Broker) partition(topic string, partition int32) (*Partition, error) {
	t := b.topics.byName(topic)
	if t == nil {
		return nil, fmt.Errorf("there is no topic %q", topic)
	}
	p := t.partition(partition)
	if p == nil {
		return nil, fmt.Errorf("topic %q has no partition %d", topic, partition)
	}
	if p.log == nil {
		return nil, fmt.Errorf("%s-%d is offline: %w", topic, partition, p.err)
	}
	return p, nil
}

// AppendRecords appends records as one batch, all of them or none, if the
// partition ends at expectEnd, or anywhere with AnyEnd. It returns the new end,
// the offset after the last record, once the records are as durable as the
// broker promises. An error other than ErrMoved leaves open whether they are
// there.
func (p *Partition) AppendRecords(ctx context.Context, expectEnd int64, records ...Record) (end int64, err error) {
	if len(records) == 0 {
		return p.log.EndOffset(), nil
	}
	batch, err := p.batchOf(records)
	if err != nil {
		return 0, err
	}
	return p.appendBatch(ctx, expectEnd, batch)
}

// StartRecords is AppendRecords without the wait: it returns once the records
// have their places, so that more can follow before they are durable. WaitDurable
// with the end waits for them and for all before them. expectEnd is the end of
// what was written, durable or not. There must be a record.
func (p *Partition) StartRecords(ctx context.Context, expectEnd int64, records ...Record) (end int64, err error) {
	batch, err := p.batchOf(records)
	if err != nil {
		return 0, err
	}
	return p.startBatch(ctx, expectEnd, batch)
}

// WaitDurable waits until everything below end is as durable as the broker
// promises. An error leaves open whether it is.
func (p *Partition) WaitDurable(ctx context.Context, end int64) error {
	return p.log.WaitDurable(ctx, end)
}

func (p *Partition) batchOf(records []Record) ([]byte, error) {
	const besideBytes = 32 // of a record, at most: lengths, deltas, no headers
	size := 0
	for i := range records {
		size += len(records[i].Key) + len(records[i].Value) + besideBytes
	}
	builder := record.NewBuilder(record.BatchOptions{})
	builder.Grow(size)
	for _, r := range records {
		at := p.now()
		if !r.Timestamp.IsZero() {
			at = r.Timestamp.UnixMilli()
		}
		builder.Add(at, r.Key, r.Value, r.Headers...)
	}
	return builder.Append(make([]byte, 0, builder.SizeBytes()))
}

// appendBatch appends a batch of the broker's own and waits until it is durable.
func (p *Partition) appendBatch(ctx context.Context, expectEnd int64, batch []byte) (end int64, err error) {
	if end, err = p.startBatch(ctx, expectEnd, batch); err != nil {
		return 0, err
	}
	return end, p.log.WaitDurable(ctx, end)
}

func (p *Partition) startBatch(ctx context.Context, expectEnd int64, batch []byte) (end int64, err error) {
	opts := commitlog.AppendOptions{Origin: commitlog.FromCoordinator}
	var a commitlog.Appended
	if expectEnd == AnyEnd {
		a, err = p.log.Append(ctx, batch, opts)
	} else {
		a, err = p.log.AppendAt(ctx, expectEnd, batch, opts)
	}
	if errors.Is(err, commitlog.ErrMoved) {
		return 0, ErrMoved
	}
	p.written(err)
	if err != nil {
		return 0, err
	}
	return a.EndOffset(), nil
}

// ReadRecords returns at most max records from an offset on, as far as they are
// durable, and the offset to go on from, which is beyond the last record's where
// the log has holes. It does not wait: at the end it returns no records and
// next is from. Control records are left out.
func (p *Partition) ReadRecords(ctx context.Context, from int64, max int) (records []Record, next int64, err error) {
	next = from
	for len(records) < max {
		if err := ctx.Err(); err != nil {
			return records, next, err
		}
		res, err := p.log.Read(commitlog.ReadOptions{Offset: next, MaxBytes: 1 << 20, MinOneBatch: true})
		if err != nil {
			return records, next, err
		}
		if len(res.Records) == 0 {
			next = res.NextOffset
			res.Release()
			return records, next, nil
		}
		if records == nil { // most are not smaller than this, so that nothing grows step by step
			records = make([]Record, 0, min(max, len(res.Records)/128+1))
		}
		records, next, err = appendRecords(records, res.Records, next, max)
		res.Release()
		if err != nil {
			return records, next, err
		}
	}
	return records, next, nil
}

// appendRecords copies records of batches from an offset on, until there are max.
func appendRecords(dst []Record, batches []byte, from int64, max int) ([]Record, int64, error) {
	next := from
	var room []byte
	for batch, err := range record.All(batches) {
		if err != nil {
			return dst, next, err
		}
		if batch.IsControl() {
			next = batch.NextOffset()
			continue
		}
		if err := batch.CheckCRC(); err != nil {
			return dst, next, fmt.Errorf("the batch at offset %d is damaged on the disk: %w", batch.BaseOffset(), err)
		}
		it, err := batch.Records(0)
		if err != nil {
			return dst, next, err
		}
		for it.Next() {
			r := it.Record()
			offset := batch.BaseOffset() + int64(r.OffsetDelta)
			if offset < next {
				continue
			}
			if len(dst) == max {
				it.Close()
				return dst, next, nil
			}
			dst = append(dst, copyRecord(&room, batch, r, offset))
			next = offset + 1
		}
		err = it.Err()
		it.Close()
		if err != nil {
			return dst, next, err
		}
		next = batch.NextOffset()
	}
	return dst, next, nil
}

// copyRecord copies a record into what is left of room, which it replaces when
// that is not enough: a few allocations for many records.
func copyRecord(room *[]byte, batch record.Batch, r *record.Record, offset int64) Record {
	at := batch.BaseTimestamp() + r.TimestampDelta
	if batch.TimestampType() == record.LogAppendTime {
		at = batch.MaxTimestamp()
	}
	out := Record{Offset: offset, Timestamp: time.UnixMilli(at), Key: cloneInto(room, r.Key), Value: cloneInto(room, r.Value)}
	for _, h := range r.Headers(nil) {
		out.Headers = append(out.Headers, record.Header{Key: clone(h.Key), Value: clone(h.Value)})
	}
	return out
}

// clone keeps nil nil and empty empty: one is a tombstone, the other is not.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

// roomBytes is how much is allocated at once for the copies of small records.
const roomBytes = 16 << 10

func cloneInto(room *[]byte, b []byte) []byte {
	if b == nil || len(b) > roomBytes/4 {
		return clone(b)
	}
	if cap(*room)-len(*room) < len(b) {
		*room = make([]byte, 0, roomBytes)
	}
	start := len(*room)
	*room = append(*room, b...)
	return (*room)[start:len(*room):len(*room)]
}

// EndOffset is the offset after the last record that is durable.
func (p *Partition) EndOffset() int64 { return p.log.HighWatermark() }

// StartOffset is the offset of the first record that is kept.
func (p *Partition) StartOffset() int64 { return p.log.StartOffset() }

// WaitBeyond waits until EndOffset is beyond offset.
func (p *Partition) WaitBeyond(ctx context.Context, offset int64) error {
	signal := make(chan struct{}, 1)
	p.watch.add(signal)
	defer p.watch.remove(signal)
	for p.EndOffset() <= offset {
		if p.gone() {
			return fmt.Errorf("topic %q was deleted", p.topic)
		}
		select {
		case <-signal:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ClusterID is what clients know the cluster by. It is empty before Start.
func (b *Broker) ClusterID() string { return b.clusterID }
