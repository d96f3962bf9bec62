package producer

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Tx sends the records of one transaction. It is safe for concurrent use until
// the function that got it returns.
type Tx[K, V any] struct {
	p *Producer[K, V]

	mu   sync.Mutex
	errs []error
	over bool
}

// Send adds r to the transaction. An outcome that is an error, here or later,
// makes the transaction abort.
func (t *Tx[K, V]) Send(ctx context.Context, r Record[K, V]) {
	t.mu.Lock()
	over := t.over
	t.mu.Unlock()
	if over {
		t.fail(ErrNoTransaction)
		return
	}
	t.p.send(ctx, r, func(_ Delivery, err error) {
		if err != nil {
			t.fail(err)
		}
	})
}

func (t *Tx[K, V]) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.errs) < 10 { // enough to see what is wrong
		t.errs = append(t.errs, err)
	}
}

// close ends the time for sends and returns what went wrong in it.
func (t *Tx[K, V]) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	return errors.Join(t.errs...)
}

// Transact runs fn and commits what it sent, or aborts it if fn returns an
// error, panics, or any record is not delivered. It returns nil only if the
// transaction is committed. Transactions of one producer run one after the
// other.
//
// Whoever else has the same transactional ID is fenced off; a producer that is
// fenced off itself returns an error every time and has to be closed.
func (p *Producer[K, V]) Transact(ctx context.Context, fn func(ctx context.Context, tx *Tx[K, V]) error) (err error) {
	if p.cfg.transactionalID == "" {
		return ErrNoID
	}
	p.tx.Lock()
	defer p.tx.Unlock()
	if err := p.client.BeginTransaction(); err != nil {
		return fmt.Errorf("producer: begin transaction: %w", err)
	}
	tx := &Tx[K, V]{p: p}
	p.inTx.Store(true)
	defer func() {
		p.inTx.Store(false)
		if r := recover(); r != nil {
			tx.close()
			_ = p.abort(ctx)
			panic(r)
		}
	}()
	err = fn(ctx, tx)
	if err == nil {
		err = p.Flush(ctx)
	}
	p.inTx.Store(false)
	if failed := tx.close(); err == nil {
		err = failed
	}
	if err != nil {
		return errors.Join(fmt.Errorf("producer: transaction aborted: %w", err), p.abort(ctx))
	}
	if err := p.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return errors.Join(fmt.Errorf("producer: commit transaction: %w", err), p.abort(ctx))
	}
	return nil
}

// abort ends the transaction without what was sent in it. It must happen even
// if ctx has ended; the request has a time-out of its own.
func (p *Producer[K, V]) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.abortTimeout)
	defer cancel()
	if err := p.client.AbortBufferedRecords(ctx); err != nil {
		return fmt.Errorf("producer: abort: %w", err)
	}
	if err := p.client.EndTransaction(ctx, kgo.TryAbort); err != nil {
		return fmt.Errorf("producer: abort: %w", err)
	}
	return nil
}
