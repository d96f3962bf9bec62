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
		count := megabytes * 1_000_000 / size / map[int]int{100: 2, 1000: 1}[size]
		rates, cpu, err := f.produceInTurns(ctx, rounds, count, size, func(n node) (produce func() error, end func(), err error) {
			cl, err := n.producer(bareTopic)
			if err != nil {
				return nil, nil, err
			}
			return func() error { return produceAll(ctx, cl, count, make([]byte, size)) }, cl.Close, nil
		})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("produce, acks=all, %d B, asynchronous batches", size)
		f.against(r, name, "records/s", kafkaName, rates, atLeast(1.5)).Note = "fsync for us, none for Kafka"
		f.against(r, name, "records/s", bareLoopName, rates, atLeast(0.8))
		f.against(r, fmt.Sprintf("produce, %d B, CPU of the broker", size), "CPU s/GB", kafkaName, cpu, target{})
		f.against(r, fmt.Sprintf("produce, %d B, CPU of the broker", size), "CPU s/GB", bareLoopName, cpu, target{})
	}
	return nil
}

// benchBareProduce measures the same with a client that costs next to nothing.
func (f *field) benchBareProduce(ctx context.Context, o options, r *report) error {
	const topic, batchBytes = "bare-produce", 64 << 10
	rounds, megabytes := o.turns()
	for _, n := range f.nodes {
		if n.name == kfakeName {
			continue
		}
		if err := n.create(ctx, topic, benchPartitions, nil); err != nil {
			return err
		}
	}
	for _, size := range []int{100, 1000} {
		count := megabytes * 1_000_000 / size
		records := batchBytes / (size + 8)
		batch := recordBatch(records, size)
		rates, cpu, err := f.produceInTurns(ctx, rounds, count, size, func(n node) (produce func() error, end func(), err error) {
			return func() error { return n.bareProduce(topic, benchPartitions, batch, records, int64(count)) }, func() {}, nil
		})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("produce by a bare client, acks=all, batches of 64 KiB of %d B", size)
		f.against(r, name, "records/s", kafkaName, rates, target{}).Note = "fsync for us, none for Kafka"
		f.against(r, name, "records/s", bareLoopName, rates, target{})
		f.against(r, name+", CPU of the broker", "CPU s/GB", kafkaName, cpu, target{})
		f.against(r, name+", CPU of the broker", "CPU s/GB", bareLoopName, cpu, target{})
	}
	return nil
}

// produceInTurns lets the servers take turns at so many records and returns records
// per second and the broker's CPU seconds per GB, by server and round.
func (f *field) produceInTurns(ctx context.Context, rounds, count, size int, client func(n node) (produce func() error, end func(), err error)) (rates, cpu map[string][]float64, err error) {
	rates, cpu = map[string][]float64{}, map[string][]float64{}
	for round := range rounds + 1 { // the first is for warming up
		for _, name := range []string{"ours", bareLoopName, kafkaName} {
			n, ok := f.nodes[name]
			if !ok {
				continue
			}
			produce, end, err := client(n)
			if err != nil {
				return nil, nil, err
			}
			settle()
			used, began := n.proc.cpuSeconds(), time.Now()
			err = produce()
			took := time.Since(began).Seconds()
			end()
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			if round > 0 {
				rates[name] = append(rates[name], float64(count)/took)
				cpu[name] = append(cpu[name], (n.proc.cpuSeconds()-used)/(float64(count*size)/1e9))
			}
		}
	}
	return rates, cpu, nil
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
