package commitlog

import (
	"hash/maphash"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// keyHash identifies a key: two independently seeded hashes of 64 bits.
type keyHash [2]uint64

type keyHasher [2]maphash.Seed

func (h keyHasher) hash(key []byte) keyHash {
	return keyHash{maphash.Bytes(h[0], key), maphash.Bytes(h[1], key)}
}

// buildMap notes the newest offset of every key in the dirty part.
func (k *compaction) buildMap(segments []*segment, end int64) error {
	k.l.mu.RLock()
	from := max(k.l.cleaned, k.l.start)
	k.l.mu.RUnlock()
	k.mapEnd = end
	txns := newTxnTracker(k.aborted)
	for i, s := range segments {
		if k.nextBase(segments, i) <= from {
			continue
		}
		_, err := s.scan(0, s.sizeBytes.Load(), false, func(b record.Batch, pos int64) error {
			if err := k.checkBatch(s, b, pos); err != nil {
				return err
			}
			drop := txns.dropped(b)
			if b.LastOffset() < from || drop || b.IsControl() {
				return nil
			}
			if len(k.latest)+int(b.Count()) > k.config.CompactionMapKeys && len(k.latest) > 0 {
				k.mapEnd = b.BaseOffset()
				return errStop
			}
			return k.noteKeys(b, from)
		})
		if err == errStop {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *compaction) checkBatch(s *segment, b record.Batch, pos int64) error {
	if k.l.closing.Load() {
		return errClosing
	}
	err := b.CheckHeader()
	if err == nil {
		err = b.CheckCRC()
	}
	if err != nil {
		return k.l.damage(s, pos, b.BaseOffset(), k.l.DurableOffset(), err)
	}
	return nil
}

func (k *compaction) noteKeys(b record.Batch, from int64) error {
	it, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		r := it.Record()
		if offset := b.BaseOffset() + int64(r.OffsetDelta); r.Key != nil && offset >= from {
			k.latest[k.hasher.hash(r.Key)] = offset
		}
	}
	return it.Err()
}
