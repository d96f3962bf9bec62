package broker

import (
	"context"
	"runtime"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Compressed batches are opened to be checked, and a few bytes may open to very
// many. What all connections together open at a time has a budget of its own, a
// quarter of Limits.MemoryBytes or one batch of the largest size for every processor,
// whichever is more: opening is work of the processor, so that more at a time would
// not be faster. Who finds no room waits in line. It is not that of requests: those are held while
// one waits here, so that sharing it could stop everything.

// newUnpackBudget makes the budget for opening batches.
func newUnpackBudget(memory int64) *budget {
	return newBudget(unpackBytes(memory))
}

func unpackBytes(memory int64) int64 {
	return max(memory/4, int64(runtime.GOMAXPROCS(0))*record.DefaultMaxUncompressedBytes)
}

// unpack takes room for opening a batch, for the time of its checks; release is to be
// called in any case.
func (b *Broker) unpack(ctx context.Context, batch record.Batch) (release func(), err error) {
	n := unpackedAtMost(batch)
	if n == 0 {
		return func() {}, nil
	}
	l := &lease{from: b.unpacking}
	err = l.grow(ctx, n)
	return l.release, err
}

// unpackedAtMost is the most bytes that the records of a compressed batch may open
// to, by what its codec can do at best, and never more than are opened at all. It is
// 0 for a batch that is not compressed.
func unpackedAtMost(batch record.Batch) int64 {
	var ratio int64
	switch batch.Codec() {
	case record.None:
		return 0
	case record.Gzip:
		ratio = 1032 // two bits for a match of 258 bytes
	case record.Snappy:
		ratio = 22 // three bytes for a copy of 64
	case record.LZ4:
		ratio = 255 // one byte for as many more of a match
	default: // zstd repeats a byte as often as it likes
		return record.DefaultMaxUncompressedBytes
	}
	return min(int64(len(batch))*ratio, record.DefaultMaxUncompressedBytes)
}
