// Package journal is the ordered log under the registry's state machine.
//
// A journal holds records of Confluent's `_schemas` topic: a JSON key, a JSON
// value or none (a tombstone), one offset after the other. The registry decides
// against the state at offset n and appends at n; if somebody else was faster,
// Append says ErrMoved and the registry reads on and decides again. So several
// instances can share one journal without a leader.
//
//	offset   0      1      2      3     end = 4
//	       ┌──────┬──────┬──────┬──────┐
//	       │ k, v │ k, v │ k, – │ k, v │◀── Append(at: 4)
//	       └──────┴──────┴──────┴──────┘
//
// Offsets grow but may have holes: a compacted log has dropped some of them.
package journal

import (
	"context"
	"errors"
)

// Offset is a position in a journal. The end of a journal is exclusive: the
// offset that the next record gets.
type Offset int64

// Record is one entry of a journal.
type Record struct {
	Offset    Offset // set by the journal
	Timestamp int64  // milliseconds since the epoch, set by the journal; kept as given by Start
	Key       []byte
	Value     []byte // nil is a tombstone
}

// Journal is what the registry needs of a log. All methods may be called
// concurrently. Every implementation runs the tests of journaltest.
type Journal interface {
	// Append writes records one after the other, all or none of them, if the
	// end of the journal is at, and returns once they are durable: the new
	// end. It returns ErrMoved, having written nothing, if the end is not at.
	// Any other error leaves open whether the records were written; the caller
	// must read on before it decides again.
	Append(ctx context.Context, at Offset, records []Record) (end Offset, err error)

	// Read returns at most max records with offsets of from and above, in
	// order, and the offset to go on from, which is beyond the last record's
	// where the log has holes. It does not wait: at the end it returns no
	// records and next == from.
	Read(ctx context.Context, from Offset, max int) (records []Record, next Offset, err error)

	// End returns the end of the journal as of now.
	End(ctx context.Context) (Offset, error)

	// Wait blocks until the journal's end is beyond end, or ctx is done.
	Wait(ctx context.Context, end Offset) error

	Close() error
}

// Starter is a Journal that takes the next records while the last ones are still
// on their way to the disk, so that deciding and syncing overlap.
//
//	          durable        started
//	┌────┬────┬────┐▼┌────┬────┐▼
//	│    │    │    │ │ ~~ │ ~~ │ ◀── Start(at: 5)
//	└────┴────┴────┘ └────┴────┘
//	  what Read gives   not yet
type Starter interface {
	Journal

	// Start gives records their places and returns before they are durable: end
	// is at + len(records). It keeps the records' timestamps. at is the end of
	// what was started, durable or not; it returns ErrMoved, having written
	// nothing, if that is not the journal's. After any other error the caller
	// must read on, as after one of Append.
	//
	// wait returns nil once the records, and all before them, are durable and
	// can be read; an error of it leaves open whether they ever will be. Records
	// never become part of the journal without all that was started before
	// them. wait is called at most once, by anyone.
	Start(ctx context.Context, at Offset, records []Record) (end Offset, wait func(context.Context) error, err error)
}

var (
	// ErrMoved means that the journal's end was not where Append expected it.
	ErrMoved = errors.New("journal: somebody else appended first")
	// ErrLost means that the journal no longer holds what was read from it
	// before. The registry must not serve or accept anything until an operator
	// has looked.
	ErrLost = errors.New("journal: records that were read before are gone")
)
