package commitlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// openLarge opens a log on disk for large batches in segments of a few of them.
func openLarge(t *testing.T, dir string) *Log {
	t.Helper()
	l, err := Open(Options{Dir: dir, Config: func() Config {
		c := DefaultConfig()
		c.SegmentBytes, c.DeleteDelay = 300_000, 0
		c.Compact, c.MinDirtyRatio = true, 0
		return c
	}()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// appendLarge appends a batch of two records, whose values tell their offsets.
func appendLarge(t testing.TB, l *Log, valueBytes int) {
	t.Helper()
	b := record.NewBuilder(record.BatchOptions{})
	for i := range int64(2) {
		offset := l.Offsets().End + i
		value := bytes.Repeat([]byte{byte(offset)}, valueBytes)
		b.Add(1_700_000_000_000+offset, fmt.Appendf(nil, "k%d", offset%37), append(fmt.Appendf(nil, "%d ", offset), value...))
	}
	batch, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, batch, AppendOptions{})
}

// checkLarge says what is wrong with batches that appendLarge has appended and
// compaction may have thinned.
func checkLarge(p []byte, from int64) error {
	for b, err := range record.All(p) {
		if err == nil {
			err = b.CheckCRC()
		}
		if err != nil {
			return err
		}
		if b.LastOffset() < from {
			return fmt.Errorf("a batch to offset %d where %d was asked for", b.LastOffset(), from)
		}
		from = b.NextOffset()
		it, err := b.Records(0)
		if err != nil {
			return err
		}
		for it.Next() {
			offset := b.BaseOffset() + int64(it.Record().OffsetDelta)
			value := it.Record().Value
			text := fmt.Appendf(nil, "%d ", offset)
			if !bytes.HasPrefix(value, text) || bytes.Count(value[len(text):], []byte{byte(offset)}) != len(value)-len(text) {
				return fmt.Errorf("offset %d has the value %.20q", offset, value)
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
		it.Close()
	}
	return nil
}

// compareLocated locates from every offset and compares with what Read reads. It
// returns how often there was something to compare.
func compareLocated(t *testing.T, l *Log) (located int) {
	t.Helper()
	o := l.Offsets()
	for offset := o.Start; offset <= o.End; offset++ {
		for _, opts := range []ReadOptions{{MaxBytes: 1 << 20}, {MaxBytes: 100_000}, {MaxBytes: leastLocated, MinOneBatch: true}, {MaxBytes: leastLocated}, {MaxBytes: 150_000, UpTo: UpToLastStable}} {
			opts.Offset = offset
			ref, ok := l.Locate(opts)
			if !ok {
				ref.Release()
				continue
			}
			located++
			read, err := l.Read(opts)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, ref.Bytes)
			if _, err := ref.File.ReadAt(p, ref.Pos); err != nil {
				t.Fatal(err)
			}
			// Read may stop earlier: what it had to skip is in its buffer, too.
			if len(read.Records) == 0 || !bytes.HasPrefix(p, read.Records) || ref.NextOffset < read.NextOffset || ref.Offsets != read.Offsets {
				t.Errorf("%+v: %d bytes to offset %d, Read gives %d to %d", opts, ref.Bytes, ref.NextOffset, len(read.Records), read.NextOffset)
			}
			first, err := record.SizeBytes(p)
			if err != nil || len(p) > opts.MaxBytes && !(opts.MinOneBatch && len(p) == first) {
				t.Errorf("%+v: %d bytes, %v", opts, len(p), err)
			}
			if err := checkLarge(p, offset); err != nil {
				t.Errorf("%+v: %v", opts, err)
			}
			ref.Release()
			ref.Release()
			read.Release()
		}
	}
	return located
}

// TestLocateFindsWhatReadReads: the bytes at the reference begin with those that Read
// gives, whatever happened to the log before.
func TestLocateFindsWhatReadReads(t *testing.T) {
	for name, x := range map[string]struct {
		batches    int
		valueBytes func(rng *rand.Rand) int
	}{
		"large batches": {50, func(rng *rand.Rand) int { return 4_000 + rng.IntN(30_000) }},
		"small batches": {600, func(rng *rand.Rand) int { return rng.IntN(1_500) }},
		"mixed batches": {120, func(rng *rand.Rand) int { return rng.IntN(100 << rng.IntN(9)) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "topic-0")
			l := openLarge(t, dir)
			rng := rand.New(rand.NewPCG(1, 2))
			for range x.batches {
				appendLarge(t, l, x.valueBytes(rng))
			}
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			if n := compareLocated(t, l); n < 100 {
				t.Errorf("only %d of the reads were located", n)
			}
			if _, err := l.Compact(time.Now()); err != nil {
				t.Fatal(err)
			}
			if n := compareLocated(t, l); n < 50 {
				t.Errorf("after compaction: only %d", n)
			}
			if _, err := l.DeleteRecordsBefore(31); err != nil {
				t.Fatal(err)
			}
			if n := compareLocated(t, l); n < 50 {
				t.Errorf("after deletion: only %d", n)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if n := compareLocated(t, openLarge(t, dir)); n < 50 {
				t.Errorf("opened again: only %d", n)
			}
		})
	}
}

// TestLocateLeavesTheRestToRead names what is not located.
func TestLocateLeavesTheRestToRead(t *testing.T) {
	large := func(t *testing.T) *Log {
		l := openLarge(t, filepath.Join(t.TempDir(), "topic-0"))
		for range 4 {
			appendLarge(t, l, 20_000)
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		return l
	}
	ask := ReadOptions{MaxBytes: 1 << 20}
	for name, x := range map[string]struct {
		open func(t *testing.T) *Log
		ask  ReadOptions
		ok   bool
	}{
		"large batches":             {large, ask, true},
		"little wanted":             {large, ReadOptions{MaxBytes: leastLocated - 1, MinOneBatch: true}, false},
		"a batch that does not fit": {large, ReadOptions{MaxBytes: leastLocated + 1}, false},
		"before the start":          {large, ReadOptions{MaxBytes: 1 << 20, Offset: -1}, false},
		"at the end":                {large, ReadOptions{MaxBytes: 1 << 20, Offset: 8}, false},
		"beyond the end":            {large, ReadOptions{MaxBytes: 1 << 20, Offset: 9}, false},
		"closed": {func(t *testing.T) *Log {
			l := large(t)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return l
		}, ask, false},
		"a file that was cut": {func(t *testing.T) *Log {
			l := large(t)
			path := l.segments[0].path(logSuffix)
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()-1)
			}
			if err != nil {
				t.Fatal(err)
			}
			return l
		}, ask, false},
		"a header that is damaged": {func(t *testing.T) *Log {
			l := large(t)
			if err := os.WriteFile(l.segments[0].path(logSuffix), make([]byte, l.SizeBytes()), 0o644); err != nil {
				t.Fatal(err)
			}
			return l
		}, ask, false},
		"no files": {func(t *testing.T) *Log {
			l := openMem(t, vfs.NewMem())
			t.Cleanup(func() { l.Close() })
			for range 4 {
				appendLarge(t, l, 20_000)
			}
			return l
		}, ask, false},
		"what is in memory": {func(t *testing.T) *Log {
			l := openLarge(t, filepath.Join(t.TempDir(), "topic-0"))
			if _, err := l.Read(ask); err != nil { // somebody reads at the end
				t.Fatal(err)
			}
			for range 8 {
				appendLarge(t, l, 7_000)
			}
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			return l
		}, ask, false},
	} {
		t.Run(name, func(t *testing.T) {
			ref, ok := x.open(t).Locate(x.ask)
			if ok != x.ok || ok != (ref.File != nil) {
				t.Errorf("located: %t, %d bytes", ok, ref.Bytes)
			}
			ref.Release()
		})
	}
}

// TestLocatedBytesStayWhileTheLogChanges: appends, retention, compaction and deletion
// do not touch the bytes that a reader was told of.
func TestLocatedBytesStayWhileTheLogChanges(t *testing.T) {
	l := openLarge(t, filepath.Join(t.TempDir(), "topic-0"))
	const batches = 150
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := range batches {
			appendLarge(t, l, 10_000+i%7*1000)
		}
	})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := l.Compact(time.Now()); err != nil {
				t.Error(err)
			}
			if i%3 == 0 {
				o := l.Offsets()
				if _, err := l.DeleteRecordsBefore(o.Start + (o.HighWatermark-o.Start)/4); err != nil {
					t.Error(err)
				}
			}
			if _, err := l.Retain(time.Now()); err != nil {
				t.Error(err)
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			var held []FileRef
			var from []int64
			check := func() {
				for i := range held {
					p := make([]byte, held[i].Bytes)
					if _, err := held[i].File.ReadAt(p, held[i].Pos); err != nil {
						t.Error(err)
					} else if err := checkLarge(p, from[i]); err != nil {
						t.Error(err)
					}
					held[i].Release()
				}
				held, from = held[:0], from[:0]
			}
			for running := true; running; {
				select {
				case <-done:
					running = false
				default:
				}
				o := l.Offsets()
				offset := o.Start
				for offset < o.HighWatermark {
					ref, ok := l.Locate(ReadOptions{Offset: offset, MaxBytes: 200_000, MinOneBatch: true})
					if !ok {
						break
					}
					held, from = append(held, ref), append(from, offset)
					offset = ref.NextOffset
				}
				check()
			}
		})
	}
	wg.Wait()
}

// TestReadersKeepRemovedSegments: retention does not pull the file from under a reader.
func TestReadersKeepRemovedSegments(t *testing.T) {
	l := openLarge(t, filepath.Join(t.TempDir(), "topic-0"))
	for range 40 {
		appendLarge(t, l, 20_000)
	}
	if err := l.Flush(); err != nil {
		t.Fatal(err)
	}
	ref, ok := l.Locate(ReadOptions{Offset: 0, MaxBytes: 1 << 20})
	if !ok {
		t.Fatal("nothing located")
	}
	if _, err := l.DeleteRecordsBefore(60); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Retain(l.options.Now()); err != nil || r.Segments == 0 {
		t.Fatal(r, err)
	}
	for _, name := range namesIn(t, l) {
		if strings.HasPrefix(name, fileName(0, "")) {
			t.Errorf("%s is still there", name)
		}
	}
	p := make([]byte, ref.Bytes)
	if _, err := ref.File.ReadAt(p, ref.Pos); err != nil {
		t.Error("the bytes are gone:", err)
	} else if err := checkLarge(p, 0); err != nil {
		t.Error(err)
	}
	ref.Release()
}

func namesIn(t *testing.T, l *Log) []string {
	t.Helper()
	names, err := l.fsys.List(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	return names
}
