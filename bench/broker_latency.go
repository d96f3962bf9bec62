package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// benchLatency measures the time to acknowledgement at half of the lower peak. The
// client sends what it has at once: what it would linger is its own.
func (f *field) benchLatency(ctx context.Context, o options, r *report) error {
	rounds, megabytes := o.turns()
	value := make([]byte, 1000)
	names := []string{"ours", kafkaName}
	lowest := 0.0
	for _, name := range names {
		n, ok := f.nodes[name]
		if !ok {
			continue
		}
		cl, err := n.producer(bareTopic)
		if err != nil {
			return err
		}
		began := time.Now()
		err = produceAll(ctx, cl, megabytes*1000, value)
		cl.Close()
		if err != nil {
			return err
		}
		if peak := float64(megabytes*1000) / time.Since(began).Seconds(); lowest == 0 || peak < lowest {
			lowest = peak
		}
	}
	d := 3 * time.Second
	if o.quick {
		d = time.Second
	}
	p99 := map[string][]float64{}
	for range rounds {
		for _, name := range names {
			n, ok := f.nodes[name]
			if !ok {
				continue
			}
			cl, err := n.producer(bareTopic, kgo.ProducerLinger(0))
			if err != nil {
				return err
			}
			settle()
			ms, err := latencies(ctx, cl, lowest/2, d, value, 0.99)
			cl.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			p99[name] = append(p99[name], ms)
		}
	}
	f.against(r, "produce p99 at half of the lower peak, 1 KB", "ms", kafkaName, p99, atMost(0.5)).Note = fmt.Sprintf("%.0f records/s each, the client does not linger", lowest/2)
	return nil
}
