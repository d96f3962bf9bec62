package avro_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/serde/avro"
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

const listText = `{"type":"record","name":"Node","fields":[{"name":"value","type":"long"},{"name":"next","type":["null","Node"],"default":null}]}`

// TestHostilePayloads offers payloads that were made to kill a decoder to
// every way of reading them.
func TestHostilePayloads(t *testing.T) {
	type empty struct{}
	arrayOf := func(items string) string { return `{"type":"array","items":` + items + `}` }
	inField := func(of string) string {
		return `{"type":"record","name":"R","fields":[{"name":"gone","type":` + of + `},{"name":"kept","type":"int"}]}`
	}
	chain := bytes.Repeat([]byte{0, 2}, 8<<20) // 8 Mi nodes with a next each
	for _, c := range []struct {
		name, schema string
		data         []byte
		into         any
	}{
		{"array count 2^40", arrayOf(`"long"`), zigzag(1 << 40), new([]int64)},
		{"array of doubles count 2^40", arrayOf(`"double"`), zigzag(1 << 40), new([]float64)},
		{"array of strings count 2^40", arrayOf(`"string"`), zigzag(1 << 40), new([]string)},
		{"array of records count 2^33", arrayOf(listText), zigzag(1 << 33), new([]listNode)},
		{"array of null count 2^40", arrayOf(`"null"`), zigzag(1 << 40), new([]any)},
		{"array of empty records count 2^40", arrayOf(`{"type":"record","name":"E","fields":[]}`), join(zigzag(1<<40), []byte{0}), new([]empty)},
		{"array of empty fixed count 2^40", arrayOf(`{"type":"fixed","name":"F","size":0}`), join(zigzag(1<<40), []byte{0}), new([][0]byte)},
		{"many blocks of nulls", arrayOf(`"null"`), join(bytes.Repeat(zigzag(60000), 1000), []byte{0}), new([]any)},
		{"array count 2^62 in a dropped field", inField(arrayOf(`"long"`)), zigzag(1 << 62), new(struct {
			Kept int `avro:"kept"`
		})},
		{"map count 2^62 in a dropped field", inField(`{"type":"map","values":"int"}`), zigzag(1 << 62), new(struct {
			Kept int `avro:"kept"`
		})},
		{"negative block size in a dropped field", inField(arrayOf(`"int"`)), join(zigzag(-3), zigzag(-5), []byte{0, 0, 0, 0, 0}), new(struct {
			Kept int `avro:"kept"`
		})},
		{"block size beyond the data", arrayOf(`"int"`), join(zigzag(-1), zigzag(1<<40), []byte{2, 0}), new([]int32)},
		{"block size that is not the items'", arrayOf(`"int"`), join(zigzag(-1), zigzag(2), []byte{2, 0, 0}), new([]int32)},
		{"map count 2^62, then nothing", `{"type":"map","values":"string"}`, zigzag(1 << 62), new(map[string]string)},
		{"block counts whose sum wraps", arrayOf(`"null"`), join(zigzag(math.MaxInt64), zigzag(math.MaxInt64), zigzag(2), []byte{0}), new([]any)},
		{"block count -2^63", arrayOf(`"int"`), join(zigzag(math.MinInt64), zigzag(0), []byte{0}), new([]int32)},
		{"union index 2^32", `["null","int"]`, zigzag(1 << 32), new(*int32)},
		{"union index -1", `["null","int"]`, zigzag(-1), new(*int32)},
		{"enum index past the symbols", `{"type":"enum","name":"E","symbols":["A"]}`, zigzag(1), new(string)},
		{"recursion, 16 MiB", listText, chain, new(listNode)},
		{"recursion, 1 MiB", listText, chain[:1<<20], new(listNode)},
		{"string length 2^30", `"string"`, zigzag(1 << 30), new(string)},
		{"string length 2^62", `"string"`, zigzag(1 << 62), new(string)},
		{"string length -1", `"string"`, zigzag(-1), new(string)},
		{"bytes length 2^40", `"bytes"`, zigzag(1 << 40), new([]byte)},
		{"int of 33 bits", `"int"`, zigzag(1 << 31), new(int32)},
		{"int in six bytes", `"int"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}, new(int32)},
		{"long of 65 bits", `"long"`, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}, new(int64)},
		{"long without an end", `"long"`, bytes.Repeat([]byte{0x80}, 11), new(int64)},
		{"boolean 2", `"boolean"`, []byte{2}, new(bool)},
		{"big-decimal of scale 2^30", `{"type":"bytes","logicalType":"big-decimal"}`, join(zigzag(7), zigzag(1), []byte{1}, zigzag(1<<30)), new(any)},
		{"time-micros past any duration", `{"type":"long","logicalType":"time-micros"}`, zigzag(math.MaxInt64), new(time.Duration)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := avro.MustParse(c.schema)
			within(t, 64<<20, func() {
				if err := avro.Validate(s, c.data, avro.ValidateOptions{}); err == nil {
					t.Error("validate accepts it")
				} else if strings.Contains(err.Error(), "disagree") {
					t.Error(err)
				}
				if err := avro.Unmarshal(s, c.data, c.into); err == nil {
					t.Errorf("decode into %T accepts it", c.into)
				}
				var generic any
				if err := avro.Unmarshal(s, c.data, &generic); err == nil {
					t.Error("generic decode accepts it")
				}
				if _, err := avro.AppendJSON(nil, s, c.data); err == nil {
					t.Error("JSON accepts it")
				}
			})
		})
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
