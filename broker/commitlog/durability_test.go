package commitlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

func TestHighWatermarkIsTheDurableOffset(t *testing.T) {
	for _, policy := range []Policy{SyncEach, SyncInterval, SyncOS} {
		l := openMem(t, vfs.NewMem(), func(o *Options) { o.Committer = &manualCommitter{policy: policy} })
		moved := 0
		l.OnAdvance(func() { moved++ })
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, "a"), AppendOptions{})
		want := int64(1)
		if policy == SyncEach {
			want = 0
			ctx, cancel := context.WithCancel(background)
			cancel()
			if err := l.WaitDurable(ctx, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("%v: %v", policy, err)
			}
			if values, _ := readAll(t, l, 0, UpToHighWatermark); len(values) != 0 {
				t.Errorf("consumers see %v before it is durable", values)
			}
			if values, _ := readAll(t, l, 0, UpToEnd); len(values) != 1 {
				t.Errorf("the broker does not see its own record: %v", values)
			}
		}
		if l.HighWatermark() != want || l.DurableOffset() != 0 {
			t.Errorf("%v: high watermark %d, durable %d", policy, l.HighWatermark(), l.DurableOffset())
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := l.WaitDurable(background, 1); err != nil || l.HighWatermark() != 1 || l.DurableOffset() != 1 || moved == 0 {
			t.Errorf("%v: %v, high watermark %d, durable %d, told %d times", policy, err, l.HighWatermark(), l.DurableOffset(), moved)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFlushMessagesAsksForMore(t *testing.T) {
	l := openMem(t, vfs.NewMem(), func(o *Options) {
		o.Committer = &manualCommitter{policy: SyncOS}
		o.Config = DefaultConfig()
		o.Config.FlushMessages = 3
	})
	defer l.Close()
	for i, want := range []int64{1, 2, 2, 4} { // the third has to be synced
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, "a"), AppendOptions{})
		if got := l.HighWatermark(); got != want {
			t.Errorf("after append %d: high watermark %d, want %d", i, got, want)
		}
	}
}

func TestFailedFsyncTakesTheLogOffline(t *testing.T) {
	faulty := &vfs.Faulty{FS: vfs.NewMem()}
	l := openMem(t, faulty, func(o *Options) { o.Committer = &manualCommitter{} })
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, "kept"), AppendOptions{})
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, batchOf(t, record.BatchOptions{}, "lost"), AppendOptions{})
	waiting := make(chan error)
	go func() { waiting <- l.WaitDurable(background, 2) }()
	for {
		l.mu.RLock()
		n := len(l.waiters)
		l.mu.RUnlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	faulty.Arm(vfs.OpSync, 1, false, syscall.EIO)
	wantCode(t, l.Flush(), CodeStorage)
	wantCode(t, <-waiting, CodeStorage)
	// A second fsync would succeed and mean nothing.
	wantCode(t, l.Flush(), CodeStorage)
	wantCode(t, l.WaitDurable(background, 2), CodeStorage)
	_, err := l.Append(background, batchOf(t, record.BatchOptions{}, "more"), AppendOptions{})
	wantCode(t, err, CodeStorage)
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("%v does not say why", err)
	}
	if values, _ := readAll(t, l, 0, UpToHighWatermark); fmt.Sprint(values) != "[kept]" {
		t.Errorf("what is durable is read as %v", values)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestFullDiskRefusesWritesUntilThereIsRoom(t *testing.T) {
	mem := vfs.NewMem()
	faulty := &vfs.Faulty{FS: mem}
	l := openMem(t, faulty, func(o *Options) { o.Config = DefaultConfig(); o.Config.SegmentBytes = 1000 })
	want := []string{}
	for i := range 40 {
		if i%10 == 5 {
			faulty.Arm(vfs.OpWrite|vfs.OpCreate, 1, true, syscall.ENOSPC)
			_, err := l.Append(background, batchOf(t, record.BatchOptions{}, "refused"), AppendOptions{})
			wantCode(t, err, CodeStorage)
			if !errors.Is(err, syscall.ENOSPC) || l.Err() != nil {
				t.Fatalf("%v, offline: %v", err, l.Err())
			}
			if values, _ := readAll(t, l, 0, UpToHighWatermark); len(values) != i {
				t.Fatalf("%d records are read while the disk is full, want %d", len(values), i)
			}
			faulty.Arm(0, 0, false, nil)
		}
		a := mustAppend(t, l, batchOf(t, record.BatchOptions{}, fmt.Sprint(i)), AppendOptions{})
		if err := l.WaitDurable(background, a.EndOffset()); err != nil || a.BaseOffset != int64(i) {
			t.Fatal(a, err)
		}
		want = append(want, fmt.Sprint(i))
	}
	l.abandon()
	l = openMem(t, mem.CrashCopy(1))
	defer l.Close()
	if values, _ := readAll(t, l, 0, UpToHighWatermark); fmt.Sprint(values) != fmt.Sprint(want) {
		t.Errorf("%v", values)
	}
}

// TestManyAppendersAndReaders is for the race detector, and checks that every
// reader sees one dense order and every producer its own.
func TestManyAppendersAndReaders(t *testing.T) {
	committer := NewGroupCommitter(CommitterOptions{Parallel: 2, CheckpointAge: time.Millisecond})
	defer committer.Close()
	l, err := Open(Options{Dir: t.TempDir() + "/topic-0", Committer: committer, CheckpointBytes: 4 << 10, Config: func() Config {
		c := DefaultConfig()
		c.SegmentBytes, c.IndexIntervalBytes = 20_000, 500
		return c
	}()})
	if err != nil {
		t.Fatal(err)
	}
	const appenders, each, readers = 6, 120, 3
	wake := make(chan struct{}, 1)
	l.OnAdvance(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})
	var wg sync.WaitGroup
	var appending atomic.Int32
	appending.Store(appenders)
	fail := make(chan error, appenders+readers+1)
	for id := range int64(appenders) {
		wg.Go(func() {
			defer appending.Add(-1)
			for i := range int32(each) {
				a, err := l.Append(background, idem(t, id, 0, i, 1, false), AppendOptions{})
				if err == nil {
					err = l.WaitDurable(background, a.EndOffset())
				}
				if err == nil && l.HighWatermark() < a.EndOffset() {
					err = fmt.Errorf("confirmed %d, the high watermark is %d", a.EndOffset(), l.HighWatermark())
				}
				if err != nil {
					fail <- err
					return
				}
			}
		})
	}
	for range readers {
		wg.Go(func() {
			next, last := int64(0), map[int64]int32{}
			for next < appenders*each {
				r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 4000, MinOneBatch: true})
				if err != nil {
					fail <- err
					return
				}
				for b := range record.All(r.Records) {
					if before, ok := last[b.ProducerID()]; b.BaseOffset() != next || b.CheckCRC() != nil || ok && b.BaseSequence() != before+1 {
						fail <- fmt.Errorf("at %d: batch %d of producer %d, sequence %d after %d", next, b.BaseOffset(), b.ProducerID(), b.BaseSequence(), before)
						return
					}
					last[b.ProducerID()] = b.BaseSequence()
					next = b.NextOffset()
				}
				r.Release()
				if len(fail) > 0 {
					return
				}
			}
		})
	}
	wg.Go(func() {
		for appending.Load() > 0 {
			if _, err := l.Retain(time.UnixMilli(1_700_000_000_000)); err != nil {
				fail <- err
			}
			l.ActiveProducers()
			if _, _, err := l.MaxTimestamp(nil); err != nil {
				fail <- err
			}
			if _, _, err := l.OffsetForTimestamp(1_700_000_000_000, nil); err != nil {
				fail <- err
			}
			l.Segments()
		}
	})
	wg.Wait()
	close(fail)
	for err := range fail {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Append(background, batchOf(t, record.BatchOptions{}, "a"), AppendOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed log: %v", err)
	}
	if _, err := l.Read(ReadOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("read of a closed log: %v", err)
	}
}

// TestRecoveryLooksAtTheTailOnly: what a checkpoint covered is not scanned again.
func TestRecoveryLooksAtTheTailOnly(t *testing.T) {
	mem := vfs.NewMem()
	l := openMem(t, mem, func(o *Options) { o.Committer = &manualCommitter{} })
	big := make([]byte, 10_000)
	for range 50 {
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, string(big)), AppendOptions{})
	}
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, string(big)), AppendOptions{})
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	again := openMem(t, mem.Clone())
	defer again.Close()
	if r := again.Recovered(); r.ScannedBytes > 3*11_000 || r.ScannedBytes < 3*10_000 || r.TruncatedBytes != 0 || again.EndOffset() != 53 {
		t.Errorf("%+v, end %d", r, again.EndOffset())
	}
	l.abandon()
}
