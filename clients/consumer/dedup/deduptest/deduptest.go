// Package deduptest is what every dedup.Store has to do, as a test.
package deduptest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/clients/consumer/dedup"
)

// Store tests stores that open makes, each empty. forward lets the time of the
// store that was opened last pass.
func Store(t *testing.T, open func(t *testing.T) (store dedup.Store, forward func(time.Duration))) {
	ctx := context.Background()
	claim := func(t *testing.T, s dedup.Store, owner string, want dedup.State) {
		t.Helper()
		got, err := s.Claim(ctx, "id", owner, time.Minute)
		if err != nil || got != want {
			t.Errorf("claim of %s: state %d, %v, want %d", owner, got, err, want)
		}
	}
	check := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	t.Run("life", func(t *testing.T) {
		s, forward := open(t)
		claim(t, s, "a", dedup.Fresh)
		claim(t, s, "b", dedup.Claimed)
		check(t, s.Done(ctx, "id", "a", time.Hour))
		claim(t, s, "b", dedup.Handled)
		check(t, s.Release(ctx, "id", "a")) // too late to matter
		claim(t, s, "b", dedup.Handled)
		forward(2 * time.Hour)
		claim(t, s, "b", dedup.Fresh)
	})
	t.Run("release", func(t *testing.T) {
		s, _ := open(t)
		claim(t, s, "a", dedup.Fresh)
		check(t, s.Release(ctx, "id", "b")) // not b's to give up
		claim(t, s, "b", dedup.Claimed)
		check(t, s.Release(ctx, "id", "a"))
		claim(t, s, "b", dedup.Fresh)
		check(t, s.Release(ctx, "unknown", "a"))
	})
	t.Run("lease", func(t *testing.T) {
		s, forward := open(t)
		claim(t, s, "a", dedup.Fresh)
		forward(2 * time.Minute)
		claim(t, s, "b", dedup.Fresh)
		check(t, s.Release(ctx, "id", "a")) // a has lost it
		claim(t, s, "c", dedup.Claimed)
		check(t, s.Done(ctx, "id", "a", time.Hour)) // but its work is done
		claim(t, s, "c", dedup.Handled)
	})
	t.Run("race", func(t *testing.T) {
		s, _ := open(t)
		var fresh atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				state, err := s.Claim(ctx, "id", fmt.Sprint(i), time.Minute)
				if err != nil {
					t.Error(err)
				}
				if state == dedup.Fresh {
					fresh.Add(1)
				}
			})
		}
		wg.Wait()
		if fresh.Load() != 1 {
			t.Errorf("%d of 20 got the record, want 1", fresh.Load())
		}
	})
}
