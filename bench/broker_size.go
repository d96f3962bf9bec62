package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// benchStart measures the start, and memory before any load.
func (f *field) benchStart(ctx context.Context, o options, r *report) error {
	started := map[string][]float64{}
	for name, seconds := range f.started {
		started[name] = []float64{seconds}
	}
	f.against(r, "start to first acknowledgement", "s", kafkaName, started, atMost(1.0/20))
	time.Sleep(3 * time.Second)
	idle, err := f.residents()
	if err != nil {
		r.missing("idle resident memory", "", atMost(0.1), err.Error())
		return nil
	}
	f.against(r, "idle resident memory", "MB", kafkaName, idle, atMost(0.1))
	r.add(row{Name: "idle resident memory", Unit: "MB", Ours: ptr(idle["ours"][0])}, oursUnder(60))
	for _, partitions := range []int32{1000, 5000} {
		if o.quick && partitions > 1000 {
			continue
		}
		for _, name := range []string{"ours", kafkaName} {
			if n, ok := f.nodes[name]; ok && (name == "ours" || partitions == 1000) {
				if err := n.create(ctx, fmt.Sprintf("many-%d", partitions), partitions, nil); err != nil {
					return err
				}
			}
		}
		time.Sleep(3 * time.Second)
		many, err := f.residents()
		if err != nil {
			return err
		}
		goal := target{}
		if partitions == 1000 {
			f.against(r, "resident memory with 1000 partitions", "MB", kafkaName, many, target{})
			goal = oursUnder(150)
		}
		r.add(row{Name: fmt.Sprintf("resident memory with %d partitions more", partitions), Unit: "MB", Ours: ptr(many["ours"][0])}, goal)
	}
	return nil
}

// residents is the memory of everybody, in MB.
func (f *field) residents() (map[string][]float64, error) {
	out := map[string][]float64{}
	for name, n := range f.nodes {
		mb, err := n.proc.residentMB()
		if err != nil {
			return nil, err
		}
		out[name] = []float64{mb}
	}
	return out, nil
}

// benchRestart fills a log, kills the server in the middle of producing, and
// measures how long the next one needs to acknowledge a record.
func (f *field) benchRestart(ctx context.Context, o options, r *report) (err error) {
	gb := o.logGB
	if o.quick {
		gb = min(gb, 0.2)
	}
	d, err := startDovetail(f.ours.binary, filepath.Join(o.work, "restart-data"))
	if err != nil {
		return err
	}
	defer func() { d.kill() }()
	n := node{"ours", d.kafka, d.process}
	if _, err := n.proc.await(ctx, time.Minute, func() error { return n.firstAck(ctx) }); err != nil {
		return err
	}
	if err := n.create(ctx, "log", benchPartitions, nil); err != nil {
		return err
	}
	cl, err := n.producer("log")
	if err != nil {
		return err
	}
	value := make([]byte, 1000)
	if err := produceAll(ctx, cl, int(gb*1e6), value); err != nil {
		return err
	}
	var took []float64
	for range 3 {
		busy, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = produceAll(busy, cl, 1_000_000, value) // ends with the server
		}()
		time.Sleep(500 * time.Millisecond)
		d.kill()
		cancel()
		<-done
		began := time.Now()
		if err := d.again(); err != nil {
			return err
		}
		n.proc = d.process
		if _, err := n.proc.await(ctx, 5*time.Minute, func() error { return n.firstAck(ctx) }); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
	}
	cl.Close()
	r.add(row{Name: "restart after SIGKILL to first acknowledgement", Unit: "s", Ours: ptr(median(took)), Note: fmt.Sprintf("%.3g GB of log in %d partitions, killed while producing", gb, benchPartitions)}, oursUnder(1))
	return nil
}
