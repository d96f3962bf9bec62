package avrotest

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// Branch is a value of a union.
type Branch struct {
	Index int
	Value any
}

// Value returns a random value of n: nil, bool, int32, int64, float32,
// float64, string (also for enums), []byte (bytes and fixed), map[string]any
// (records and maps), []any or Branch. Logical types make no difference.
func Value(r *rand.Rand, n *avro.Node) any { return value(r, n, 0) }

func value(r *rand.Rand, n *avro.Node, depth int) any {
	switch n.Kind {
	case avro.Boolean:
		return r.IntN(2) == 1
	case avro.Int:
		return edge(r, int32(r.Uint32()), 0, -1, math.MaxInt32, math.MinInt32)
	case avro.Long:
		return edge(r, int64(r.Uint64()), 0, -1, math.MaxInt64, math.MinInt64)
	case avro.Float:
		return edge(r, r.Float32(), 0, -1.5, math.MaxFloat32, float32(math.Inf(1)))
	case avro.Double:
		return edge(r, r.NormFloat64(), 0, -1.5, math.MaxFloat64, math.Inf(-1))
	case avro.Bytes:
		return randomBytes(r, r.IntN(20))
	case avro.String:
		return edge(r, text(r), "", "é", "\x00", "世界")
	case avro.Fixed:
		return randomBytes(r, n.Size)
	case avro.Enum:
		return n.Symbols[r.IntN(len(n.Symbols))]
	case avro.Array:
		list := make([]any, length(r, depth))
		for i := range list {
			list[i] = value(r, n.Items, depth+1)
		}
		return list
	case avro.Map:
		entries := make(map[string]any)
		for range length(r, depth) {
			entries[text(r)] = value(r, n.Items, depth+1)
		}
		return entries
	case avro.Record:
		fields := make(map[string]any, len(n.Fields))
		for _, f := range n.Fields {
			fields[f.Name] = value(r, f.Type, depth+1)
		}
		return fields
	case avro.Union:
		i := r.IntN(len(n.Branches))
		if depth > 8 { // the first branch ends a recursion
			i = 0
		}
		return Branch{i, value(r, n.Branches[i], depth+1)}
	}
	return nil
}

func edge[T any](r *rand.Rand, usual T, edges ...T) T {
	if r.IntN(4) == 0 {
		return edges[r.IntN(len(edges))]
	}
	return usual
}

func length(r *rand.Rand, depth int) int {
	if depth > 8 {
		return 0
	}
	return r.IntN(4)
}

func text(r *rand.Rand) string {
	b := make([]byte, r.IntN(12))
	for i := range b {
		b[i] = byte('a' + r.IntN(26))
	}
	return string(b)
}

func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Append appends the binary encoding of a value that Value made of n. It is
// written for plainness, as something to compare an encoder with.
func Append(dst []byte, n *avro.Node, v any) []byte {
	switch n.Kind {
	case avro.Boolean:
		if v.(bool) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case avro.Int:
		return binary.AppendVarint(dst, int64(v.(int32)))
	case avro.Long:
		return binary.AppendVarint(dst, v.(int64))
	case avro.Float:
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(v.(float32)))
	case avro.Double:
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.(float64)))
	case avro.Bytes:
		b := v.([]byte)
		return append(binary.AppendVarint(dst, int64(len(b))), b...)
	case avro.String:
		return appendText(dst, v.(string))
	case avro.Fixed:
		return append(dst, v.([]byte)...)
	case avro.Enum:
		for i, s := range n.Symbols {
			if s == v.(string) {
				return binary.AppendVarint(dst, int64(i))
			}
		}
	case avro.Array:
		list := v.([]any)
		dst = appendCount(dst, len(list))
		for _, e := range list {
			dst = Append(dst, n.Items, e)
		}
		return append(dst, 0)
	case avro.Map:
		entries := v.(map[string]any)
		dst = appendCount(dst, len(entries))
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			dst = Append(appendText(dst, k), n.Items, entries[k])
		}
		return append(dst, 0)
	case avro.Record:
		for _, f := range n.Fields {
			dst = Append(dst, f.Type, v.(map[string]any)[f.Name])
		}
	case avro.Union:
		b := v.(Branch)
		return Append(binary.AppendVarint(dst, int64(b.Index)), n.Branches[b.Index], b.Value)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendVarint(dst, int64(len(s))), s...)
}

// appendCount starts the one block of an array or map; none if it is empty.
func appendCount(dst []byte, n int) []byte {
	if n == 0 {
		return dst
	}
	return binary.AppendVarint(dst, int64(n))
}
