package commitlog

import (
	"fmt"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// admit checks everything about a batch that does not depend on what the log holds,
// and makes the changes that the configuration demands. It runs without locks. The
// result is p itself or, recompressed, a copy. marker is set for the end of a
// transaction.
func (l *Log) admit(p []byte, c *Config, now time.Time, o AppendOptions) (b record.Batch, marker *record.Marker, refused *Error) {
	b, rest, err := record.Next(p)
	if err != nil {
		return nil, nil, refuseBatch(err)
	}
	if len(rest) > 0 {
		return nil, nil, refuse(CodeInvalidRecord, "%d bytes behind the batch: one batch per partition may be sent", len(rest))
	}
	b.SetBaseOffset(0) // what a client puts there means nothing
	if err := b.CheckHeader(); err != nil {
		return nil, nil, refuseBatch(err)
	}
	if len(b) > c.MaxMessageBytes && o.Origin == FromClient {
		return nil, nil, refuse(CodeMessageTooLarge, "a batch of %d bytes, max.message.bytes is %d", len(b), c.MaxMessageBytes)
	}
	if int64(len(b)) > c.SegmentBytes && o.Origin == FromClient {
		return nil, nil, refuse(CodeRecordListTooLarge, "a batch of %d bytes, segment.bytes is %d", len(b), c.SegmentBytes)
	}
	if err := b.CheckCRC(); err != nil {
		return nil, nil, refuseBatch(err)
	}
	if err := b.CheckNew(); err != nil && !o.Sparse {
		return nil, nil, refuseBatch(err)
	}
	if b.HasDeleteHorizon() {
		return nil, nil, refuse(CodeInvalidRecord, "a new batch with a delete horizon")
	}
	if b.IsControl() {
		return l.admitControl(b, o)
	}
	if b.HasProducerID() && b.BaseSequence() == record.NoSequence && o.Origin == FromClient {
		return nil, nil, refuse(CodeInvalidRecord, "producer ID %d without a sequence number", b.ProducerID())
	}
	if c.Recompress && b.Codec() != c.Codec {
		if b, err = b.Recompress(nil, c.Codec, c.CodecLevel, c.MaxUncompressedBytes); err != nil {
			return nil, nil, refuseBatch(err)
		}
		if len(b) > c.MaxMessageBytes && o.Origin == FromClient {
			return nil, nil, refuse(CodeMessageTooLarge, "a batch of %d bytes when compressed as %v, max.message.bytes is %d", len(b), c.Codec, c.MaxMessageBytes)
		}
	}
	return b, nil, admitRecords(b, c, now, o)
}

func (l *Log) admitControl(b record.Batch, o AppendOptions) (record.Batch, *record.Marker, *Error) {
	if o.Origin == FromClient {
		return nil, nil, refuse(CodeInvalidRecord, "control records are written by the broker, not by clients")
	}
	m, _, err := b.Control()
	if err != nil {
		return nil, nil, refuseBatch(err)
	}
	if (m.Type == record.Abort || m.Type == record.Commit) && b.HasProducerID() {
		return b, &m, nil
	}
	return b, nil, nil
}

// admitRecords checks the records themselves and sets timestamps.
func admitRecords(b record.Batch, c *Config, now time.Time, o AppendOptions) *Error {
	appendTime := c.TimestampType == record.LogAppendTime
	min, max := b.BaseTimestamp(), b.MaxTimestamp()
	if b.Codec() == record.None || c.Compact || !c.TrustCompressed {
		summary, err := b.CheckRecords(!o.Sparse, c.MaxUncompressedBytes)
		if err != nil {
			return refuseBatch(err)
		}
		if c.Compact && summary.NullKeys > 0 && o.Origin == FromClient {
			return refuseKeys(b, c)
		}
		min, max = summary.MinTimestamp, summary.MaxTimestamp
	}
	if appendTime {
		b.SetMaxTimestamp(record.LogAppendTime, now.UnixMilli())
		b.Reseal()
		return nil
	}
	if o.Origin == FromClient {
		if early, late := timestampBounds(c, now); min != record.NoTimestamp && min < early || max > late {
			return refuseTimestamps(b, c, early, late)
		}
	}
	if !o.Sparse && (b.TimestampType() == record.LogAppendTime || b.MaxTimestamp() != max) {
		b.SetMaxTimestamp(record.CreateTime, max)
		b.Reseal()
	}
	return nil
}

// timestampBounds are the smallest and the largest timestamp allowed.
func timestampBounds(c *Config, now time.Time) (early, late int64) {
	ms := now.UnixMilli()
	return ms - c.TimestampBeforeMax.Milliseconds(), ms + c.TimestampAfterMax.Milliseconds()
}

// refuseKeys names the records without a key.
func refuseKeys(b record.Batch, c *Config) *Error {
	return refuseEach(b, c, CodeInvalidRecord, "a compacted topic needs a key in every record", func(r *record.Record) string {
		if r.Key == nil {
			return "no key"
		}
		return ""
	})
}

// refuseTimestamps names the records out of bounds.
func refuseTimestamps(b record.Batch, c *Config, early, late int64) *Error {
	base := b.BaseTimestamp()
	return refuseEach(b, c, CodeInvalidTimestamp, "a timestamp is out of the range that the topic accepts", func(r *record.Record) string {
		t := base + r.TimestampDelta
		if t != record.NoTimestamp && (t < early || t > late) {
			return fmt.Sprintf("timestamp %d is outside %d to %d", t, early, late)
		}
		return ""
	})
}

func refuseEach(b record.Batch, c *Config, code Code, message string, fault func(*record.Record) string) *Error {
	refused := refuse(code, "%s", message)
	it, err := b.Records(c.MaxUncompressedBytes)
	if err != nil {
		return refuseBatch(err)
	}
	defer it.Close()
	for it.Next() && len(refused.Records) < recordErrorsPerBatchBound {
		if m := fault(it.Record()); m != "" {
			refused.Records = append(refused.Records, RecordError{Index: it.Index(), Message: m})
		}
	}
	return refused
}
