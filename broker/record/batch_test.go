package record

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var allCodecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

func sampleBatch(t testing.TB, o BatchOptions) Batch {
	t.Helper()
	b := NewBuilder(o)
	b.Add(1000, []byte("key"), []byte("value"), Header{Key: []byte("h"), Value: []byte("v")}, Header{Key: []byte("n")})
	b.Add(999, nil, []byte(strings.Repeat("long ", 100)))
	b.Add(1002, []byte{}, nil)
	p, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestBatchBytesAreFrozen pins the stored format.
func TestBatchBytesAreFrozen(t *testing.T) {
	b := NewBuilder(BatchOptions{Producer: &Producer{ID: 5, Epoch: 6, BaseSequence: 7}, Transactional: true, BaseOffset: 8, LeaderEpoch: 9})
	b.Add(0x0102030405, []byte("k"), []byte("v"), Header{Key: []byte("a"), Value: []byte("b")})
	p, err := b.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = "0000000000000008" + "0000003e" + "00000009" + "02" + "c2ea74d1" + "0010" + "00000000" +
		"0000000102030405" + "0000000102030405" + "0000000000000005" + "0006" + "00000007" + "00000001" +
		"18" + "00" + "00" + "00" + "026b" + "0276" + "02" + "0261" + "0262"
	if got := hex.EncodeToString(p); got != want {
		t.Errorf("batch\n got %s\nwant %s", got, want)
	}
	m := AppendMarker(nil, 1, 2, 3, Marker{Type: Commit, CoordinatorEpoch: 4})
	const marker = "0000000000000000" + "00000042" + "00000000" + "02" + "5cd8402b" + "0030" + "00000000" +
		"0000000000000003" + "0000000000000003" + "0000000000000001" + "0002" + "ffffffff" + "00000001" +
		"20" + "00" + "00" + "00" + "0800000001" + "0c000000000004" + "00"
	if got := hex.EncodeToString(m); got != marker {
		t.Errorf("marker\n got %s\nwant %s", got, marker)
	}
}

func TestWalkGivesBackWhatWasBuilt(t *testing.T) {
	for _, codec := range allCodecs {
		b := sampleBatch(t, BatchOptions{Codec: codec})
		if err := errors.Join(b.CheckHeader(), b.CheckCRC(), b.CheckNew()); err != nil {
			t.Fatalf("%v: %v", codec, err)
		}
		it, err := b.Records(0)
		if err != nil {
			t.Fatalf("%v: %v", codec, err)
		}
		var got []string
		for it.Next() {
			r := it.Record()
			text := fmt.Sprintf("%d@%d %q=%.6q", r.OffsetDelta, b.BaseTimestamp()+r.TimestampDelta, r.Key, r.Value)
			for _, h := range r.Headers(nil) {
				text += fmt.Sprintf(" %s:%v", h.Key, h.Value)
			}
			got = append(got, fmt.Sprint(text, r.Key == nil, r.Value == nil))
		}
		if it.Err() != nil {
			t.Fatalf("%v: %v", codec, it.Err())
		}
		it.Close()
		want := `[0@1000 "key"="value" h:[118] n:[]false false 1@999 ""="long l"true false 2@1002 ""=""false true]`
		if fmt.Sprint(got) != want {
			t.Errorf("%v:\n got %v\nwant %v", codec, got, want)
		}
		s, err := b.CheckRecords(true, 0)
		if err != nil || s.MinTimestamp != 999 || s.MaxTimestamp != 1002 || s.MaxTimestampDelta != 2 || s.NullKeys != 1 || s.FirstNullKey != 1 {
			t.Errorf("%v: summary %+v, %v", codec, s, err)
		}
	}
}

// TestFranzReadsOurBatches compares with the structs that franz-go generates from
// Kafka's message definitions.
func TestFranzReadsOurBatches(t *testing.T) {
	b := sampleBatch(t, BatchOptions{BaseOffset: 42, LeaderEpoch: 3, Producer: &Producer{ID: 1, Epoch: 2, BaseSequence: 3}})
	var k kmsg.RecordBatch
	if err := k.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	if k.FirstOffset != 42 || k.PartitionLeaderEpoch != 3 || k.ProducerID != 1 || k.ProducerEpoch != 2 || k.FirstSequence != 3 || k.NumRecords != 3 || k.LastOffsetDelta != 2 || k.FirstTimestamp != 1000 || k.MaxTimestamp != 1002 || uint32(k.CRC) != b.CRC() {
		t.Fatalf("%+v", k)
	}
	rest := k.Records
	it, _ := b.Records(0)
	for it.Next() {
		var r kmsg.Record
		length, n := binary.Varint(rest)
		if err := r.ReadFrom(rest[:n+int(length)]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n+int(length):]
		own := it.Record()
		if !bytes.Equal(r.Key, own.Key) || !bytes.Equal(r.Value, own.Value) || r.OffsetDelta != own.OffsetDelta || len(r.Headers) != own.HeaderCount {
			t.Errorf("record %d: %+v and %+v", it.Index(), r, own)
		}
	}
	if it.Err() != nil || len(rest) != 0 {
		t.Error(it.Err(), len(rest))
	}
	// And the other way: what kmsg writes is what we read.
	again := k.AppendTo(nil)
	if !bytes.Equal(again, b) {
		t.Error("kmsg writes other bytes than it read")
	}
}

func TestPatchingKeepsChecksumOrNeedsReseal(t *testing.T) {
	b := sampleBatch(t, BatchOptions{Codec: Zstd})
	b.SetBaseOffset(1 << 40)
	b.SetLeaderEpoch(77)
	if err := b.CheckCRC(); err != nil || b.BaseOffset() != 1<<40 || b.LeaderEpoch() != 77 || b.LastOffset() != 1<<40+2 {
		t.Fatalf("after patching offset and epoch: %v", err)
	}
	b.SetMaxTimestamp(LogAppendTime, 123456)
	if err := b.CheckCRC(); !errors.Is(err, ErrCRC) {
		t.Fatalf("the checksum covers the timestamp, got %v", err)
	}
	b.Reseal()
	if err := b.CheckCRC(); err != nil || b.TimestampType() != LogAppendTime || b.MaxTimestamp() != 123456 || b.Codec() != Zstd {
		t.Fatalf("after reseal: %v", err)
	}
	b.SetMaxTimestamp(CreateTime, 1)
	if b.TimestampType() != CreateTime {
		t.Error("the timestamp type stays")
	}
}

func TestSequencesWrap(t *testing.T) {
	b := sampleBatch(t, BatchOptions{Producer: &Producer{ID: 1, BaseSequence: math.MaxInt32 - 1}})
	if got := b.LastSequence(); got != 0 {
		t.Errorf("the sequence after 2³¹−1 is %d", got)
	}
}

// TestDamageIsNamed holds one line per way in which a batch can be wrong.
func TestDamageIsNamed(t *testing.T) {
	be := binary.BigEndian
	tests := []struct {
		name   string
		change func(b Batch) Batch
		cause  error
		text   string
	}{
		{"nothing", func(b Batch) Batch { return nil }, ErrTruncated, "0 bytes left"},
		{"half a header", func(b Batch) Batch { return b[:40] }, ErrTruncated, "40 are left"},
		{"half a batch", func(b Batch) Batch { return b[:len(b)-1] }, ErrTruncated, "are left"},
		{"format v0", func(b Batch) Batch { b[posMagic] = 0; return b }, ErrMagic, "format v0"},
		{"format v1", func(b Batch) Batch { b[posMagic] = 1; return b }, ErrMagic, "format v1"},
		{"format v3", func(b Batch) Batch { b[posMagic] = 3; return b }, ErrMagic, "version 3"},
		{"a length of 2 GB", func(b Batch) Batch { be.PutUint32(b[posLength:], math.MaxInt32); return b }, ErrLength, "2147483647"},
		{"a negative length", func(b Batch) Batch { be.PutUint32(b[posLength:], 1<<31); return b }, ErrLength, "-2147483648"},
		{"a length below the header", func(b Batch) Batch { be.PutUint32(b[posLength:], 48); return b }, ErrLength, "48"},
		{"codec 5", func(b Batch) Batch { b[posAttributes+1] |= 5; return b }, ErrCodec, "codec 5"},
		{"a negative base offset", func(b Batch) Batch { b.SetBaseOffset(-1); return b }, ErrLength, "base offset -1"},
		{"an offset overflow", func(b Batch) Batch { b.SetBaseOffset(math.MaxInt64); return b }, ErrLength, "last offset delta"},
		{"a negative delta", func(b Batch) Batch { be.PutUint32(b[posLastOffsetDelta:], 1<<31); return b }, ErrLength, "last offset delta"},
		{"a negative count", func(b Batch) Batch { be.PutUint32(b[posCount:], 1<<31); return b }, ErrLength, "records in 3 offsets"},
		{"more records than offsets", func(b Batch) Batch { be.PutUint32(b[posCount:], 4); return b }, ErrLength, "4 records in 3 offsets"},
		{"more records than bytes", func(b Batch) Batch {
			be.PutUint32(b[posCount:], 1<<20)
			be.PutUint32(b[posLastOffsetDelta:], 1<<20)
			return b
		}, ErrLength, "1048576 records in"},
		{"a flipped bit", func(b Batch) Batch { b[len(b)-1] ^= 1; return b }, ErrCRC, "the header says"},
		{"fewer records than offsets", func(b Batch) Batch { be.PutUint32(b[posCount:], 2); b.Reseal(); return b }, ErrRecord, "2 records, but a last offset delta of 2"},
		{"no records", func(b Batch) Batch { be.PutUint32(b[posCount:], 0); b.Reseal(); return b }, ErrRecord, "no records"},
		{"a producer without sequence", func(b Batch) Batch { be.PutUint64(b[posProducerID:], 9); b.Reseal(); return b }, ErrRecord, "base sequence -1"},
		{"a transaction without producer", func(b Batch) Batch { b[posAttributes+1] |= attrTransactional; b.Reseal(); return b }, ErrRecord, "without a producer ID"},
		{"a record length of 0", func(b Batch) Batch { b[HeaderBytes] = 0; b.Reseal(); return b }, ErrRecord, "a length of 0"},
		{"a record length beyond the end", func(b Batch) Batch { b[HeaderBytes] = 0x80; b[HeaderBytes+1] = 0x7e; b.Reseal(); return b }, ErrRecord, "record 0"},
		{"offset deltas with a hole", func(b Batch) Batch { b[HeaderBytes+3] = 2; b.Reseal(); return b }, ErrRecord, "offset delta 1 after -1"},
	}
	for _, tt := range tests {
		b := tt.change(bytes.Clone(sampleBatch(t, BatchOptions{})))
		got, rest, err := Next(b)
		if err == nil && len(rest) > 0 {
			err = errors.New("rest")
		}
		for _, check := range []func() error{
			func() error { return got.CheckHeader() },
			func() error { return got.CheckCRC() },
			func() error { return got.CheckNew() },
			func() error { _, err := got.CheckRecords(true, 0); return err },
		} {
			if err == nil {
				err = check()
			}
		}
		if !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %v with %q", tt.name, err, tt.cause, tt.text)
		}
	}
}

func TestBytesBehindTheRecordsAreRefused(t *testing.T) {
	for _, codec := range allCodecs {
		plain := AppendRecord(nil, 0, 0, nil, []byte("v"), nil)
		dst := appendHeader(nil, &BatchOptions{Codec: codec}, 0, 0, 0, 1)
		dst, err := Compress(dst, codec, append(plain, 0))
		if err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(dst[posLength:], uint32(len(dst)-12))
		b := Batch(dst)
		b.Reseal()
		if _, err := b.CheckRecords(true, 0); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "1 bytes behind the last of 1 records") {
			t.Errorf("%v: %v", codec, err)
		}
	}
}

func TestBombsAreRefused(t *testing.T) {
	zeros := make([]byte, 32<<20)
	if !sweeping {
		zeros = zeros[:4<<20]
	}
	for _, codec := range allCodecs[1:] {
		bomb, err := Compress(nil, codec, zeros)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := Decompress(nil, codec, bomb, 1<<20); !errors.Is(err, ErrTooLarge) || cap(out) > 8<<20 {
			t.Errorf("%v: %d bytes opened to %d of room: %v", codec, len(bomb), cap(out), err)
		}
		out, err := Decompress(nil, codec, bomb, len(zeros))
		if err != nil || !bytes.Equal(out, zeros) {
			t.Errorf("%v: exactly the bound: %d bytes, %v", codec, len(out), err)
		}
	}
	// A snappy block that claims 4 GB in nine bytes.
	if _, err := Decompress(nil, Snappy, []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0}, 0); err == nil {
		t.Error("a lying snappy block was believed")
	}
}

func TestSnappyComesInTwoForms(t *testing.T) {
	text := bytes.Repeat([]byte("dovetail "), 10_000)
	framed, err := Compress(nil, Snappy, text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(framed, xerialMagic) {
		t.Error("what we write is not framed as Java clients expect")
	}
	for name, src := range map[string][]byte{"framed": framed, "raw": rawSnappy(text)} {
		out, err := Decompress([]byte("before"), Snappy, src, 0)
		if err != nil || !bytes.Equal(out, append([]byte("before"), text...)) {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	for cut := range framed {
		if cut == xerialHeaderBytes || cut == 0 {
			continue // an empty frame
		}
		if out, err := Decompress(nil, Snappy, framed[:cut], 0); err == nil && len(out)%xerialBlockBytes != 0 {
			t.Fatalf("cut at %d: %d bytes and no error", cut, len(out))
		}
	}
}

func TestAppendedToAnything(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, codec := range allCodecs {
		for range 50 {
			src := make([]byte, random.IntN(200_000))
			for i := range src {
				src[i] = byte(random.IntN(1 + i%7))
			}
			packed, err := Compress([]byte("x"), codec, src)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, 3, 3+random.IntN(300_000))
			out, err := Decompress(dst, codec, packed[1:], 0)
			if err != nil || !bytes.Equal(out[3:], src) {
				t.Fatalf("%v: %d bytes came back as %d: %v", codec, len(src), len(out)-3, err)
			}
		}
	}
}

func TestRecompressKeepsTheRecords(t *testing.T) {
	for _, from := range allCodecs {
		for _, to := range allCodecs {
			b := sampleBatch(t, BatchOptions{Codec: from, Producer: &Producer{ID: 3, Epoch: 1, BaseSequence: 4}})
			opened := b.Open(OpenOptions{})
			defer opened.Close()
			out, err := opened.Recompress(to, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			s, err := out.CheckRecords(true, 0)
			if err := errors.Join(err, out.CheckHeader(), out.CheckCRC()); err != nil || out.Codec() != to || out.LastSequence() != 6 || s.MaxTimestamp != 1002 {
				t.Errorf("%v to %v: %+v, %v", from, to, s, err)
			}
		}
	}
}

// TestEveryLevelIsRead compresses with each level that a topic may ask for and some
// beyond.
func TestEveryLevelIsRead(t *testing.T) {
	src := bytes.Repeat([]byte("to be or not to be, "), 2000)
	for _, codec := range allCodecs {
		for _, level := range []int{math.MinInt32, -131072, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 22, math.MaxInt32} {
			packed, err := CompressLevel(nil, codec, level, src)
			if err != nil {
				t.Fatalf("%v, level %d: %v", codec, level, err)
			}
			if out, err := Decompress(nil, codec, packed, 0); err != nil || !bytes.Equal(out, src) {
				t.Errorf("%v, level %d: %d bytes, %v", codec, level, len(out), err)
			}
		}
	}
}

func TestMarkersAreRead(t *testing.T) {
	for _, want := range []Marker{{Abort, 0}, {Commit, 12}} {
		b := Batch(AppendMarker(nil, 5, 6, 7, want))
		got, ok, err := b.Control()
		if err != nil || !ok || got != want || !b.IsControl() || !b.IsTransactional() {
			t.Errorf("%+v is read as %+v, %v, %v", want, got, ok, err)
		}
	}
	if _, _, err := sampleBatch(t, BatchOptions{}).Control(); err == nil {
		t.Error("a data batch has a marker")
	}
}

func TestSplitGivesEachBatch(t *testing.T) {
	one := sampleBatch(t, BatchOptions{})
	two := sampleBatch(t, BatchOptions{Codec: LZ4})
	n := 0
	for b, err := range All(append(append(bytes.Clone(one), two...), one[:20]...)) {
		switch {
		case n == 0 && bytes.Equal(b, one), n == 1 && bytes.Equal(b, two), n == 2 && errors.Is(err, ErrTruncated):
		default:
			t.Errorf("batch %d: %d bytes, %v", n, len(b), err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d batches", n)
	}
}

func TestWalkingAllocatesNothing(t *testing.T) {
	b := sampleBatch(t, BatchOptions{})
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := b.CheckRecords(true, 0); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzBatch: nothing panics, and a batch that is accepted can be walked to its end.
func FuzzBatch(f *testing.F) {
	for _, codec := range allCodecs {
		f.Add([]byte(sampleBatch(f, BatchOptions{Codec: codec})), false)
	}
	f.Add(AppendMarker(nil, 1, 2, 3, Marker{Type: Abort}), true)
	f.Fuzz(func(t *testing.T, p []byte, reseal bool) {
		b, rest, err := Next(p)
		if err != nil {
			return
		}
		if len(b)+len(rest) != len(p) {
			t.Fatalf("%d bytes became %d and %d", len(p), len(b), len(rest))
		}
		if reseal { // so that the fuzzer gets behind the checksum
			b = bytes.Clone(b)
			b.Reseal()
		}
		if b.CheckHeader() != nil || b.CheckCRC() != nil {
			return
		}
		b.Control()
		const bound = 1 << 20
		s, err := b.CheckRecords(b.CheckNew() == nil, bound)
		if err != nil {
			return
		}
		if s.UncompressedBytes > bound && b.Codec() != None {
			t.Fatalf("%d bytes opened, the bound is %d", s.UncompressedBytes, bound)
		}
		it, err := b.Records(bound)
		if err != nil {
			t.Fatalf("accepted, then: %v", err)
		}
		defer it.Close()
		n := 0
		for it.Next() {
			if got := len(it.Record().Headers(nil)); got != it.Record().HeaderCount {
				t.Fatalf("%d headers of %d", got, it.Record().HeaderCount)
			}
			n++
		}
		if it.Err() != nil || n != int(b.Count()) {
			t.Fatalf("accepted, then %d of %d records: %v", n, b.Count(), it.Err())
		}
	})
}

func BenchmarkCheckRecords(b *testing.B) {
	for _, size := range []int{100, 1024} {
		builder := NewBuilder(BatchOptions{})
		for builder.SizeBytes() < 64<<10 {
			builder.Add(1, []byte("key"), make([]byte, size))
		}
		p, _ := builder.Append(nil)
		batch := Batch(p)
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				if err := batch.CheckCRC(); err != nil {
					b.Fatal(err)
				}
				if _, err := batch.CheckRecords(true, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
