package consumer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Poll waits for records and returns up to max of them, in order per partition;
// none only with an error; when ctx ends, one that wraps its error and says what
// kept records away. Records that could not be decoded have their Err set.
// Handle them, then Commit (or CommitAsync, or CommitRecords), then poll again.
//
// Rebalances wait from one Poll to the next, or to Commit, so that nobody else
// gets what is being handled: do not take longer than the group's rebalance
// time-out. Poll is not safe for concurrent use.
func (c *Consumer[K, V]) Poll(ctx context.Context, max int) ([]*Record[K, V], error) {
	if !c.use.CompareAndSwap(unused, polling) && c.use.Load() != polling {
		return nil, ErrInUse
	}
	var trouble string // the last error of a fetch, as the end of a message
	for {
		c.allowRebalance()
		fetches := c.client.PollRecords(ctx, max)
		c.polled.Store(true)
		if fetches.IsClientClosed() {
			return nil, ErrClosed
		}
		if err := ctx.Err(); err != nil && fetches.NumRecords() == 0 {
			return nil, fmt.Errorf("consumer: no records of %s: %w%s%s", strings.Join(c.cfg.topics, ", "), err, trouble, c.dials.String())
		}
		c.logErrors(ctx, fetches)
		fetches.EachError(func(topic string, _ int32, err error) {
			if ctx.Err() == nil {
				trouble = fmt.Sprintf("; fetch of %q: %v", topic, err)
			}
		})
		if out := c.take(ctx, fetches); len(out) > 0 {
			return out, nil
		}
	}
}

func (c *Consumer[K, V]) allowRebalance() {
	if c.polled.Swap(false) {
		c.client.AllowRebalance()
	}
}

func (c *Consumer[K, V]) take(ctx context.Context, fetches kgo.Fetches) []*Record[K, V] {
	out := make([]*Record[K, V], 0, fetches.NumRecords())
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		for _, raw := range c.sched.takeOnly(p) {
			r, err := c.codec.decode(ctx, raw)
			r.Err = err
			out = append(out, r)
		}
	})
	return out
}

// Commit marks everything that Poll has returned so far as handled and waits
// until the broker has the offsets. Inside of a handler of Run, where records
// are marked as handlers return, it commits what is handled.
func (c *Consumer[K, V]) Commit(ctx context.Context) error {
	c.mark()
	err := c.commits.commit(ctx)
	c.allowRebalance()
	return err
}

// CommitAsync is Commit without the wait: done (may be nil) is called with the
// outcome, on a goroutine of the consumer. Commits are sent one after the other,
// those that wait together as one.
func (c *Consumer[K, V]) CommitAsync(done func(error)) {
	if c.closed.Load() {
		if done != nil {
			done(ErrClosed)
		}
		return
	}
	c.mark()
	c.commits.async(done)
}

// CommitRecords marks these records as handled and waits until the broker has
// the offsets. A partition's offset stops before its first record that is not
// marked.
func (c *Consumer[K, V]) CommitRecords(ctx context.Context, records ...*Record[K, V]) error {
	for _, r := range records {
		if r == nil || r.raw == nil {
			return errNotPolled
		}
		c.sched.handledOne(r.Topic, r.Partition, r.Offset)
	}
	return c.commits.commit(ctx)
}

var errNotPolled = errors.New("consumer: a record that Poll did not return")

func (c *Consumer[K, V]) mark() {
	if c.use.Load() == polling {
		c.sched.handledAll()
	}
}
