package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// op is something to be timed: run does it n times.
type op struct {
	name string
	run  func(n int) error
}

// timings are nanoseconds per operation, by round, for each op.
type timings map[string][]float64

// interleave lets the ops take turns of about the given length, in so many
// rounds. The order turns around every round, so that nobody always goes first.
func interleave(ctx context.Context, rounds int, turn time.Duration, ops ...op) (timings, error) {
	counts := make([]int, len(ops))
	for i, o := range ops {
		n, err := calibrate(o, turn)
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
			began := time.Now()
			if err := ops[i].run(counts[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", ops[i].name, err)
			}
			out[ops[i].name] = append(out[ops[i].name], float64(time.Since(began))/float64(counts[i]))
		}
	}
	return out, nil
}

// calibrate finds how often an op fits into a turn, and warms it up.
func calibrate(o op, turn time.Duration) (int, error) {
	if err := o.run(1); err != nil { // the first time may do what later ones need not
		return 0, fmt.Errorf("%s: %w", o.name, err)
	}
	for n := 1; ; n *= 4 {
		began := time.Now()
		if err := o.run(n); err != nil {
			return 0, fmt.Errorf("%s: %w", o.name, err)
		}
		if took := time.Since(began); took > turn/8 || n > 1<<28 {
			return max(1, int(float64(n)*float64(turn)/float64(took))), nil
		}
	}
}

// ratio is the median over the rounds of a divided by b.
func ratio(a, b []float64) float64 {
	all := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if b[i] > 0 {
			all = append(all, a[i]/b[i])
		}
	}
	return median(all)
}

func median(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(x))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// faster appends a row in which less time is better: the ratio says how many
// times as fast ours is.
func (r *report) faster(name string, t timings, ours, peer string, goal target) *row {
	return r.add(row{Name: name, Unit: "ns/op", Ours: ptr(median(t[ours])), Peer: ptr(median(t[peer])), Ratio: ptr(ratio(t[peer], t[ours])), Against: peer}, goal)
}
