package main

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// rounds of codecs are long enough for a few garbage collections each.
func (o options) codecRounds() (int, time.Duration) {
	if o.quick {
		return 5, 2 * time.Millisecond
	}
	return 11, 40 * time.Millisecond
}

// interleaveCPU is interleave for what computes and never waits. It counts the
// CPU time of the process on one core, not the time that goes by: the garbage
// collector is paid by whoever makes it work, and what other processes do to
// the machine counts less.
func interleaveCPU(ctx context.Context, rounds int, turn time.Duration, ops ...op) (timings, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	counts := make([]int, len(ops))
	for i, o := range ops {
		n, err := calibrateCPU(o, turn)
		if err != nil {
			return nil, err
		}
		counts[i] = n
	}
	out := timings{}
	for round := range rounds {
		for i := range ops {
			if round%2 == 1 {
				i = len(ops) - 1 - i
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			runtime.GC() // nobody pays for another's garbage
			before := cpuTime()
			if err := ops[i].run(counts[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", ops[i].name, err)
			}
			out[ops[i].name] = append(out[ops[i].name], float64(cpuTime()-before)/float64(counts[i]))
		}
	}
	return out, nil
}

// calibrateCPU finds how often an op fits into a turn, and warms it up.
func calibrateCPU(o op, turn time.Duration) (int, error) {
	if err := o.run(1); err != nil { // the first time may ask a registry
		return 0, fmt.Errorf("%s: %w", o.name, err)
	}
	for n := 1; ; n *= 4 {
		before := cpuTime()
		if err := o.run(n); err != nil {
			return 0, fmt.Errorf("%s: %w", o.name, err)
		}
		if took := cpuTime() - before; took > turn/4 || n > 1<<28 {
			return max(1, int(float64(n)*float64(turn)/float64(took))), nil
		}
	}
}
