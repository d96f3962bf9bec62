package commitlog

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

var background = context.Background()

// batchOf builds a batch with the given values, keyed k0, k1 …
func batchOf(t testing.TB, o record.BatchOptions, values ...string) []byte {
	t.Helper()
	b := record.NewBuilder(o)
	for i, v := range values {
		b.Add(1_700_000_000_000+int64(i), fmt.Appendf(nil, "k%d", i), []byte(v))
	}
	p, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openMem(t testing.TB, fsys vfs.FS, change ...func(*Options)) *Log {
	t.Helper()
	o := Options{FS: fsys, Dir: "data/topic-0", Topic: "topic"}
	for _, f := range change {
		f(&o)
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAppend(t testing.TB, l *Log, batch []byte, o AppendOptions) Appended {
	t.Helper()
	a, err := l.Append(background, batch, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func readAll(t testing.TB, l *Log, from int64, upTo Bound) (values []string, next int64) {
	t.Helper()
	next = from
	for {
		r, err := l.Read(ReadOptions{Offset: next, MaxBytes: 1 << 16, MinOneBatch: true, UpTo: upTo})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Records) == 0 {
			r.Release()
			return values, next
		}
		for b, err := range record.All(r.Records) {
			if err != nil {
				t.Fatal(err)
			}
			it, err := b.Records(0)
			if err != nil {
				t.Fatal(err)
			}
			for it.Next() {
				if offset := b.BaseOffset() + int64(it.Record().OffsetDelta); offset >= from && !b.IsControl() {
					values = append(values, string(it.Record().Value))
				}
			}
			if it.Err() != nil {
				t.Fatal(it.Err())
			}
			it.Close()
		}
		next = r.NextOffset
		r.Release()
	}
}

func TestAppendedBytesAreServedUntouched(t *testing.T) {
	for _, codec := range []record.Codec{record.None, record.Gzip, record.Snappy, record.LZ4, record.Zstd} {
		l := openMem(t, vfs.NewMem(), func(o *Options) { o.LeaderEpoch = 7 })
		var want []byte
		for i := range 20 {
			p := batchOf(t, record.BatchOptions{Codec: codec}, "a", "b", fmt.Sprint(i))
			a := mustAppend(t, l, p, AppendOptions{})
			if a.BaseOffset != int64(3*i) || a.LastOffset != int64(3*i+2) {
				t.Fatalf("appended at %+v", a)
			}
			want = append(want, p...)
		}
		if err := l.WaitDurable(background, 60); err != nil {
			t.Fatal(err)
		}
		r, err := l.Read(ReadOptions{Offset: 0, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.Records, want) || r.NextOffset != 60 || r.HighWatermark != 60 {
			t.Fatalf("%v: read %d bytes to offset %d, appended %d", codec, len(r.Records), r.NextOffset, len(want))
		}
		if got := record.Batch(r.Records).LeaderEpoch(); got != 7 {
			t.Fatalf("leader epoch %d", got)
		}
		r.Release()
		// An offset in the middle of a batch is served with the batch that holds it.
		r, err = l.Read(ReadOptions{Offset: 31, MaxBytes: 1, MinOneBatch: true})
		if err != nil || record.Batch(r.Records).BaseOffset() != 30 || r.NextOffset != 33 {
			t.Fatalf("%v: offset 31 is read from %d to %d: %v", codec, record.Batch(r.Records).BaseOffset(), r.NextOffset, err)
		}
		r.Release()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogGoesOnAfterReopening(t *testing.T) {
	fsys := vfs.NewMem()
	var want []string
	for round := range 4 {
		l := openMem(t, fsys, func(o *Options) {
			o.Config = DefaultConfig()
			o.Config.SegmentBytes = 2000
			o.Config.IndexIntervalBytes = 200
		})
		if got, _ := readAll(t, l, 0, UpToEnd); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("round %d: read %v, want %v", round, got, want)
		}
		for i := range 30 {
			v := fmt.Sprintf("%d/%d", round, i)
			mustAppend(t, l, batchOf(t, record.BatchOptions{}, v), AppendOptions{})
			want = append(want, v)
		}
		if round%2 == 0 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		} else { // killed
			l.committer.Forget(l)
			fsys = fsys.Clone()
		}
	}
}
