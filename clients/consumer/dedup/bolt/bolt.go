// Package bolt keeps the IDs of package dedup in a bbolt file: they survive the
// process, and work that lives in the same file can be done in the transaction
// that marks the record, so that it happens exactly once.
//
// Each ID is one key of a bucket:
//
//	ID → 00 claimed | 01 handled, end (int64 big-endian, Unix nanoseconds), owner
package bolt

import (
	"context"
	"encoding/binary"

	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
)

// Store is a dedup.Store in a bucket of a bbolt database.
type Store struct {
	db     *bbolt.DB
	bucket []byte
	clock  func() time.Time
}

var _ dedup.Store = (*Store)(nil)

// New returns a store in a bucket, which it makes if there is none. clock is
// time.Now if nil. The database stays the caller's to close.
func New(db *bbolt.DB, bucket string, clock func() time.Time) (*Store, error) {
	if clock == nil {
		clock = time.Now
	}
	err := db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte(bucket))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dedup: bucket %q: %w", bucket, err)
	}
	return &Store{db: db, bucket: []byte(bucket), clock: clock}, nil
}

const (
	claimed = 0
	handled = 1
)

type mark struct {
	state byte
	until int64
	owner string
}

const markBytes = 9 // without the owner

func (m mark) encode() []byte {
	return append(binary.BigEndian.AppendUint64([]byte{m.state}, uint64(m.until)), m.owner...) //nolint:gosec // the bits as they are
}

func decode(id string, b []byte) (mark, error) {
	if len(b) < markBytes || b[0] > handled {
		return mark{}, fmt.Errorf("dedup: ID %q: the stored mark %x is damaged", id, b)
	}
	return mark{state: b[0], until: int64(binary.BigEndian.Uint64(b[1:])), owner: string(b[markBytes:])}, nil //nolint:gosec
}

// get returns the mark of id that still counts, if there is one.
func (s *Store) get(tx *bbolt.Tx, id string) (mark, bool, error) {
	b := tx.Bucket(s.bucket).Get([]byte(id))
	if b == nil {
		return mark{}, false, nil
	}
	m, err := decode(id, b)
	return m, err == nil && s.clock().UnixNano() < m.until, err
}

func (s *Store) put(tx *bbolt.Tx, id string, m mark) error {
	return tx.Bucket(s.bucket).Put([]byte(id), m.encode())
}

// Claim implements dedup.Store.
func (s *Store) Claim(_ context.Context, id, owner string, lease time.Duration) (state dedup.State, err error) {
	err = s.db.Batch(func(tx *bbolt.Tx) error {
		known, ok, err := s.get(tx, id)
		switch {
		case err != nil:
			return err
		case ok && known.state == handled:
			state = dedup.Handled
			return nil
		case ok:
			state = dedup.Claimed
			return nil
		}
		state = dedup.Fresh
		return s.put(tx, id, mark{claimed, s.clock().Add(lease).UnixNano(), owner})
	})
	return state, err
}

// Done implements dedup.Store.
func (s *Store) Done(_ context.Context, id, owner string, ttl time.Duration) error {
	return s.db.Batch(func(tx *bbolt.Tx) error {
		return s.put(tx, id, mark{handled, s.clock().Add(ttl).UnixNano(), owner})
	})
}

// Release implements dedup.Store.
func (s *Store) Release(_ context.Context, id, owner string) error {
	return s.db.Batch(func(tx *bbolt.Tx) error {
		known, ok, err := s.get(tx, id)
		if err != nil || !ok || known.state == handled || known.owner != owner {
			return err
		}
		return tx.Bucket(s.bucket).Delete([]byte(id))
	})
}

// Update does work in the database and marks id as handled, in one transaction:
// either both happen or neither. If id is handled already, the work is not done
// and that is no error. It needs no claim.
func (s *Store) Update(_ context.Context, id string, ttl time.Duration, work func(tx *bbolt.Tx) error) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		known, ok, err := s.get(tx, id)
		if err != nil || ok && known.state == handled {
			return err
		}
		if err := work(tx); err != nil {
			return err
		}
		return s.put(tx, id, mark{handled, s.clock().Add(ttl).UnixNano(), known.owner})
	})
}

// Sweep deletes up to limit IDs whose time is over and returns how many. Call it
// now and then: IDs do not go by themselves.
func (s *Store) Sweep(_ context.Context, limit int) (n int, err error) {
	err = s.db.Update(func(tx *bbolt.Tx) error {
		n = 0
		now := s.clock().UnixNano()
		c := tx.Bucket(s.bucket).Cursor()
		for k, v := c.First(); k != nil && n < limit; {
			if m, err := decode(string(k), v); err != nil || now < m.until {
				k, v = c.Next()
				continue
			}
			if err := c.Delete(); err != nil {
				return err
			}
			n++
			k, v = c.Seek(k) // a deletion moves the cursor
		}
		return nil
	})
	return n, err
}
