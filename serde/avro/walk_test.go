package avro_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	compat "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/avro/avrohostile"
)

// walkSchemas have what random ones seldom have.
func walkSchemas() []string {
	array := func(items string) string { return `{"type":"array","items":` + items + `}` }
	fields := func(types ...string) string {
		var out []string
		for i, t := range types {
			out = append(out, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, t))
		}
		return strings.Join(out, ",")
	}
	record := func(name string, types ...string) string {
		return fmt.Sprintf(`{"type":"record","name":%q,"fields":[%s]}`, name, fields(types...))
	}
	fixed := func(name string, n int) string { return fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, name, n) }
	deep := `"string"`
	for range 9 {
		deep = array(deep)
	}
	maps := `"long"`
	for range 6 {
		maps = `{"type":"map","values":` + maps + `}`
	}
	doubled := record("D0", `"string"`, `"int"`)
	for i := range 9 {
		doubled = record(fmt.Sprintf("D%d", i+1), doubled, fmt.Sprintf(`"D%d"`, i))
	}
	return []string{
		everythingText, textualText, avrohostile.List, deep, maps, doubled,
		array(record("Line", `"string"`, `"string"`, `"int"`, `"double"`, `["null","double"]`)),
		array(record("Point", `"long"`, `"double"`, `"int"`)),
		array(record("Names", `"string"`, `"string"`)),
		array(record("Rows", array(record("Row", array(`"int"`), `"string"`)), `"string"`)),
		record("Sizes", fixed("F1", 1), `"string"`, fixed("F7", 7), `"string"`, fixed("F9", 9), `"string"`, fixed("F64", 64), `"string"`, fixed("F65", 65), `"string"`, fixed("F0", 0), `"float"`, `"string"`),
		record("Optionals", `["null","string"]`, `["string","null"]`, `["null","long"]`, `["null",{"type":"array","items":"string"}]`, `["null","double"]`, `"double"`, `"float"`),
		record("Unions", `["null","string","long",{"type":"map","values":"string"}]`, `"string"`, `["string"]`, `["double","null","bytes"]`, `"double"`),
		record("Zeros", array(`"null"`), array(record("None")), array(fixed("Zero", 0)), `"string"`, array(array(`"null"`))),
		record("Rare", `{"type":"bytes","logicalType":"big-decimal"}`, `"string"`, `{"type":"long","logicalType":"time-micros"}`, `"string"`, `"bytes"`),
		array(`["null","string"]`), array(`"long"`), array(`"double"`), array(`"string"`), array(array(`"long"`)),
		`"string"`, `"bytes"`, `"long"`, `"int"`, `"null"`, `["null","string"]`,
		record("Tree", `"string"`, array(`"Tree"`), `["null","Tree"]`, `{"type":"map","values":"Tree"}`),
		record("Outer", `["null","string",`+record("Inner", `"Outer"`)+`]`), record("Outer", array(record("Inner", `"Outer"`))),
	}
}

// payloadMaker writes payloads as others might: with numbers of more bytes than
// they need, blocks of every form, and texts that are not always texts.
type payloadMaker struct {
	r    *rand.Rand
	text func(m *payloadMaker) []byte
}

func (m *payloadMaker) one(n int) bool { return m.r.IntN(n) == 0 }

func (m *payloadMaker) number(dst []byte, v int64) []byte {
	dst = binary.AppendVarint(dst, v)
	if m.one(60) && len(dst) > 0 {
		dst[len(dst)-1] |= 0x80
		dst = append(dst, 0)
	}
	return dst
}

func (m *payloadMaker) counted(dst, b []byte) []byte {
	return append(m.number(dst, int64(len(b))), b...)
}

func (m *payloadMaker) size() int {
	switch m.r.IntN(12) {
	case 0:
		return 55 + m.r.IntN(20)
	case 1:
		return 120 + m.r.IntN(20)
	case 2:
		if m.one(10) {
			return 8180 + m.r.IntN(30)
		}
	}
	return m.r.IntN(20)
}

func (m *payloadMaker) value(dst []byte, n *compat.Node, depth int) []byte {
	r := m.r
	switch n.Kind {
	case compat.Boolean:
		return append(dst, byte(r.IntN(2)))
	case compat.Int:
		return m.number(dst, int64(int32(r.Uint32())>>r.IntN(32)))
	case compat.Long:
		return m.number(dst, int64(r.Uint64())>>r.IntN(64))
	case compat.Float:
		return append(dst, randomBytes(r, 4)...)
	case compat.Double:
		return append(dst, randomBytes(r, 8)...)
	case compat.Fixed:
		return append(dst, randomBytes(r, n.Size)...)
	case compat.Bytes:
		if n.Logical == compat.BigDecimal {
			number := m.counted(nil, randomBytes(r, 1+r.IntN(8)))
			return m.counted(dst, m.number(number, int64(r.IntN(10))))
		}
		return m.counted(dst, randomBytes(r, m.size()))
	case compat.String:
		return m.counted(dst, m.text(m))
	case compat.Enum:
		return m.number(dst, int64(r.IntN(len(n.Symbols))))
	case compat.Record:
		for _, f := range n.Fields {
			dst = m.value(dst, f.Type, depth+1)
		}
	case compat.Union:
		at := r.IntN(len(n.Branches))
		if null := slices.IndexFunc(n.Branches, func(b *compat.Node) bool { return b.Kind == compat.Null }); null >= 0 && depth > 8 {
			at = null
		}
		return m.value(m.number(dst, int64(at)), n.Branches[at], depth+1)
	case compat.Array, compat.Map:
		for range r.IntN(3) {
			items := 1 + r.IntN(max(5-depth, 1))
			if m.one(20) && depth < 3 {
				items = 60 + r.IntN(80)
			}
			if depth > 12 {
				break
			}
			var block []byte
			for range items {
				if n.Kind == compat.Map {
					block = m.counted(block, m.text(m))
				}
				block = m.value(block, n.Items, depth+1)
			}
			if m.one(5) {
				dst = m.number(m.number(dst, int64(-items)), int64(len(block)))
			} else {
				dst = m.number(dst, int64(items))
			}
			dst = append(dst, block...)
		}
		return m.number(dst, 0)
	}
	return dst
}

func asciiText(m *payloadMaker) []byte {
	b := randomBytes(m.r, m.size())
	for i := range b {
		b[i] &= 0x7f
	}
	return b
}

func anyText(m *payloadMaker) []byte {
	b := asciiText(m)
	for m.one(2) && len(b) > 0 {
		at := m.r.IntN(len(b))
		b = slices.Insert(b, at, []byte([]string{"é", "€", "漢字", "😀", "\u0080", "\ud7ff", "\ue000", "\U0010ffff"}[m.r.IntN(8)])...)
	}
	return b
}

func brokenText(m *payloadMaker) []byte {
	b := anyText(m)
	if m.one(8) && len(b) > 0 {
		at := m.r.IntN(len(b))
		b = slices.Insert(b, at, []byte([]string{"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x82", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xbf"}[m.r.IntN(11)])...)
	}
	return b
}

// mutate makes some payloads wrong, here and there.
func (m *payloadMaker) mutate(data []byte) []byte {
	r := m.r
	data = bytes.Clone(data)
	for range r.IntN(3) {
		if len(data) == 0 {
			return append(data, byte(r.Uint32()))
		}
		at := r.IntN(len(data))
		switch r.IntN(7) {
		case 0:
			data = data[:at]
		case 1:
			data[at] ^= 1 << r.IntN(8)
		case 2:
			data[at] = byte(r.Uint32())
		case 3:
			data = slices.Insert(data, at, byte(r.Uint32()))
		case 4:
			data = slices.Delete(data, at, at+1)
		case 5:
			data = append(data, byte(r.Uint32()))
		case 6:
			data = slices.Insert(data, at, m.number(nil, []int64{-1, math.MinInt64, math.MaxInt64, 1 << 40, 1 << 31, -1 << 31, 1 << 16, 63, 64, 8192}[r.IntN(10)])...)
		}
	}
	return data
}

// walkAlike fails the test when the walk and the explaining walk differ over
// data, with text looked into or not, whatever stands around it.
func walkAlike(t *testing.T, s *avro.Schema, data []byte) (accepted bool) {
	t.Helper()
	exact, err := avro.NewValidator(s, avro.ValidateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	series := exact.Series()
	for _, around := range []byte{0x00, 0xff, 0x02} {
		whole := bytes.Repeat([]byte{around}, len(data)+48)
		within := whole[16 : 16+copy(whole[16:], data)]
		for _, text := range []bool{false, true} {
			want := avro.Accepts(s, data, text)
			err := avro.Validate(s, within, avro.ValidateOptions{SkipUTF8: !text})
			if (err == nil) != want {
				t.Fatalf("text %v: the walk says %v, the explaining one %v\n%s\n%x", text, err, want, s.ParsingCanonicalForm(), data)
			}
			if err != nil && strings.Contains(err.Error(), "disagree") {
				t.Fatal(err)
			}
			accepted = want
			if s.Root().Kind == compat.Bytes {
				continue // a frame has them without their length
			}
			if err := series.ValidateFramed(within); text && (err == nil) != want {
				t.Fatalf("the walk in a series says %v, the explaining one %v\n%s\n%x", err, want, s.ParsingCanonicalForm(), data)
			}
		}
	}
	return accepted
}

// TestTheWalkIsTheExplainingWalk compares the two over payloads of many schemas,
// right ones and wrong ones.
func TestTheWalkIsTheExplainingWalk(t *testing.T) {
	seed := rand.Uint64()
	texts := walkSchemas()
	accepted, refused := 0, 0
	for k := range 200 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		var text string
		if k < len(texts) {
			text = texts[k]
		} else {
			text = (&schemaMaker{r: r, logical: k%2 == 0}).schema(5)
		}
		s, err := avro.Parse(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		for _, of := range []func(*payloadMaker) []byte{asciiText, anyText, brokenText} {
			m := &payloadMaker{r, of}
			for range 6 {
				data := m.value(nil, s.Root(), 0)
				if len(data) > 1<<20 {
					continue
				}
				for _, d := range [][]byte{data, m.mutate(data), m.mutate(data), m.mutate(data)} {
					if walkAlike(t, s, d) {
						accepted++
					} else {
						refused++
					}
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d/%d", seed, k)
		}
	}
	if accepted < 1000 || refused < 1000 {
		t.Fatalf("%d accepted, %d refused", accepted, refused)
	}
}

// TestTheWalkCountsOnlyText: whatever numbers, bytes and lengths are made of, the
// count is that of the text, so that ASCII is never walked over twice.
func TestTheWalkCountsOnlyText(t *testing.T) {
	seed := rand.Uint64()
	texts := walkSchemas()
	counted := 0
	for k := range 200 {
		r := rand.New(rand.NewPCG(seed, uint64(k)))
		text := (&schemaMaker{r: r}).schema(5)
		if k < len(texts) {
			text = texts[k]
		}
		s := avro.MustParse(text)
		for range 10 {
			want := 0
			m := &payloadMaker{r, func(m *payloadMaker) []byte {
				b := anyText(m)
				for _, c := range b {
					want += int(c >> 7)
				}
				return b
			}}
			data := m.value(nil, s.Root(), 0)
			if !avro.Accepts(s, data, true) {
				continue // a number that is a byte too long
			}
			counted += want
			if got := avro.CountedText(s, data); got != want {
				t.Fatalf("seed %d/%d: %d, want %d\n%s\n%x", seed, k, got, want, text, data)
			}
		}
	}
	if counted == 0 {
		t.Error("no text had any")
	}
}

// TestASeriesJudgesEachPayloadOnItsOwn: whatever came before.
func TestASeriesJudgesEachPayloadOnItsOwn(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	v, err := avro.NewValidator(orderSchema, avro.ValidateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	series := v.Series()
	accepted, refused := 0, 0
	for range 3000 {
		m := &payloadMaker{r, []func(*payloadMaker) []byte{asciiText, asciiText, asciiText, anyText, brokenText}[r.IntN(5)]}
		data := m.value(nil, orderSchema.Root(), 0)
		for _, d := range [][]byte{data, m.mutate(data)} {
			want, err := avro.Accepts(orderSchema, d, true), series.ValidateFramed(d)
			if (err == nil) != want {
				t.Fatalf("the series says %v, the explaining walk %v\n%x", err, want, d)
			}
			if want {
				accepted++
			} else {
				refused++
			}
		}
	}
	if accepted < 500 || refused < 500 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// TestTheWalkEndsWhereThePayloadDoes: of a right payload every prefix is wrong in
// the same way for both walks.
func TestTheWalkEndsWhereThePayloadDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, text := range walkSchemas() {
		s := avro.MustParse(text)
		m := &payloadMaker{r, anyText}
		data := m.value(nil, s.Root(), 0)
		for n := range min(len(data), 600) {
			walkAlike(t, s, data[:n])
		}
	}
}

// TestRecursionEndsForBothWalks goes to the bound of a recursive type and past it.
func TestRecursionEndsForBothWalks(t *testing.T) {
	list := avro.MustParse(avrohostile.List)
	tree := avro.MustParse(`{"type":"record","name":"Tree","fields":[{"name":"name","type":"string"},{"name":"below","type":{"type":"array","items":"Tree"}}]}`)
	for _, depth := range []int{1, 2, 5, 998, 999, 1000, 1001, 2000} {
		chain := append(bytes.Repeat([]byte{4, 2}, depth-1), 4, 0)
		if got, want := walkAlike(t, list, chain), depth <= 1000; got != want {
			t.Errorf("%d list nodes: %v", depth, got)
		}
		nest := bytes.Repeat([]byte{2, 'n', 2}, depth-1)
		nest = append(append(nest, 2, 'n'), make([]byte, depth)...)
		if got, want := walkAlike(t, tree, nest), depth <= 1000; got != want {
			t.Errorf("%d tree nodes: %v", depth, got)
		}
	}
}

// TestTextIsUTF8 compares with the standard library: each character and each
// wrong sequence, behind and before text of each length up to two words.
func TestTextIsUTF8(t *testing.T) {
	check := func(text []byte) {
		buf := append(append([]byte("\xff\x80"), text...), 0xbf, 0xff)
		if got := avro.ValidText(buf, 2, len(text)); got != utf8.Valid(text) {
			t.Fatalf("%x: %v", text, got)
		}
		if tight := bytes.Clone(text); avro.ValidText(tight, 0, len(tight)) != utf8.Valid(text) {
			t.Fatalf("%x, with nothing around it", text)
		}
	}
	for head := range 256 {
		for second := range 256 {
			check([]byte{byte(head), byte(second)})
		}
	}
	edges := []byte{0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xff}
	for head := 0xe0; head < 0x100; head++ {
		for _, second := range edges {
			for _, third := range edges {
				check([]byte{byte(head), second, third})
				for _, fourth := range edges {
					check([]byte{byte(head), second, third, fourth})
				}
			}
		}
	}
	for _, middle := range []string{"", "é", "€", "😀", "éé", "é€😀", "\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xed\xa0\x80", "\xff"} {
		for before := range 17 {
			for behind := range 17 {
				check([]byte(strings.Repeat("a", before) + middle + strings.Repeat("b", behind)))
			}
		}
	}
}

func TestHighBytesAreCounted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 5000 {
		b := randomBytes(r, n)
		if n%2 == 0 {
			b = bytes.Repeat([]byte{0xff}, n) // each of the counters runs full
		}
		want := 0
		for _, c := range b {
			if c >= 0x80 {
				want++
			}
		}
		if got := avro.CountHigh(b); got != want {
			t.Fatalf("%d of %d bytes, want %d", got, n, want)
		}
	}
}

// FuzzWalk: the walk accepts exactly what the explaining walk does.
func FuzzWalk(f *testing.F) {
	texts := walkSchemas()
	schemas := slices.Clone(fuzzSchemas)
	for _, text := range texts {
		schemas = append(schemas, avro.MustParse(text))
	}
	seedPayloads(f)
	r := rand.New(rand.NewPCG(5, 6))
	for i, s := range schemas {
		for _, of := range []func(*payloadMaker) []byte{asciiText, anyText, brokenText} {
			f.Add(uint8(i), (&payloadMaker{r, of}).value(nil, s.Root(), 2))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		walkAlike(t, schemas[int(which)%len(schemas)], data)
	})
}
