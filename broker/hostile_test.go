package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// batchOf is a batch of n small records.
func batchOf(t *testing.T, n int) []byte {
	t.Helper()
	builder := record.NewBuilder(record.BatchOptions{})
	for range n {
		builder.Add(time.Now().UnixMilli(), []byte("k"), []byte("v"))
	}
	batch, err := builder.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// produceRequest sends batch to partition 0 of topic.
func produceRequest(topic string, acks int16, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks = acks
	rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rp.Records = topic, batch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func produced(resp kmsg.Response) kmsg.ProduceResponseTopicPartition {
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

func TestDamagedBatchesAreRefusedAndTheConnectionLives(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	good := batchOf(t, 3)
	change := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), good...)) }
	for name, batch := range map[string][]byte{
		"cut":           good[:len(good)-1],
		"header only":   good[:30],
		"empty":         {},
		"wrong CRC":     change(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }),
		"old format":    change(func(b []byte) []byte { b[16] = 1; return b }),
		"huge length":   change(func(b []byte) []byte { b[8] = 0x7f; return b }),
		"negative":      change(func(b []byte) []byte { b[8] = 0xff; return b }),
		"many records":  change(func(b []byte) []byte { binary.BigEndian.PutUint32(b[57:], 1<<30); record.Batch(b).Reseal(); return b }),
		"two batches":   append(append([]byte(nil), good...), good...),
		"control batch": change(func(b []byte) []byte { b[22] |= 0x20; record.Batch(b).Reseal(); return b }),
		"unknown codec": change(func(b []byte) []byte { b[22] |= 7; record.Batch(b).Reseal(); return b }),
	} {
		out := produced(c.ask(produceRequest("t", -1, batch)))
		if out.ErrorCode == 0 || out.ErrorCode == kerr.UnknownServerError.Code || out.BaseOffset != -1 || out.ErrorMessage == nil {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if out := produced(c.ask(produceRequest("t", -1, good))); out.ErrorCode != 0 || out.BaseOffset != 0 {
		t.Errorf("a good batch: %+v", out)
	}
}

func TestProduceWithoutAcksIsNotAnsweredAndFailsByClosing(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	c.write(frameOf(produceRequest("t", 0, batchOf(t, 1)), 1))
	// The next answer is that of the next request.
	if out := produced(c.ask(produceRequest("t", 1, batchOf(t, 1)))); out.BaseOffset != 1 {
		t.Fatalf("%+v", out)
	}
	c.write(frameOf(produceRequest("nowhere", 0, batchOf(t, 1)), 2))
	c.wantClosed()
}

func TestAnswersComeInTheOrderOfTheRequests(t *testing.T) {
	b := startBroker(t)
	createTopic(t, b, "t", 1, nil)
	c := dialRaw(t, b)
	const n = 100
	var all []byte
	for i := int32(1); i <= n; i++ {
		switch i % 3 {
		case 0:
			all = append(all, frameOf(kmsg.NewPtrApiVersionsRequest(), i)...)
		case 1:
			all = append(all, frameOf(produceRequest("t", -1, batchOf(t, 1)), i)...)
		case 2:
			all = append(all, frameOf(produceRequest("t", 1, batchOf(t, 1)), i)...)
		}
	}
	go func() { // what fails here is missed below
		_, _ = c.conn.Write(all)
	}()
	var offset int64
	for i := int32(1); i <= n; i++ {
		if i%3 == 0 {
			c.answerTo(kmsg.NewPtrApiVersionsRequest(), i)
			continue
		}
		if out := produced(c.answerTo(produceRequest("t", -1, nil), i)); out.BaseOffset != offset {
			t.Fatalf("answer %d: offset %d, want %d", i, out.BaseOffset, offset)
		}
		offset++
	}
}

// TestManyLargeRequestsShareTheBudget has more large requests on the way than there is
// room for, and looks at the memory in use again and again until all are answered.
func TestManyLargeRequestsShareTheBudget(t *testing.T) {
	const memory, connections, requestBytes = 64 << 20, 24, 20 << 20
	b := startBroker(t, func(o *Options) { o.Limits.MemoryBytes = memory })
	createTopic(t, b, "t", 1, nil)
	frame := frameOf(produceRequest("t", -1, make([]byte, requestBytes)), 1)
	before := liveBytes()
	var clients sync.WaitGroup
	for range connections {
		c := dialRaw(t, b)
		clients.Go(func() {
			if _, err := c.conn.Write(frame); err != nil {
				t.Errorf("write: %v", err)
				return
			}
			if out := produced(c.answerTo(produceRequest("t", -1, nil), 1)); out.ErrorCode == 0 {
				t.Error("zeros were appended")
			}
		})
	}
	done := make(chan struct{})
	go func() {
		clients.Wait()
		close(done)
	}()
	// All that is paid for, and the one request beyond; garbage of large buffers and the
	// idle ones; for each connection the buffers that it began with, 32, 128 and 512 KiB,
	// which are not counted when they are garbage.
	largest := int64(bufferCap(len(frame)))
	bound := requestMemory(memory) + largest + int64(slackBytes(memory)) + largest + connections*(connectionBytes+672<<10)
	for open := true; open; {
		select {
		case <-done:
			open = false
		default:
		}
		if grown := liveBytes() - before; grown > bound {
			t.Fatalf("%d MiB more are in use, %d are allowed for", grown>>20, bound>>20)
		}
		if used := b.memory.inUse(); used > requestMemory(memory)+2*largest {
			t.Fatalf("%d bytes are paid for", used)
		}
	}
	eventually(t, "everything is given back", func() bool { return b.memory.inUse() == 0 })
}

func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Limits.Connections = 2 })
	first, second := dialRaw(t, b), dialRaw(t, b)
	first.ask(kmsg.NewPtrApiVersionsRequest())
	second.ask(kmsg.NewPtrApiVersionsRequest())
	dialRaw(t, b).wantClosed()
	_ = second.conn.Close()
	for range 200 {
		c := dialRaw(t, b)
		c.write(frameOf(kmsg.NewPtrApiVersionsRequest(), 1))
		if _, err := c.in.Peek(1); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a freed place is not given to anybody")
}

func TestTheBudgetIsNeverLeftNegativeAndAlwaysMovesOn(t *testing.T) {
	b := newBudget(1000)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 200 {
				l := lease{from: b}
				ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
				for range 3 {
					if err := l.grow(ctx, 300); err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				}
				l.release()
				cancel()
			}
		})
	}
	wg.Wait()
	if b.used != 0 || b.overdrawn || len(b.waiting) != 0 {
		t.Errorf("%d used, overdrawn %t, %d waiting", b.used, b.overdrawn, len(b.waiting))
	}
}

func TestWhoGivesUpWaitingForMemoryLeavesTheLine(t *testing.T) {
	b := newBudget(10)
	holder, waiter := lease{from: b}, lease{from: b}
	if err := holder.grow(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := waiter.grow(ctx, 5); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	holder.release()
	if b.used != 0 || len(b.waiting) != 0 {
		t.Errorf("%d used, %d waiting", b.used, len(b.waiting))
	}
}
