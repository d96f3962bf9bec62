// Package avrohostile has payloads that were made to kill, hang or fool whoever
// decodes Avro: counts that memory is made for before the data is seen, counts
// whose sum wraps, indexes that lose their upper bits, recursion without end. No
// decoder may accept one of them, or take much memory or time to refuse it. It is
// for tests.
package avrohostile

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Payload is no payload of its schema.
type Payload struct {
	Name, Schema string
	Data         []byte
	// Skippable payloads are refused by readers of the value alone: a block says
	// its size in bytes, by which one may pass it over unseen.
	Skippable bool
}

// List is the schema of a linked list.
const List = `{"type":"record","name":"Node","fields":[{"name":"value","type":"long"},{"name":"next","type":["null","Node"],"default":null}]}`

func zigzag(v int64) []byte { return binary.AppendVarint(nil, v) }

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func arrayOf(items string) string { return `{"type":"array","items":` + items + `}` }

func inField(of string) string {
	return `{"type":"record","name":"R","fields":[{"name":"gone","type":` + of + `},{"name":"kept","type":"int"}]}`
}

// Payloads returns all of them.
func Payloads() []Payload {
	chain := bytes.Repeat([]byte{0, 2}, 8<<20) // 8 Mi nodes with a next each
	return []Payload{
		{Name: "array count 2^40", Schema: arrayOf(`"long"`), Data: zigzag(1 << 40)},
		{Name: "array of doubles count 2^40", Schema: arrayOf(`"double"`), Data: zigzag(1 << 40)},
		{Name: "array of strings count 2^40", Schema: arrayOf(`"string"`), Data: zigzag(1 << 40)},
		{Name: "array of records count 2^33", Schema: arrayOf(List), Data: zigzag(1 << 33)},
		{Name: "array of null count 2^40", Schema: arrayOf(`"null"`), Data: zigzag(1 << 40)},
		{Name: "array of empty records count 2^40", Schema: arrayOf(`{"type":"record","name":"E","fields":[]}`), Data: join(zigzag(1<<40), []byte{0})},
		{Name: "array of empty fixed count 2^40", Schema: arrayOf(`{"type":"fixed","name":"F","size":0}`), Data: join(zigzag(1<<40), []byte{0})},
		{Name: "many blocks of nulls", Schema: arrayOf(`"null"`), Data: join(bytes.Repeat(zigzag(60000), 1000), []byte{0})},
		{Name: "array count 2^62 in a dropped field", Schema: inField(arrayOf(`"long"`)), Data: zigzag(1 << 62)},
		{Name: "map count 2^62 in a dropped field", Schema: inField(`{"type":"map","values":"int"}`), Data: zigzag(1 << 62)},
		{Name: "negative block size in a dropped field", Schema: inField(arrayOf(`"int"`)), Data: join(zigzag(-3), zigzag(-5), []byte{0, 0, 0, 0, 0})},
		{Name: "block size beyond the data", Schema: arrayOf(`"int"`), Data: join(zigzag(-1), zigzag(1<<40), []byte{2, 0})},
		{Name: "block size that is not the items'", Schema: arrayOf(`"int"`), Data: join(zigzag(-1), zigzag(2), []byte{2, 0, 0}), Skippable: true},
		{Name: "map count 2^62, then nothing", Schema: `{"type":"map","values":"string"}`, Data: zigzag(1 << 62)},
		{Name: "block counts whose sum wraps", Schema: arrayOf(`"null"`), Data: join(zigzag(math.MaxInt64), zigzag(math.MaxInt64), zigzag(2), []byte{0})},
		{Name: "block count -2^63", Schema: arrayOf(`"int"`), Data: join(zigzag(math.MinInt64), zigzag(0), []byte{0})},
		{Name: "union index 2^32", Schema: `["null","int"]`, Data: zigzag(1 << 32)},
		{Name: "union index -1", Schema: `["null","int"]`, Data: zigzag(-1)},
		{Name: "enum index past the symbols", Schema: `{"type":"enum","name":"E","symbols":["A"]}`, Data: zigzag(1)},
		{Name: "enum index 2^32", Schema: `{"type":"enum","name":"E","symbols":["A"]}`, Data: zigzag(1 << 32)},
		{Name: "recursion, 16 MiB", Schema: List, Data: chain},
		{Name: "recursion, 1 MiB", Schema: List, Data: chain[:1<<20]},
		{Name: "string length 2^30", Schema: `"string"`, Data: zigzag(1 << 30)},
		{Name: "string length 2^62", Schema: `"string"`, Data: zigzag(1 << 62)},
		{Name: "string length 2^63-1", Schema: `"string"`, Data: zigzag(math.MaxInt64)},
		{Name: "string length -2^63", Schema: `"string"`, Data: zigzag(math.MinInt64)},
		{Name: "string length -1", Schema: `"string"`, Data: zigzag(-1)},
		{Name: "bytes length 2^40", Schema: `"bytes"`, Data: zigzag(1 << 40)},
		{Name: "int of 33 bits", Schema: `"int"`, Data: zigzag(1 << 31)},
		{Name: "int in six bytes", Schema: `"int"`, Data: []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0}},
		{Name: "long of 65 bits", Schema: `"long"`, Data: []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}},
		{Name: "long without an end", Schema: `"long"`, Data: bytes.Repeat([]byte{0x80}, 11)},
		{Name: "boolean 2", Schema: `"boolean"`, Data: []byte{2}},
		{Name: "big-decimal of scale 2^30", Schema: `{"type":"bytes","logicalType":"big-decimal"}`, Data: join(zigzag(7), zigzag(1), []byte{1}, zigzag(1<<30)), Skippable: true},
		{Name: "time-micros past any duration", Schema: `{"type":"long","logicalType":"time-micros"}`, Data: zigzag(math.MaxInt64), Skippable: true},
	}
}
