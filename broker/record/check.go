package record

// CheckHeader checks what the header alone can prove: length, magic, codec,
// offset range and count. Compaction leaves fewer records than offsets, so a
// stored batch may hold less; what a client sends may not, see [Batch.CheckNew].
func (b Batch) CheckHeader() error {
	if len(b) < HeaderBytes {
		return fault(ErrTruncated, "%d bytes, a batch header has %d", len(b), HeaderBytes)
	}
	if b.Magic() != Magic {
		return magicFault(b.Magic())
	}
	if got := int64(b.LengthField()) + posLeaderEpoch; got != int64(len(b)) {
		return fault(ErrLength, "the header says %d bytes, the batch has %d", got, len(b))
	}
	if b.Codec() > Zstd {
		return fault(ErrCodec, "codec %d", b.Codec())
	}
	if b.BaseOffset() < 0 {
		return fault(ErrLength, "base offset %d", b.BaseOffset())
	}
	if b.LastOffsetDelta() < 0 || b.LastOffset() < b.BaseOffset() {
		return fault(ErrLength, "last offset delta %d", b.LastOffsetDelta())
	}
	if b.Count() < 0 || int64(b.Count()) > int64(b.LastOffsetDelta())+1 {
		return fault(ErrLength, "%d records in %d offsets", b.Count(), int64(b.LastOffsetDelta())+1)
	}
	if b.Codec() == None && int64(b.Count())*minRecordBytes > int64(len(b)-HeaderBytes) {
		return fault(ErrLength, "%d records in %d bytes", b.Count(), len(b)-HeaderBytes)
	}
	return nil
}

// CheckCRC compares the checksum with the bytes.
func (b Batch) CheckCRC() error {
	if got := b.Checksum(); got != b.CRC() {
		return fault(ErrCRC, "the header says %08x, the bytes have %08x", b.CRC(), got)
	}
	return nil
}

// CheckNew checks the rules for a batch that a producer sends, beyond
// [Batch.CheckHeader]: at least one record, one for each offset, and a sequence
// number if there is a producer ID. Transactional batches without one are left
// to the log: a group coordinator writes offsets in the transaction of a producer
// whose sequence it does not know.
func (b Batch) CheckNew() error {
	if b.Count() == 0 {
		return fault(ErrRecord, "the batch holds no records")
	}
	if int64(b.Count()) != int64(b.LastOffsetDelta())+1 {
		return fault(ErrRecord, "%d records, but a last offset delta of %d", b.Count(), b.LastOffsetDelta())
	}
	if b.HasProducerID() {
		if b.BaseSequence() < 0 && !b.IsControl() && !(b.IsTransactional() && b.BaseSequence() == NoSequence) {
			return fault(ErrRecord, "producer ID %d with base sequence %d", b.ProducerID(), b.BaseSequence())
		}
		if b.ProducerEpoch() < 0 {
			return fault(ErrRecord, "producer ID %d with epoch %d", b.ProducerID(), b.ProducerEpoch())
		}
	} else if b.IsTransactional() {
		return fault(ErrRecord, "a transactional batch without a producer ID")
	}
	return nil
}

// Summary is what walking all records of a batch tells.
type Summary struct {
	MinTimestamp      int64 // smallest and largest timestamp of the records
	MaxTimestamp      int64
	MaxTimestampDelta int32 // offset delta of the first record with MaxTimestamp
	UncompressedBytes int   // records without header and compression
	NullKeys          int   // records without a key
	FirstNullKey      int   // index of the first of them
}

// CheckRecords walks every record, opening compression, and checks that there are
// as many as the header says, nothing behind them, and that offset deltas grow
// within the header's range; with dense they must be 0, 1, 2 …, as a producer
// must send them. maxBytes bounds the uncompressed size; 0 means
// [DefaultMaxUncompressedBytes].
func (b Batch) CheckRecords(dense bool, maxBytes int) (Summary, error) {
	it, err := b.Records(maxBytes)
	if err != nil {
		return Summary{}, err
	}
	defer it.Close()
	var c recordCheck
	c.start(b, len(it.rest))
	for it.Next() {
		c.see(&it.record, it.index-1)
	}
	return c.result(dense, it.err)
}

// recordCheck sees the records of a batch one after the other.
type recordCheck struct {
	Summary
	base            int64
	last, lastDelta int32
	sparse          error // the first delta that is not the one before and one
	disorder        error // the first that is out of range or not above the one before
}

func (c *recordCheck) start(b Batch, uncompressedBytes int) {
	*c = recordCheck{base: b.BaseTimestamp(), last: -1, lastDelta: b.LastOffsetDelta()}
	c.Summary = Summary{MinTimestamp: NoTimestamp, MaxTimestamp: NoTimestamp, FirstNullKey: -1, UncompressedBytes: uncompressedBytes}
}

// result is what the walk told, which ended with err.
func (c *recordCheck) result(dense bool, err error) (Summary, error) {
	switch {
	case dense && c.sparse != nil:
		err = c.sparse
	case c.disorder != nil:
		err = c.disorder
	}
	return c.Summary, err
}

func (c *recordCheck) see(r *Record, index int) {
	if c.disorder != nil {
		return
	}
	if r.OffsetDelta != c.last+1 || r.OffsetDelta > c.lastDelta {
		if r.OffsetDelta <= c.last || r.OffsetDelta > c.lastDelta {
			c.disorder = recordFault(index, "offset delta %d after %d in a batch that ends at %d", r.OffsetDelta, c.last, c.lastDelta)
			return
		}
		if c.sparse == nil {
			c.sparse = recordFault(index, "offset delta %d after %d", r.OffsetDelta, c.last)
		}
	}
	c.last = r.OffsetDelta
	timestamp := c.base + r.TimestampDelta
	if index == 0 || timestamp < c.MinTimestamp {
		c.MinTimestamp = timestamp
	}
	if index == 0 || timestamp > c.MaxTimestamp {
		c.MaxTimestamp, c.MaxTimestampDelta = timestamp, r.OffsetDelta
	}
	if r.Key == nil {
		if c.NullKeys == 0 {
			c.FirstNullKey = index
		}
		c.NullKeys++
	}
}
