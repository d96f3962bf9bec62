package consumer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/dovetail-dev/dovetail/serde"
)

// work handles records until the scheduler stops.
func (c *Consumer[K, V]) work(run context.Context, stop context.CancelCauseFunc, h Handler[K, V]) {
	for {
		l, t, ok := c.sched.next()
		if !ok {
			return
		}
		c.process(run, stop, h, l, t)
	}
}

// process makes one attempt at a record and decides what becomes of it.
func (c *Consumer[K, V]) process(run context.Context, stop context.CancelCauseFunc, h Handler[K, V], l *lane, t task) {
	t.attempts++
	ctx, observed := c.cfg.observer.Handling(l.part.ctx, t.record, t.attempts)
	outcome, err := c.attempt(ctx, h, l, &t)
	if observed != nil {
		observed(outcome, err)
	}
	switch outcome {
	case Retried:
		c.sched.again(l, t, c.retryDelay(t, err))
	case Abandoned:
		c.sched.abandon(l)
	case Failed:
		c.sched.abandon(l)
		stop(err)
	default:
		if outcome == Skipped {
			c.cfg.logger.ErrorContext(ctx, "record skipped", "topic", t.record.Topic, "partition", t.record.Partition, "offset", t.record.Offset, "error", err)
		}
		moved, next := c.sched.finish(l)
		if moved && c.cfg.commit == CommitSync {
			c.commitHandled(run, stop, l.part, next)
		}
	}
}

// commitHandled is CommitSync.
func (c *Consumer[K, V]) commitHandled(run context.Context, stop context.CancelCauseFunc, p *partition, next int64) {
	err := c.commits.ensure(p.ctx, p, next)
	if err == nil || run.Err() != nil || p.ctx.Err() != nil {
		return // the final commit, or that of the revocation, follows
	}
	if aboutRebalance(err) {
		c.cfg.logger.WarnContext(run, "offsets not committed during a rebalance", "group", c.cfg.group, "error", err)
		return
	}
	stop(err)
}

// patience is when a record is tried again that waits for the registry or for
// the dead-letter topic.
var patience = Retry{Attempts: -1, Backoff: 100 * time.Millisecond, MaxBackoff: 10 * time.Second}

func (c *Consumer[K, V]) retryDelay(t task, err error) time.Duration {
	var d *DecodeError
	if t.reason != nil || errors.As(err, &d) {
		return patience.delay(t.attempts)
	}
	return c.cfg.retry.delay(t.attempts)
}

// attempt decodes and handles a record, or sends it to the dead-letter topic if
// that is what is left to do.
func (c *Consumer[K, V]) attempt(ctx context.Context, h Handler[K, V], l *lane, t *task) (Outcome, error) {
	err := t.reason
	if err == nil {
		if err = c.handle(ctx, h, t); err == nil {
			return Handled, nil
		}
		if l.part.ctx.Err() != nil {
			return Abandoned, err
		}
		if c.retryable(err, t.attempts) {
			return Retried, err
		}
	}
	if c.cfg.deadLetter == "" {
		if c.cfg.failure == Skip {
			return Skipped, err
		}
		return Failed, fmt.Errorf("consumer: %s/%d offset %d, attempt %d: %w", t.record.Topic, t.record.Partition, t.record.Offset, t.attempts, err)
	}
	if t.reason == nil {
		t.reason = err
		t.tries, t.attempts = t.attempts, 1 // this one is the first at burying it
	}
	if failed := c.bury(l.part.ctx, t.record, t.reason, t.tries); failed != nil {
		if l.part.ctx.Err() != nil {
			return Abandoned, failed
		}
		c.cfg.logger.ErrorContext(ctx, "dead-letter topic not reached, trying again", "topic", c.cfg.deadLetter, "error", failed)
		return Retried, failed
	}
	return DeadLettered, err
}

// handle decodes a record and calls the handler. A panic is an error that no
// retry helps; its stack is for the log alone.
func (c *Consumer[K, V]) handle(ctx context.Context, h Handler[K, V], t *task) (err error) {
	r, err := c.codec.decode(ctx, t.record)
	if err != nil {
		return err
	}
	r.Attempt = t.attempts
	defer func() {
		if p := recover(); p != nil {
			c.cfg.logger.ErrorContext(ctx, "handler panicked", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "panic", p, "stack", string(debug.Stack()))
			err = Permanent(fmt.Errorf("handler panicked: %v", p))
		}
	}()
	return h(ctx, r)
}

// retryable reports whether another attempt is due. Records wait for the
// registry as long as it takes, others that cannot be decoded not at all.
func (c *Consumer[K, V]) retryable(err error, attempts int) bool {
	var d *DecodeError
	if errors.As(err, &d) {
		return errors.Is(err, serde.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
	}
	return !permanent(err) && c.cfg.retry.again(attempts)
}
