package avro_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

type textual struct {
	A string            `avro:"a"`
	B *string           `avro:"b"`
	C []byte            `avro:"c"`
	D []string          `avro:"d"`
	E map[string]string `avro:"e"`
	N int64             `avro:"n"`
}

const textualText = `{"type":"record","name":"T","fields":[
	{"name":"a","type":"string"},
	{"name":"b","type":["null","string"]},
	{"name":"c","type":"bytes"},
	{"name":"d","type":{"type":"array","items":"string"}},
	{"name":"e","type":{"type":"map","values":"string"}},
	{"name":"n","type":"long"}]}`

func newTextual(n int) textual {
	b := strings.Repeat("b", n)
	return textual{
		A: strings.Repeat("a", n), B: &b, C: bytes.Repeat([]byte("c"), n),
		D: []string{"", "d", strings.Repeat("é", n)}, E: map[string]string{strings.Repeat("k", n): strings.Repeat("v", n)}, N: int64(n) - 300,
	}
}

func textualCodec(t *testing.T, opts ...avro.Option) *avro.Codec[textual] {
	t.Helper()
	c, err := avro.NewCodec[textual](avro.MustParse(textualText), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTextsOfEveryLengthLiveOnTheirOwn(t *testing.T) {
	for name, opts := range map[string][]avro.Option{
		"copied":          nil,
		"checked":         {avro.WithCheckedText()},
		"arena":           {avro.WithArena()},
		"arena, checked":  {avro.WithArena(), avro.WithCheckedText()},
		"arena, no texts": {avro.WithArena()},
	} {
		t.Run(name, func(t *testing.T) {
			c := textualCodec(t, opts...)
			if strings.Contains(name, "no texts") {
				// What is learned from values without texts must not hurt.
				data, err := c.Append(nil, &textual{})
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if err := c.Decode(data, new(textual)); err != nil {
						t.Fatal(err)
					}
				}
			}
			for n := range 600 {
				want := newTextual(n)
				data, err := c.Append(nil, &want)
				if err != nil {
					t.Fatal(err)
				}
				payload := bytes.Clone(data)
				var got textual
				if err := c.Decode(payload, &got); err != nil {
					t.Fatalf("length %d: %v", n, err)
				}
				// Neither the payload nor a []byte that is written to and
				// appended to may show in another text.
				for i := range payload {
					payload[i] = '!'
				}
				if !bytes.Equal(got.C, want.C) {
					t.Fatalf("length %d: bytes are %q", n, got.C)
				}
				if cap(got.C) != len(got.C) {
					t.Fatalf("length %d: appending to the bytes would write behind them", n)
				}
				got.C = want.C
				if again, err := c.Append(nil, &got); err != nil || !bytes.Equal(again, data) {
					t.Fatalf("length %d: decoded to %+v: %v", n, got, err)
				}
			}
		})
	}
}

// A text that is kept keeps little besides itself.
func TestAKeptTextKeepsABoundedBlock(t *testing.T) {
	c := textualCodec(t)
	v := newTextual(40)
	v.D = make([]string, 5000)
	for i := range v.D {
		v.D[i] = strings.Repeat("d", 20+i%20)
	}
	data, err := c.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	const most = 1 << 10
	// Of a thousand values one short text each is kept.
	kept := make([]string, 1000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		var got textual
		if err := c.Decode(data, &got); err != nil {
			t.Fatal(err)
		}
		kept[i] = got.D[i]
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(len(kept))*2*most {
		t.Errorf("%d kept texts of %d bytes keep %d bytes", len(kept), len(kept[0]), grown)
	}
	runtime.KeepAlive(kept)
}

// With an arena a kept text keeps no more than the payload, and where little of
// a payload is text, not even that.
func TestAnArenaIsNoLargerThanItsTexts(t *testing.T) {
	c, err := avro.NewCodec[batch](batchSchema, avro.WithArena())
	if err != nil {
		t.Fatal(err)
	}
	v := newBatch()
	data := mustMarshal(batchSchema, &v)
	for range 3 {
		if err := c.Decode(data, new(batch)); err != nil {
			t.Fatal(err)
		}
	}
	kept := make([]string, 200)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range kept {
		var got batch
		if err := c.Decode(data, &got); err != nil {
			t.Fatal(err)
		}
		kept[i] = got.Device
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(len(kept)*len(data)/2) {
		t.Errorf("%d texts of payloads of %d bytes keep %d bytes", len(kept), len(data), grown)
	}
	runtime.KeepAlive(kept)
}

// A value that lies about nothing but is all short texts takes memory in
// proportion to its payload.
func TestBlocksOfTextsAreBoundedByThePayload(t *testing.T) {
	for name, opts := range map[string][]avro.Option{"copied": nil, "arena": {avro.WithArena()}} {
		t.Run(name, func(t *testing.T) {
			c := textualCodec(t, opts...)
			big := newTextual(200)
			big.D = make([]string, 20000)
			for i := range big.D {
				big.D[i] = strings.Repeat("x", 30)
			}
			data, err := c.Append(nil, &big)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Decode(data, new(textual)); err != nil {
				t.Fatal(err)
			}
			// The next value is small: what was learned must not cost it much.
			small := newTextual(3)
			if data, err = c.Append(nil, &small); err != nil {
				t.Fatal(err)
			}
			within(t, 64<<10, func() {
				if err := c.Decode(data, new(textual)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
