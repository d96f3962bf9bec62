package commitlog

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// sizedBatch is a batch of about batchBytes made of records with recordBytes each.
func sizedBatch(b *testing.B, recordBytes, batchBytes int) (p []byte, count int) {
	b.Helper()
	builder := record.NewBuilder(record.BatchOptions{})
	value := make([]byte, recordBytes)
	for builder.SizeBytes()+recordBytes < batchBytes || builder.Count() == 0 {
		builder.Add(1, nil, value)
	}
	p, err := builder.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	return p, builder.Count()
}

func benchLog(b *testing.B, policy Policy) *Log {
	b.Helper()
	committer := NewGroupCommitter(CommitterOptions{Policy: policy})
	config := DefaultConfig()
	config.MaxMessageBytes, config.SegmentBytes = 8<<20, 256<<20
	l, err := Open(Options{Dir: filepath.Join(b.TempDir(), "topic-0"), Committer: committer, Config: config})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
		committer.Close()
	})
	return l
}

// BenchmarkAppend appends with at most 64 batches not yet durable, as a pipelining
// client does. bare is the least that any log has to do: checksum, write, group fsync.
func BenchmarkAppend(b *testing.B) {
	for _, shape := range []struct{ record, batch int }{{100, 16 << 10}, {1 << 10, 16 << 10}, {1 << 10, 128 << 10}, {1 << 10, 1 << 20}} {
		name := fmt.Sprintf("record=%d/batch=%dKiB", shape.record, shape.batch>>10)
		for _, policy := range []Policy{SyncEach, SyncOS} {
			b.Run(fmt.Sprintf("%s/%v", name, policy), func(b *testing.B) {
				l := benchLog(b, policy)
				p, count := sizedBatch(b, shape.record, shape.batch)
				b.SetBytes(int64(len(p)))
				b.ReportAllocs()
				ends := make(chan int64, 64)
				done := make(chan error)
				go func() {
					for end := range ends {
						if err := l.WaitDurable(background, end); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for b.Loop() {
					a, err := l.Append(background, p, AppendOptions{})
					if err != nil {
						b.Fatal(err)
					}
					ends <- a.EndOffset()
				}
				close(ends)
				if err := <-done; err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "records/s")
			})
		}
		b.Run(name+"/bare", func(b *testing.B) { benchBare(b, shape.record, shape.batch) })
	}
}

// benchBare is the limit: a loop of checksum and write with a group fsync behind it.
func benchBare(b *testing.B, recordBytes, batchBytes int) {
	f, err := vfs.OS.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p, count := sizedBatch(b, recordBytes, batchBytes)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	var written, durable atomic.Int64
	wake, stop, room := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-wake:
			case <-stop:
				return
			}
			end := written.Load()
			if err := f.Sync(); err != nil {
				b.Error(err)
			}
			durable.Store(end)
			select {
			case room <- struct{}{}:
			default:
			}
		}
	})
	pos := int64(0)
	for b.Loop() {
		if crc32.Checksum(p[21:], castagnoli) == 0 {
			b.Fatal("checksum")
		}
		if _, err := f.WriteAt(p, pos%(256<<20)); err != nil {
			b.Fatal(err)
		}
		pos += int64(len(p))
		written.Store(pos)
		select {
		case wake <- struct{}{}:
		default:
		}
		for pos-durable.Load() > 64*int64(len(p)) {
			<-room
		}
	}
	close(stop)
	wg.Wait()
	b.ReportMetric(float64(b.N*count)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkSmallSyncAppends is many producers that wait for each small record.
func BenchmarkSmallSyncAppends(b *testing.B) {
	for _, logs := range []int{1, 16} {
		b.Run(fmt.Sprintf("producers=200/logs=%d", logs), func(b *testing.B) {
			var all []*Log
			for range logs {
				all = append(all, benchLog(b, SyncEach))
			}
			p, _ := sizedBatch(b, 100, 0)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range 200 {
				wg.Go(func() {
					own := append([]byte(nil), p...)
					l := all[i%logs]
					for next.Add(1) <= int64(b.N) {
						a, err := l.Append(background, own, AppendOptions{})
						if err == nil {
							err = l.WaitDurable(background, a.EndOffset())
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkRead reads a log of 64 MiB from the page cache, again and again.
func BenchmarkRead(b *testing.B) {
	for _, maxBytes := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("max=%dKiB", maxBytes>>10), func(b *testing.B) {
			l := benchLog(b, SyncOS)
			p, _ := sizedBatch(b, 1<<10, 16<<10)
			for range 4 << 10 {
				if _, err := l.Append(background, p, AppendOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			next, total := int64(0), int64(0)
			for b.Loop() {
				r, err := l.Read(ReadOptions{Offset: next, MaxBytes: maxBytes, MinOneBatch: true})
				if err != nil {
					b.Fatal(err)
				}
				total += int64(len(r.Records))
				if next = r.NextOffset; next == r.End {
					next = 0
				}
				r.Release()
			}
			b.SetBytes(total / int64(b.N))
		})
	}
}

// BenchmarkReopenAfterKill opens a log of 1 GiB whose last 8 MiB no checkpoint saw.
func BenchmarkReopenAfterKill(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "topic-0")
	config := DefaultConfig()
	config.SegmentBytes, config.MaxMessageBytes = 256<<20, 8<<20
	open := func() *Log {
		l, err := Open(Options{Dir: dir, Committer: &manualCommitter{policy: SyncOS}, Config: config})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	l := open()
	p, _ := sizedBatch(b, 1<<10, 1<<20)
	for i := range 1024 {
		if i == 1016 {
			if err := l.Checkpoint(); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Append(background, p, AppendOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	l.abandon()
	var slowest time.Duration
	for b.Loop() {
		begin := time.Now()
		l := open()
		slowest = max(slowest, time.Since(begin))
		b.StopTimer()
		if l.EndOffset() == 0 || l.Recovered().ScannedBytes > 9<<20 {
			b.Fatal(l.Recovered())
		}
		l.abandon()
		b.StartTimer()
	}
	b.ReportMetric(float64(slowest.Milliseconds()), "slowest-ms")
	os.RemoveAll(dir)
}
