package interop

import (
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// formatSchemas are the schemas of one format in the registry scenarios.
type formatSchemas struct {
	format string
	older  string // an order
	newer  string // with a priority, which is "normal" by default; each reads the other
	broken string // what neither reads
	// sorted and shuffled differ in nothing but order, so that only their normal
	// form is the same.
	sorted, shuffled string
	// customer is a schema of its own, which placed refers to by name.
	customer, placed, name string
}

const (
	olderValue  = `{"id":7,"customer":"ann","total":10.5,"note":"ring twice"}`
	newerValue  = `{"id":7,"customer":"ann","total":10.5,"note":"ring twice","priority":"high"}`
	placedValue = `{"id":7,"customer":{"name":"ann"}}`
	messageName = "shop.Order"
	orderFile   = "order.proto"
)

var registrySchemas = []formatSchemas{
	{
		format: "AVRO",
		older:  avroOrder(`{"name":"id","type":"long"}`),
		newer:  avroOrder(`{"name":"id","type":"long"}`, `{"name":"priority","type":"string","default":"normal"}`),
		broken: avroOrder(`{"name":"id","type":"boolean"}`),
		sorted: `{"type":"record","name":"shop.Item","aliases":["a","b"],"fields":[{"name":"sku","type":"string"}]}`,
		shuffled: `{"type":"record","name":"Item","namespace":"shop","aliases":["b","a"],
			"fields":[{"name":"sku","type":{"type":"string"}}]}`,
		customer: `{"type":"record","name":"Customer","namespace":"shop","fields":[{"name":"name","type":"string"}]}`,
		placed: `{"type":"record","name":"Order","namespace":"shop","fields":[
			{"name":"id","type":"long"},{"name":"customer","type":"shop.Customer"}]}`,
		name: "shop.Customer",
	},
	{
		format:   "JSON",
		older:    jsonOrder(`"id":{"type":"integer"}`),
		newer:    jsonOrder(`"id":{"type":"integer"}`, `"priority":{"type":"string","default":"normal"}`),
		broken:   jsonOrder(`"id":{"type":"boolean"}`),
		sorted:   `{"properties":{"a":{"type":"string"},"sku":{"minLength":1,"type":"string"}},"type":"object"}`,
		shuffled: `{"type":"object","properties":{"sku":{"type":"string","minLength":1},"a":{"type":"string"}}}`,
		customer: `{"$id":"customer.json","type":"object","properties":{"name":{"type":"string"}},"required":["name"]}`,
		placed: `{"$id":"placed.json","type":"object","properties":{"id":{"type":"integer"},"customer":{"$ref":"customer.json"}},
			"required":["id","customer"]}`,
		name: "customer.json",
	},
	{
		format: "PROTOBUF",
		older:  protoFile("", "int64 id = 1; string customer = 2; double total = 3; string note = 4;"),
		newer: protoFile("", "int64 id = 1; string customer = 2; double total = 3; string note = 4;",
			"optional string priority = 5;"),
		broken:   protoFile("", "string id = 1; string customer = 2; double total = 3; string note = 4;"),
		sorted:   protoFile("", "int64 id = 1; string customer = 2;"),
		shuffled: protoFile("", "string customer = 2; int64 id = 1;"),
		customer: `syntax = "proto3"; package shop; message Customer { string name = 1; }`,
		placed:   protoFile(`import "customer.proto";`, "int64 id = 1; shop.Customer customer = 2;"),
		name:     "customer.proto",
	},
}

func avroOrder(id string, more ...string) string {
	fields := append([]string{id, `{"name":"customer","type":"string"}`, `{"name":"total","type":"double"}`, `{"name":"note","type":"string"}`}, more...)
	return `{"type":"record","name":"Order","namespace":"shop","fields":[` + strings.Join(fields, ",") + `]}`
}

// jsonOrder says of unknown properties that they are strings, so that one more
// string is no surprise for either side.
func jsonOrder(id string, more ...string) string {
	properties := append([]string{id, `"customer":{"type":"string"}`, `"total":{"type":"number"}`, `"note":{"type":"string"}`}, more...)
	return `{"type":"object","properties":{` + strings.Join(properties, ",") + `},"required":["id","customer","total"],"additionalProperties":{"type":"string"}}`
}

func protoFile(imports string, fields ...string) string {
	return `syntax = "proto3"; package shop; ` + imports + ` message Order { ` + strings.Join(fields, " ") + ` }`
}

// descriptors compiles a text of order.proto, and customer.proto beside it, as
// a program that was built with them has them.
func (f *formatSchemas) descriptors(t *testing.T, text string) []byte {
	t.Helper()
	if f.format != "PROTOBUF" || text == "" {
		return nil
	}
	compiler := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{orderFile: text, f.name: f.customer}),
	}}
	files, err := compiler.Compile(t.Context(), orderFile)
	if err != nil {
		t.Fatal(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	var add func(file protoreflect.FileDescriptor)
	add = func(file protoreflect.FileDescriptor) {
		for i := range file.Imports().Len() {
			add(file.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	add(files[0])
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
