package record

import (
	"encoding/binary"
	"math"
	"slices"
)

// Producer is the idempotent producer of a batch.
type Producer struct {
	ID           int64
	Epoch        int16
	BaseSequence int32
}

// BatchOptions are the properties of a new batch. The zero value is an
// uncompressed batch with CreateTime timestamps and no producer.
type BatchOptions struct {
	Codec         Codec
	TimestampType TimestampType
	Producer      *Producer // nil: none
	Transactional bool
	Control       bool
	BaseOffset    int64 // the log assigns another one on append
	LeaderEpoch   int32
	// DeleteHorizon, if not nil, is stamped into the batch in place of the base
	// timestamp (KIP-534).
	DeleteHorizon *int64
}

// Builder makes one batch. Add records, then take the bytes with Append; Reset
// starts the next batch with the same buffers. The zero value is ready to use.
type Builder struct {
	options       BatchOptions
	records       []byte
	count         int32
	lastDelta     int32
	baseTimestamp int64
	maxTimestamp  int64
}

// NewBuilder returns a Builder for batches with the options.
func NewBuilder(options BatchOptions) *Builder {
	b := &Builder{}
	b.Reset(options)
	return b
}

// Reset empties the builder.
func (b *Builder) Reset(options BatchOptions) {
	*b = Builder{options: options, records: b.records[:0]}
}

// Grow makes room for size more bytes of records, so that adding them allocates
// nothing.
func (b *Builder) Grow(size int) { b.records = slices.Grow(b.records, size) }

// Count is the number of records added.
func (b *Builder) Count() int { return int(b.count) }

// SizeBytes is the size of the batch without compression.
func (b *Builder) SizeBytes() int { return HeaderBytes + len(b.records) }

// Add adds a record. A nil key or value is null. Timestamps are milliseconds
// since the epoch.
func (b *Builder) Add(timestamp int64, key, value []byte, headers ...Header) {
	delta := b.lastDelta + 1
	if b.count == 0 {
		delta = 0
	}
	b.begin(delta, timestamp)
	b.records = AppendRecord(b.records, delta, timestamp-b.baseTimestamp, key, value, headers)
}

// AddStored adds a record of another batch, keeping its headers, at an offset
// delta that must be larger than the last one's. Compaction uses it.
func (b *Builder) AddStored(delta int32, timestamp int64, r *Record) {
	b.begin(delta, timestamp)
	b.records = appendRecord(b.records, r.Attributes, delta, timestamp-b.baseTimestamp, r.Key, r.Value, r.HeaderCount, r.HeaderData)
}

func (b *Builder) begin(delta int32, timestamp int64) {
	if b.count == 0 {
		b.baseTimestamp, b.maxTimestamp = timestamp, timestamp
		if b.options.DeleteHorizon != nil {
			b.baseTimestamp = *b.options.DeleteHorizon
		}
	}
	b.maxTimestamp = max(b.maxTimestamp, timestamp)
	b.lastDelta = delta
	b.count++
}

// Append appends the finished batch to dst. The builder must hold a record.
func (b *Builder) Append(dst []byte) ([]byte, error) {
	if b.count == 0 {
		return dst, fault(ErrRecord, "a batch without records")
	}
	return b.AppendSpan(dst, b.lastDelta, b.maxTimestamp)
}

// AppendSpan is Append for what compaction leaves of a batch: the last offset
// delta stays that of the original batch, and there may be no records at all.
// maxTimestamp is that of the original too: an empty batch keeps it, and one whose
// timestamps the log set; else the largest of the records that stay counts. An empty
// batch is a bare header as Kafka writes it: no codec, no base timestamp, no delete
// horizon.
func (b *Builder) AppendSpan(dst []byte, lastOffsetDelta int32, maxTimestamp int64) ([]byte, error) {
	start := len(dst)
	base := b.baseTimestamp
	if b.count > 0 && b.options.TimestampType == CreateTime {
		maxTimestamp = b.maxTimestamp
	}
	o := b.options
	if b.count == 0 {
		base, o.Codec, o.DeleteHorizon = NoTimestamp, None, nil
	}
	dst = appendHeader(dst, &o, base, maxTimestamp, lastOffsetDelta, b.count)
	dst, err := Compress(dst, o.Codec, b.records)
	if err != nil {
		return dst[:start], err
	}
	size := len(dst) - start
	if size > MaxBatchBytes || size-posLeaderEpoch > math.MaxInt32 {
		return dst[:start], fault(ErrLength, "a batch of %d bytes", size)
	}
	binary.BigEndian.PutUint32(dst[start+posLength:], uint32(size-posLeaderEpoch))
	Batch(dst[start:]).Reseal()
	return dst, nil
}

// appendHeader appends a header whose length and CRC are still to be filled in.
func appendHeader(dst []byte, o *BatchOptions, baseTimestamp, maxTimestamp int64, lastOffsetDelta, count int32) []byte {
	attributes := uint16(o.Codec)
	if o.TimestampType == LogAppendTime {
		attributes |= attrLogAppendTime
	}
	if o.Transactional {
		attributes |= attrTransactional
	}
	if o.Control {
		attributes |= attrControl
	}
	if o.DeleteHorizon != nil {
		attributes |= attrDeleteHorizon
	}
	producer := Producer{ID: NoProducerID, Epoch: NoProducerEpoch, BaseSequence: NoSequence}
	if o.Producer != nil {
		producer = *o.Producer
	}
	be := binary.BigEndian
	dst = be.AppendUint64(dst, uint64(o.BaseOffset))
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, uint32(o.LeaderEpoch))
	dst = append(dst, Magic)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint16(dst, attributes)
	dst = be.AppendUint32(dst, uint32(lastOffsetDelta))
	dst = be.AppendUint64(dst, uint64(baseTimestamp))
	dst = be.AppendUint64(dst, uint64(maxTimestamp))
	dst = be.AppendUint64(dst, uint64(producer.ID))
	dst = be.AppendUint16(dst, uint16(producer.Epoch))
	dst = be.AppendUint32(dst, uint32(producer.BaseSequence))
	return be.AppendUint32(dst, uint32(count))
}

// AppendRecord appends one record as a batch holds it, uncompressed.
func AppendRecord(dst []byte, offsetDelta int32, timestampDelta int64, key, value []byte, headers []Header) []byte {
	if len(headers) == 0 {
		return appendRecord(dst, 0, offsetDelta, timestampDelta, key, value, 0, nil)
	}
	data := getBuffer()
	*data = (*data)[:0]
	for _, h := range headers {
		*data = AppendVarint(*data, int64(len(h.Key)))
		*data = append(*data, h.Key...)
		*data = appendNullable(*data, h.Value)
	}
	dst = appendRecord(dst, 0, offsetDelta, timestampDelta, key, value, len(headers), *data)
	putBuffer(data)
	return dst
}

func appendRecord(dst []byte, attributes int8, offsetDelta int32, timestampDelta int64, key, value []byte, headerCount int, headerData []byte) []byte {
	size := 1 + varintBytes(timestampDelta) + varintBytes(int64(offsetDelta)) +
		nullableBytes(key) + nullableBytes(value) + varintBytes(int64(headerCount)) + len(headerData)
	dst = AppendVarint(dst, int64(size))
	dst = append(dst, byte(attributes))
	dst = AppendVarint(dst, timestampDelta)
	dst = AppendVarint(dst, int64(offsetDelta))
	dst = appendNullable(dst, key)
	dst = appendNullable(dst, value)
	dst = AppendVarint(dst, int64(headerCount))
	return append(dst, headerData...)
}

func appendNullable(dst, p []byte) []byte {
	if p == nil {
		return AppendVarint(dst, -1)
	}
	return append(AppendVarint(dst, int64(len(p))), p...)
}

func nullableBytes(p []byte) int {
	if p == nil {
		return 1
	}
	return varintBytes(int64(len(p))) + len(p)
}
