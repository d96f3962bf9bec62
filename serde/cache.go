package serde

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// cache holds what was learned from the registry. Reading it takes no lock;
// one goroutine per key loads what is missing; failures that settle the matter
// are kept for a while.
type cache[K comparable, V any] struct {
	limit       int
	negativeTTL time.Duration
	clock       func() time.Time

	known atomic.Pointer[map[K]V] // replaced, never changed

	mu     sync.Mutex // never held during a load
	loads  map[K]*load[V]
	failed map[K]failure
}

type load[V any] struct {
	done  chan struct{}
	value V
	err   error
}

type failure struct {
	err   error
	until time.Time
}

func newCache[K comparable, V any](cfg *config) *cache[K, V] {
	c := &cache[K, V]{
		limit:       cfg.cacheSize,
		negativeTTL: cfg.negativeTTL,
		clock:       cfg.clock,
		loads:       map[K]*load[V]{},
		failed:      map[K]failure{},
	}
	c.known.Store(&map[K]V{})
	return c
}

// lookup returns what is known of k.
func (c *cache[K, V]) lookup(k K) (V, bool) {
	v, ok := (*c.known.Load())[k]
	return v, ok
}

// get returns what is known of k, or loads it. Whoever waits for the load of
// another goroutine stops when ctx ends; a load that failed only because its
// own context ended is taken over.
func (c *cache[K, V]) get(ctx context.Context, k K, fetch func(context.Context) (V, error)) (V, error) {
	var zero V
	for {
		if v, ok := c.lookup(k); ok {
			return v, nil
		}
		if err := ctx.Err(); err != nil {
			return zero, err
		}
		mine, running, err := c.join(k)
		if err != nil {
			return zero, err
		}
		if mine != nil {
			return c.run(ctx, k, mine, fetch)
		}
		select {
		case <-ctx.Done():
			return zero, ctx.Err()
		case <-running.done:
		}
		if running.err == nil {
			return running.value, nil
		}
		if !contextError(running.err) {
			return zero, running.err
		}
	}
}

// join returns a load to run, or one that runs already, or a remembered
// failure.
func (c *cache[K, V]) join(k K) (mine, running *load[V], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.failed[k]; ok {
		if c.clock().Before(f.until) {
			return nil, nil, f.err
		}
		delete(c.failed, k)
	}
	if l, ok := c.loads[k]; ok {
		return nil, l, nil
	}
	l := &load[V]{done: make(chan struct{}), err: errLoadPanicked}
	c.loads[k] = l
	return l, nil, nil
}

var errLoadPanicked = errors.New("a load of the same schema panicked")

func (c *cache[K, V]) run(ctx context.Context, k K, l *load[V], fetch func(context.Context) (V, error)) (V, error) {
	defer func() {
		c.mu.Lock()
		delete(c.loads, k)
		switch {
		case l.err == nil:
			c.store(k, l.value)
		case settled(l.err) && c.negativeTTL > 0:
			c.fail(k, l.err)
		}
		c.mu.Unlock()
		close(l.done)
	}()
	// Another load may have ended between the look at known and join.
	if v, ok := c.lookup(k); ok {
		l.value, l.err = v, nil
		return v, nil
	}
	l.value, l.err = fetch(ctx)
	return l.value, l.err
}

// put replaces what is known of k.
func (c *cache[K, V]) put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.store(k, v)
}

// drop forgets k.
func (c *cache[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := maps.Clone(*c.known.Load())
	delete(next, k)
	c.known.Store(&next)
}

// store needs mu.
func (c *cache[K, V]) store(k K, v V) {
	next := maps.Clone(*c.known.Load())
	if _, ok := next[k]; !ok {
		makeRoom(next, c.limit)
	}
	next[k] = v
	c.known.Store(&next)
}

// fail needs mu.
func (c *cache[K, V]) fail(k K, err error) {
	makeRoom(c.failed, c.limit)
	c.failed[k] = failure{err: err, until: c.clock().Add(c.negativeTTL)}
}

// makeRoom drops members of m, whichever come first, until one more fits.
func makeRoom[K comparable, V any](m map[K]V, limit int) {
	for k := range m {
		if len(m) < limit {
			return
		}
		delete(m, k)
	}
}

func contextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
