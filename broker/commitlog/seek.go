package commitlog

import (
	"errors"
	"io"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// seek returns the position of a batch from which a walk meets the offset: what the
// index says, if the batch there begins at or below the offset, else the first.
func (s *segment) seek(offset int64) (int64, error) {
	pos, err := s.offsets.lookup(offset)
	if err != nil || pos == 0 {
		return 0, err
	}
	b, err := s.readHeader(pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if err == nil && s.isIndexed(b, pos, offset) {
		return pos, nil
	}
	return 0, nil
}

// isIndexed reports whether b, at pos, is the header of a batch of this segment that
// ends at or below the offset, as all do that an index leads to.
func (s *segment) isIndexed(b record.Batch, pos, offset int64) bool {
	size, err := record.SizeBytes(b)
	return err == nil && pos+int64(size) <= s.sizeBytes.Load() && b.Codec() <= record.Zstd && b.LastOffsetDelta() >= 0 &&
		b.BaseOffset() >= s.base && b.LastOffset() <= offset
}

// readHeader returns the header of what stands at pos; io.EOF if that is less than a
// header.
func (s *segment) readHeader(pos int64) (record.Batch, error) {
	if pos+record.HeaderBytes > s.sizeBytes.Load() {
		return nil, io.EOF
	}
	f, err := s.open()
	if err != nil {
		return nil, err
	}
	header := make(record.Batch, record.HeaderBytes)
	_, err = f.ReadAt(header, pos)
	return header, err
}
