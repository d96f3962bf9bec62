package protobuf

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
)

const orderSchema = `syntax = "proto3";
package shop;
message Order {
  string id = 1; int64 placed_at = 2; Customer customer = 3; repeated Line lines = 4; map<string, string> labels = 5; double total = 6; Status status = 7;
  message Customer { string id = 1; string name = 2; string email = 3; Address address = 4; }
  message Address { string street = 1; string city = 2; string country = 3; }
  message Line { string sku = 1; int32 quantity = 2; double price = 3; repeated string tags = 4; }
}
enum Status { NEW = 0; PAID = 1; SHIPPED = 2; }
`

const orderJSON = `{"id":"o-0000012345","placedAt":"1767225600000","customer":{"id":"c-77","name":"Ada Lovelace","email":"ada@example.org","address":{"street":"12 St James's Square","city":"London","country":"GB"}},
"lines":[{"sku":"SKU-1","quantity":2,"price":9.99,"tags":["new","sale"]},{"sku":"SKU-2","quantity":1,"price":120,"tags":["fragile"]},{"sku":"SKU-3","quantity":12,"price":0.5},{"sku":"SKU-4","quantity":3,"price":4.25,"tags":["a","b","c"]},{"sku":"SKU-5","quantity":7,"price":1.75}],
"labels":{"channel":"web","campaign":"spring","region":"emea"},"total":171.24,"status":"PAID"}`

func order(b *testing.B) (s *compatpb.Schema, m protoreflect.MessageDescriptor, payload []byte) {
	s = file(b, orderSchema)
	tr, err := NewTranscoder(s)
	if err != nil {
		b.Fatal(err)
	}
	if payload, err = tr.AppendPayload(nil, nil, []byte(orderJSON)); err != nil {
		b.Fatal(err)
	}
	return s, s.File().Messages().Get(0), payload
}

// BenchmarkOrder compares what can be done with one payload of some 350 bytes.
func BenchmarkOrder(b *testing.B) {
	s, m, payload := order(b)
	walker, dynamic := NewWalker(m), NewDynamic(m)
	tr, err := NewTranscoder(s)
	if err != nil {
		b.Fatal(err)
	}
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("walk", func() error { return walker.Walk(payload) })
	run("decode/walked-hyperpb", func() error { _, err := dynamic.Decode(payload); return err })
	run("decode/dynamicpb", func() error { _, err := dynamic.decodePortable(payload); return err })
	slow, err := dynamic.decodePortable(payload)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 1024)
	run("encode/dynamicpb", func() (err error) { buf, err = proto.MarshalOptions{}.MarshalAppend(buf[:0], slow); return err })
	run("json/from", func() (err error) { buf, err = tr.AppendJSON(buf[:0], nil, payload); return err })
	run("json/to", func() (err error) { buf, err = tr.AppendPayload(buf[:0], nil, []byte(orderJSON)); return err })
}
