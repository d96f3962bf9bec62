// Package dedup makes a handler idempotent: a record that was handled is not
// handled again, however often it is delivered.
//
//	              ┌─ Fresh ──▶ handle ─ ok ──▶ Done      (kept for TTL)
//	Claim(id) ────┤                   └ error ▶ Release  (may be claimed again)
//	              ├─ Handled ─▶ nothing to do
//	              └─ Claimed ─▶ ErrClaimed: another worker has it; try again
//
// A claim is a lease: if its owner dies, the next one gets the record after
// Options.Lease. So a record is handled again in one case: when its owner was
// lost between the end of its work and Done, or took longer than the lease. Work
// that must not be repeated even then belongs into the transaction that marks
// the record (bolt.Store.Update), or into Kafka's (consumer.Processor).
//
// What identifies a record is the application's choice. ByOffset tells repeated
// deliveries apart from records; ByHeader, or a function of one's own, also finds
// records that a producer sent twice.
package dedup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/dovetail-dev/dovetail/clients/consumer"
)

// State is what a store knows of an ID.
type State uint8

// States.
const (
	Fresh   State = iota // not known; it is now claimed by the caller
	Claimed              // by somebody else, whose lease lasts
	Handled
)

// Store remembers IDs. Implementations are Memory, bolt.Store and redis.Store;
// all are safe for concurrent use.
type Store interface {
	// Claim returns the state of id, and claims it until now + lease if it is
	// Fresh. owner tells claims apart.
	Claim(ctx context.Context, id, owner string, lease time.Duration) (State, error)

	// Done marks id as handled until now + ttl. It does so even if the lease
	// has run out: the work is done.
	Done(ctx context.Context, id, owner string, ttl time.Duration) error

	// Release gives a claim of owner up; somebody else's claim, and a handled
	// ID, stay.
	Release(ctx context.Context, id, owner string) error
}

// ErrClaimed says that another worker has the record. The consumer's retry
// policy decides when to look again.
var ErrClaimed = errors.New("dedup: the record is being handled elsewhere")

// Defaults.
const (
	DefaultLease = 5 * time.Minute
	DefaultTTL   = 24 * time.Hour
)

// Options are the options of Handler. The zero value works.
type Options struct {
	Lease time.Duration // longest time that a handler may take; 0: DefaultLease
	TTL   time.Duration // how long a handled ID is remembered; 0: DefaultTTL
	Owner string        // of this process; empty: a random one
}

// Handler returns h for records that were not handled yet. id names a record; one
// that has no ID ("") is handled without a look at the store.
//
// If Done fails after h succeeded, the error is returned and the record comes
// again: it is then found claimed until the lease ends, and handled once more.
func Handler[K, V any](store Store, id func(*consumer.Record[K, V]) string, o Options, h consumer.Handler[K, V]) consumer.Handler[K, V] {
	if o.Lease <= 0 {
		o.Lease = DefaultLease
	}
	if o.TTL <= 0 {
		o.TTL = DefaultTTL
	}
	if o.Owner == "" {
		o.Owner = randomOwner()
	}
	return func(ctx context.Context, r *consumer.Record[K, V]) (err error) {
		key := id(r)
		if key == "" {
			return h(ctx, r)
		}
		state, err := store.Claim(ctx, key, o.Owner, o.Lease)
		if err != nil {
			return fmt.Errorf("dedup: claim %q: %w", key, err)
		}
		switch state {
		case Handled:
			return nil
		case Claimed:
			return fmt.Errorf("%w: %q", ErrClaimed, key)
		}
		handled := false
		defer func() {
			if !handled { // an error, or a panic on its way up
				release := context.WithoutCancel(ctx)
				if failed := store.Release(release, key, o.Owner); failed != nil {
					err = errors.Join(err, fmt.Errorf("dedup: release %q: %w", key, failed))
				}
			}
		}()
		if err := h(ctx, r); err != nil {
			return err
		}
		handled = true
		if err := store.Done(context.WithoutCancel(ctx), key, o.Owner, o.TTL); err != nil {
			return fmt.Errorf("dedup: mark %q: %w", key, err)
		}
		return nil
	}
}

// ByOffset names a record by topic, partition and offset.
func ByOffset[K, V any](r *consumer.Record[K, V]) string {
	return r.Topic + "/" + strconv.Itoa(int(r.Partition)) + "/" + strconv.FormatInt(r.Offset, 10)
}

// ByHeader names a record by the last header called name; a record without one
// has no ID.
func ByHeader[K, V any](name string) func(*consumer.Record[K, V]) string {
	return func(r *consumer.Record[K, V]) string {
		for i := len(r.Headers) - 1; i >= 0; i-- {
			if r.Headers[i].Key == name {
				return string(r.Headers[i].Value)
			}
		}
		return ""
	}
}
