package record

import (
	"encoding/binary"
	"iter"
)

// MaxBatchBytes bounds what is believed of a batch length: no batch of a larger
// size is ever read or written.
const MaxBatchBytes = 1 << 30

// SizeBytes returns the whole size of the batch that starts with prefix, of which
// at least [PrefixBytes] must be present. It is how a reader of a file learns
// how much to read.
func SizeBytes(prefix []byte) (int, error) {
	if len(prefix) < PrefixBytes {
		return 0, fault(ErrTruncated, "%d bytes left, a batch starts with %d", len(prefix), PrefixBytes)
	}
	if magic := int8(prefix[posMagic]); magic != Magic {
		return 0, magicFault(magic)
	}
	length := int32(binary.BigEndian.Uint32(prefix[posLength:]))
	size := int64(length) + posLeaderEpoch
	if size < HeaderBytes || size > MaxBatchBytes {
		return 0, fault(ErrLength, "batch length %d is outside %d to %d", length, HeaderBytes-posLeaderEpoch, MaxBatchBytes-posLeaderEpoch)
	}
	return int(size), nil
}

func magicFault(magic int8) error {
	if magic == 0 || magic == 1 {
		return fault(ErrMagic, "message format v%d of clients older than Kafka 0.11 is not stored; use a client that writes v%d", magic, Magic)
	}
	return fault(ErrMagic, "version %d, only v%d is stored", magic, Magic)
}

// Next cuts the first batch off a records field and returns it and the rest. It
// trusts nothing but the length; see [Batch.CheckHeader] for more. A partial
// batch at the end is ErrTruncated.
func Next(p []byte) (Batch, []byte, error) {
	size, err := SizeBytes(p)
	if err != nil {
		return nil, p, err
	}
	if size > len(p) {
		return nil, p, fault(ErrTruncated, "batch of %d bytes, %d are left", size, len(p))
	}
	return Batch(p[:size:size]), p[size:], nil
}

// All iterates over the batches of a records field. After an error it ends.
func All(p []byte) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for len(p) > 0 {
			batch, rest, err := Next(p)
			if !yield(batch, err) || err != nil {
				return
			}
			p = rest
		}
	}
}
