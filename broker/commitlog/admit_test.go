package commitlog

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

var noon = time.UnixMilli(1_700_000_000_000)

func openWith(t *testing.T, change func(*Config)) *Log {
	t.Helper()
	l := openMem(t, vfs.NewMem(), func(o *Options) {
		o.Config = DefaultConfig()
		change(&o.Config)
		o.Now = func() time.Time { return noon }
	})
	t.Cleanup(func() { l.Close() })
	return l
}

// TestRefusalsHaveTheirCode holds one line per rule for a client's batch.
func TestRefusalsHaveTheirCode(t *testing.T) {
	plain := func() []byte { return batchOf(t, record.BatchOptions{}, "a", "b") }
	keyless := record.NewBuilder(record.BatchOptions{Codec: record.LZ4})
	keyless.Add(noon.UnixMilli(), []byte("k"), nil)
	keyless.Add(noon.UnixMilli(), nil, nil)
	withoutKey, err := keyless.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	at := func(ms int64) []byte {
		b := record.NewBuilder(record.BatchOptions{})
		b.Add(noon.UnixMilli(), nil, nil)
		b.Add(ms, nil, nil)
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	broken := func(change func(record.Batch)) []byte {
		b := record.Batch(plain())
		change(b)
		return b
	}
	tests := []struct {
		name    string
		config  func(*Config)
		batch   []byte
		code    Code
		records []int
		text    string
	}{
		{"nothing", nil, nil, CodeCorruptMessage, nil, "0 bytes left"},
		{"two batches", nil, append(plain(), plain()...), CodeInvalidRecord, nil, "one batch per partition"},
		{"half a batch", nil, plain()[:70], CodeCorruptMessage, nil, "are left"},
		{"an old format", nil, broken(func(b record.Batch) { b[16] = 1 }), CodeUnsupportedForFormat, nil, "format v1"},
		{"a wrong checksum", nil, broken(func(b record.Batch) { b[len(b)-1]++ }), CodeCorruptMessage, nil, "checksum"},
		{"an unknown codec", nil, broken(func(b record.Batch) { b[22] |= 6; b.Reseal() }), CodeUnsupportedCodec, nil, "codec 6"},
		{"not what its codec says", nil, broken(func(b record.Batch) { b[22] |= 4; b.Reseal() }), CodeCorruptMessage, nil, "zstd"},
		{"a batch that is too large", func(c *Config) { c.MaxMessageBytes = 70 }, plain(), CodeMessageTooLarge, nil, "max.message.bytes is 70"},
		{"a batch larger than a segment", func(c *Config) { c.SegmentBytes = 70 }, plain(), CodeRecordListTooLarge, nil, "segment.bytes is 70"},
		{"a record without key", func(c *Config) { c.Compact = true }, withoutKey, CodeInvalidRecord, []int{1}, "a compacted topic needs a key"},
		{"an early timestamp", func(c *Config) { c.TimestampBeforeMax = time.Minute }, at(noon.UnixMilli() - 60_001), CodeInvalidTimestamp, []int{1}, "outside"},
		{"a late timestamp", nil, at(noon.UnixMilli() + 3_600_001), CodeInvalidTimestamp, []int{1}, "outside"},
		{"a delete horizon", nil, broken(func(b record.Batch) { b[22] |= 0x40; b.Reseal() }), CodeInvalidRecord, nil, "delete horizon"},
		{"a control batch", nil, record.AppendMarker(nil, 1, 1, 1, record.Marker{}), CodeInvalidRecord, nil, "written by the broker"},
		{"a malformed record", nil, broken(func(b record.Batch) { b[61]++; b.Reseal() }), CodeInvalidRecord, []int{0}, "record 0"},
	}
	for _, tt := range tests {
		l := openWith(t, func(c *Config) {
			if tt.config != nil {
				tt.config(c)
			}
		})
		_, err := l.Append(background, tt.batch, AppendOptions{})
		refused, ok := err.(*Error)
		if !ok || refused.Code != tt.code || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v (code %d), want code %d with %q", tt.name, err, KafkaCode(err), tt.code, tt.text)
			continue
		}
		var records []int
		for _, r := range refused.Records {
			records = append(records, r.Index)
		}
		if len(records) != len(tt.records) || len(records) > 0 && records[0] != tt.records[0] {
			t.Errorf("%s: records %v, want %v", tt.name, records, tt.records)
		}
		if l.EndOffset() != 0 || l.SizeBytes() != 0 {
			t.Errorf("%s: something was written", tt.name)
		}
	}
}

func TestLogAppendTimeIsStamped(t *testing.T) {
	l := openWith(t, func(c *Config) { c.TimestampType = record.LogAppendTime })
	b := record.NewBuilder(record.BatchOptions{})
	b.Add(5, nil, []byte("long ago"))
	p, _ := b.Append(nil)
	a := mustAppend(t, l, p, AppendOptions{})
	r, err := l.Read(ReadOptions{MaxBytes: 1000, UpTo: UpToEnd})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	got := record.Batch(r.Records)
	if a.LogAppendTime != noon.UnixMilli() || got.MaxTimestamp() != noon.UnixMilli() || got.TimestampType() != record.LogAppendTime || got.CheckCRC() != nil {
		t.Errorf("%+v, max %d, %v", a, got.MaxTimestamp(), got.CheckCRC())
	}
	found, ok, err := l.OffsetForTimestamp(noon.UnixMilli(), nil)
	if err != nil || !ok || found.Timestamp != noon.UnixMilli() {
		t.Errorf("%+v, %v, %v", found, ok, err)
	}
}

func TestWrongMaxTimestampIsCorrected(t *testing.T) {
	l := openWith(t, func(c *Config) {})
	b := record.Batch(batchOf(t, record.BatchOptions{}, "a", "b"))
	b.SetMaxTimestamp(record.LogAppendTime, 77)
	b.Reseal()
	mustAppend(t, l, b, AppendOptions{})
	r, err := l.Read(ReadOptions{MaxBytes: 1000, UpTo: UpToEnd})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if got := record.Batch(r.Records); got.MaxTimestamp() != 1_700_000_000_001 || got.TimestampType() != record.CreateTime || got.CheckCRC() != nil {
		t.Errorf("%d, %v", got.MaxTimestamp(), got.TimestampType())
	}
}

func TestCompressionTypeOfTheTopicWins(t *testing.T) {
	for _, codec := range []record.Codec{record.None, record.Zstd} {
		l := openWith(t, func(c *Config) { c.Recompress, c.Codec = true, codec })
		for _, from := range []record.Codec{record.None, record.Gzip, record.Zstd} {
			mustAppend(t, l, batchOf(t, record.BatchOptions{Codec: from}, "a", "b"), AppendOptions{})
		}
		r, err := l.Read(ReadOptions{MaxBytes: 10000, UpTo: UpToEnd})
		if err != nil {
			t.Fatal(err)
		}
		for b := range record.All(r.Records) {
			if b.Codec() != codec || b.CheckCRC() != nil {
				t.Errorf("stored as %v, want %v", b.Codec(), codec)
			}
		}
		r.Release()
		if values, _ := readAll(t, l, 0, UpToEnd); len(values) != 6 || values[5] != "b" {
			t.Errorf("%v", values)
		}
	}
}

// TestLevelOfTheTopicIsUsed: what the producer compressed otherwise is stored smaller
// with a high level than with a low one.
func TestLevelOfTheTopicIsUsed(t *testing.T) {
	var text []byte
	random := rand.New(rand.NewPCG(1, 2))
	for len(text) < 200_000 {
		text = fmt.Appendf(text, "order %d of customer %d: %d items; ", random.IntN(5000), random.IntN(300), random.IntN(9))
	}
	stored := func(codec record.Codec, level int) int64 {
		l := openWith(t, func(c *Config) { c.Recompress, c.Codec, c.CodecLevel = true, codec, level })
		mustAppend(t, l, batchOf(t, record.BatchOptions{}, string(text)), AppendOptions{})
		if values, _ := readAll(t, l, 0, UpToEnd); len(values) != 1 || values[0] != string(text) {
			t.Fatalf("%v at level %d came back otherwise", codec, level)
		}
		return l.SizeBytes()
	}
	for codec, levels := range map[record.Codec][2]int{record.Gzip: {1, 9}, record.LZ4: {9, 17}, record.Zstd: {1, 22}} {
		if low, high := stored(codec, levels[0]), stored(codec, levels[1]); high >= low {
			t.Errorf("%v: %d bytes at level %d, %d at level %d", codec, low, levels[0], high, levels[1])
		}
	}
}

// TestCompressedFaultsAreFoundOrTrusted: the switch decides whether a compressed
// batch is opened where nothing else demands it.
func TestCompressedFaultsAreFoundOrTrusted(t *testing.T) {
	b := record.Batch(batchOf(t, record.BatchOptions{Codec: record.Gzip}, "a"))
	b[len(b)-1] ^= 0xff // gzip's own length
	b.Reseal()
	strict := openWith(t, func(c *Config) {})
	_, err := strict.Append(background, bytes.Clone(b), AppendOptions{})
	wantCode(t, err, CodeCorruptMessage)
	trusting := openWith(t, func(c *Config) { c.TrustCompressed = true })
	if _, err = trusting.Append(background, bytes.Clone(b), AppendOptions{}); err != nil {
		t.Error(err)
	}
	bomb := record.Batch(batchOf(t, record.BatchOptions{Codec: record.Zstd}, strings.Repeat("0", 10<<20)))
	small := openWith(t, func(c *Config) { c.MaxUncompressedBytes = 1 << 20 })
	_, err = small.Append(background, bomb, AppendOptions{})
	wantCode(t, err, CodeMessageTooLarge)
}

func TestOffsetsRunOut(t *testing.T) {
	l := openMem(t, vfs.NewMem(), func(o *Options) { o.LogStartOffset = math.MaxInt64 - 1 })
	defer l.Close()
	_, err := l.Append(background, batchOf(t, record.BatchOptions{}, "a", "b"), AppendOptions{})
	wantCode(t, err, CodeOffsetOutOfRange)
}
