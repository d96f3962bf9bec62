package rules

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/common/types"
)

// The encoding as apache/parquet-format has it, for tests.

func le(n uint64, size int) []byte { return binary.LittleEndian.AppendUint64(nil, n)[:size] }

func primitiveOf(id int, data ...byte) []byte { return append([]byte{byte(id << 2)}, data...) }

func shortText(s string) []byte { return append([]byte{byte(len(s)<<2 | 1)}, s...) }

func metadataOf(size int, names ...string) []byte {
	b := append([]byte{byte(1 | (size-1)<<6)}, le(uint64(len(names)), size)...)
	at := 0
	for _, n := range append([]string{""}, names...) {
		at += len(n)
		b = append(b, le(uint64(at), size)...)
	}
	return append(b, strings.Join(names, "")...)
}

func arrayOf(size int, large bool, items ...[]byte) []byte {
	header, count := size-1, 1
	if large {
		header, count = header|4, 4
	}
	b := append([]byte{byte(header<<2 | 3)}, le(uint64(len(items)), count)...)
	at := 0
	for _, item := range append([][]byte{nil}, items...) {
		at += len(item)
		b = append(b, le(uint64(at), size)...)
	}
	return append(b, bytes.Join(items, nil)...)
}

// objectOf has members by the numbers of their names.
func objectOf(size int, large bool, ids []int, items ...[]byte) []byte {
	header, count := size-1|(size-1)<<2, 1
	if large {
		header, count = header|16, 4
	}
	b := append([]byte{byte(header<<2 | 2)}, le(uint64(len(items)), count)...)
	for _, id := range ids {
		b = append(b, le(uint64(id), size)...)
	}
	at := 0
	for _, item := range append([][]byte{nil}, items...) {
		at += len(item)
		b = append(b, le(uint64(at), size)...)
	}
	return append(b, bytes.Join(items, nil)...)
}

func TestVariantsAreDecoded(t *testing.T) {
	for _, c := range []struct {
		value      []byte
		kind, json string
	}{
		{primitiveOf(0), "null", "null"},
		{primitiveOf(1), "boolean", "true"},
		{primitiveOf(2), "boolean", "false"},
		{primitiveOf(3, 0xff), "int", "-1"},
		{primitiveOf(4, le(300, 2)...), "int", "300"},
		{primitiveOf(5, le(math.MaxUint32, 4)...), "int", "-1"},
		{primitiveOf(6, le(1<<62, 8)...), "int", "4611686018427387904"},
		{primitiveOf(7, le(math.Float64bits(2.5), 8)...), "double", "2.5"},
		{primitiveOf(7, le(math.Float64bits(1000), 8)...), "double", "1000.0"},
		{primitiveOf(7, le(math.Float64bits(math.Inf(1)), 8)...), "double", `"+Inf"`},
		{primitiveOf(14, le(uint64(math.Float32bits(0.5)), 4)...), "double", "0.5"},
		{primitiveOf(8, append([]byte{2}, le(1234, 4)...)...), "decimal", "12.34"},
		{primitiveOf(9, append([]byte{0}, le(math.MaxUint64, 8)...)...), "decimal", "-1"},
		{primitiveOf(10, append([]byte{1}, append(le(5, 8), le(0, 8)...)...)...), "decimal", "0.5"},
		{primitiveOf(11, le(20000, 4)...), "date", `"2024-10-04"`},
		{primitiveOf(12, le(1_500_000, 8)...), "timestamp", `"1970-01-01T00:00:01.5Z"`},
		{primitiveOf(13, le(math.MaxUint64, 8)...), "timestamp", `"1969-12-31T23:59:59.999999Z"`},
		{primitiveOf(18, le(1, 8)...), "timestamp", `"1970-01-01T00:00:00.000000001Z"`},
		{primitiveOf(19, le(1, 8)...), "timestamp", `"1970-01-01T00:00:00.000000001Z"`},
		{primitiveOf(17, le(3_600_000_001, 8)...), "time", `"01:00:00.000001"`},
		{primitiveOf(15, append(le(2, 4), 0xff, 0)...), "bytes", `"/wA="`},
		{primitiveOf(16, append(le(3, 4), "a\"<"...)...), "string", `"a\"<"`},
		{primitiveOf(20, []byte("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff")...), "uuid", `"00112233-4455-6677-8899-aabbccddeeff"`},
		{shortText("hé"), "string", `"hé"`},
		{shortText(""), "string", `""`},
		{arrayOf(1, false), "array", "[]"},
		{arrayOf(2, true, shortText("x"), primitiveOf(0), arrayOf(1, false, primitiveOf(1))), "array", `["x",null,[true]]`},
		{objectOf(1, false, nil), "object", "{}"},
		{objectOf(1, false, []int{1, 0}, primitiveOf(3, 1), shortText("v")), "object", `{"a":1,"b":"v"}`},
		{objectOf(4, true, []int{2, 0}, objectOf(1, false, []int{1}, primitiveOf(0)), primitiveOf(1)), "object", `{"b":true,"c d":{"a":null}}`},
	} {
		for _, size := range []int{1, 2, 3, 4} {
			metadata := metadataOf(size, "b", "a", "c d")
			v, err := decodeVariant(metadata, c.value)
			if err != nil {
				t.Errorf("% x: %v", c.value, err)
				continue
			}
			if got := string(v.appendJSON(nil)); v.kind != c.kind || got != c.json {
				t.Errorf("% x is %s %s, want %s %s", c.value, v.kind, got, c.kind, c.json)
			}
			if plain, err := v.plain(); err != nil || !reflect.DeepEqual(plain, map[string]any{"metadata": metadata, "value": c.value}) {
				t.Errorf("% x is written as %v, %v", c.value, plain, err)
			}
			for i := range c.value {
				if v, err := decodeVariant(metadata, c.value[:i]); err == nil {
					t.Errorf("%d bytes of % x are taken for %s", i, c.value, v.appendJSON(nil))
				}
			}
			if _, err := decodeVariant(metadata, append(slices.Clone(c.value), 0)); err == nil {
				t.Errorf("% x: what stands behind is taken too", c.value)
			}
		}
	}
}

func TestVariantsThatAreNone(t *testing.T) {
	names := metadataOf(1, "a", "b")
	for want, c := range map[string]struct{ metadata, value []byte }{
		"no metadata":              {nil, primitiveOf(0)},
		"version 2":                {[]byte{2, 0, 0}, primitiveOf(0)},
		"ends too early":           {[]byte{1, 9, 0}, primitiveOf(0)},
		"name in the variant":      {append(metadataOf(1, "x")[:4], 0xff), primitiveOf(0)},
		"type 63, which":           {names, []byte{63 << 2}},
		"no name 7":                {names, objectOf(1, false, []int{7}, primitiveOf(0))},
		`two members "a"`:          {names, objectOf(1, false, []int{0, 0}, primitiveOf(0), primitiveOf(0))},
		"text in the variant":      {names, shortText("\xff")},
		"more values than bytes":   {names, bomb()},
		"stand behind the variant": {names, []byte{0, 0}},
	} {
		if v, err := decodeVariant(c.metadata, c.value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, %v; want %q", v, err, want)
		}
	}
}

// bomb is arrays of which every element is the same, next one: 4^30 values.
func bomb() []byte {
	b := arrayOf(4, false)
	for range 30 {
		size := uint64(len(b))
		head := []byte{3<<2 | 3, 4}
		for _, offset := range []uint64{0, 0, 0, 0, size} {
			head = append(head, le(offset, 4)...)
		}
		b = append(head, b...)
	}
	return b
}

func FuzzDecodeVariant(f *testing.F) {
	names := metadataOf(1, "a", "b")
	f.Add(names, objectOf(1, false, []int{0, 1}, arrayOf(2, true, shortText("x"), primitiveOf(0)), primitiveOf(3, 1)))
	f.Add(names, bomb())
	f.Add([]byte{0xc1, 0xff, 0xff, 0xff, 0xff}, []byte{0x4e, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{1, 0, 0}, primitiveOf(10, bytes.Repeat([]byte{0xff}, 17)...))
	f.Fuzz(func(t *testing.T, metadata, value []byte) {
		v, err := decodeVariant(metadata, value)
		if err != nil {
			return
		}
		text := v.appendJSON(nil)
		again, err := parseVariant(string(text))
		if err != nil {
			t.Fatalf("% x is %s: %v", value, text, err)
		}
		if len(again.items) != len(v.items) || !slices.Equal(again.keys, v.keys) || !v.equal(v) {
			t.Fatalf("% x is %s", value, text)
		}
	})
}

func FuzzVariantPath(f *testing.F) {
	for _, path := range []string{"$", "$.a[0]", `$["x\"y"]['\\']`, "$.é", "$[2147483648]", "$[", "$..", "$[-1]", `$["`} {
		f.Add(path)
	}
	v, err := parseVariant(`{"a":[1,{"é":2}]}`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, path string) {
		if steps, err := parsePath(path); err == nil {
			v.walk(steps)
		}
	})
}

func TestVariantFunctions(t *testing.T) {
	const doc = `variants.parseJson('{"a":[1,{"b c":7,"it\'s":true}],"n":null,"x":1.5,"big":99999999999999999999,"s":"hi"}')`
	for expr, want := range map[string]string{
		`variants.type(V)`:                                                            `"object"`,
		`variants.type(variants.field(V, "a"))`:                                       `"array"`,
		`variants.type(variants.field(V, "n"))`:                                       `"null"`,
		`variants.type(variants.field(V, "x"))`:                                       `"double"`,
		`variants.type(variants.field(V, "big"))`:                                     `"decimal"`,
		`variants.type(variants.field(V, "none"))`:                                    `null`,
		`variants.field(V, "none") == null`:                                           `true`,
		`variants.field(V, "n") == null`:                                              `false`,
		`variants.isNull(variants.field(V, "n"))`:                                     `true`,
		`variants.isNull(variants.field(V, "none"))`:                                  `false`,
		`variants.isNull("text")`:                                                     `false`,
		`variants.as(variants.path(V, "$.a[1][\"b c\"]"), "int")`:                     `7`,
		`variants.path(V, "$.a[1]['it\\'s']", "boolean")`:                             `true`,
		`variants.path(V, "$.a[0]", "string", true)`:                                  `null`,
		`variants.path(V, "$.a[0]", "string", false)`:                                 `error: evaluating the expression: variants.as: the variant is of type int, not a string that CEL can hold`,
		`variants.path(V, "$.a.b.c", "int")`:                                          `null`,
		`variants.path(V, "a")`:                                                       `error: evaluating the expression: variants.path: the path "a": want $ first`,
		`variants.path(V, "$.")`:                                                      `error: evaluating the expression: variants.path: the path "$.": want a name after a dot, or ["name"]`,
		`variants.path(V, "$[-1]")`:                                                   `error: evaluating the expression: variants.path: the path "$[-1]": want a number from 0 to 2147483647, or a name in quotes, in brackets`,
		`variants.as(variants.elem(variants.field(V, "a"), 0), "int")`:                `1`,
		`variants.index(variants.field(V, "a"), 0, "int")`:                            `1`,
		`variants.index(variants.field(V, "a"), 5)`:                                   `null`,
		`variants.index(V, 0)`:                                                        `null`,
		`variants.field(V, "s", "string") + "!"`:                                      `"hi!"`,
		`variants.field(V, "big", "decimal") + decimal(1)`:                            `100000000000000000000`,
		`variants.tryAs(variants.field(V, "s"), "int") == null`:                       `true`,
		`variants.as(variants.field(V, "s"), "number")`:                               `error: evaluating the expression: variants.as: type "number" is not string, int, double, boolean, decimal, timestamp or bytes`,
		`variants.as(V, "object")`:                                                    `error: evaluating the expression: variants.as: a value of type "object" has no form in CEL: use variants.path, variants.field or variants.toJson`,
		`variants.toJson(V)`:                                                          `"{\"a\":[1,{\"b c\":7,\"it's\":true}],\"big\":99999999999999999999,\"n\":null,\"s\":\"hi\",\"x\":1.5}"`,
		`variants.toJson(null)`:                                                       `null`,
		`variants.tryParseJson("{") == null`:                                          `true`,
		`variants.parseJson("{} 1")`:                                                  `error: evaluating the expression: variant: the text is not JSON: something stands behind the value`,
		`variant("[1]") == variants.parseJson("[1]")`:                                 `true`,
		`variant("[1]") == variants.parseJson("[2]")`:                                 `false`,
		`variant("{", true)`:                                                          `null`,
		`variant(null)`:                                                               `null`,
		`variant(5)`:                                                                  `error: evaluating the expression: variant: a int is no variant: want a record or message with metadata and value, or variants.parseJson(text)`,
		`variants.type(variant({"metadata": b"\x01\x00\x00", "value": b"\x0c\x05"}))`: `"int"`,
		`variants.as(variant(b"\x0c\x05", b"\x01\x00\x00"), "int")`:                   `5`,
		`variant(b"", b"")`:                                                           `error: evaluating the expression: variant: the variant has no metadata`,
		`V`:                                                                           `error: the expression returned a variant that was made of JSON, which no value can hold: return variants.toJson of it`,
		`variants.type(variants.parseJson("1e400"))`:                                  `error: evaluating the expression: variant: the number 1e400 is too large`,
	} {
		if got := evaluate(t, strings.ReplaceAll(expr, "V", doc)); got != want {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

// A timestamp that CEL cannot hold is none.
func TestVariantTimestampsOutsideOfCEL(t *testing.T) {
	v, err := decodeVariant(metadataOf(1), primitiveOf(12, le(math.MaxInt64, 8)...))
	if err != nil {
		t.Fatal(err)
	}
	if got := v.as(types.String("timestamp"), types.True); got != types.NullValue {
		t.Errorf("got %v", got)
	}
	if got := v.as(types.String("timestamp"), types.False); !types.IsError(got) {
		t.Errorf("got %v", got)
	}
	if s := string(v.appendJSON(nil)); !strings.HasPrefix(s, `"`) {
		t.Errorf("JSON %s", s)
	}
}
