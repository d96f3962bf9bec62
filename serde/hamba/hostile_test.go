package hamba_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/hamba"
)

func zigzag(v int64) []byte { return binary.AppendVarint(nil, v) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

const listText = `{"type":"record","name":"Node","fields":[{"name":"value","type":"long"},{"name":"next","type":["null","Node"],"default":null}]}`

// decoderFor returns a decoder of payloads of text into a generic value.
func decoderFor(t testing.TB, text string) serde.Decoder[any] {
	t.Helper()
	f, err := hamba.NewFormat[any](hamba.FormatOptions{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.Decoder(&serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Type: schema.Avro, Text: text}}}, f.Reader())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestHostilePayloadsDoNotReachTheLibrary offers what ends or hangs a process
// that decodes with hamba alone, or what it takes for whole.
func TestHostilePayloadsDoNotReachTheLibrary(t *testing.T) {
	array := func(items string) string { return `{"type":"array","items":` + items + `}` }
	field := func(of string) string {
		return `{"type":"record","name":"R","fields":[{"name":"gone","type":` + of + `},{"name":"kept","type":"int"}]}`
	}
	chain := bytes.Repeat([]byte{0, 2}, 8<<20)
	for _, c := range []struct {
		name, schema string
		payload      []byte
	}{
		{"array count 2^40", array(`"long"`), zigzag(1 << 40)},
		{"array of records, count 2^33", array(listText), zigzag(1 << 33)},
		{"array of null, count 2^40", array(`"null"`), join(zigzag(1<<40), []byte{0})},
		{"array of empty records, count 2^40", array(`{"type":"record","name":"E","fields":[]}`), join(zigzag(1<<40), []byte{0})},
		{"array count 2^62 in a field", field(array(`"long"`)), zigzag(1 << 62)},
		{"map count 2^62 in a field", field(`{"type":"map","values":"int"}`), zigzag(1 << 62)},
		{"negative block size", field(array(`"int"`)), join(zigzag(-3), zigzag(-5), []byte{0, 0, 0, 0, 0})},
		{"block size that is not the items'", array(`"int"`), join(zigzag(-1), zigzag(2), []byte{2, 0, 0})},
		{"map count 2^62, then nothing", `{"type":"map","values":"string"}`, zigzag(1 << 62)},
		{"counts whose sum wraps", array(`"null"`), join(zigzag(math.MaxInt64), zigzag(math.MaxInt64), zigzag(2), []byte{0})},
		{"count -2^63", array(`"int"`), join(zigzag(math.MinInt64), zigzag(0), []byte{0})},
		{"union index 2^32", `["null","int"]`, zigzag(1 << 32)},
		{"recursion of 16 MiB", listText, chain},
		{"recursion of 1 MiB", listText, chain[:1<<20]},
		{"string length 2^30", `"string"`, zigzag(1 << 30)},
		{"string length 2^62", `"string"`, zigzag(1 << 62)},
		{"string length -1", `"string"`, zigzag(-1)},
		{"trailing bytes", `"int"`, []byte{2, 0}},
		{"nothing at all", `"long"`, nil},
		{"text that is not UTF-8", `"string"`, []byte{2, 0xff}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := decoderFor(t, c.schema)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var v any
			err := d.Decode(nil, c.payload, &v)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatalf("accepted as %v", v)
			}
			if strings.Contains(err.Error(), "hamba") {
				t.Fatalf("the library saw it: %v", err)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 8<<20 {
				t.Fatalf("%d bytes were allocated", taken)
			}
		})
	}
}

// TestNoPrefixPasses cuts a payload everywhere; hamba alone takes many of the
// pieces for whole.
func TestNoPrefixPasses(t *testing.T) {
	o := someOrder()
	codec, err := avro.NewCodec[order](avro.MustParse(orderText))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := codec.Append(nil, &o)
	if err != nil {
		t.Fatal(err)
	}
	d := decoderFor(t, orderText)
	for n := range whole {
		var v any
		if err := d.Decode(nil, whole[:n:n], &v); err == nil {
			t.Fatalf("%d of %d bytes pass for a whole payload", n, len(whole))
		}
	}
	var v any
	if err := d.Decode(nil, whole, &v); err != nil {
		t.Fatal(err)
	}
}

// TestHostileSchemas are refused before the library parses them.
func TestHostileSchemas(t *testing.T) {
	for name, text := range map[string]string{
		"fixed of 2^40 bytes":   `{"type":"fixed","name":"F","size":1099511627776}`,
		"nested 100,000 deep":   strings.Repeat(`{"type":"array","items":`, 100_000) + `"int"` + strings.Repeat(`}`, 100_000),
		"decimal scale of 10^9": `{"type":"bytes","logicalType":"decimal","precision":1000000000,"scale":1000000000}`,
		"unknown type":          `"nothing"`,
	} {
		_, err := hamba.NewFormat[any](hamba.FormatOptions{Text: text})
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.HasPrefix(err.Error(), "hamba") {
			t.Errorf("%s: the library saw it: %v", name, err)
		}
	}
}

// TestValuesThatDoNotFitAreErrors leaves the buffer as it was.
func TestValuesThatDoNotFitAreErrors(t *testing.T) {
	f, err := hamba.NewFormat[any](hamba.FormatOptions{Text: orderText})
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Encoder(&serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Type: schema.Avro, Text: orderText}}}, f.Reader())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{nil, 5, "x", map[string]any{"id": "seven"}, order{State: "LOST"}} {
		out, err := e.Append([]byte("kept"), v)
		if err == nil {
			t.Errorf("%#v was written: %q", v, out)
		}
		if string(out) != "kept" {
			t.Errorf("%#v: %q is left in the buffer", v, out)
		}
	}
}

// FuzzDecode feeds payloads of anything: whatever passes must be what serde/avro
// takes for whole.
func FuzzDecode(f *testing.F) {
	s := avro.MustParse(orderText)
	o := someOrder()
	o.Lines = o.Lines[:3]
	whole, err := avro.Append(nil, s, o)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	d := decoderFor(f, orderText)
	f.Fuzz(func(t *testing.T, payload []byte) {
		var v any
		if err := d.Decode(nil, payload, &v); err == nil {
			if err := avro.Validate(s, payload, avro.ValidateOptions{}); err != nil {
				t.Fatalf("passed, but %v", err)
			}
		}
	})
}
