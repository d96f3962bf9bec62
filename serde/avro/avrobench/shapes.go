// Package avrobench has the three records that Avro codecs are measured with,
// here and in the benchmark module: a small flat record, an order with a bit of
// everything, and a batch of readings. Each has a schema text, a Go type with
// avro tags that every codec of the comparison understands, and a value.
package avrobench

import (
	"fmt"
	"math/big"
)

// SmallText is the schema of Small.
const SmallText = `{"type":"record","name":"Small","namespace":"bench","fields":[
	{"name":"id","type":"long"},
	{"name":"name","type":"string"},
	{"name":"email","type":"string"},
	{"name":"score","type":"double"},
	{"name":"active","type":"boolean"}]}`

// Small is a flat record of five fields.
type Small struct {
	ID     int64   `avro:"id"`
	Name   string  `avro:"name"`
	Email  string  `avro:"email"`
	Score  float64 `avro:"score"`
	Active bool    `avro:"active"`
}

// NewSmall returns the value that is measured.
func NewSmall() Small {
	return Small{ID: 1234567, Name: "Ada Lovelace", Email: "ada.lovelace@example.com", Score: 98.25, Active: true}
}

// OrderText is the schema of Order.
const OrderText = `{"type":"record","name":"Order","namespace":"bench","fields":[
	{"name":"id","type":"string"},
	{"name":"number","type":"long"},
	{"name":"revision","type":"int"},
	{"name":"created","type":"long"},
	{"name":"status","type":{"type":"enum","name":"Status","symbols":["NEW","PAID","PACKED","SHIPPED","DONE"]}},
	{"name":"customer","type":"string"},
	{"name":"email","type":["null","string"],"default":null},
	{"name":"phone","type":["null","string"],"default":null},
	{"name":"billing","type":{"type":"record","name":"Address","fields":[
		{"name":"street","type":"string"},
		{"name":"city","type":"string"},
		{"name":"zip","type":"string"},
		{"name":"country","type":"string"}]}},
	{"name":"shipping","type":"Address"},
	{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
		{"name":"sku","type":"string"},
		{"name":"title","type":"string"},
		{"name":"quantity","type":"int"},
		{"name":"price","type":"double"},
		{"name":"weight","type":["null","double"],"default":null}]}}},
	{"name":"attributes","type":{"type":"map","values":"string"}},
	{"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
	{"name":"discount","type":"double"},
	{"name":"rate","type":"float"},
	{"name":"gift","type":"boolean"},
	{"name":"express","type":"boolean"},
	{"name":"coupon","type":["null","string"],"default":null},
	{"name":"reference","type":["null","string","long"],"default":null},
	{"name":"checksum","type":{"type":"fixed","name":"Checksum","size":16}},
	{"name":"channel","type":"string"},
	{"name":"currency","type":"string"},
	{"name":"notes","type":"string"},
	{"name":"tags","type":{"type":"array","items":"string"}},
	{"name":"signature","type":"bytes"}]}`

// Address is where an order goes.
type Address struct {
	Street  string `avro:"street"`
	City    string `avro:"city"`
	Zip     string `avro:"zip"`
	Country string `avro:"country"`
}

// Item is a line of an order.
type Item struct {
	SKU      string   `avro:"sku"`
	Title    string   `avro:"title"`
	Quantity int32    `avro:"quantity"`
	Price    float64  `avro:"price"`
	Weight   *float64 `avro:"weight"`
}

// Order has 25 fields, nested records, unions, a map, an enum, a fixed and a decimal.
type Order struct {
	ID         string            `avro:"id"`
	Number     int64             `avro:"number"`
	Revision   int32             `avro:"revision"`
	Created    int64             `avro:"created"`
	Status     string            `avro:"status"`
	Customer   string            `avro:"customer"`
	Email      *string           `avro:"email"`
	Phone      *string           `avro:"phone"`
	Billing    Address           `avro:"billing"`
	Shipping   Address           `avro:"shipping"`
	Items      []Item            `avro:"items"`
	Attributes map[string]string `avro:"attributes"`
	Total      *big.Rat          `avro:"total"`
	Discount   float64           `avro:"discount"`
	Rate       float32           `avro:"rate"`
	Gift       bool              `avro:"gift"`
	Express    bool              `avro:"express"`
	Coupon     *string           `avro:"coupon"`
	Reference  any               `avro:"reference"`
	Checksum   [16]byte          `avro:"checksum"`
	Channel    string            `avro:"channel"`
	Currency   string            `avro:"currency"`
	Notes      string            `avro:"notes"`
	Tags       []string          `avro:"tags"`
	Signature  []byte            `avro:"signature"`
}

func ptr[T any](v T) *T { return &v }

// NewOrder returns the value that is measured.
func NewOrder() Order {
	o := Order{
		ID: "ord-2026-000123", Number: 123456789, Revision: 3, Created: 1790000000000, Status: "SHIPPED",
		Customer: "Grace Hopper", Email: ptr("grace@example.com"),
		Billing:    Address{"12 Compiler Street", "Arlington", "22201", "US"},
		Shipping:   Address{"1 Navy Yard", "Washington", "20374", "US"},
		Attributes: map[string]string{"source": "web", "campaign": "autumn"},
		Total:      big.NewRat(1234599, 100), Discount: 0.125, Rate: 1.5, Gift: true, Coupon: ptr("WELCOME10"),
		Reference: "ref-77", Checksum: [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		Channel: "online", Currency: "USD", Notes: "Leave at the door", Tags: []string{"priority", "fragile"},
		Signature: []byte("0123456789abcdef"),
	}
	for i := range 4 {
		it := Item{SKU: fmt.Sprintf("SKU-%05d", i*37), Title: "Item number " + fmt.Sprint(i), Quantity: int32(i + 1), Price: 9.99 * float64(i+1)}
		if i%2 == 0 {
			it.Weight = ptr(0.5 * float64(i+1))
		}
		o.Items = append(o.Items, it)
	}
	return o
}

// BatchText is the schema of Batch.
const BatchText = `{"type":"record","name":"Batch","namespace":"bench","fields":[
	{"name":"device","type":"string"},
	{"name":"readings","type":{"type":"array","items":{"type":"record","name":"Reading","fields":[
		{"name":"at","type":"long"},
		{"name":"value","type":"double"},
		{"name":"quality","type":"int"}]}}},
	{"name":"samples","type":{"type":"array","items":"double"}},
	{"name":"counters","type":{"type":"array","items":"long"}},
	{"name":"labels","type":{"type":"array","items":"string"}}]}`

// Reading is one measurement.
type Reading struct {
	At      int64   `avro:"at"`
	Value   float64 `avro:"value"`
	Quality int32   `avro:"quality"`
}

// Batch has long arrays.
type Batch struct {
	Device   string    `avro:"device"`
	Readings []Reading `avro:"readings"`
	Samples  []float64 `avro:"samples"`
	Counters []int64   `avro:"counters"`
	Labels   []string  `avro:"labels"`
}

// NewBatch returns the value that is measured.
func NewBatch() Batch {
	b := Batch{Device: "sensor-17"}
	for i := range 260 {
		b.Readings = append(b.Readings, Reading{int64(1790000000 + i), float64(i) * 0.37, int32(i % 5)})
	}
	for i := range 400 {
		b.Samples = append(b.Samples, float64(i)*1.25+0.1)
	}
	for i := range 800 {
		b.Counters = append(b.Counters, int64(i*i))
	}
	for i := range 130 {
		b.Labels = append(b.Labels, fmt.Sprintf("label-%03d", i))
	}
	return b
}
