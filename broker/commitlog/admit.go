package commitlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Check is what Append checks of a client's batch before it looks at the checksum and
// at the records: a few fields. What it refuses, Append would. It makes a batch of p
// for whoever wants to see the records before they are appended.
func (l *Log) Check(p []byte) (record.Batch, error) {
	b, refused := admitHeader(p, l.config.Load(), AppendOptions{})
	if refused != nil {
		return nil, refused
	}
	return b, nil
}

// admitHeader checks what a batch's length and header tell.
func admitHeader(p []byte, c *Config, o AppendOptions) (record.Batch, *Error) {
	b, rest, err := record.Next(p)
	if err != nil {
		return nil, refuseBatch(err)
	}
	if len(rest) > 0 {
		return nil, refuse(CodeInvalidRecord, "%d bytes behind the batch: one batch per partition may be sent", len(rest))
	}
	b.SetBaseOffset(0) // what a client puts there means nothing
	if err := b.CheckHeader(); err != nil {
		return nil, refuseBatch(err)
	}
	if len(b) > c.MaxMessageBytes && o.Origin == FromClient {
		return nil, refuse(CodeMessageTooLarge, "a batch of %d bytes, max.message.bytes is %d", len(b), c.MaxMessageBytes)
	}
	if int64(len(b)) > c.SegmentBytes && o.Origin == FromClient {
		return nil, refuse(CodeRecordListTooLarge, "a batch of %d bytes, segment.bytes is %d", len(b), c.SegmentBytes)
	}
	if err := b.CheckNew(); err != nil && !o.Sparse {
		return nil, refuseBatch(err)
	}
	if b.HasDeleteHorizon() {
		return nil, refuse(CodeInvalidRecord, "a new batch with a delete horizon")
	}
	if o.Origin == FromClient {
		if b.IsControl() {
			return nil, refuse(CodeInvalidRecord, "control records are written by the broker, not by clients")
		}
		if b.HasProducerID() && b.BaseSequence() == record.NoSequence {
			return nil, refuse(CodeInvalidRecord, "producer ID %d without a sequence number", b.ProducerID())
		}
	}
	return b, nil
}

// admit checks everything about a batch that does not depend on what the log holds,
// and makes the changes that the configuration demands. It runs without locks. The
// result is p itself or, recompressed, a copy. marker is set for the end of a
// transaction.
func (l *Log) admit(p []byte, c *Config, now time.Time, o AppendOptions) (b record.Batch, marker *record.Marker, refused *Error) {
	if b, refused = admitHeader(p, c, o); refused != nil {
		return nil, nil, refused
	}
	if err := b.CheckCRC(); err != nil {
		return nil, nil, refuseBatch(err)
	}
	if b.IsControl() {
		return l.admitControl(b)
	}
	if !o.Opened.Of(b) {
		o.Opened = b.Open(record.OpenOptions{MaxBytes: c.MaxUncompressedBytes})
		defer o.Opened.Close()
	}
	again := b
	if c.Recompress && b.Codec() != c.Codec {
		if again, refused = recompress(b, c, o); refused != nil {
			return nil, nil, refused
		}
	}
	return again, nil, admitRecords(again, c, now, o)
}

// recompress makes the batch that is stored where the topic has a codec of its own.
// Records that are too large as they arrived are refused before they are compressed.
func recompress(b record.Batch, c *Config, o AppendOptions) (record.Batch, *Error) {
	bound := 0
	if o.Origin == FromClient {
		bound = c.MaxMessageBytes
	}
	if _, err := o.Opened.CheckRecords(!o.Sparse, c.MaxUncompressedBytes); err != nil {
		return nil, refuseBatch(err)
	}
	out, err := o.Opened.Recompress(c.Codec, c.CodecLevel, bound)
	if errors.Is(err, record.ErrTooLarge) {
		return nil, refuse(CodeMessageTooLarge, "a batch of %d bytes is larger than max.message.bytes, %d, when compressed as %v", len(b), c.MaxMessageBytes, c.Codec)
	}
	if err != nil {
		return nil, refuseBatch(err)
	}
	return out, nil
}

func (l *Log) admitControl(b record.Batch) (record.Batch, *record.Marker, *Error) {
	m, _, err := b.Control()
	if err != nil {
		return nil, nil, refuseBatch(err)
	}
	if (m.Type == record.Abort || m.Type == record.Commit) && b.HasProducerID() {
		return b, &m, nil
	}
	return b, nil, nil
}

// admitRecords checks the records themselves, as o.Opened has them, and sets
// timestamps of b, which may have them in another codec.
func admitRecords(b record.Batch, c *Config, now time.Time, o AppendOptions) *Error {
	appendTime := c.TimestampType == record.LogAppendTime
	min, max := b.BaseTimestamp(), b.MaxTimestamp()
	if b.Codec() == record.None || c.Compact || !c.TrustCompressed {
		summary, err := o.Opened.CheckRecords(!o.Sparse, c.MaxUncompressedBytes)
		if err != nil {
			return refuseBatch(err)
		}
		if c.Compact && summary.NullKeys > 0 && o.Origin == FromClient {
			return refuseKeys(o.Opened)
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
			return refuseTimestamps(o.Opened, early, late)
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
func refuseKeys(b *record.Opened) *Error {
	return refuseEach(b, CodeInvalidRecord, "a compacted topic needs a key in every record", func(r *record.Record) string {
		if r.Key == nil {
			return "no key"
		}
		return ""
	})
}

// refuseTimestamps names the records out of bounds.
func refuseTimestamps(b *record.Opened, early, late int64) *Error {
	base := b.Batch().BaseTimestamp()
	return refuseEach(b, CodeInvalidTimestamp, "a timestamp is out of the range that the topic accepts", func(r *record.Record) string {
		t := base + r.TimestampDelta
		if t != record.NoTimestamp && (t < early || t > late) {
			return fmt.Sprintf("timestamp %d is outside %d to %d", t, early, late)
		}
		return ""
	})
}

func refuseEach(b *record.Opened, code Code, message string, fault func(*record.Record) string) *Error {
	refused := refuse(code, "%s", message)
	it, err := b.Records()
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
