package interop

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// shapes makes random Avro types with values that fit them.
type shapes struct {
	r       *rand.Rand
	names   int
	logical bool // logical types too
	spaces  bool // namespaces too
}

// shape is a type: its schema, its name as a branch of a union, and how to make a
// value.
type shape struct {
	schema, branch string
	value          func() any
}

// named returns a name for a type, and the members of a schema that give it.
func (s *shapes) named(kind string) (name, members string) {
	s.names++
	name = fmt.Sprintf("%s%d", kind, s.names)
	if !s.spaces {
		return name, fmt.Sprintf(`"name":%q`, name)
	}
	space := []string{"", "a", "a.b"}[s.r.IntN(3)]
	members = fmt.Sprintf(`"name":%q,"namespace":%q`, name, space)
	if space != "" {
		name = space + "." + name
	}
	return name, members
}

func (s *shapes) text() string {
	letters := []rune("abc xyz\"\\\n\x00äß漢😀")
	out := make([]rune, s.r.IntN(12))
	for i := range out {
		out[i] = letters[s.r.IntN(len(letters))]
	}
	return string(out)
}

func (s *shapes) bytes(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(s.r.Uint32())
	}
	return out
}

func (s *shapes) primitive() shape {
	if s.logical && s.r.IntN(3) > 0 {
		all := s.logicals()
		return all[s.r.IntN(len(all))]
	}
	name := []string{"boolean", "int", "long", "float", "double", "string", "bytes"}[s.r.IntN(7)]
	return shape{fmt.Sprintf("%q", name), name, map[string]func() any{
		"boolean": func() any { return s.r.IntN(2) == 0 },
		"int":     func() any { return int(int32(s.r.Uint32()) >> s.r.IntN(32)) },
		"long":    func() any { return int64(s.r.Uint64()) >> s.r.IntN(64) },
		"float":   func() any { return float32(s.r.NormFloat64()) },
		"double":  func() any { return s.r.NormFloat64() * 1e9 },
		"string":  func() any { return s.text() },
		"bytes":   func() any { return s.bytes(s.r.IntN(12)) },
	}[name]}
}

// logicals are all logical types, with values that every language has types for:
// years of four digits.
func (s *shapes) logicals() []shape {
	simple := func(base, logical string, value func() any) shape {
		return shape{fmt.Sprintf(`{"type":%q,"logicalType":%q}`, base, logical), base + "." + logical, value}
	}
	fixed := func(size int, logical, more string, value func() any) shape {
		name, members := s.named("L")
		return shape{fmt.Sprintf(`{"type":"fixed",%s,"size":%d,"logicalType":%q%s}`, members, size, logical, more), name, value}
	}
	around1970 := func(most int64) int64 { return s.r.Int64N(most) - most/2 }
	stamps := []shape{
		simple("int", "date", func() any { return time.Unix(86_400*around1970(60_000), 0).UTC() }),
		simple("int", "time-millis", func() any { return time.Duration(s.r.IntN(86_400_000)) * time.Millisecond }),
		simple("long", "time-micros", func() any { return time.Duration(s.r.Int64N(86_400_000_000)) * time.Microsecond }),
	}
	for _, local := range []string{"", "local-"} {
		stamps = append(stamps,
			simple("long", local+"timestamp-millis", func() any { return time.UnixMilli(around1970(4e12)).UTC() }),
			simple("long", local+"timestamp-micros", func() any { return time.UnixMicro(around1970(4e15)).UTC() }),
			simple("long", local+"timestamp-nanos", func() any { return time.Unix(0, around1970(4e18)).UTC() }),
		)
	}
	decimal := `{"type":"bytes","logicalType":"decimal","precision":12,"scale":3}`
	return append(stamps,
		shape{decimal, "bytes.decimal", func() any { return big.NewRat(around1970(1e12), 1000) }},
		fixed(8, "decimal", `,"precision":18,"scale":4`, func() any { return big.NewRat(around1970(1e17), 10_000) }),
		simple("bytes", "big-decimal", func() any { return big.NewRat(around1970(1e15), []int64{1, 100, 1e6}[s.r.IntN(3)]) }),
		simple("string", "uuid", func() any {
			b := s.bytes(16)
			return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
		}),
		fixed(16, "uuid", "", func() any { return [16]byte(s.bytes(16)) }),
		fixed(12, "duration", "", func() any {
			return avro.LogicalDuration{Months: uint32(s.r.IntN(1e6)), Days: s.r.Uint32(), Milliseconds: s.r.Uint32()}
		}),
	)
}

func (s *shapes) any(depth int) shape {
	if depth == 0 {
		return s.primitive()
	}
	switch s.r.IntN(7) {
	case 0, 1:
		return s.record(depth)
	case 2:
		items := s.any(depth - 1)
		return shape{`{"type":"array","items":` + items.schema + `}`, "array", func() any {
			out := []any{}
			for range s.r.IntN(4) {
				out = append(out, items.value())
			}
			return out
		}}
	case 3:
		values := s.any(depth - 1)
		return shape{`{"type":"map","values":` + values.schema + `}`, "map", func() any {
			out := map[string]any{}
			for range s.r.IntN(4) {
				out[s.text()] = values.value()
			}
			return out
		}}
	case 4:
		symbols := []string{"A", "B", "C"}[:1+s.r.IntN(3)]
		name, members := s.named("E")
		return shape{fmt.Sprintf(`{"type":"enum",%s,"symbols":["%s"]}`, members, strings.Join(symbols, `","`)), name, func() any {
			return symbols[s.r.IntN(len(symbols))]
		}}
	case 5:
		size := 1 + s.r.IntN(9)
		name, members := s.named("F")
		return shape{fmt.Sprintf(`{"type":"fixed",%s,"size":%d}`, members, size), name, func() any { return s.bytes(size) }}
	}
	some := s.primitive()
	return shape{`["null",` + some.schema + `]`, "", func() any {
		if s.r.IntN(3) == 0 {
			return nil
		}
		return map[string]any{some.branch: some.value()}
	}}
}

func (s *shapes) record(depth int) shape {
	fields := make([]shape, 1+s.r.IntN(5))
	texts := make([]string, len(fields))
	name, members := s.named("R")
	for i := range fields {
		fields[i] = s.any(depth - 1)
		texts[i] = fmt.Sprintf(`{"name":"f%d","type":%s}`, i, fields[i].schema)
	}
	return shape{fmt.Sprintf(`{"type":"record",%s,"fields":[%s]}`, members, strings.Join(texts, ",")), name, func() any {
		out := map[string]any{}
		for i, f := range fields {
			out[fmt.Sprintf("f%d", i)] = f.value()
		}
		return out
	}}
}
