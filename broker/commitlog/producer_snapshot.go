package commitlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// A producer snapshot is the producer table at the offset in the file's name:
//
//	version(2)=1 │ CRC-32C of what follows(4) │ count(4) │
//	{ producer ID(8) │ epoch(2) │ last sequence(4) │ last offset(8) │
//	  offset delta(4) │ timestamp(8) │ coordinator epoch(4) │ txn first offset(8) }…
//
// Of a producer's recent batches only the last is kept, as Kafka does.
const (
	snapshotVersion     = 1
	snapshotHeaderBytes = 10
	snapshotEntryBytes  = 46
	maxSnapshotBytes    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendSnapshot appends the file's bytes to dst.
func (t *producerTable) appendSnapshot(dst []byte) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint16(dst, snapshotVersion)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, uint32(len(t.producers)))
	for _, p := range t.sorted() {
		last, ok := p.last()
		if !ok {
			last = batchMeta{lastSequence: record.NoSequence, lastOffset: -1}
		}
		dst = be.AppendUint64(dst, uint64(p.id))
		dst = be.AppendUint16(dst, uint16(p.epoch))
		dst = be.AppendUint32(dst, uint32(last.lastSequence))
		dst = be.AppendUint64(dst, uint64(last.lastOffset))
		dst = be.AppendUint32(dst, uint32(last.offsetDelta))
		dst = be.AppendUint64(dst, uint64(p.lastTimestamp))
		dst = be.AppendUint32(dst, uint32(p.coordinatorEpoch))
		dst = be.AppendUint64(dst, uint64(p.txnFirstOffset))
	}
	be.PutUint32(dst[start+2:], crc32.Checksum(dst[start+6:], castagnoli))
	return dst
}

// parseSnapshot reads a snapshot file.
func parseSnapshot(p []byte) (*producerTable, error) {
	be := binary.BigEndian
	if len(p) < snapshotHeaderBytes {
		return nil, fmt.Errorf("a producer snapshot of %d bytes", len(p))
	}
	if v := be.Uint16(p); v != snapshotVersion {
		return nil, fmt.Errorf("a producer snapshot of version %d, only %d is known", v, snapshotVersion)
	}
	if want, got := be.Uint32(p[2:]), crc32.Checksum(p[6:], castagnoli); want != got {
		return nil, fmt.Errorf("a producer snapshot with checksum %08x says it has %08x", got, want)
	}
	count := int64(be.Uint32(p[6:]))
	p = p[snapshotHeaderBytes:]
	if count*snapshotEntryBytes != int64(len(p)) {
		return nil, fmt.Errorf("a producer snapshot of %d producers in %d bytes", count, len(p))
	}
	t := newProducerTable()
	for ; len(p) > 0; p = p[snapshotEntryBytes:] {
		s := &producerState{
			id:               int64(be.Uint64(p)),
			epoch:            int16(be.Uint16(p[8:])),
			lastTimestamp:    int64(be.Uint64(p[26:])),
			coordinatorEpoch: int32(be.Uint32(p[34:])),
			txnFirstOffset:   int64(be.Uint64(p[38:])),
		}
		last := batchMeta{lastSequence: int32(be.Uint32(p[10:])), lastOffset: int64(be.Uint64(p[14:])), offsetDelta: int32(be.Uint32(p[22:])), timestamp: s.lastTimestamp}
		if s.id < 0 || last.offsetDelta < 0 || t.producers[s.id] != nil {
			return nil, fmt.Errorf("a producer snapshot with an impossible producer %d", s.id)
		}
		if last.lastOffset >= 0 && last.lastSequence >= 0 {
			s.add(last)
		}
		if s.txnFirstOffset < 0 {
			s.txnFirstOffset = -1
		} else {
			t.open = append(t.open, openTxn{s.id, s.txnFirstOffset})
		}
		t.producers[s.id] = s
	}
	slices.SortFunc(t.open, func(a, b openTxn) int {
		return int(min(max(a.firstOffset-b.firstOffset, -1), 1))
	})
	return t, nil
}

// readSnapshot reads the snapshot file at path.
func readSnapshot(fsys vfs.FS, path string) (*producerTable, error) {
	p, err := vfs.ReadFile(fsys, path, maxSnapshotBytes)
	if err != nil {
		return nil, err
	}
	return parseSnapshot(p)
}
