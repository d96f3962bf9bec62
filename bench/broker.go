package main

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const kafkaName, bareLoopName, kfakeName = "Apache Kafka " + kafkaVersion, "bare loop with group fsync", "kfake, syncing every write"

// field is the servers of the broker comparison. All run at once and take turns.
type field struct {
	ours    *dovetail
	kafka   *kafkaNode // nil if it could not be had
	noKafka string     // why
	bare    *process
	kfake   *process
	nodes   map[string]node
	// How long the start took until a record was acknowledged, in seconds.
	started map[string]float64
}

// benchBroker measures the broker beside Kafka, beside kfake and beside the
// bare loop.
func benchBroker(ctx context.Context, o options, r *report) error {
	// The load client makes much garbage and shares the cores with the servers.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	f, err := openField(ctx, o)
	defer f.close()
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, options, *report) error
	}{
		{"start", f.benchStart}, {"produce", f.benchProduce}, {"produce by a bare client", f.benchBareProduce}, {"consume", f.benchConsume}, {"latency", f.benchLatency},
		{"synchronous", f.benchSynchronous}, {"validation", f.benchValidation}, {"restart", f.benchRestart},
	} {
		if !strings.Contains(part.name, o.only) {
			continue
		}
		r.part(ctx, part.name, func() error { return part.run(ctx, o, r) })
	}
	return ctx.Err()
}

func openField(ctx context.Context, o options) (*field, error) {
	f := &field{nodes: map[string]node{}, started: map[string]float64{}}
	binary, err := dovetailBinary(ctx, o)
	if err != nil {
		return f, err
	}
	if err := f.start(ctx, "ours", func() (node, error) {
		f.ours, err = startDovetail(binary, filepath.Join(o.work, "dovetail-data"), "--default-partitions", fmt.Sprint(benchPartitions))
		if err != nil {
			return node{}, err
		}
		return node{"ours", f.ours.kafka, f.ours.process}, nil
	}); err != nil {
		return f, err
	}
	if err := f.start(ctx, bareLoopName, func() (node, error) {
		var addr string
		f.bare, addr, err = startChild(o.work, "bare")
		return node{bareLoopName, addr, f.bare}, err
	}); err != nil {
		return f, err
	}
	if err := f.start(ctx, kfakeName, func() (node, error) {
		var addr string
		f.kfake, addr, err = startChild(o.work, "kfake")
		return node{kfakeName, addr, f.kfake}, err
	}); err != nil {
		return f, err
	}
	if f.kafka, err = newKafka(ctx, o.work, "kafka-data"); err != nil {
		f.noKafka = err.Error()
		return f, nil
	}
	return f, f.start(ctx, kafkaName, func() (node, error) {
		f.kafka.stop() // once to lay out the data, so that a start is a start
		return node{}, f.kafka.again()
	})
}

// start starts a server and waits for its first acknowledgement.
func (f *field) start(ctx context.Context, name string, run func() (node, error)) error {
	began := time.Now()
	n, err := run()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if name == kafkaName {
		began = time.Now() // the process was started last
		n = node{name, f.kafka.addr, f.kafka.process}
	}
	f.nodes[name] = n
	_, err = n.proc.await(ctx, 90*time.Second, func() error { return n.firstAck(ctx) })
	f.started[name] = time.Since(began).Seconds()
	return err
}

// firstAck produces one record with a new client.
func (n node) firstAck(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr), kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic(bareTopic),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }), kgo.DialTimeout(time.Second), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return cl.ProduceSync(ctx, &kgo.Record{Value: []byte("first")}).FirstErr()
}

func (f *field) close() {
	if f.ours != nil {
		f.ours.stop()
	}
	if f.kafka != nil {
		f.kafka.stop()
	}
	f.bare.kill()
	f.kfake.kill()
}

// against appends a row beside a node, or says why that is missing.
func (f *field) against(r *report, name, unit, other string, x map[string][]float64, goal target) *row {
	if len(x[other]) == 0 {
		reason := "no figures"
		if other == kafkaName {
			reason = f.noKafka
		}
		r.missing(name, other, goal, reason)
		return r.Rows[len(r.Rows)-1]
	}
	w := row{Name: name, Unit: unit, Against: other, Ours: ptr(median(x["ours"])), Ratio: ptr(ratio(x["ours"], x[other]))}
	if other == bareLoopName {
		w.Limit = ptr(median(x[other]))
	} else {
		w.Peer = ptr(median(x[other]))
	}
	return r.add(w, goal)
}

// settle lets write-back of whoever was before end, so that nobody pays for
// another's dirty pages.
func settle() { syscall.Sync() }

// turns is how often the servers take turns, and how much a turn moves.
func (o options) turns() (rounds, megabytes int) {
	if o.quick {
		return 3, 24
	}
	return 5, 192
}
