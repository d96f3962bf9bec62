package broker

import (
	"context"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Compressed batches are opened to be checked, and a few bytes may open to very
// many. What all connections together open at a time has a budget of its own, a
// quarter of Limits.MemoryBytes. It is paid for as the records come out, so that a
// batch costs what it opens to and not what it might; who finds no room waits in
// line. The budget is not that of requests: those are held while one waits here, so that
// sharing it could stop everything.

// unpackPart is the part of Limits.MemoryBytes that batches are opened in.
const unpackPart = 4

// requestMemory is the rest, for requests and answers.
func requestMemory(memory int64) int64 { return memory - memory/unpackPart }

// reservePart is the part of requestMemory that is kept for small answers.
const reservePart = 8

func newRequestBudget(memory int64) *budget {
	m := requestMemory(memory)
	return &budget{limit: m - m/reservePart, reserve: m / reservePart}
}

// open makes a batch ready for being looked at; the caller closes it.
func (b *Broker) open(ctx context.Context, batch record.Batch) *record.Opened {
	if batch.Codec() == record.None {
		return batch.Open(record.OpenOptions{})
	}
	return batch.Open(record.OpenOptions{Room: b.room(ctx)})
}

// room is the budget for what one batch, or one after the other, opens to. Who asks waits
// until there is some, or ctx ends.
func (b *Broker) room(ctx context.Context) func(n int) error {
	l := &lease{from: b.unpacking}
	return func(n int) error {
		if n < 0 {
			l.shrink(int64(-n))
			return nil
		}
		return l.grow(ctx, int64(n))
	}
}
