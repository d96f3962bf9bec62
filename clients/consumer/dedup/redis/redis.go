// Package redis keeps the IDs of package dedup in Redis, for consumers on several
// machines. Each ID is one string key with a time to live:
//
//	prefix + ID → "c" + owner (claimed) | "h" (handled)
//
// What Redis loses (a fail-over before replication, eviction) is handled again:
// give it a policy of noeviction.
package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
)

// Store is a dedup.Store in Redis.
type Store struct {
	client redis.UniversalClient
	prefix string
}

var _ dedup.Store = (*Store)(nil)

// New returns a store whose keys start with prefix. The client stays the
// caller's to close.
func New(client redis.UniversalClient, prefix string) *Store {
	return &Store{client: client, prefix: prefix}
}

const handled = "h"

// Claim implements dedup.Store.
func (s *Store) Claim(ctx context.Context, id, owner string, lease time.Duration) (dedup.State, error) {
	// The key may end between the two commands of a round; not for ever.
	for range 10 {
		err := s.client.SetArgs(ctx, s.prefix+id, "c"+owner, redis.SetArgs{Mode: "NX", TTL: lease}).Err()
		if err == nil {
			return dedup.Fresh, nil
		}
		if !errors.Is(err, redis.Nil) {
			return 0, err
		}
		switch v, err := s.client.Get(ctx, s.prefix+id).Result(); {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil:
			return 0, err
		case v == handled:
			return dedup.Handled, nil
		default:
			return dedup.Claimed, nil
		}
	}
	return 0, fmt.Errorf("dedup: %q came and went ten times: is the lease of %v too short?", id, lease)
}

// Done implements dedup.Store.
func (s *Store) Done(ctx context.Context, id, _ string, ttl time.Duration) error {
	return s.client.Set(ctx, s.prefix+id, handled, ttl).Err()
}

// release deletes a claim if it is still its owner's.
var release = redis.NewScript(`
if redis.call("GET", KEYS[1]) == ARGV[1] then
	return redis.call("DEL", KEYS[1])
end
return 0`)

// Release implements dedup.Store.
func (s *Store) Release(ctx context.Context, id, owner string) error {
	return release.Run(ctx, s.client, []string{s.prefix + id}, "c"+owner).Err()
}
