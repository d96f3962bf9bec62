package broker

import (
	"encoding/binary"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
)

// fetchedTopic and fetchedPartition are what an answer to Fetch is made of.
type fetchedTopic struct {
	name       string
	id         [16]byte
	partitions []fetchedPartition
}

type fetchedPartition struct {
	partition     int32
	errorCode     int16
	highWatermark int64
	lastStable    int64
	logStart      int64
	// diverging is set if the client's last record is not this log's (KIP-595).
	diverging *divergence
	aborted   []commitlog.AbortedTxn // read_committed only
	committed bool                   // the client reads committed records only
	records   []byte
	// located is where records lie that were not read, if its Bytes are not zero.
	located commitlog.FileRef
}

// size is how many bytes of records there are.
func (p *fetchedPartition) size() int { return len(p.records) + int(p.located.Bytes) }

type divergence struct {
	epoch     int32
	endOffset int64
}

// failedFetch is a partition's part of an answer that carries an error.
func failedFetch(partition int32, code int16) fetchedPartition {
	return fetchedPartition{partition: partition, errorCode: code, highWatermark: -1, lastStable: -1, logStart: -1}
}

// encodeFetch makes an answer to Fetch as parts to be written one after the
// other, records where they are. It is what kmsg's AppendTo would write, without
// a copy of the records and without reflection.
func encodeFetch(version int16, correlation, throttleMillis int32, code int16, session int32, topics []fetchedTopic) []bodyPart {
	e := fetchEncoder{version: version, flexible: version >= 12, buf: make([]byte, 0, 256)}
	e.buf = appendResponseHeader(e.buf, correlation, e.flexible)
	e.int32(throttleMillis)
	if version >= 7 {
		e.int16(code)
		e.int32(session)
	}
	e.arrayLen(len(topics))
	for i := range topics {
		e.topic(&topics[i])
	}
	e.noTags()
	return e.finish()
}

// fetchEncoder collects what is between records in buf. cuts say where in buf
// records belong.
type fetchEncoder struct {
	version  int16
	flexible bool
	buf      []byte
	cuts     []fetchCut
}

type fetchCut struct {
	at      int
	records bodyPart
}

func (e *fetchEncoder) topic(t *fetchedTopic) {
	if e.version >= 13 {
		e.buf = append(e.buf, t.id[:]...)
	} else {
		e.string(t.name)
	}
	e.arrayLen(len(t.partitions))
	for i := range t.partitions {
		e.partition(&t.partitions[i])
	}
	e.noTags()
}

func (e *fetchEncoder) partition(p *fetchedPartition) {
	e.int32(p.partition)
	e.int16(p.errorCode)
	e.int64(p.highWatermark)
	e.int64(p.lastStable)
	if e.version >= 5 {
		e.int64(p.logStart)
	}
	e.aborted(p)
	if e.version >= 11 {
		e.int32(-1) // no other replica to be preferred
	}
	e.records(p)
	if !e.flexible {
		return
	}
	if p.diverging == nil {
		e.buf = append(e.buf, 0)
		return
	}
	// One tagged field: tag 0, its length, epoch, end offset, no tags of its own.
	e.buf = append(e.buf, 1, 0, 13)
	e.int32(p.diverging.epoch)
	e.int64(p.diverging.endOffset)
	e.buf = append(e.buf, 0)
}

// aborted writes the aborted transactions, or null to clients that did not ask
// for committed records: some skip data if they are told.
func (e *fetchEncoder) aborted(p *fetchedPartition) {
	if !p.committed {
		if e.flexible {
			e.buf = append(e.buf, 0)
		} else {
			e.int32(-1)
		}
		return
	}
	e.arrayLen(len(p.aborted))
	for _, a := range p.aborted {
		e.int64(a.ProducerID)
		e.int64(a.FirstOffset)
		e.noTags()
	}
}

// records writes the length of records, which is never null, and leaves their
// place.
func (e *fetchEncoder) records(p *fetchedPartition) {
	size := p.size()
	if e.flexible {
		e.buf = binary.AppendUvarint(e.buf, uint64(size)+1)
	} else {
		e.int32(int32(size))
	}
	if size > 0 {
		e.cuts = append(e.cuts, fetchCut{len(e.buf), bodyPart{data: p.records, file: p.located.File, pos: p.located.Pos, fileBytes: p.located.Bytes}})
	}
}

func (e *fetchEncoder) finish() []bodyPart {
	parts := make([]bodyPart, 0, 2*len(e.cuts)+1)
	from, total := 0, len(e.buf)
	for _, c := range e.cuts {
		parts = append(parts, bodyPart{data: e.buf[from:c.at]}, c.records)
		from = c.at
		total += c.records.size()
	}
	if from < len(e.buf) {
		parts = append(parts, bodyPart{data: e.buf[from:]})
	}
	finishFrame(e.buf, total)
	return parts
}

func (e *fetchEncoder) int16(v int16) { e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(v)) }
func (e *fetchEncoder) int32(v int32) { e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(v)) }
func (e *fetchEncoder) int64(v int64) { e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(v)) }

func (e *fetchEncoder) arrayLen(n int) {
	if e.flexible {
		e.buf = binary.AppendUvarint(e.buf, uint64(n)+1)
	} else {
		e.int32(int32(n))
	}
}

func (e *fetchEncoder) string(s string) {
	if e.flexible {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(s))+1)
	} else {
		e.int16(int16(len(s)))
	}
	e.buf = append(e.buf, s...)
}

func (e *fetchEncoder) noTags() {
	if e.flexible {
		e.buf = append(e.buf, 0)
	}
}
