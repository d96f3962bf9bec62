package avro_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	compat "github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/serde/avro"
)

// schemaMaker writes random schemas.
type schemaMaker struct {
	r       *rand.Rand
	names   int
	logical bool
	open    []string // records that may be referred to where a union or container ends the recursion
}

func (m *schemaMaker) name(kind string) string {
	m.names++
	return fmt.Sprintf("%s%d", kind, m.names)
}

var plainTypes = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

var logicalTypes = []string{
	`{"type":"bytes","logicalType":"decimal","precision":20,"scale":4}`,
	`{"type":"int","logicalType":"date"}`,
	`{"type":"int","logicalType":"time-millis"}`,
	`{"type":"long","logicalType":"time-micros"}`,
	`{"type":"long","logicalType":"timestamp-millis"}`,
	`{"type":"long","logicalType":"timestamp-micros"}`,
	`{"type":"long","logicalType":"timestamp-nanos"}`,
	`{"type":"long","logicalType":"local-timestamp-millis"}`,
	`{"type":"long","logicalType":"local-timestamp-micros"}`,
	`{"type":"string","logicalType":"uuid"}`,
}

func (m *schemaMaker) schema(depth int) string {
	if depth > 0 {
		switch m.r.IntN(9) {
		case 0, 1:
			return m.record(depth)
		case 2:
			return `{"type":"array","items":` + m.nested(depth-1) + `}`
		case 3:
			return `{"type":"map","values":` + m.nested(depth-1) + `}`
		case 4:
			return m.union(depth - 1)
		case 5:
			return m.enum()
		case 6:
			if m.logical && m.r.IntN(2) == 0 {
				return fmt.Sprintf(`{"type":"fixed","name":%q,"size":8,"logicalType":"decimal","precision":15,"scale":2}`, m.name("Dec"))
			}
			return fmt.Sprintf(`{"type":"fixed","name":%q,"size":%d}`, m.name("Fix"), m.r.IntN(9)+1)
		}
	}
	if m.logical && m.r.IntN(4) == 0 {
		return logicalTypes[m.r.IntN(len(logicalTypes))]
	}
	return `"` + plainTypes[1+m.r.IntN(7)] + `"`
}

// nested is schema, or now and then a record that is being defined.
func (m *schemaMaker) nested(depth int) string {
	if len(m.open) > 0 && m.r.IntN(4) == 0 {
		return `"` + m.open[m.r.IntN(len(m.open))] + `"`
	}
	return m.schema(depth)
}

func (m *schemaMaker) record(depth int) string {
	name := m.name("Rec")
	m.open = append(m.open, name)
	defer func() { m.open = m.open[:len(m.open)-1] }()
	var fields []string
	for i := range m.r.IntN(5) + 1 {
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":%s}`, i, m.schema(depth-1)))
	}
	return fmt.Sprintf(`{"type":"record","name":%q,"fields":[%s]}`, name, strings.Join(fields, ","))
}

func (m *schemaMaker) enum() string {
	var symbols []string
	for i := range m.r.IntN(5) + 1 {
		symbols = append(symbols, fmt.Sprintf(`"S%d"`, i))
	}
	return fmt.Sprintf(`{"type":"enum","name":%q,"symbols":[%s]}`, m.name("Enum"), strings.Join(symbols, ","))
}

func (m *schemaMaker) union(depth int) string {
	branches := []string{`"null"`}
	for _, k := range m.r.Perm(7)[:m.r.IntN(3)+1] {
		branches = append(branches, `"`+plainTypes[1+k]+`"`)
	}
	switch m.r.IntN(4) {
	case 0:
		branches = append(branches, m.record(depth))
	case 1:
		branches = append(branches, `{"type":"array","items":`+m.nested(depth-1)+`}`)
	case 2:
		branches = append(branches, m.enum())
	case 3:
		if len(m.open) > 0 {
			branches = append(branches, `"`+m.open[m.r.IntN(len(m.open))]+`"`)
		}
	}
	m.r.Shuffle(len(branches), func(i, j int) { branches[i], branches[j] = branches[j], branches[i] })
	return "[" + strings.Join(branches, ",") + "]"
}

// randomValue returns a generic value of n. Maps have at most one entry, so
// that a payload has one form.
func randomValue(r *rand.Rand, n *compat.Node, depth int) any {
	switch n.Logical {
	case compat.Decimal:
		digits := int64(1_000_000_000_000_000)
		scale := int64(math.Pow10(n.Scale))
		return big.NewRat(r.Int64N(digits)-digits/2, scale)
	case compat.Date:
		return time.Unix(int64(r.IntN(40000)-10000)*86400, 0).UTC()
	case compat.TimeMillis:
		return time.Duration(r.IntN(86400000)) * time.Millisecond
	case compat.TimeMicros:
		return time.Duration(r.Int64N(86400000000)) * time.Microsecond
	case compat.TimestampMillis, compat.LocalTimestampMillis:
		return time.UnixMilli(r.Int64N(4e12) - 2e12).UTC()
	case compat.TimestampMicros, compat.LocalTimestampMicros:
		return time.UnixMicro(r.Int64N(4e15) - 2e15).UTC()
	case compat.TimestampNanos, compat.LocalTimestampNanos:
		return time.Unix(0, r.Int64N(4e18)-2e18).UTC()
	case compat.UUID:
		if n.Kind == compat.String {
			return "0189c2d4-7b7e-7d6a-8000-0123456789ab"
		}
	}
	switch n.Kind {
	case compat.Boolean:
		return r.IntN(2) == 1
	case compat.Int:
		return int(int32(r.Uint32()) >> r.IntN(32))
	case compat.Long:
		return int64(r.Uint64()) >> r.IntN(64)
	case compat.Float:
		return float32(r.NormFloat64() * 1000)
	case compat.Double:
		return r.NormFloat64() * 1e6
	case compat.Bytes:
		return randomBytes(r, r.IntN(20))
	case compat.Fixed:
		return randomBytes(r, n.Size)
	case compat.String:
		return randomText(r)
	case compat.Enum:
		return n.Symbols[r.IntN(len(n.Symbols))]
	case compat.Array:
		out := []any{}
		for range r.IntN(max(4-depth, 1)) {
			out = append(out, randomValue(r, n.Items, depth+1))
		}
		return out
	case compat.Map:
		out := map[string]any{}
		if depth < 5 && r.IntN(2) == 0 {
			out[randomText(r)] = randomValue(r, n.Items, depth+1)
		}
		return out
	case compat.Record:
		out := map[string]any{}
		for _, f := range n.Fields {
			out[f.Name] = randomValue(r, f.Type, depth+1)
		}
		return out
	case compat.Union:
		b := n.Branches[r.IntN(len(n.Branches))]
		if depth > 6 {
			for _, x := range n.Branches {
				if x.Kind == compat.Null {
					b = x
				}
			}
		}
		if b.Kind == compat.Null {
			return nil
		}
		return map[string]any{unionKey(b): randomValue(r, b, depth+1)}
	}
	return nil
}

func unionKey(b *compat.Node) string {
	if b.Logical != "" && b.Kind != compat.Fixed {
		return b.Kind.String() + "." + string(b.Logical)
	}
	return b.FullName()
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func randomText(r *rand.Rand) string {
	alphabet := []rune("abcdefghijklmnopqrstuvwxyz \"\\/\n\t\x01äßé€漢字😀")
	out := make([]rune, r.IntN(24))
	for i := range out {
		out[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(out)
}

// evolve changes a schema text the way people do: fields come, go, move and
// widen, symbols come and go, branches come and go.
func evolve(r *rand.Rand, text string) string {
	var doc any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		panic(err)
	}
	out, err := json.Marshal(evolveNode(r, doc))
	if err != nil {
		panic(err)
	}
	return string(out)
}

var wider = map[string][]string{
	"int": {"long", "float", "double"}, "long": {"float", "double"}, "float": {"double"},
	"string": {"bytes"}, "bytes": {"string"},
}

func evolveNode(r *rand.Rand, doc any) any {
	switch x := doc.(type) {
	case string:
		if to := wider[x]; len(to) > 0 && r.IntN(4) == 0 {
			return to[r.IntN(len(to))]
		}
	case []any:
		for i := range x {
			if _, primitive := x[i].(string); !primitive {
				x[i] = evolveNode(r, x[i])
			}
		}
		if len(x) > 1 && r.IntN(8) == 0 {
			x = x[1:]
		}
		if r.IntN(6) == 0 {
			r.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		}
		return x
	case map[string]any:
		switch x["type"] {
		case "record":
			fields := x["fields"].([]any)
			var kept []any
			for _, f := range fields {
				field := f.(map[string]any)
				field["type"] = evolveNode(r, field["type"])
				switch {
				case r.IntN(8) == 0 && len(fields) > 1 && !definesType(field["type"]):
				case r.IntN(8) == 0:
					field["aliases"] = []any{field["name"]}
					field["name"] = field["name"].(string) + "x"
					kept = append(kept, field)
				default:
					kept = append(kept, field)
				}
			}
			if r.IntN(3) == 0 {
				kept = append(kept, map[string]any{"name": "added", "type": "string", "default": "new"})
			}
			if r.IntN(5) == 0 {
				kept = append(kept, map[string]any{"name": "addedList", "type": map[string]any{"type": "array", "items": "long"}, "default": []any{1, 2}})
			}
			if r.IntN(40) == 0 {
				kept = append(kept, map[string]any{"name": "demanded", "type": "string"})
			}
			x["fields"] = kept
		case "array":
			x["items"] = evolveNode(r, x["items"])
		case "map":
			x["values"] = evolveNode(r, x["values"])
		case "enum":
			symbols := x["symbols"].([]any)
			if len(symbols) > 1 && r.IntN(3) == 0 {
				x["symbols"] = symbols[1:]
				if r.IntN(2) == 0 {
					x["default"] = symbols[1]
				}
			}
		}
		if _, logical := x["logicalType"]; !logical {
			if t, ok := x["type"].(map[string]any); ok {
				x["type"] = evolveNode(r, t)
			}
		}
		return x
	}
	return doc
}

func definesType(doc any) bool {
	text, _ := json.Marshal(doc)
	return strings.Contains(string(text), `"name"`)
}

func mustMarshal(s *avro.Schema, v any) []byte {
	data, err := avro.Marshal(s, v)
	if err != nil {
		panic(err)
	}
	return data
}
