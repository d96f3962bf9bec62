package record

import "encoding/binary"

// ControlType is the type in the key of a control record.
type ControlType int16

// The control types that end a transaction.
const (
	Abort  ControlType = 0
	Commit ControlType = 1
)

// Marker is the control record that ends a producer's transaction in a partition:
//
//	key    version(2) = 0 │ type(2)
//	value  version(2) = 0 │ coordinator epoch(4)
type Marker struct {
	Type             ControlType
	CoordinatorEpoch int32
}

// AppendMarker appends a control batch with one marker to dst.
func AppendMarker(dst []byte, producerID int64, producerEpoch int16, timestamp int64, m Marker) []byte {
	var key [4]byte
	var value [6]byte
	binary.BigEndian.PutUint16(key[2:], uint16(m.Type))
	binary.BigEndian.PutUint32(value[2:], uint32(m.CoordinatorEpoch))
	b := NewBuilder(BatchOptions{
		Producer:      &Producer{ID: producerID, Epoch: producerEpoch, BaseSequence: NoSequence},
		Transactional: true,
		Control:       true,
	})
	b.Add(timestamp, key[:], value[:])
	dst, err := b.Append(dst)
	if err != nil {
		panic("record: marker: " + err.Error()) // one small uncompressed record
	}
	return dst
}

// Control returns the type of a control batch's first record, and for a
// transaction's end also its marker. ok is false if the batch has no records.
func (b Batch) Control() (m Marker, ok bool, err error) {
	if !b.IsControl() {
		return m, false, fault(ErrRecord, "not a control batch")
	}
	if b.Count() == 0 {
		return m, false, nil
	}
	it, err := b.Records(1 << 20)
	if err != nil {
		return m, false, err
	}
	defer it.Close()
	if !it.Next() {
		return m, false, it.Err()
	}
	r := it.Record()
	if len(r.Key) < 4 {
		return m, false, recordFault(0, "a control key of %d bytes", len(r.Key))
	}
	m.Type = ControlType(binary.BigEndian.Uint16(r.Key[2:]))
	if m.Type == Abort || m.Type == Commit {
		if len(r.Value) < 6 {
			return m, false, recordFault(0, "a transaction marker's value of %d bytes", len(r.Value))
		}
		m.CoordinatorEpoch = int32(binary.BigEndian.Uint32(r.Value[2:]))
	}
	return m, true, nil
}
