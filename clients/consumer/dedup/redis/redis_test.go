package redis_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/deduptest"
	"github.com/dovetail-dev/dovetail/clients/consumer/dedup/redis"
)

func TestStore(t *testing.T) {
	deduptest.Store(t, func(t *testing.T) (dedup.Store, func(time.Duration)) {
		server := miniredis.RunT(t)
		client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
		t.Cleanup(func() { client.Close() })
		return redis.New(client, "dedup:"), server.FastForward
	})
}

func TestAServerThatIsGone(t *testing.T) {
	server := miniredis.RunT(t)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr(), MaxRetries: -1, DialTimeout: time.Second})
	defer client.Close()
	server.Close()
	s := redis.New(client, "dedup:")
	if _, err := s.Claim(context.Background(), "id", "a", time.Hour); err == nil {
		t.Error("a claim without a server")
	}
}
