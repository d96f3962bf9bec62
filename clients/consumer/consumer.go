package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/internal/dials"
)

// Errors, for errors.Is.
var (
	ErrClosed = errors.New("consumer: closed")
	ErrInUse  = errors.New("consumer: Run or Poll was called before: one of them, Run once")
)

var errNoHandler = errors.New("consumer: Run needs a function that handles records, not nil")

// Consumer is a member of a group. Use either Run, once, or Poll.
type Consumer[K, V any] struct {
	codec   codec[K, V]
	cfg     config
	client  *kgo.Client
	sched   *scheduler
	commits *committer
	dials   dials.Failures

	handlers context.Context // parent of all handlers' contexts
	end      context.CancelFunc

	use    atomic.Int32 // unused, running or polling
	polled atomic.Bool  // a poll holds rebalances back
	closed atomic.Bool
}

const (
	unused int32 = iota
	running
	polling
)

// New joins a group and starts to fetch. Keys and values are read by key and
// value. Close leaves the group.
func New[K, V any](key Decoder[K], value Decoder[V], opts ...Option) (*Consumer[K, V], error) {
	cfg, err := newConfig(key, value, opts)
	if err != nil {
		return nil, err
	}
	c := &Consumer[K, V]{codec: codec[K, V]{key, value}, cfg: cfg, sched: newScheduler(cfg.order, cfg.maxBuffered)}
	c.handlers, c.end = context.WithCancel(context.Background())
	ready := make(chan struct{}) // callbacks may come before NewClient returns
	options := append(cfg.kafka(),
		kgo.WithHooks(&c.dials),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, which map[string][]int32) { <-ready; c.assigned(ctx, which) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, which map[string][]int32) { <-ready; c.revoked(ctx, which) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, which map[string][]int32) { <-ready; c.lost(ctx, which) }),
	)
	if c.client, err = kgo.NewClient(options...); err != nil {
		c.end()
		return nil, fmt.Errorf("consumer: %w", err)
	}
	c.sched.flow = c.client
	c.commits = newCommitter(c.sched, c.client, cfg.observer)
	close(ready)
	return c, nil
}

// Client returns the Kafka client underneath, for what this package does not
// wrap.
func (c *Consumer[K, V]) Client() *kgo.Client { return c.client }

// Snapshot returns where the consumer stands.
func (c *Consumer[K, V]) Snapshot() Snapshot { return c.sched.snapshot() }

// assigned, revoked and lost are called by the Kafka client, one at a time, and
// hold the group's rebalance back until they return.
func (c *Consumer[K, V]) assigned(ctx context.Context, which map[string][]int32) {
	for topic, ids := range which {
		for _, id := range ids {
			c.sched.assign(c.handlers, topic, id)
		}
	}
	c.cfg.logger.InfoContext(ctx, "partitions assigned", "group", c.cfg.group, "partitions", which)
}

func (c *Consumer[K, V]) revoked(ctx context.Context, which map[string][]int32) {
	wait, cancel := context.WithTimeout(ctx, c.cfg.drainTimeout)
	defer cancel()
	parts := c.sched.release(wait, which)
	if c.cfg.commit != CommitManual {
		if err := c.commits.commitOf(ctx, parts); err != nil {
			c.cfg.logger.WarnContext(ctx, "offsets not committed before partitions are given up", "group", c.cfg.group, "error", err)
		}
	}
	c.cfg.logger.InfoContext(ctx, "partitions revoked", "group", c.cfg.group, "partitions", which)
}

// lost gives partitions up that somebody else has already.
func (c *Consumer[K, V]) lost(ctx context.Context, which map[string][]int32) {
	now, cancel := context.WithCancel(ctx)
	cancel()
	c.sched.release(now, which)
	c.cfg.logger.WarnContext(ctx, "partitions lost", "group", c.cfg.group, "partitions", which)
}

// Run handles records until ctx ends, which is not an error, or until one that
// stops it: a record that could not be handled (see WithOnFailure), a commit
// that failed under CommitSync, a closed client. It returns after its handlers
// have. The consumer cannot run again; Close it.
func (c *Consumer[K, V]) Run(ctx context.Context, h Handler[K, V]) error {
	if h == nil && c.use.Load() == unused {
		return errNoHandler
	}
	if !c.use.CompareAndSwap(unused, running) {
		return ErrInUse
	}
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	for range c.cfg.workers {
		workers.Go(func() { c.work(run, stop, h) })
	}
	commits := make(chan struct{})
	go func() {
		defer close(commits)
		c.commitNowAndThen(run)
	}()
	c.fetch(run, stop)
	stop(nil)

	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.drainTimeout)
	defer cancel()
	c.sched.stop(wait)
	workers.Wait()
	<-commits
	err := c.finalCommit(ctx)
	if cause := context.Cause(run); cause != nil && ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

// fetch takes records from the client until ctx ends.
func (c *Consumer[K, V]) fetch(ctx context.Context, stop context.CancelCauseFunc) {
	for ctx.Err() == nil {
		fetches := c.client.PollRecords(ctx, c.cfg.maxPoll)
		if fetches.IsClientClosed() {
			stop(ErrClosed)
		}
		if ctx.Err() == nil {
			c.logErrors(ctx, fetches)
			fetches.EachPartition(c.sched.add)
		}
		c.client.AllowRebalance()
	}
}

func (c *Consumer[K, V]) logErrors(ctx context.Context, fetches kgo.Fetches) {
	fetches.EachError(func(topic string, partition int32, err error) {
		if ctx.Err() == nil {
			c.cfg.logger.ErrorContext(ctx, "fetch", "topic", topic, "partition", partition, "error", err)
		}
	})
}

// commitNowAndThen is CommitAsync.
func (c *Consumer[K, V]) commitNowAndThen(ctx context.Context) {
	if c.cfg.commit != CommitAsync {
		return
	}
	tick := time.NewTicker(c.cfg.commitInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.commits.commit(ctx); err != nil && ctx.Err() == nil {
				c.cfg.logger.WarnContext(ctx, "offsets not committed, trying again", "group", c.cfg.group, "error", err)
			}
		}
	}
}

func (c *Consumer[K, V]) finalCommit(ctx context.Context) error {
	if c.cfg.commit == CommitManual {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.drainTimeout)
	defer cancel()
	if err := c.commits.commit(ctx); err != nil && !aboutRebalance(err) {
		return err
	}
	return nil
}

// Close leaves the group and closes the client. After Poll it first commits
// what was marked as handled, unless commits are manual. It waits for
// asynchronous commits, not for Run: end that by its context. Closing twice is no
// error.
func (c *Consumer[K, V]) Close() {
	if c.closed.Swap(true) {
		return
	}
	if c.use.Load() == polling {
		if err := c.finalCommit(context.Background()); err != nil {
			c.cfg.logger.Warn("offsets not committed before close", "group", c.cfg.group, "error", err)
		}
	}
	c.commits.stop()
	c.client.CloseAllowingRebalance()
	c.end()
}
