package commitlog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// TestReadingMeetsAWrongBaseOffset in a sealed segment: no answer is empty below the
// high watermark, no record has another offset than it was given, and what the damage
// does not touch is read.
func TestReadingMeetsAWrongBaseOffset(t *testing.T) {
	for name, bits := range map[string]int64{"the smallest bit": 1, "a small bit": 4, "a bit beyond the segment": 16, "a large bit": 1 << 42, "the sign": -1 << 63} {
		for batch := range 3 {
			for _, maxBytes := range []int{1, 1 << 20} {
				t.Run(name, func(t *testing.T) {
					mem := vfs.NewMem()
					l := openTimed(t, mem, 10, func(*Config) {})
					if err := l.Close(); err != nil {
						t.Fatal(err)
					}
					flipOffset(t, mem, fileName(3, logSuffix), batch, bits)
					l = openMem(t, mem, func(o *Options) { o.CleanShutdown = true })
					defer l.Close()
					damaged := 3 + batch
					for offset := range 10 {
						r, err := l.Read(ReadOptions{Offset: int64(offset), MaxBytes: maxBytes, MinOneBatch: true})
						var damage *DamageError
						switch {
						case err != nil && (!errors.As(err, &damage) || damage.File != fileName(3, logSuffix) || KafkaCode(err) != CodeStorage):
							t.Errorf("offset %d: %v", offset, err)
						case err == nil && len(r.Records) == 0:
							t.Errorf("nothing is read at offset %d", offset)
						case err == nil && offset == damaged:
							t.Errorf("offset %d is read", offset)
						case err != nil && (offset < damaged || offset >= 6):
							t.Errorf("offset %d is sound: %v", offset, err)
						}
						for p := r.Records; len(p) > 0; {
							b, rest, err := record.Next(p)
							if err != nil || b.MaxTimestamp() != b.BaseOffset()*1000 {
								t.Fatalf("read from %d: offset %d holds what was at %d (%v)", offset, b.BaseOffset(), b.MaxTimestamp()/1000, err)
							}
							p = rest
						}
						r.Release()
					}
				})
			}
		}
	}
}

// TestLocatingMeetsAWrongBaseOffset: what is sent from the file ends before it.
func TestLocatingMeetsAWrongBaseOffset(t *testing.T) {
	for _, bits := range []int64{1, 4, 1 << 42} {
		dir := filepath.Join(t.TempDir(), "topic-0")
		open := func() *Log {
			l, err := Open(Options{Dir: dir, CleanShutdown: true, TailBytes: -1, Config: func() Config {
				c := DefaultConfig()
				c.SegmentBytes = 200 << 10
				return c
			}()})
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := open()
		value := string(make([]byte, 9<<10))
		for range 30 {
			mustAppend(t, l, batchOf(t, record.BatchOptions{}, value), AppendOptions{})
		}
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		const damaged = 10
		file := filepath.Join(dir, fileName(0, logSuffix))
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		size, err := record.SizeBytes(content)
		if err != nil {
			t.Fatal(err)
		}
		b := record.Batch(content[damaged*size:])
		b.SetBaseOffset(b.BaseOffset() ^ bits)
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
		l = open()
		for offset, want := range map[int64]int64{0: damaged, damaged: 0, damaged + 1: 22} { // up to where it is served
			o := ReadOptions{Offset: offset, MaxBytes: 1 << 20, MinOneBatch: true}
			r, ok := l.Locate(o)
			if ok != (want > 0) || ok && (r.NextOffset != want || r.Pos != offset*int64(size) || r.Bytes != (want-offset)*int64(size)) {
				t.Errorf("bits %d: from %d on, %d bytes at %d up to %d are located: %v", bits, offset, r.Bytes, r.Pos, r.NextOffset, ok)
			}
			r.Release()
			read, err := l.Read(o)
			var damage *DamageError
			if (err == nil) != (want > 0) || err == nil && read.NextOffset != want || err != nil && !errors.As(err, &damage) {
				t.Errorf("bits %d: read from %d on up to %d: %v", bits, offset, read.NextOffset, err)
			}
			read.Release()
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}
