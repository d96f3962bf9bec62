// Package transfer carries the records of a registry, Confluent's or ours, from
// one place to another as they stand: IDs, versions, deletes, levels and modes
// are in the records, so they stay what they are.
//
//	_schemas of a cluster ─┐              ┌─▶ _schemas of a cluster or of a server
//	stream of a Redis ─────┼─ one by one ─┼─▶ stream of a Redis
//	file, a line a record ─┘              └─▶ file
//
// A line of a file is a JSON object, key and value as the JSON they are, or as
// strings of it; a value of null is a tombstone:
//
//	{"key":{"keytype":"SCHEMA",…},"value":{"subject":…},"timestamp":1700000000000,"offset":12}
//
// # Going on after an interruption
//
// An import reads what the target has already. If those are records of the
// source, in its order, the import goes on behind the last of them; compaction
// of the target in between does no harm. If the target has a record that the
// source lacks, it is somebody else's, and nothing is written: two registries
// would give one ID to two schemas. An export goes on behind the last whole
// line of the file.
//
// Only one import at a time, and nobody who registers meanwhile: a cluster
// cannot tell.
package transfer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Record is a record of `_schemas`. A nil Value is a tombstone.
type Record struct {
	Offset    int64 // in the topic it comes from; -1 if unknown
	Timestamp int64 // milliseconds since the epoch; 0 if unknown
	Key       []byte
	Value     []byte
}

// Source yields records in their order.
type Source interface {
	// Next returns the next record, which the source does not touch again, and
	// io.EOF after the last.
	Next(ctx context.Context) (Record, error)
	// Done returns how much of the source has been read, from 0 to 1.
	Done() float64
	// Place says where the record that Next returned last stands, for errors.
	Place() string
}

// Sink takes records in their order.
type Sink interface {
	// Append takes r. It may return before r is durable.
	Append(ctx context.Context, r Record) error
	// Flush returns once everything is durable.
	Flush(ctx context.Context) error
}

// Counts say what a transfer has seen.
type Counts struct {
	Present  int // were in the target already
	Written  int
	Schemas  int // of those in the source: SCHEMA records that are no tombstones
	Unknown  int // that the registry cannot read; left out
	NoEffect int // NOOP records, left out
}

// ErrOtherRecords means that the target has records that the source lacks.
var ErrOtherRecords = errors.New("the target has records that the source does not have; import into a registry that is empty, or was filled from the same source")

// Options are for Import.
type Options struct {
	// SkipUnknown leaves out records that cannot be read instead of stopping
	// at the first.
	SkipUnknown bool
	// Progress is called after every record; nil for nobody.
	Progress func(done float64, c Counts)
}

type digest [sha256.Size]byte

// digestOf tells records apart by key and value.
func digestOf(r Record) digest {
	h := sha256.New()
	fmt.Fprintf(h, "%d %d\n", len(r.Key), len(r.Value))
	h.Write(r.Key)
	if r.Value == nil {
		h.Write([]byte{0})
	}
	h.Write(r.Value)
	return digest(h.Sum(nil))
}

// Import copies what the target lacks. present yields the records of the
// target, from its start.
func Import(ctx context.Context, from, present Source, to Sink, o Options) (c Counts, err error) {
	var known []digest
	for {
		r, err := present.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, fmt.Errorf("reading the target: %w", err)
		}
		if k, err := journal.ParseKey(r.Key); err == nil && k.Type == journal.NoopKey {
			continue
		}
		known = append(known, digestOf(r))
	}
	for {
		r, err := from.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, err
		}
		keep, err := c.count(r)
		if err != nil && !o.SkipUnknown {
			return c, errors.Join(fmt.Errorf("%s: %w (to leave such records out: --skip-unknown)", from.Place(), err), to.Flush(ctx))
		}
		switch {
		case !keep || err != nil:
		case len(known) > 0:
			c.Present++
			if digestOf(r) == known[0] {
				known = known[1:]
			}
		default:
			if err := to.Append(ctx, r); err != nil {
				return c, err
			}
			c.Written++
		}
		if o.Progress != nil {
			o.Progress(from.Done(), c)
		}
	}
	if len(known) > 0 {
		return c, ErrOtherRecords
	}
	return c, to.Flush(ctx)
}

// count notes what r is, and reports whether it is to be carried over. The
// error says why the registry could not read it.
func (c *Counts) count(r Record) (keep bool, err error) {
	k, err := journal.ParseKey(r.Key)
	if err == nil && r.Value != nil {
		switch k.Type {
		case journal.SchemaKey:
			if _, err = journal.ParseSchema(r.Value); err == nil {
				c.Schemas++
			}
		case journal.ConfigKey:
			_, err = journal.ParseConfig(r.Value)
		case journal.ModeKey:
			_, err = journal.ParseMode(r.Value)
		case journal.DeleteSubjectKey:
			_, err = journal.ParseDeleteSubject(r.Value)
		}
	}
	if err != nil {
		c.Unknown++
		return false, err
	}
	if k.Type == journal.NoopKey {
		c.NoEffect++
		return false, nil
	}
	return true, nil
}

// Export copies all records.
func Export(ctx context.Context, from Source, to Sink, progress func(done float64, c Counts)) (c Counts, err error) {
	for {
		r, err := from.Next(ctx)
		if err == io.EOF {
			return c, to.Flush(ctx)
		}
		if err != nil {
			return c, errors.Join(err, to.Flush(context.WithoutCancel(ctx)))
		}
		if err := to.Append(ctx, r); err != nil {
			return c, fmt.Errorf("%s: %w", from.Place(), err)
		}
		c.Written++
		if progress != nil {
			progress(from.Done(), c)
		}
	}
}
