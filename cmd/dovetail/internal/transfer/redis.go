package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/redis"
)

// Bounds of what goes to Redis, or comes from it, at once.
const (
	streamRecords = 500
	streamBytes   = 1 << 20
)

// Stream is the journal of registries behind one Redis: a Source from an offset
// on, and a Sink once it has been read to its end. Batches go in whole or not at
// all, and only behind what was read.
type Stream struct {
	journal *redis.Journal
	place   string // for errors; without the URL, which may hold a password
	next    journal.Offset
	end     journal.Offset // as of the opening
	last    int64
	pending []journal.Record
	batch   []journal.Record // to be appended
	bytes   int              // of batch
}

// StreamOptions configure OpenStream.
type StreamOptions struct {
	URL    string
	Key    string // of the stream
	From   int64  // first offset to read
	Create bool   // if it is not there
}

// OpenStream connects to Redis. Close it.
func OpenStream(ctx context.Context, o StreamOptions) (*Stream, error) {
	j, err := redis.Open(ctx, redis.Options{URL: o.URL, Key: o.Key})
	if err != nil {
		return nil, err
	}
	s := &Stream{journal: j, place: "redis key " + o.Key, next: journal.Offset(o.From), last: -1}
	s.end, err = j.End(ctx)
	if err == nil && s.end == 0 && !o.Create {
		err = fmt.Errorf("%s: there is no such stream", s.place)
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return s, nil
}

// Next implements Source: up to where the stream ended when it was opened.
func (s *Stream) Next(ctx context.Context) (Record, error) {
	if len(s.pending) == 0 {
		if s.next >= s.end {
			return Record{}, io.EOF
		}
		var err error
		if s.pending, s.next, err = s.journal.Read(ctx, s.next, streamRecords); err != nil {
			return Record{}, err
		}
		if len(s.pending) == 0 {
			return Record{}, fmt.Errorf("%s ends at offset %d and has ended at %d before", s.place, s.next, s.end)
		}
	}
	r := s.pending[0]
	s.pending = s.pending[1:]
	s.last = int64(r.Offset)
	if r.Offset >= s.end {
		s.pending, s.next = nil, s.end
		return Record{}, io.EOF
	}
	return Record{Offset: s.last, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value}, nil
}

// Done implements Source.
func (s *Stream) Done() float64 {
	if s.end <= 0 {
		return 1
	}
	return min(float64(s.last+1)/float64(s.end), 1)
}

// Place implements Source.
func (s *Stream) Place() string { return fmt.Sprintf("%s, offset %d", s.place, s.last) }

// Append implements Sink.
func (s *Stream) Append(ctx context.Context, r Record) error {
	s.batch = append(s.batch, journal.Record{Timestamp: r.Timestamp, Key: r.Key, Value: r.Value})
	s.bytes += len(r.Key) + len(r.Value)
	if len(s.batch) < streamRecords && s.bytes < streamBytes {
		return nil
	}
	return s.Flush(ctx)
}

// Flush implements Sink.
func (s *Stream) Flush(ctx context.Context) error {
	if len(s.batch) == 0 {
		return nil
	}
	end, err := s.journal.Import(ctx, s.next, s.batch)
	if errors.Is(err, journal.ErrMoved) {
		return fmt.Errorf("%s: somebody else has written to it meanwhile: stop whoever registers there and run the import again", s.place)
	}
	if err != nil {
		return err
	}
	s.next, s.batch, s.bytes = end, nil, 0
	return nil
}

// Close lets go of Redis; what was not flushed is not written.
func (s *Stream) Close() { _ = s.journal.Close() }
