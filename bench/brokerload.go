package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// node is a server of the comparison.
type node struct {
	name string
	addr string
	proc *process
}

// producer is the client that all servers are loaded with: uncompressed
// batches, acks=all, idempotent, as franz-go makes them. Its settings are those
// with which it costs least itself, whoever it talks to.
func (n node) producer(topic string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(n.addr), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(200_000), kgo.MaxBufferedBytes(50_000_000), kgo.ProducerLinger(2 * time.Millisecond), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RecordPartitioner(kgo.UniformBytesPartitioner(256<<10, false, false, nil))}, opts...)...)
}

// create makes a topic; the bare loop makes every topic that is named to it.
func (n node) create(ctx context.Context, topic string, partitions int32, configs map[string]*string) error {
	if n.name == bareLoopName {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	resp, err := admin.CreateTopic(ctx, partitions, 1, configs, topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("%s: topic %s: %w %s", n.name, topic, err, resp.ErrMessage)
	}
	for range 600 { // until every partition has its leader
		offsets, err := admin.ListEndOffsets(ctx, topic)
		if err == nil && offsets.Error() == nil && len(offsets[topic]) == int(partitions) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s: topic %s has no leaders", n.name, topic)
}

// produceAll produces so many records and waits for all acknowledgements.
func produceAll(ctx context.Context, cl *kgo.Client, count int, value []byte) error {
	var failed atomic.Pointer[error]
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	var slab []kgo.Record // one allocation for many
	for range count {
		if len(slab) == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			slab = make([]kgo.Record, 512)
		}
		r := &slab[0]
		slab = slab[1:]
		r.Value = value
		cl.Produce(ctx, r, acked)
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// consumeAll reads so many records of a topic from its start, with the settings with
// which the client costs least itself: records are pooled, checksums not compared.
func (n node) consumeAll(ctx context.Context, topic string, count int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond),
		kgo.WithPools(&recordPool{}), kgo.DisableFetchCRCValidation())
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for got := 0; got < count; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return fmt.Errorf("%s: %d of %d records read: %w", n.name, got, count, err)
		}
		f.EachRecord(func(r *kgo.Record) {
			got++
			r.Recycle()
		})
	}
	return nil
}

// latencies produces at a steady rate and returns the time to acknowledgement,
// in milliseconds, of the given share of the records.
func latencies(ctx context.Context, cl *kgo.Client, perSecond float64, d time.Duration, value []byte, share float64) (float64, error) {
	var mu sync.Mutex
	var took []float64
	var failed error
	began := time.Now()
	sent := 0
	for time.Since(began) < d {
		for due := int(time.Since(began).Seconds() * perSecond); sent < due; sent++ {
			at := time.Now()
			cl.Produce(ctx, &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
				ms := time.Since(at).Seconds() * 1000
				mu.Lock()
				defer mu.Unlock()
				took = append(took, ms)
				if err != nil {
					failed = err
				}
			})
		}
		time.Sleep(time.Millisecond)
	}
	if err := cl.Flush(ctx); err != nil {
		return 0, err
	}
	if failed != nil || len(took) == 0 {
		return 0, fmt.Errorf("%d records: %w", len(took), failed)
	}
	slices.Sort(took)
	return took[min(len(took)-1, int(share*float64(len(took))))], nil
}

// synchronous is so many connections that each send one small record and wait
// for its acknowledgement before the next.
func (n node) synchronous(producers int, d time.Duration, topic string, partitions int32) (perSecond float64, err error) {
	errs := make([]error, producers)
	var acked atomic.Int64
	conns := make([]net.Conn, producers)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	for i := range conns {
		if conns[i], err = net.Dial("tcp", n.addr); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	var wg sync.WaitGroup
	for i, c := range conns {
		req := produceRequest(topic, int32(i)%partitions, recordBatch(1, 100), 9)
		wg.Go(func() {
			answer := make([]byte, 4096)
			for time.Since(began) < d && errs[i] == nil {
				if errs[i] = exchange(c, req, answer); errs[i] == nil {
					acked.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return float64(acked.Load()) / time.Since(began).Seconds(), errors.Join(errs...)
}

// exchange sends a produce request and reads the one answer.
func exchange(c net.Conn, req, buf []byte) error {
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := c.Write(req); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, buf[:4]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(buf))
	if n < 5 || n > len(buf) {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	if _, err := io.ReadFull(c, buf[:n]); err != nil {
		return err
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.SetVersion(9)
	if err := resp.ReadFrom(buf[5:n]); err != nil {
		return err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("an answer about nothing")
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}
