package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrNoTransactionalID: a Processor needs WithTransactionalID.
var ErrNoTransactionalID = errors.New("consumer: a Processor needs WithTransactionalID")

// Processor consumes, processes and produces in transactions: the records that
// a batch leads to and the offsets of the batch are committed together or not at
// all, so that readers of committed records see every effect exactly once. What a
// batch does elsewhere is not part of that.
type Processor[K, V any] struct {
	codec   codec[K, V]
	cfg     config
	session *kgo.GroupTransactSession
	ran     atomic.Bool
	closed  atomic.Bool
}

// NewProcessor joins a group. Options that are about workers, commits, buffers
// and dead letters have no meaning for it; WithRetry bounds the attempts at a
// batch.
func NewProcessor[K, V any](key Decoder[K], value Decoder[V], opts ...Option) (*Processor[K, V], error) {
	cfg, err := newConfig(key, value, opts)
	if cfg.transactionalID == "" {
		err = errors.Join(err, ErrNoTransactionalID)
	}
	if err != nil {
		return nil, err
	}
	options := append(cfg.kafka(), kgo.TransactionalID(cfg.transactionalID))
	session, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	return &Processor[K, V]{codec: codec[K, V]{key, value}, cfg: cfg, session: session}, nil
}

// Output sends the records of one transaction.
type Output struct {
	session *kgo.GroupTransactSession

	mu   sync.Mutex
	errs []error
	wait sync.WaitGroup
}

// Send adds a record to the transaction; producer.Codec makes records of typed
// ones. A record that cannot be delivered aborts the transaction. It is safe for
// concurrent use.
func (o *Output) Send(ctx context.Context, r *kgo.Record) {
	o.wait.Add(1)
	o.session.Produce(ctx, r, func(_ *kgo.Record, err error) {
		defer o.wait.Done()
		if err != nil {
			o.mu.Lock()
			defer o.mu.Unlock()
			if len(o.errs) < 10 { // enough to see what is wrong
				o.errs = append(o.errs, err)
			}
		}
	})
}

func (o *Output) flush() error {
	o.wait.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.errs...)
}

// Batch processes the records of one transaction and sends what they lead to.
// Records that could not be decoded have their Err set. The batch, or one that
// overlaps it, comes again if the transaction is aborted.
type Batch[K, V any] func(ctx context.Context, records []*Record[K, V], out *Output) error

// Run processes batches until ctx ends, which is not an error: a batch that is at
// work then has WithDrainTimeout to finish and is committed; after that its
// context ends, too, and if it fails it is for whoever runs next. Otherwise a batch
// that fails is aborted and tried again as WithRetry says; after that Run returns
// its error, and the batch is for whoever runs next. A rebalance in the middle of a
// transaction aborts it, too, and counts as no attempt.
func (p *Processor[K, V]) Run(ctx context.Context, fn Batch[K, V]) error {
	if fn == nil {
		return errNoHandler
	}
	if p.ran.Swap(true) {
		return ErrInUse
	}
	work, done := outlive(ctx, p.cfg.drainTimeout)
	defer done()
	for attempt := 1; ; {
		fetches := p.session.PollRecords(ctx, p.cfg.maxPoll)
		if fetches.IsClientClosed() {
			return ErrClosed
		}
		if ctx.Err() != nil {
			return nil
		}
		fetches.EachError(func(topic string, partition int32, err error) {
			p.cfg.logger.ErrorContext(ctx, "fetch", "topic", topic, "partition", partition, "error", err)
		})
		if fetches.NumRecords() == 0 {
			continue
		}
		failed, err := p.transact(work, fetches, fn)
		switch {
		case err != nil:
			return err
		case failed == nil:
			attempt = 1
		case ctx.Err() != nil:
			p.cfg.logger.WarnContext(ctx, "batch aborted at shutdown, it is for whoever runs next", "group", p.cfg.group, "attempt", attempt, "error", failed)
			return nil
		case permanent(failed) || !p.cfg.retry.again(attempt):
			return fmt.Errorf("consumer: batch, attempt %d: %w", attempt, failed)
		default:
			p.cfg.logger.WarnContext(ctx, "batch aborted, trying again", "attempt", attempt, "error", failed)
			if !pause(ctx, p.cfg.retry.delay(attempt)) {
				return nil
			}
			attempt++
		}
	}
}

// transact runs one transaction. failed is why the batch was aborted, err why
// no further transaction is possible.
func (p *Processor[K, V]) transact(ctx context.Context, fetches kgo.Fetches, fn Batch[K, V]) (failed, err error) {
	if err := p.session.Begin(); err != nil {
		return nil, fmt.Errorf("consumer: begin transaction: %w", err)
	}
	out := &Output{session: p.session}
	failed = p.apply(ctx, fetches, fn, out)
	if undelivered := out.flush(); failed == nil {
		failed = undelivered
	}
	// A transaction that was begun has to end, whatever became of ctx.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.drainTimeout)
	defer cancel()
	committed, err := p.session.End(end, kgo.TransactionEndTry(failed == nil))
	if err != nil {
		return failed, fmt.Errorf("consumer: end transaction: %w", errors.Join(err, failed))
	}
	if failed == nil && !committed {
		p.cfg.logger.InfoContext(ctx, "transaction aborted by a rebalance", "group", p.cfg.group)
	}
	return failed, nil
}

// apply decodes the batch and calls fn; a panic aborts the transaction before
// it goes on.
func (p *Processor[K, V]) apply(ctx context.Context, fetches kgo.Fetches, fn Batch[K, V], out *Output) (err error) {
	records := make([]*Record[K, V], 0, fetches.NumRecords())
	fetches.EachRecord(func(raw *kgo.Record) {
		r, err := p.codec.decode(ctx, raw)
		r.Err = err
		records = append(records, r)
	})
	defer func() {
		if r := recover(); r != nil {
			err = Permanent(fmt.Errorf("batch panicked: %v", r))
		}
	}()
	return fn(ctx, records, out)
}

// outlive returns a context with the values of ctx that ends d after it.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if pause(out, d) {
			cancel()
		}
	})
	return out, func() { stop(); cancel() }
}

// pause waits for d and reports whether ctx still goes on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Client returns the Kafka client underneath.
func (p *Processor[K, V]) Client() *kgo.Client { return p.session.Client() }

// Close leaves the group. Closing twice is no error.
func (p *Processor[K, V]) Close() {
	if !p.closed.Swap(true) {
		p.session.Close()
	}
}
