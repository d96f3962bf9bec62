package commitlog

import (
	"encoding/binary"
	"fmt"
)

// offsetIndex finds the position of a batch by offset.
type offsetIndex struct {
	*index
	base int64
}

func (x offsetIndex) add(offset, pos int64) error {
	var p [offsetEntryBytes]byte
	binary.BigEndian.PutUint32(p[:], uint32(offset-x.base))
	binary.BigEndian.PutUint32(p[4:], uint32(pos))
	return x.append(p[:])
}

// lookup returns a position from which a walk meets the batch with the offset.
func (x offsetIndex) lookup(offset int64) (pos int64, err error) {
	if err := x.rlock(); err != nil {
		return 0, err
	}
	defer x.mu.RUnlock()
	i, err := x.search(func(p []byte) bool { return x.base+int64(binary.BigEndian.Uint32(p)) <= offset })
	if i < 0 || err != nil {
		return 0, err
	}
	var p [offsetEntryBytes]byte
	err = x.read(i, p[:])
	return int64(binary.BigEndian.Uint32(p[4:])), err
}

// cut drops the entries of offset and above and returns how many are left.
func (x offsetIndex) cut(offset int64) (int, error) {
	if err := x.rlock(); err != nil {
		return 0, err
	}
	i, err := x.search(func(p []byte) bool { return x.base+int64(binary.BigEndian.Uint32(p)) < offset })
	x.mu.RUnlock()
	if err != nil {
		return 0, err
	}
	return i + 1, x.truncate(i + 1)
}

// lastPoint is the offset and position of the last entry; ok is false if there is none.
func (x offsetIndex) lastPoint() (offset, pos int64, ok bool, err error) {
	var p [offsetEntryBytes]byte
	ok, err = x.lastEntry(p[:])
	return x.base + int64(binary.BigEndian.Uint32(p[:])), int64(binary.BigEndian.Uint32(p[4:])), ok, err
}

// check reads the whole index: offsets and positions must grow and lie in the
// segment.
func (x offsetIndex) check(sizeBytes, endOffset int64) error {
	lastOffset, lastPos := int64(-1), int64(-1)
	return x.each(func(i int, p []byte) error {
		offset, pos := x.base+int64(int32(binary.BigEndian.Uint32(p))), int64(int32(binary.BigEndian.Uint32(p[4:])))
		if offset <= lastOffset || pos <= lastPos || offset < x.base || offset >= endOffset || pos >= sizeBytes {
			return fmt.Errorf("entry %d points to offset %d at byte %d, after offset %d at byte %d, in a segment of %d bytes that ends at offset %d",
				i, offset, pos, lastOffset, lastPos, sizeBytes, endOffset)
		}
		lastOffset, lastPos = offset, pos
		return nil
	})
}
