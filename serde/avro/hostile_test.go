package avro_test

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrobench"
	"github.com/dovetail-dev/dovetail/serde/avro/avrohostile"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

func zigzag(v int64) []byte { return binary.AppendVarint(nil, v) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// within fails the test when f takes more memory or (by far) more time than
// refusing a few bytes may take.
func within(t *testing.T, mostBytes uint64, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("still running after 30 s")
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > mostBytes {
		t.Fatalf("%d bytes were allocated", taken)
	}
}

type listNode struct {
	Value int64     `avro:"value"`
	Next  *listNode `avro:"next"`
}

const listText = avrohostile.List

// typedTargets are Go types for hostile payloads, by name.
func typedTargets() map[string]any {
	type empty struct{}
	type kept struct {
		Kept int `avro:"kept"`
	}
	return map[string]any{
		"array count 2^40":                       new([]int64),
		"array of doubles count 2^40":            new([]float64),
		"array of strings count 2^40":            new([]string),
		"array of records count 2^33":            new([]listNode),
		"array of null count 2^40":               new([]empty),
		"array of empty records count 2^40":      new([]empty),
		"array of empty fixed count 2^40":        new([][0]byte),
		"many blocks of nulls":                   new([]any),
		"array count 2^62 in a dropped field":    new(kept),
		"map count 2^62 in a dropped field":      new(kept),
		"negative block size in a dropped field": new(kept),
		"block size beyond the data":             new([]int32),
		"block size that is not the items'":      new([]int32),
		"map count 2^62, then nothing":           new(map[string]string),
		"block counts whose sum wraps":           new([]any),
		"block count -2^63":                      new([]int32),
		"union index 2^32":                       new(*int32),
		"union index -1":                         new(*int32),
		"enum index past the symbols":            new(string),
		"enum index 2^32":                        new(string),
		"recursion, 16 MiB":                      new(listNode),
		"recursion, 1 MiB":                       new(listNode),
		"string length 2^30":                     new(string),
		"string length 2^62":                     new(string),
		"string length 2^63-1":                   new(string),
		"string length -2^63":                    new(string),
		"string length -1":                       new(string),
		"bytes length 2^40":                      new([]byte),
		"int of 33 bits":                         new(int32),
		"int in six bytes":                       new(int32),
		"long of 65 bits":                        new(int64),
		"long without an end":                    new(int64),
		"boolean 2":                              new(bool),
		"big-decimal of scale 2^30":              new(any),
		"time-micros past any duration":          new(time.Duration),
	}
}

// decodersOf are the ways to read a payload of a schema, into a Go type and
// without one, bare and inside other forms.
func decodersOf(t *testing.T, text string, into any) map[string]func(data []byte) error {
	t.Helper()
	s := avro.MustParse(text)
	arena, err := avro.NewCodec[any](s, avro.WithArena(), avro.WithBareUnions())
	if err != nil {
		t.Fatal(err)
	}
	const framed = 1
	registry := &shelf{}
	if _, err := registry.Register(t.Context(), "s-value", schema.Definition{Text: text}, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	deserializer := deserializer[any](t, registry, text)
	var head bytes.Buffer
	if _, err := avro.NewOCFWriter(&head, s, avro.OCFWriterOptions{}); err != nil {
		t.Fatal(err)
	}
	single := binary.LittleEndian.AppendUint64([]byte{0xC3, 1}, s.Fingerprint64())
	singles := avro.NewSingles(s)
	ways := map[string]func(data []byte) error{
		"validate": func(data []byte) error { return avro.Validate(s, data, avro.ValidateOptions{}) },
		"generic":  func(data []byte) error { return avro.Unmarshal(s, data, new(any)) },
		"arena":    func(data []byte) error { return arena.Decode(data, new(any)) },
		"JSON": func(data []byte) error {
			_, err := avro.AppendJSON(nil, s, data)
			return err
		},
		"resolved":      func(data []byte) error { return avro.UnmarshalResolved(s, s, data, new(any)) },
		"single object": func(data []byte) error { return singles.Unmarshal(join(single, data), new(any)) },
		"container file": func(data []byte) error {
			h := head.Bytes()
			sync := h[len(h)-16:]
			_, err := readAll(join(h, zigzag(1), zigzag(int64(len(data))), data, sync), avro.OCFReaderOptions{})
			return err
		},
		"prefix framing": func(data []byte) error {
			return deserializer.Decode(t.Context(), "s", join(frame.AppendID(nil, framed), data), new(any))
		},
		"header framing": func(data []byte) error {
			return deserializer.DecodeRecord(t.Context(), "s", frame.AppendID(nil, framed), data, new(any))
		},
	}
	if into != nil {
		ways["typed"] = func(data []byte) error { return avro.Unmarshal(s, data, into) }
	}
	return ways
}

// dropped reads a payload in a field that the reader does not have.
func dropped(text string, data []byte) error {
	w := avro.MustParse(`{"type":"record","name":"Around","fields":[{"name":"gone","type":` + text + `},{"name":"kept","type":"int"}]}`)
	r := avro.MustParse(`{"type":"record","name":"Around","fields":[{"name":"kept","type":"int"}]}`)
	return avro.UnmarshalResolved(w, r, join(data, []byte{2}), new(any))
}

// TestHostilePayloads offers payloads that were made to kill a decoder to every
// way of reading them.
func TestHostilePayloads(t *testing.T) {
	targets := typedTargets()
	for _, c := range avrohostile.Payloads() {
		into, ok := targets[c.Name]
		if !ok {
			t.Fatalf("%s: no Go type to decode into", c.Name)
		}
		t.Run(c.Name, func(t *testing.T) {
			ways := decodersOf(t, c.Schema, into)
			if !c.Skippable {
				ways["dropped"] = func(data []byte) error { return dropped(c.Schema, data) }
			}
			if c.Schema == `"bytes"` { // of which frames hold the bytes themselves, without their length
				delete(ways, "prefix framing")
				delete(ways, "header framing")
			}
			for name, decode := range ways {
				// Container files and frames hold the payload once more.
				within(t, 64<<20+3*uint64(len(c.Data)), func() {
					if err := decode(c.Data); err == nil {
						t.Errorf("%s accepts it", name)
					} else if strings.Contains(err.Error(), "disagree") {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
		})
	}
}

// TestEveryWayRefusesEveryPrefix: nothing but the whole payload is one, and
// nothing may follow it.
func TestEveryWayRefusesEveryPrefix(t *testing.T) {
	small, order, batch := newSmall(), newOrder(), newBatch()
	for _, c := range []struct {
		name, text string
		data       []byte
		into       any
	}{
		{"small", avrobench.SmallText, mustMarshal(smallSchema, &small), newOf(small)},
		{"order", avrobench.OrderText, mustMarshal(orderSchema, &order), newOf(order)},
		{"batch", avrobench.BatchText, mustMarshal(batchSchema, &batch), newOf(batch)},
		{"list", listText, mustMarshal(avro.MustParse(listText), &listNode{1, &listNode{2, nil}}), new(listNode)},
	} {
		for name, decode := range decodersOf(t, c.text, c.into) {
			if err := decode(c.data); err != nil {
				t.Fatalf("%s, %s: %v", c.name, name, err)
			}
			step := 1
			if len(c.data) > 1000 {
				step = 17 // of the large one a prefix here and there
			}
			for n := 0; n < len(c.data); n += step {
				if decode(c.data[:n]) == nil {
					t.Fatalf("%s, %s: the first %d of %d bytes are taken", c.name, name, n, len(c.data))
				}
			}
			if decode(join(c.data, []byte{0})) == nil {
				t.Errorf("%s, %s: a byte behind the end is taken", c.name, name)
			}
		}
	}
}

func newOf[T any](T) any { return new(T) }

// TestHostileJSON offers texts to the reader of the JSON encoding.
func TestHostileJSON(t *testing.T) {
	repeat := strings.Repeat
	for _, c := range []struct{ name, schema, text string }{
		{"a million arrays", `{"type":"array","items":"int"}`, repeat("[", 1_000_000)},
		{"a million objects in a list", listText, repeat(`{"value":1,"next":{"Node":`, 1_000_000)},
		{"an array that is not closed", `{"type":"array","items":"null"}`, "[" + repeat("null,", 100_000)},
		{"a number past any double", `"double"`, `1e999999999999`},
		{"a long with an exponent of a million digits", `"long"`, "1e" + repeat("9", 1_000_000)},
		{"a long of a million digits", `"long"`, repeat("9", 1_000_000)},
		{"a long past 63 bits", `"long"`, `9223372036854775808`},
		{"an int past 31 bits", `"int"`, `2147483648`},
		{"a fraction for an int", `"int"`, `1.5`},
		{"a string that is not closed", `"string"`, `"` + repeat("a", 1<<20)},
		{"half a surrogate", `"string"`, `"\ud800"`},
		{"not UTF-8", `"string"`, "\"\xff\""},
		{"bytes past 255", `"bytes"`, `"\u0100"`},
		{"fixed of another size", `{"type":"fixed","name":"F","size":2}`, `"a"`},
		{"two branches of a union", `["null","int","string"]`, `{"int":1,"string":"a"}`},
		{"a branch that is not there", `["null","int"]`, `{"long":1}`},
		{"an enum symbol that is not there", `{"type":"enum","name":"E","symbols":["A"]}`, `"B"`},
		{"nothing", `"null"`, ``},
		{"two values", `"null"`, `null null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := avro.MustParse(c.schema)
			for _, opts := range [][]avro.Option{nil, {avro.WithBareUnions()}} {
				within(t, 256<<20, func() {
					if _, err := avro.FromJSON(nil, s, []byte(c.text), opts...); err == nil {
						t.Errorf("it is accepted (%d options)", len(opts))
					}
				})
			}
		})
	}
	o := newOrder()
	text, err := avro.AppendJSON(nil, orderSchema, mustMarshal(orderSchema, &o))
	if err != nil {
		t.Fatal(err)
	}
	for n := range text {
		if _, err := avro.FromJSON(nil, orderSchema, text[:n]); err == nil {
			t.Fatalf("the first %d of %d bytes are taken", n, len(text))
		}
	}
}

// TestRecursiveTypesResolve reads a recursive record of an earlier writer:
// honest data that other implementations do not survive.
func TestRecursiveTypesResolve(t *testing.T) {
	list := listNode{1, &listNode{2, &listNode{3, nil}}}
	w := avro.MustParse(listText)
	data := mustMarshal(w, &list)
	type labelled struct {
		Value float64   `avro:"value"`
		Label string    `avro:"label"`
		Next  *labelled `avro:"next"`
	}
	for name, text := range map[string]string{
		"identical":     listText,
		"added field":   strings.Replace(listText, `"fields":[`, `"fields":[{"name":"label","type":"string","default":"none"},`, 1),
		"promoted long": strings.Replace(listText, `"long"`, `"double"`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			r := avro.MustParse(text)
			var generic any
			if err := avro.UnmarshalResolved(w, r, data, &generic); err != nil {
				t.Fatal(err)
			}
		})
	}
	r := avro.MustParse(`{"type":"record","name":"Node","fields":[{"name":"value","type":"double"},
		{"name":"label","type":"string","default":"none"},{"name":"next","type":["null","Node"],"default":null}]}`)
	var got labelled
	if err := avro.UnmarshalResolved(w, r, data, &got); err != nil {
		t.Fatal(err)
	}
	if got.Next.Next.Value != 3 || got.Next.Label != "none" || got.Next.Next.Next != nil {
		t.Fatalf("%+v", got)
	}
}

// TestHostileSchemas are schemas that were made to exhaust whoever compiles or
// uses them.
func TestHostileSchemas(t *testing.T) {
	doubling := func(leaf string, levels int) string {
		text := leaf
		for i := range levels {
			text = `{"type":"record","name":"D` + string(rune('A'+i)) + `","fields":[{"name":"x","type":` + text + `},{"name":"y","type":` +
				map[bool]string{true: leaf, false: `"D` + string(rune('A'+i-1)) + `"`}[i == 0] + `}]}`
		}
		return text
	}
	try := func(t *testing.T, text string, data []byte) {
		within(t, 256<<20, func() {
			s, err := avro.Parse(text)
			if err != nil {
				return
			}
			if avro.Validate(s, data, avro.ValidateOptions{}) == nil {
				t.Error("validate accepts it")
			}
			var v any
			if avro.Unmarshal(s, data, &v) == nil {
				t.Error("decode accepts it")
			}
			if _, err := avro.AppendJSON(nil, s, data); err == nil {
				t.Error("JSON accepts it")
			}
		})
	}
	t.Run("fixed of 2^40 bytes", func(t *testing.T) {
		try(t, `{"type":"fixed","name":"F","size":1099511627776}`, []byte{1})
	})
	t.Run("fixed of 2 GB", func(t *testing.T) { try(t, `{"type":"fixed","name":"F","size":2000000000}`, []byte{1}) })
	t.Run("decimal of scale 10^9", func(t *testing.T) {
		try(t, `{"type":"bytes","logicalType":"decimal","precision":1000000000,"scale":1000000000}`, []byte{4, 1})
	})
	t.Run("nested 100,000 deep", func(t *testing.T) {
		try(t, strings.Repeat(`{"type":"array","items":`, 100_000)+`"int"`+strings.Repeat("}", 100_000), []byte{2})
	})
	t.Run("each record twice in the next, empty", func(t *testing.T) { try(t, doubling(`"null"`, 25), []byte{1}) })
	t.Run("each record twice in the next, ints", func(t *testing.T) { try(t, doubling(`"int"`, 25), bytes.Repeat([]byte{0}, 1000)) })
	t.Run("a record that holds itself", func(t *testing.T) {
		try(t, `{"type":"record","name":"A","fields":[{"name":"a","type":"A","default":{}},{"name":"b","type":"int"}]}`, []byte{0})
	})
}
