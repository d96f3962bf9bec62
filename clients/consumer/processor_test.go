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
