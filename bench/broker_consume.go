package main

import (
	"context"
	"fmt"
	"time"
)

// readers are the two clients that consume.
var readers = []struct {
	name string
	read func(ctx context.Context, n node, topic string, count int) error
}{
	{"consume", func(ctx context.Context, n node, topic string, count int) error {
		return n.consumeAll(ctx, topic, count)
	}},
	{"fetch by a bare client", func(_ context.Context, n node, topic string, count int) error {
		return n.bareFetch(topic, benchPartitions, int64(count))
	}},
}

// benchConsume measures reading what lies in the page cache, and reading while
// it is written.
func (f *field) benchConsume(ctx context.Context, o options, r *report) error {
	rounds, megabytes := o.turns()
	value := make([]byte, 1000)
	count := megabytes * 1000
	type figures struct{ rates, cpu map[string][]float64 }
	cached, tail := make([]figures, len(readers)), figures{map[string][]float64{}, map[string][]float64{}}
	for i := range cached {
		cached[i] = figures{map[string][]float64{}, map[string][]float64{}}
	}
	round := 0 // the first is for warming up
	measure := func(n node, to figures, run func() error) error {
		used, began := n.proc.cpuSeconds(), time.Now()
		if err := run(); err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		if round == 0 {
			return nil
		}
		to.rates[n.name] = append(to.rates[n.name], float64(count)/time.Since(began).Seconds())
		to.cpu[n.name] = append(to.cpu[n.name], (n.proc.cpuSeconds()-used)/(float64(count)/1e6))
		return nil
	}
	for ; round <= rounds; round++ {
		for _, name := range []string{"ours", bareLoopName, kafkaName} {
			n, ok := f.nodes[name]
			if !ok {
				continue
			}
			topic := fmt.Sprintf("consume-%d", round)
			if err := n.create(ctx, topic, benchPartitions, nil); err != nil {
				return err
			}
			cl, err := n.producer(topic)
			if err != nil {
				return err
			}
			settle()
			done := make(chan error, 1)
			go func() { done <- produceAll(ctx, cl, count, value) }()
			err = measure(n, tail, func() error { return n.consumeAll(ctx, topic, count) })
			if err == nil {
				err = <-done
			}
			cl.Close()
			if err != nil {
				return err
			}
			for i, reader := range readers {
				settle()
				if err := measure(n, cached[i], func() error { return reader.read(ctx, n, topic, count) }); err != nil {
					return err
				}
			}
		}
	}
	for _, x := range []struct {
		name string
		figures
		goal target
	}{
		{"consume from the page cache, 1 KB", cached[0], atLeast(1.5)},
		{"consume from the tail while it is produced, 1 KB", tail, atLeast(1.5)},
		{"fetch by a bare client from the page cache, 1 KB", cached[1], target{}},
	} {
		f.against(r, x.name, "records/s", kafkaName, x.rates, x.goal)
		f.against(r, x.name, "records/s", bareLoopName, x.rates, target{})
		f.against(r, x.name+", CPU of the broker", "CPU s/GB", kafkaName, x.cpu, target{})
		f.against(r, x.name+", CPU of the broker", "CPU s/GB", bareLoopName, x.cpu, target{})
	}
	return nil
}
