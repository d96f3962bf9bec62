package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestProcessorCommitsEffectsOnce(t *testing.T) {
	w := newWorld(t, 2)
	const n = 200
	w.produce(n, 10)
	p, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options(WithTransactionalID("tx"), WithMaxPoll(30))...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(limit(t))
	defer cancel()
	var calls, processed atomic.Int32
	done := make(chan error, 1)
	go func() {
		done <- p.Run(ctx, func(ctx context.Context, records []*Record[string, string], out *Output) error {
			for _, r := range records {
				out.Send(ctx, &kgo.Record{Topic: "out", Value: []byte("seen " + r.Value)})
			}
			if calls.Add(1)%2 == 1 { // every second attempt fails, after its output
				return errHandler
			}
			processed.Add(int32(len(records)))
			return nil
		})
	}()
	until(t, "all processed", func() bool { return processed.Load() == n })
	until(t, "committed", func() bool { return w.committed() >= n })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, r := range w.read("out", n) {
		seen[string(r.Value)]++
	}
	for i := range n {
		if got := seen[fmt.Sprint("seen ", i)]; got != 1 {
			t.Errorf("record %d has %d committed effects, want 1", i, got)
		}
	}
}

func TestProcessorFinishesItsBatchAtShutdown(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(3, 0)
	p, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options(WithTransactionalID("tx"), WithDrainTimeout(time.Minute))...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(context.WithValue(limit(t), traceKey{}, "kept"))
	err = p.Run(ctx, func(work context.Context, records []*Record[string, string], out *Output) error {
		cancel()
		if work.Err() != nil || work.Value(traceKey{}) != "kept" {
			t.Errorf("the batch's context: %v, with %v", work.Err(), work.Value(traceKey{}))
		}
		for _, r := range records {
			out.Send(work, &kgo.Record{Topic: "out", Value: []byte(r.Value)})
		}
		return work.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	committed := w.committed()
	if committed == 0 {
		t.Fatal("the batch was not committed")
	}
	if got := w.read("out", int(committed)); len(got) != int(committed) {
		t.Errorf("%d records came out of %d", len(got), committed)
	}
}

func TestProcessorTellsOfABatchThatFailsAtShutdown(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(3, 0)
	log := &logbook{}
	p, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options(WithTransactionalID("tx"), WithDrainTimeout(time.Minute), WithLogger(log.logger()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(limit(t))
	if err := p.Run(ctx, func(context.Context, []*Record[string, string], *Output) error {
		cancel()
		return errHandler
	}); err != nil {
		t.Fatal(err)
	}
	if got := w.committed(); got != 0 {
		t.Errorf("committed %d", got)
	}
	if log.count("batch aborted at shutdown") != 1 || log.count(errHandler.Error()) != 1 {
		t.Errorf("the log: %s", log.text.String())
	}
}

func TestABatchsContextEndsAfterTheDrainTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(limit(t))
	work, done := outlive(ctx, time.Millisecond)
	defer done()
	if work.Err() != nil {
		t.Error(work.Err())
	}
	cancel()
	select {
	case <-work.Done():
	case <-limit(t).Done():
		t.Error("it does not end")
	}
}

func TestProcessorGivesUp(t *testing.T) {
	for name, fn := range map[string]Batch[string, string]{
		"always fails": func(context.Context, []*Record[string, string], *Output) error { return errHandler },
		"permanent":    func(context.Context, []*Record[string, string], *Output) error { return Permanent(errHandler) },
		"panic":        func(context.Context, []*Record[string, string], *Output) error { panic(errHandler.Error()) },
		"undeliverable": func(ctx context.Context, _ []*Record[string, string], out *Output) error {
			out.Send(ctx, &kgo.Record{Topic: "no such topic!", Value: []byte("x")})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			w.produce(3, 0)
			p, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options(WithTransactionalID("tx"), WithRetry(Retry{Attempts: 2, Backoff: time.Millisecond}), WithKafka(kgo.UnknownTopicRetries(0)))...)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if err := p.Run(limit(t), fn); err == nil {
				t.Error("no error")
			}
			if got := w.committed(); got != 0 {
				t.Errorf("committed %d", got)
			}
		})
	}
}

func TestProcessorNeedsAnID(t *testing.T) {
	w := newWorld(t, 1)
	if _, err := NewProcessor(Raw[string]{}, Decoder[string](Raw[string]{}), w.options()...); !errors.Is(err, ErrNoTransactionalID) {
		t.Errorf("got %v", err)
	}
}
