package producer

import (
	"context"
	"sync"
	"time"
)

// deadlines gives records a context that ends after the delivery time-out. The
// Kafka client's own time-out counts from a record's timestamp, which is the
// application's to choose; a context per record would cost a timer each. So
// records whose context never ends share one per slice of time.
type deadlines struct {
	timeout time.Duration

	mu     sync.Mutex
	shared context.Context
	until  time.Time // shared is for records sent before
	cancel context.CancelFunc
}

// slicesPerTimeout is how many contexts are made per time-out; a record may live that
// part of it longer.
const slicesPerTimeout = 16

// bound returns a context for one record, and what to call when the record has
// its outcome (may be nil). A deadline that ctx has already counts alone.
func (d *deadlines) bound(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, nil
	}
	if ctx.Done() != nil {
		return context.WithTimeout(ctx, d.timeout)
	}
	return withValues{ends: d.current(now), values: ctx}, nil
}

func (d *deadlines) current(now time.Time) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shared == nil || !now.Before(d.until) {
		slice := d.timeout / slicesPerTimeout
		// The timer ends it; cancel is for close.
		d.shared, d.cancel = context.WithTimeout(context.Background(), d.timeout+slice) //nolint:gosec // see close
		d.until = now.Add(slice)
	}
	return d.shared
}

// close ends the newest shared context; older ones end by themselves.
func (d *deadlines) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cancel != nil {
		d.cancel()
	}
}

// withValues ends with one context and has the values of another.
type withValues struct {
	ends, values context.Context
}

func (c withValues) Deadline() (time.Time, bool) { return c.ends.Deadline() }
func (c withValues) Done() <-chan struct{}       { return c.ends.Done() }
func (c withValues) Err() error                  { return c.ends.Err() }
func (c withValues) Value(key any) any           { return c.values.Value(key) }
