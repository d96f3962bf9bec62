package consumer

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Outcome is what became of an attempt at a record.
type Outcome string

// Outcomes.
const (
	Handled      Outcome = "handled"
	Retried      Outcome = "retried"       // failed, and will be tried again
	DeadLettered Outcome = "dead-lettered" // is in the dead-letter topic
	Skipped      Outcome = "skipped"
	Failed       Outcome = "failed"    // ends Run
	Abandoned    Outcome = "abandoned" // the partition was given up meanwhile
)

// Observer watches records and commits, for traces and metrics.
type Observer interface {
	// Handling is called before each attempt at a record, decoding included. The
	// context it returns is the handler's; the function, if any, is called
	// with the outcome.
	Handling(ctx context.Context, r *kgo.Record, attempt int) (context.Context, func(Outcome, error))

	// Committed is called after each commit with the offsets that were asked
	// for.
	Committed(offsets map[string]map[int32]kgo.EpochOffset, err error)
}

type noObserver struct{}

func (noObserver) Handling(ctx context.Context, _ *kgo.Record, _ int) (context.Context, func(Outcome, error)) {
	return ctx, nil
}

func (noObserver) Committed(map[string]map[int32]kgo.EpochOffset, error) {}
