package avro

import (
	"encoding/binary"
	"fmt"
)

// Single-object encoding (specification, section "Single-object encoding"): two
// marker bytes, the CRC-64-AVRO of the schema's canonical form in little
// endian, the payload.
//
//	C3 01 | fingerprint, 8 bytes | payload
const singleHeadBytes = 10

// AppendSingle appends v in single-object encoding.
func AppendSingle(dst []byte, s *Schema, v any) ([]byte, error) {
	out, err := Append(appendSingleHead(dst, s.Fingerprint64()), s, v)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func appendSingleHead(dst []byte, fingerprint uint64) []byte {
	dst = append(dst, 0xC3, 0x01)
	return binary.LittleEndian.AppendUint64(dst, fingerprint)
}

// SplitSingle returns the fingerprint and the payload of a single object. The
// payload is part of data.
func SplitSingle(data []byte) (fingerprint uint64, payload []byte, err error) {
	if len(data) < singleHeadBytes {
		return 0, nil, &DataError{Expected: "the 10 bytes in front of a single object", Found: bytesLeft(len(data))}
	}
	if data[0] != 0xC3 || data[1] != 0x01 {
		return 0, nil, &DataError{Expected: "the marker C3 01 of a single object", Found: fmt.Sprintf("%02X %02X", data[0], data[1])}
	}
	return binary.LittleEndian.Uint64(data[2:]), data[singleHeadBytes:], nil
}

// Singles decodes single objects of several writers. Build it once; it is safe
// for concurrent use after that.
type Singles struct {
	reader  *Schema
	writers map[uint64]*Schema
}

// NewSingles returns a decoder of what the writers wrote, as the reader. The
// reader is a writer too.
func NewSingles(reader *Schema, writers ...*Schema) *Singles {
	d := &Singles{reader: reader, writers: map[uint64]*Schema{reader.Fingerprint64(): reader}}
	for _, w := range writers {
		if fp := w.Fingerprint64(); fp != reader.Fingerprint64() {
			d.writers[fp] = w
		}
	}
	return d
}

// Unmarshal decodes a single object into what v points to.
func (d *Singles) Unmarshal(data []byte, v any) error {
	fp, payload, err := SplitSingle(data)
	if err != nil {
		return err
	}
	w, ok := d.writers[fp]
	if !ok {
		return &DataError{Pos: 2, Expected: "the fingerprint of a known schema", Found: fmt.Sprintf("%016x", fp)}
	}
	return UnmarshalResolved(w, d.reader, payload, v)
}
