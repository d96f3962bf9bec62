package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committer sends offsets to the broker, one request at a time.
type committer struct {
	sched    *scheduler
	client   *kgo.Client
	observer Observer

	mu sync.Mutex // held during a request

	queue struct {
		sync.Mutex
		waiting []func(error) // of asynchronous commits
	}
	wake    chan struct{}
	stopped chan struct{}
	done    chan struct{}
}

func newCommitter(s *scheduler, client *kgo.Client, o Observer) *committer {
	c := &committer{sched: s, client: client, observer: o, wake: make(chan struct{}, 1), stopped: make(chan struct{}), done: make(chan struct{})}
	go c.run()
	return c
}

// commit commits what moved, all partitions in one request.
func (c *committer) commit(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(ctx, c.sched.assigned())
}

// commitOf commits what moved of some partitions.
func (c *committer) commitOf(ctx context.Context, parts []*partition) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.send(ctx, parts)
}

// ensure returns when the broker has offset of p: by this commit or by another
// one that was quicker.
func (c *committer) ensure(ctx context.Context, p *partition, offset int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sched.hasCommitted(p, offset) {
		return nil
	}
	return c.send(ctx, c.sched.assigned())
}

// send needs mu.
func (c *committer) send(ctx context.Context, parts []*partition) error {
	offsets := c.sched.offsets(parts)
	if len(offsets) == 0 {
		return nil
	}
	var err error
	c.client.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, res *kmsg.OffsetCommitResponse, failed error) {
		err = commitError(res, failed)
	})
	if err == nil {
		c.sched.noteCommitted(parts, offsets)
	} else {
		err = fmt.Errorf("consumer: commit: %w", err)
	}
	c.observer.Committed(offsets, err)
	return err
}

// commitError joins the errors of an answer, one for each partition.
func commitError(res *kmsg.OffsetCommitResponse, failed error) error {
	if failed != nil || res == nil {
		return failed
	}
	var errs []error
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				errs = append(errs, fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err))
			}
		}
	}
	return errors.Join(errs...)
}

// aboutRebalance reports whether a commit failed only because partitions are
// changing hands: what was not committed is handled again by their next owner.
func aboutRebalance(err error) bool {
	for _, e := range []error{kerr.RebalanceInProgress, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// async commits soon and calls done (may be nil) with the outcome.
func (c *committer) async(done func(error)) {
	c.queue.Lock()
	c.queue.waiting = append(c.queue.waiting, done)
	c.queue.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run serves async until stop.
func (c *committer) run() {
	defer close(c.done)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-c.wake:
			c.serve(ctx)
		case <-c.stopped:
			c.serve(ctx)
			return
		}
	}
}

func (c *committer) serve(ctx context.Context) {
	c.queue.Lock()
	waiting := c.queue.waiting
	c.queue.waiting = nil
	c.queue.Unlock()
	if len(waiting) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := c.commit(ctx)
	for _, done := range waiting {
		if done != nil {
			done(err)
		}
	}
}

// stop serves what waits and ends.
func (c *committer) stop() {
	close(c.stopped)
	<-c.done
}
