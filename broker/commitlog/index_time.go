package commitlog

import (
	"encoding/binary"
	"fmt"
)

// timeIndex finds an offset by timestamp. An entry says: no batch up to the
// offset has a larger timestamp.
type timeIndex struct {
	*index
	base int64
}

// add appends an entry if the timestamp is larger than that of the last one.
func (x timeIndex) add(timestamp, offset int64) error {
	last, _, ok, err := x.lastPoint()
	if err != nil || ok && timestamp <= last || timestamp < 0 {
		return err
	}
	var p [timeEntryBytes]byte
	binary.BigEndian.PutUint64(p[:], uint64(timestamp))
	binary.BigEndian.PutUint32(p[8:], uint32(offset-x.base))
	return x.append(p[:])
}

func (x timeIndex) lastPoint() (timestamp, offset int64, ok bool, err error) {
	var p [timeEntryBytes]byte
	ok, err = x.lastEntry(p[:])
	return int64(binary.BigEndian.Uint64(p[:])), x.base + int64(binary.BigEndian.Uint32(p[8:])), ok, err
}

// lookup returns the last entry below t: before its offset no batch has a timestamp of
// at least t. Without one, known is false and the offset that of the segment.
func (x timeIndex) lookup(t int64) (timestamp, offset int64, known bool, err error) {
	if err := x.rlock(); err != nil {
		return 0, 0, false, err
	}
	defer x.mu.RUnlock()
	i, err := x.search(func(p []byte) bool { return int64(binary.BigEndian.Uint64(p)) < t })
	if i < 0 || err != nil {
		return 0, x.base, false, err
	}
	var p [timeEntryBytes]byte
	err = x.read(i, p[:])
	return int64(binary.BigEndian.Uint64(p[:])), x.base + int64(binary.BigEndian.Uint32(p[8:])), err == nil, err
}

// cut drops the entries of offset and above.
func (x timeIndex) cut(offset int64) error {
	if err := x.rlock(); err != nil {
		return err
	}
	i, err := x.search(func(p []byte) bool { return x.base+int64(binary.BigEndian.Uint32(p[8:])) < offset })
	x.mu.RUnlock()
	if err != nil {
		return err
	}
	return x.truncate(i + 1)
}

func (x timeIndex) check(endOffset int64) error {
	lastTime, lastOffset := int64(-1), int64(-1)
	return x.each(func(i int, p []byte) error {
		t, offset := int64(binary.BigEndian.Uint64(p)), x.base+int64(int32(binary.BigEndian.Uint32(p[8:])))
		if t <= lastTime || offset <= lastOffset || offset < x.base || offset >= endOffset {
			return fmt.Errorf("entry %d has timestamp %d at offset %d after timestamp %d at offset %d in a segment that ends at offset %d",
				i, t, offset, lastTime, lastOffset, endOffset)
		}
		lastTime, lastOffset = t, offset
		return nil
	})
}
