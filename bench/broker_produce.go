package main

import (
	"context"
	"fmt"
	"time"
)

const benchPartitions = barePartitions

// benchProduce measures durable produce of asynchronous batches.
func (f *field) benchProduce(ctx context.Context, o options, r *report) error {
	rounds, megabytes := o.turns()
	for _, size := range []int{100, 1000} {
		value := make([]byte, size)
		count := megabytes * 1_000_000 / size / map[int]int{100: 2, 1000: 1}[size]
		rates, cpu := map[string][]float64{}, map[string][]float64{}
		for round := range rounds + 1 { // the first is for warming up
			for _, name := range []string{"ours", bareLoopName, kafkaName} {
				n, ok := f.nodes[name]
				if !ok {
					continue
				}
				cl, err := n.producer(bareTopic)
				if err != nil {
					return err
				}
				settle()
				used, began := n.proc.cpuSeconds(), time.Now()
				err = produceAll(ctx, cl, count, value)
				took := time.Since(began).Seconds()
				cl.Close()
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if round > 0 {
					rates[name] = append(rates[name], float64(count)/took)
					cpu[name] = append(cpu[name], (n.proc.cpuSeconds()-used)/(float64(count*size)/1e9))
				}
			}
		}
		name := fmt.Sprintf("produce, acks=all, %d B, asynchronous batches", size)
		f.against(r, name, "records/s", kafkaName, rates, atLeast(1.5)).Note = "fsync for us, none for Kafka"
		f.against(r, name, "records/s", bareLoopName, rates, atLeast(0.8))
		f.against(r, fmt.Sprintf("produce, %d B, CPU of the broker", size), "CPU s/GB", kafkaName, cpu, target{})
		f.against(r, fmt.Sprintf("produce, %d B, CPU of the broker", size), "CPU s/GB", bareLoopName, cpu, target{})
	}
	return nil
}

// benchConsume measures reading what lies in the page cache, and reading while
// it is written.
func (f *field) benchConsume(ctx context.Context, o options, r *report) error {
	rounds, megabytes := o.turns()
	value := make([]byte, 1000)
	count := megabytes * 1000
	cached, tail := map[string][]float64{}, map[string][]float64{}
	for round := range rounds {
		for _, name := range []string{"ours", kafkaName} {
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
			began := time.Now()
			go func() { done <- produceAll(ctx, cl, count, value) }()
			if err := n.consumeAll(ctx, topic, count); err != nil {
				return err
			}
			tail[name] = append(tail[name], float64(count)/time.Since(began).Seconds())
			err = <-done
			cl.Close()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			settle()
			began = time.Now()
			if err := n.consumeAll(ctx, topic, count); err != nil {
				return err
			}
			cached[name] = append(cached[name], float64(count)/time.Since(began).Seconds())
		}
	}
	f.against(r, "consume from the page cache, 1 KB", "records/s", kafkaName, cached, atLeast(1.5))
	f.against(r, "consume from the tail while it is produced, 1 KB", "records/s", kafkaName, tail, atLeast(1.5))
	return nil
}

// benchLatency measures the time to acknowledgement at half of the lower peak.
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
			cl, err := n.producer(bareTopic)
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
	f.against(r, "produce p99 at half of the lower peak, 1 KB", "ms", kafkaName, p99, atMost(0.5)).Note = fmt.Sprintf("%.0f records/s each", lowest/2)
	return nil
}

// benchSynchronous measures many producers that each wait for every record.
func (f *field) benchSynchronous(ctx context.Context, o options, r *report) error {
	const producers, topic = 500, "synchronous"
	rounds, _ := o.turns()
	d := 2 * time.Second
	if o.quick {
		d = 500 * time.Millisecond
	}
	every := "1"
	for name, n := range f.nodes {
		var configs map[string]*string
		if name == kafkaName {
			configs = map[string]*string{"flush.messages": &every}
		}
		if name == bareLoopName {
			continue
		}
		if err := n.create(ctx, topic, benchPartitions, configs); err != nil {
			return err
		}
	}
	rates := map[string][]float64{}
	for round := range rounds + 1 {
		for _, name := range []string{"ours", kfakeName, bareLoopName, kafkaName} {
			n, ok := f.nodes[name]
			if !ok {
				continue
			}
			at := topic
			if name == bareLoopName {
				at = bareTopic
			}
			settle()
			rate, err := n.synchronous(producers, d, at, benchPartitions)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if round > 0 {
				rates[name] = append(rates[name], rate)
			}
		}
	}
	for _, other := range []string{kfakeName, kafkaName} {
		f.against(r, "500 synchronous producers of one small record", "records/s", other, rates, atLeast(3))
	}
	f.against(r, "500 synchronous producers of one small record", "records/s", bareLoopName, rates, target{})
	for _, w := range r.Rows {
		if w.Against == kafkaName && w.Target == ">= 3" {
			w.Note = "flush.messages=1 for Kafka"
		}
	}
	return nil
}
