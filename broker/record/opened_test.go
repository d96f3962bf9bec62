package record

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// meter is the Room of a batch: how much is taken, and was at most.
type meter struct{ now, most int }

func (m *meter) room(n int) error {
	m.now += n
	m.most = max(m.most, m.now)
	return nil
}

// TestOpeningIsPaidForByWhatComesOut: not by the worst that a codec could do.
func TestOpeningIsPaidForByWhatComesOut(t *testing.T) {
	text := make([]byte, 8<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range text {
		text[i] = byte('a' + random.IntN(4))
	}
	for _, codec := range allCodecs[1:] {
		for name, value := range map[string][]byte{"text": text, "zeros": make([]byte, 8<<20)} {
			b := NewBuilder(BatchOptions{Codec: codec})
			b.Add(1, nil, value)
			p, err := b.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			var m meter
			o := Batch(p).Open(OpenOptions{Room: m.room})
			s, err := o.CheckRecords(true, 0)
			if err != nil {
				t.Fatalf("%v: %v", codec, err)
			}
			if cap(o.plain) > m.now {
				t.Errorf("%v of %s: %d bytes are in use, %d were asked for", codec, name, cap(o.plain), m.now)
			}
			// A block of 128 KiB, or of lz4's largest, may be less full than it could be;
			// the pool's buffer is replaced by one that is large enough.
			if bound := s.UncompressedBytes + 128<<10 + 2*pooledBufferBytes; m.most > bound {
				t.Errorf("%v of %s: %d bytes were asked for, which opens to %d", codec, name, m.most, s.UncompressedBytes)
			}
			if o.Close(); m.now != 0 {
				t.Errorf("%v: %d bytes are not given back", codec, m.now)
			}
		}
	}
}

// TestWithoutRoomNothingIsOpened: the error is that of who was asked, not of the batch.
func TestWithoutRoomNothingIsOpened(t *testing.T) {
	full := errors.New("full")
	for _, codec := range allCodecs[1:] {
		b := NewBuilder(BatchOptions{Codec: codec})
		b.Add(1, nil, make([]byte, 10<<20))
		p, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var m meter
		o := Batch(p).Open(OpenOptions{Room: func(n int) error {
			if m.now+n > 8<<20 {
				return full
			}
			return m.room(n)
		}})
		var fault *Error
		if _, err := o.Records(); err != full || errors.As(err, &fault) {
			t.Errorf("%v: %v", codec, err)
		}
		if _, err := o.CheckRecords(true, 0); err != full {
			t.Errorf("%v: asked again: %v", codec, err)
		}
		if o.Close(); m.now != 0 {
			t.Errorf("%v: %d bytes are not given back", codec, m.now)
		}
	}
}

// TestAWalkIsTheCheckToo: whoever walks to the end of the records has made the check,
// with the same verdict as CheckRecords; whoever stops early has not.
func TestAWalkIsTheCheckToo(t *testing.T) {
	for _, codec := range allCodecs {
		for name, change := range map[string]func(Batch){
			"whole":           func(Batch) {},
			"one too many":    func(b Batch) { b[posCount+3]++; b[posLastOffsetDelta+3]++ },
			"one too few":     func(b Batch) { b[posCount+3]-- },
			"a smaller range": func(b Batch) { b[posLastOffsetDelta+3]--; b[posCount+3]-- },
		} {
			for _, dense := range []bool{true, false} {
				b := sampleBatch(t, BatchOptions{Codec: codec})
				change(b)
				want, wantErr := b.CheckRecords(dense, 0)
				for stop := range 5 {
					o := b.Open(OpenOptions{})
					it, err := o.Records()
					if err != nil {
						t.Fatal(err)
					}
					for range stop {
						it.Next()
					}
					before := Decompressions()
					got, err := o.CheckRecords(dense, 0)
					if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
						t.Errorf("%v, %s, dense %t, after %d records: %+v, %v; want %+v, %v", codec, name, dense, stop, got, err, want, wantErr)
					}
					if n := Decompressions() - before; n != 0 {
						t.Errorf("%v: opened %d times more", codec, n)
					}
					o.Close()
				}
			}
		}
	}
}

// TestAnotherBatchIsNotTheOpenedOne: neither other bytes nor a changed header pass for
// what was opened.
func TestAnotherBatchIsNotTheOpenedOne(t *testing.T) {
	b := sampleBatch(t, BatchOptions{})
	o := b.Open(OpenOptions{})
	if !o.Of(b) {
		t.Error("the same bytes are not recognised")
	}
	b.SetBaseOffset(77)
	b.SetLeaderEpoch(3)
	if !o.Of(b) {
		t.Error("base offset and leader epoch are the log's to change")
	}
	if o.Of(bytes.Clone(b)) || o.Of(b[:len(b)-1]) || (*Opened)(nil).Of(b) {
		t.Error("other bytes pass for those that were opened")
	}
	for at := posCRC; at < HeaderBytes; at++ {
		b[at] ^= 1
		if o.Of(b) {
			t.Errorf("a change of byte %d is not seen", at)
		}
		b[at] ^= 1
	}
}

// FuzzRoom opens any bytes in any codec: what is allocated was asked for, and is given
// back.
func FuzzRoom(f *testing.F) {
	for _, codec := range allCodecs[1:] {
		packed, err := Compress(nil, codec, bytes.Repeat([]byte("dovetail "), 1000))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(codec), packed)
		f.Add(byte(codec), append(packed, packed...))
	}
	f.Fuzz(func(t *testing.T, codec byte, src []byte) {
		var m meter
		const bound = 1 << 20
		out := newOutput(nil, bound, m.room)
		err := decompress(&out, Codec(codec%5), src)
		if cap(out.b) > m.now+1<<10 { // the runtime rounds up
			t.Fatalf("%d bytes were allocated, %d asked for", cap(out.b), m.now)
		}
		if m.most > 2*bound+2 || len(out.b) > bound+1 {
			t.Fatalf("%d bytes asked for, %d came out, the bound is %d", m.most, len(out.b), bound)
		}
		plain, again := Decompress(nil, Codec(codec%5), src, bound)
		if (err == nil) != (again == nil) || err == nil && !bytes.Equal(plain, out.b) {
			t.Fatalf("%v and %v", err, again)
		}
	})
}
