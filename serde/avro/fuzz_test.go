package avro_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

const everythingText = `{"type":"record","name":"All","fields":[
	{"name":"n","type":"null"},{"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},
	{"name":"f","type":"float"},{"name":"d","type":"double"},{"name":"by","type":"bytes"},{"name":"s","type":"string"},
	{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B","C"]}},
	{"name":"fx","type":{"type":"fixed","name":"F","size":3}},
	{"name":"a","type":{"type":"array","items":{"type":"array","items":"long"}}},
	{"name":"m","type":{"type":"map","values":["null","int","string"]}},
	{"name":"z","type":{"type":"array","items":"null"}},
	{"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":30,"scale":3}},
	{"name":"big","type":{"type":"bytes","logicalType":"big-decimal"}},
	{"name":"t","type":{"type":"long","logicalType":"timestamp-nanos"}},
	{"name":"c","type":{"type":"long","logicalType":"time-micros"}},
	{"name":"dur","type":{"type":"fixed","name":"Dur","size":12,"logicalType":"duration"}},
	{"name":"next","type":["null","All"]}]}`

var fuzzSchemas = []*avro.Schema{
	smallSchema, orderSchema, batchSchema, avro.MustParse(everythingText), avro.MustParse(listText), avro.MustParse(paymentText),
	avro.MustParse(`{"type":"array","items":{"type":"map","values":"bytes"}}`),
}

func seedPayloads(f *testing.F) {
	s, o, b := newSmall(), newOrder(), newBatch()
	f.Add(uint8(0), mustMarshal(smallSchema, &s))
	f.Add(uint8(1), mustMarshal(orderSchema, &o))
	f.Add(uint8(2), mustMarshal(batchSchema, &b))
	f.Add(uint8(3), bytes.Repeat([]byte{0}, 60))
	f.Add(uint8(4), mustMarshal(fuzzSchemas[4], &listNode{1, &listNode{2, nil}}))
	f.Add(uint8(6), []byte{2, 2, 2, 'k', 4, 1, 2, 0, 0})
	f.Add(uint8(6), []byte{1, 14, 1, 8, 2, 'k', 2, 1, 0, 0})
}

// FuzzDecode: the walk accepts a payload exactly when the generic decode does,
// and what was accepted is written and read again as the same value.
func FuzzDecode(f *testing.F) {
	seedPayloads(f)
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		s := fuzzSchemas[int(which)%len(fuzzSchemas)]
		walked := avro.Validate(s, data, avro.ValidateOptions{SkipUTF8: true})
		var v any
		decoded := avro.Unmarshal(s, data, &v)
		if (walked == nil) != (decoded == nil) {
			t.Fatalf("walk %v, decode %v", walked, decoded)
		}
		strict := avro.Validate(s, data, avro.ValidateOptions{})
		text, jsonErr := avro.AppendJSON(nil, s, data)
		if (strict == nil) != (jsonErr == nil) {
			t.Fatalf("strict walk %v, JSON %v", strict, jsonErr)
		}
		if strict == nil && !json.Valid(text) {
			t.Fatalf("no JSON: %s", text)
		}
		if decoded != nil {
			return
		}
		again, err := avro.Marshal(s, v)
		if err != nil {
			if which%7 == 3 {
				return // a decimal of more digits than the schema allows may be read, not written
			}
			t.Fatalf("cannot be written again: %v", err)
		}
		var back any
		if err := avro.Unmarshal(s, again, &back); err != nil || !equalValues(v, back) {
			t.Fatalf("comes back as another value: %v\n%#v\n%#v", err, v, back)
		}
	})
}

// equalValues takes NaN for equal to itself: two values are one when they are
// written the same.
func equalValues(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, okA := a.(map[string]any)
	y, okB := b.(map[string]any)
	if okA && okB && len(x) == len(y) {
		for k := range x {
			if !equalValues(x[k], y[k]) {
				return false
			}
		}
		return true
	}
	p, okA := a.([]any)
	q, okB := b.([]any)
	if okA && okB && len(p) == len(q) {
		for i := range p {
			if !equalValues(p[i], q[i]) {
				return false
			}
		}
		return true
	}
	f, okA := a.(float64)
	g, okB := b.(float64)
	if okA && okB {
		return f != f && g != g
	}
	f32, okA := a.(float32)
	g32, okB := b.(float32)
	return okA && okB && f32 != f32 && g32 != g32
}

// FuzzDecodeTyped: into structs, with arena and without, agrees with the walk.
func FuzzDecodeTyped(f *testing.F) {
	seedPayloads(f)
	orders, err := avro.NewCodec[order](orderSchema, avro.WithArena())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		lax := avro.ValidateOptions{SkipUTF8: true}
		var o, arena order
		err := avro.Unmarshal(orderSchema, data, &o)
		if walked := avro.Validate(orderSchema, data, lax); (walked == nil) != (err == nil) {
			t.Fatalf("walk %v, decode %v", walked, err)
		}
		if aerr := orders.Decode(data, &arena); (aerr == nil) != (err == nil) {
			t.Fatalf("arena %v, copy %v", aerr, err)
		}
		var b batch
		err = avro.Unmarshal(batchSchema, data, &b)
		if walked := avro.Validate(batchSchema, data, lax); (walked == nil) != (err == nil) {
			t.Fatalf("walk %v, decode %v", walked, err)
		}
		var l listNode
		err = avro.Unmarshal(fuzzSchemas[4], data, &l)
		if walked := avro.Validate(fuzzSchemas[4], data, lax); (walked == nil) != (err == nil) {
			t.Fatalf("walk %v, decode %v", walked, err)
		}
	})
}

// FuzzResolve reads arbitrary bytes of one schema as another.
func FuzzResolve(f *testing.F) {
	seedPayloads(f)
	reader := avro.MustParse(`{"type":"record","name":"Order","fields":[{"name":"number","type":"double"},{"name":"signature","type":"string"},
		{"name":"notes","type":"bytes"},{"name":"fresh","type":{"type":"array","items":"int"},"default":[1,2]}]}`)
	type narrow struct {
		Number float64 `avro:"number"`
		Fresh  []int32 `avro:"fresh"`
	}
	f.Fuzz(func(t *testing.T, _ uint8, data []byte) {
		walked := avro.Validate(orderSchema, data, avro.ValidateOptions{SkipUTF8: true})
		var v any
		generic := avro.UnmarshalResolved(orderSchema, reader, data, &v)
		var n narrow
		typed := avro.UnmarshalResolved(orderSchema, reader, data, &n)
		if (walked == nil) != (generic == nil) || (walked == nil) != (typed == nil) {
			t.Fatalf("walk %v, generic %v, typed %v", walked, generic, typed)
		}
		if typed == nil && !reflect.DeepEqual(n.Fresh, []int32{1, 2}) {
			t.Fatalf("%+v", n)
		}
	})
}

// FuzzFromJSON: what is made from a text is a valid payload, and its JSON makes
// the same payload again.
func FuzzFromJSON(f *testing.F) {
	o := newOrder()
	text, err := avro.AppendJSON(nil, orderSchema, mustMarshal(orderSchema, &o))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(1), text)
	f.Add(uint8(4), []byte(`{"next":{"Node":{"value":2,"next":null}},"value":1}`))
	f.Add(uint8(5), []byte(`{"by":{"pay.Card":{"number":"\u00e9\ud83d\ude00\n"}}}`))
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		s := fuzzSchemas[int(which)%len(fuzzSchemas)]
		for _, opts := range [][]avro.Option{nil, {avro.WithBareUnions()}} {
			data, err := avro.FromJSON(nil, s, text, opts...)
			if err != nil {
				continue
			}
			if err := avro.Validate(s, data, avro.ValidateOptions{}); err != nil {
				t.Fatalf("the payload is not valid: %v", err)
			}
			back, err := avro.AppendJSON(nil, s, data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := avro.FromJSON(nil, s, back)
			if err != nil || !bytes.Equal(again, data) {
				t.Fatalf("%v\n%s\n%x\n%x", err, back, data, again)
			}
		}
	})
}

func FuzzContainerFile(f *testing.F) {
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		f.Add(ocfFile(f, codec, 2))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := avro.NewOCFReader(bytes.NewReader(file), avro.OCFReaderOptions{MaxBlockBytes: 1 << 20})
		if err != nil {
			return
		}
		for r.Next() {
			if err := avro.Validate(r.Schema(), r.Payload(), avro.ValidateOptions{SkipUTF8: true}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzSingleObject(f *testing.F) {
	o := newOrder()
	data, err := avro.AppendSingle(nil, orderSchema, &o)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	singles := avro.NewSingles(orderSchema)
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		if singles.Unmarshal(data, &v) != nil {
			return
		}
		if again, err := avro.AppendSingle(nil, orderSchema, v); err == nil && !bytes.Equal(again[:10], data[:10]) {
			t.Fatal("another head")
		}
	})
}
