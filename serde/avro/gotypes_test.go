package avro_test

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/serde/avro"
)

// check encodes v with a schema, decodes it into the same type and compares.
func check[T any](t *testing.T, schema string, v T) []byte {
	t.Helper()
	s := avro.MustParse(schema)
	data, err := avro.Marshal(s, &v)
	if err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	byValue, err := avro.Marshal(s, v)
	if err != nil || string(byValue) != string(data) {
		t.Fatalf("%s: by value %x %v, by pointer %x", schema, byValue, err, data)
	}
	if err := avro.Validate(s, data, avro.ValidateOptions{}); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	var back T
	if err := avro.Unmarshal(s, data, &back); err != nil {
		t.Fatalf("%s: %v", schema, err)
	}
	if !reflect.DeepEqual(v, back) {
		t.Fatalf("%s: got %#v, want %#v", schema, back, v)
	}
	return data
}

type color string

type level int

func (l level) MarshalText() ([]byte, error) { return []byte([]string{"LOW", "HIGH"}[l]), nil }
func (l *level) UnmarshalText(b []byte) error {
	for i, s := range []string{"LOW", "HIGH"} {
		if s == string(b) {
			*l = level(i)
			return nil
		}
	}
	return fmt.Errorf("no level %q", b)
}

func TestGoTypes(t *testing.T) {
	check(t, `"boolean"`, true)
	check(t, `"int"`, int8(-5))
	check(t, `"int"`, uint16(65535))
	check(t, `"int"`, int(-1<<31))
	check(t, `"long"`, int64(-1<<63))
	check(t, `"long"`, uint32(1<<32-1))
	check(t, `"long"`, uint64(1<<63-1))
	check(t, `"float"`, float32(1.5))
	check(t, `"double"`, 1e300)
	check(t, `"string"`, color("red"))
	check(t, `"string"`, []byte("text"))
	check(t, `"bytes"`, "bytes")
	check(t, `{"type":"fixed","name":"F","size":3}`, [3]byte{1, 2, 3})
	check(t, `{"type":"fixed","name":"F","size":3}`, []byte{1, 2, 3})
	check(t, `{"type":"enum","name":"E","symbols":["red","blue"]}`, color("blue"))
	check(t, `{"type":"enum","name":"E","symbols":["LOW","HIGH"]}`, level(1))
	check(t, `{"type":"enum","name":"E","symbols":["a","b","c","d","e","f","g","h","i","j"]}`, "j")
	check(t, `"string"`, netip.MustParseAddr("10.1.2.3"))
	check(t, `{"type":"array","items":"int"}`, []int32{1, -2, 3})
	check(t, `{"type":"array","items":"int"}`, [3]int32{1, -2, 3})
	check(t, `{"type":"array","items":"string"}`, []string{})
	check(t, `{"type":"array","items":{"type":"array","items":"boolean"}}`, [][]bool{{true}, {}, {false, true}})
	check(t, `{"type":"map","values":"long"}`, map[string]int64{"a": 1})
	check(t, `{"type":"map","values":"string"}`, map[string]string{})
	check(t, `{"type":"map","values":{"type":"map","values":"int"}}`, map[color]map[string]int{"a": {"x": 1}})
	check(t, `["null","string"]`, ptr("x"))
	check[*string](t, `["null","string"]`, nil)
	check(t, `["long","null"]`, ptr(int64(7)))
	check(t, `["null",{"type":"array","items":"int"}]`, []int32{1})
	check[[]int32](t, `["null",{"type":"array","items":"int"}]`, nil)
	check[map[string]int32](t, `["null",{"type":"map","values":"int"}]`, nil)
	check(t, `["null","string"]`, "never null")
	check(t, `"string"`, ptr("behind a pointer"))
}

func TestLogicalTypes(t *testing.T) {
	decimal := `{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}`
	for _, text := range []string{"0", "1", "-1", "1.28", "-1.28", "127.5", "-128", "92233720368547758.07", "-92233720368547758.08", "123456789012345678901234567890.12", "-123456789012345678901234567890.12"} {
		r, _ := new(big.Rat).SetString(text)
		check(t, decimal, r)
		check(t, `{"type":"fixed","name":"D","size":17,"logicalType":"decimal","precision":40,"scale":2}`, r)
		check(t, `{"type":"bytes","logicalType":"big-decimal"}`, r)
		check(t, decimal, *r)
	}
	moment := time.Date(2026, 11, 22, 13, 14, 15, 123456789, time.UTC)
	check(t, `{"type":"int","logicalType":"date"}`, moment.Truncate(24*time.Hour))
	check(t, `{"type":"int","logicalType":"date"}`, time.Date(1901, 2, 3, 0, 0, 0, 0, time.UTC))
	check(t, `{"type":"long","logicalType":"timestamp-millis"}`, moment.Truncate(time.Millisecond))
	check(t, `{"type":"long","logicalType":"timestamp-micros"}`, moment.Truncate(time.Microsecond))
	check(t, `{"type":"long","logicalType":"timestamp-nanos"}`, moment)
	check(t, `{"type":"long","logicalType":"timestamp-millis"}`, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	check(t, `{"type":"long","logicalType":"local-timestamp-millis"}`, moment.Truncate(time.Millisecond))
	check(t, `{"type":"long","logicalType":"local-timestamp-nanos"}`, moment)
	check(t, `{"type":"long","logicalType":"timestamp-micros"}`, moment.UnixMicro())
	check(t, `{"type":"int","logicalType":"time-millis"}`, 13*time.Hour+5*time.Millisecond)
	check(t, `{"type":"long","logicalType":"time-micros"}`, 13*time.Hour+5*time.Microsecond)
	check(t, `{"type":"string","logicalType":"uuid"}`, "0189c2d4-7b7e-7d6a-8000-0123456789ab")
	check(t, `{"type":"string","logicalType":"uuid"}`, [16]byte{1, 2, 3, 0xff})
	check(t, `{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, "0189c2d4-7b7e-7d6a-8000-0123456789ab")
	check(t, `{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}`, [16]byte{1, 2, 3, 0xff})
	check(t, `{"type":"fixed","name":"Span","size":12,"logicalType":"duration"}`, avro.LogicalDuration{Months: 1, Days: 2, Milliseconds: 3})

	local := avro.MustParse(`{"type":"long","logicalType":"local-timestamp-millis"}`)
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.FixedZone("", 7200))
	var back time.Time
	if err := avro.Unmarshal(local, mustMarshal(local, &noon), &back); err != nil || back.Hour() != 12 {
		t.Fatalf("noon on the clock is read as %v, %v", back, err)
	}
}

type base struct {
	ID int64 `avro:"id"`
}

type Extra struct {
	Note string `avro:"note"`
}

type composed struct {
	base
	*Extra
	Hidden string `avro:"-"`
	Plain  string
}

func TestEmbeddedStructsAndNames(t *testing.T) {
	schema := `{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"note","type":"string"},{"name":"Plain","type":"string"},{"name":"absent","type":"int","default":42}]}`
	check(t, schema, composed{base: base{7}, Extra: &Extra{"n"}, Plain: "p"})
	s := avro.MustParse(schema)
	data := mustMarshal(s, &composed{base: base{7}}) // the nil pointer writes zero values
	var generic any
	if err := avro.Unmarshal(s, data, &generic); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"id": int64(7), "note": "", "Plain": "", "absent": 42}
	if !reflect.DeepEqual(generic, want) {
		t.Fatalf("%#v", generic)
	}
}

type card struct {
	Number string `avro:"number"`
}

type cash struct {
	Amount int64 `avro:"amount"`
}

const paymentText = `{"type":"record","name":"Payment","fields":[{"name":"by","type":["null","string","long",
	{"type":"record","name":"Card","namespace":"pay","fields":[{"name":"number","type":"string"}]},
	{"type":"record","name":"Cash","namespace":"pay","fields":[{"name":"amount","type":"long"}]},
	{"type":"array","items":"int"}]}]}`

func TestUnionsInInterfaces(t *testing.T) {
	type payment struct {
		By any `avro:"by"`
	}
	s := avro.MustParse(paymentText)
	types := new(avro.Types)
	types.Register("pay.Card", card{})
	types.Register("pay.Cash", &cash{})
	registered, err := avro.NewCodec[payment](s, avro.WithTypes(types))
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []any{nil, "wire", int64(5), card{"4711"}, &cash{12}, map[string]any{"array": []any{1, 2}}} {
		data, err := registered.Append(nil, &payment{by})
		if err != nil {
			t.Fatalf("%#v: %v", by, err)
		}
		var back payment
		if err := registered.Decode(data, &back); err != nil || !reflect.DeepEqual(back.By, by) {
			t.Fatalf("%#v comes back as %#v, %v", by, back.By, err)
		}
	}
	data := mustMarshal(s, &payment{map[string]any{"pay.Card": map[string]any{"number": "1"}}})
	var back payment
	if err := avro.Unmarshal(s, data, &back); err != nil || !reflect.DeepEqual(back.By, map[string]any{"pay.Card": map[string]any{"number": "1"}}) {
		t.Fatalf("%#v, %v", back.By, err)
	}
	bare, err := avro.NewCodec[any](s, avro.WithBareUnions())
	if err != nil {
		t.Fatal(err)
	}
	var generic any
	if err := bare.Decode(data, &generic); err != nil || !reflect.DeepEqual(generic, map[string]any{"by": map[string]any{"number": "1"}}) {
		t.Fatalf("%#v, %v", generic, err)
	}
	if again, err := bare.Append(nil, &generic); err != nil || string(again) != string(data) {
		t.Fatalf("%x, %v", again, err)
	}
	if _, err := avro.Marshal(s, &payment{3.5}); err == nil {
		t.Fatal("a double finds a branch")
	}
}

type cents int64

func TestConversions(t *testing.T) {
	money := avro.WithConversion("money", avro.Conversion{
		Type:   reflect.TypeFor[cents](),
		Encode: func(v any) (any, error) { return fmt.Sprintf("%d c", v.(cents)), nil },
		Decode: func(v any) (any, error) {
			n, unit, _ := strings.Cut(v.(string), " ")
			if unit != "c" {
				return nil, errors.New("no amount")
			}
			var c cents
			_, err := fmt.Sscan(n, &c)
			return c, err
		},
	})
	s := avro.MustParse(`{"type":"record","name":"R","fields":[{"name":"price","type":{"type":"string","logicalType":"money"}}]}`)
	type r struct {
		Price cents `avro:"price"`
	}
	c, err := avro.NewCodec[r](s, money)
	if err != nil {
		t.Fatal(err)
	}
	data, err := c.Append(nil, &r{250})
	if err != nil || string(data) != "\x0a250 c" {
		t.Fatalf("%q %v", data, err)
	}
	var back r
	if err := c.Decode(data, &back); err != nil || back.Price != 250 {
		t.Fatal(back, err)
	}
	generic, err := avro.NewCodec[any](s, money)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := generic.Decode(data, &v); err != nil || !reflect.DeepEqual(v, map[string]any{"price": cents(250)}) {
		t.Fatal(v, err)
	}
	if again, err := generic.Append(nil, &v); err != nil || string(again) != string(data) {
		t.Fatalf("%q %v", again, err)
	}
	if err := c.Decode([]byte("\x021"), &back); err == nil || !strings.Contains(err.Error(), "price: no amount") {
		t.Fatal(err)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	s := avro.MustParse(orderText)
	o := newOrder()
	o.Status = "LOST"
	_, err := avro.Marshal(s, &o)
	wantError(t, err, `avro: encode, status: expected enum bench.Status, found "LOST"`)

	list := avro.MustParse(`{"type":"record","name":"R","fields":[{"name":"items","type":{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"price","type":"double"}]}}}]}`)
	type i struct {
		Price float64 `avro:"price"`
	}
	type r struct {
		Items []i `avro:"items"`
	}
	data := mustMarshal(list, &r{[]i{{1}, {2}}})
	wantError(t, avro.Validate(list, data[:12], avro.ValidateOptions{}), "avro: byte 0, items: expected a block of 2 items, found 11 bytes")
	twoBlocks := append([]byte{2}, data[1:9]...)
	twoBlocks = append(append(twoBlocks, 1, 16), 1, 2, 3)
	var got r
	wantError(t, avro.Unmarshal(list, twoBlocks, &got), "avro: byte 10, items: expected a block size within the data, found 8 with 3 bytes")

	m := avro.MustParse(`{"type":"map","values":"boolean"}`)
	bad := []byte{2, 2, 'k', 7, 0}
	wantError(t, avro.Validate(m, bad, avro.ValidateOptions{}), `avro: byte 3, ["k"]: expected boolean, 0 or 1, found 7`)
	var flags map[string]bool
	wantError(t, avro.Unmarshal(m, bad, &flags), `avro: byte 3, ["k"]: expected boolean, 0 or 1, found 7`)
	text := avro.MustParse(`"string"`)
	wantError(t, avro.Validate(text, []byte{4, 'a', 0xff}, avro.ValidateOptions{}), "avro: byte 2: expected UTF-8, found byte 0xFF")
	if err := avro.Validate(text, []byte{4, 'a', 0xff}, avro.ValidateOptions{SkipUTF8: true}); err != nil {
		t.Error(err)
	}

	_, err = avro.FromJSON(nil, list, []byte(`{"items":[{"price":1.5},{"price":"x"}]}`))
	wantError(t, err, `avro: byte 33, items[1].price: expected double, found "x"`)
	_, err = avro.FromJSON(nil, list, []byte(`{"items":[],"more":1}`))
	wantError(t, err, `avro: byte 12, more: expected only fields of record R, found "more"`)
	_, err = avro.NewCodec[struct {
		Items []string `avro:"items"`
	}](list)
	wantError(t, err, "avro: schema, items[]: record I does not fit Go type string")
	small := avro.MustParse(`"long"`)
	var tiny int8
	wantError(t, avro.Unmarshal(small, mustMarshal(small, int64(300)), &tiny), "avro: byte 0: expected a number for Go type int8, found 300")
	wantError(t, avro.Unmarshal(small, []byte{2}, tiny), "avro: schema: long does not fit Go type int8: decoding needs a pointer to the value")
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDecodeIntoUsedValueReplacesIt(t *testing.T) {
	s := orderSchema
	full := newOrder()
	sparse := order{Status: "NEW", Total: big.NewRat(1, 1), Items: []item{{SKU: "only"}}, Attributes: map[string]string{}, Tags: []string{}, Signature: []byte{}}
	c, err := avro.NewCodec[order](s)
	if err != nil {
		t.Fatal(err)
	}
	var v order
	for _, want := range []order{full, sparse, full} {
		if err := c.Decode(mustMarshal(s, &want), &v); err != nil || !reflect.DeepEqual(v, want) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, v, want)
		}
	}
}

func TestSchemaOfGoType(t *testing.T) {
	type inner struct {
		Name string `avro:"name"`
	}
	type outer struct {
		ID     int64            `avro:"id"`
		Small  int32            `avro:"small"`
		Opt    *string          `avro:"opt"`
		At     time.Time        `avro:"at,timestamp-millis"`
		Day    time.Time        `avro:"day,date"`
		Total  *big.Rat         `avro:"total,decimal(12,2)"`
		Free   *big.Rat         `avro:"free"`
		Took   time.Duration    `avro:"took"`
		Key    [16]byte         `avro:"key,uuid"`
		Hash   [4]byte          `avro:"hash"`
		In     inner            `avro:"in"`
		Again  []inner          `avro:"again"`
		Counts map[string]int64 `avro:"counts"`
	}
	s, err := avro.SchemaOf[outer]("com.example")
	if err != nil {
		t.Fatal(err)
	}
	v := outer{ID: 1, Small: 2, Opt: ptr("x"), At: time.UnixMilli(5).UTC(), Day: time.Unix(86400, 0).UTC(), Total: big.NewRat(5, 2), Free: big.NewRat(1, 8),
		Took: time.Second, Key: [16]byte{9}, Hash: [4]byte{1}, In: inner{"a"}, Again: []inner{{"b"}}, Counts: map[string]int64{"c": 1}}
	roundTrip(t, s, v)
	want := `{"type":"record","name":"Node","namespace":"","fields":[{"name":"value","type":"long"},{"name":"next","type":["null","Node"],"default":null}]}`
	type Node struct {
		Value int64 `avro:"value"`
		Next  *Node `avro:"next"`
	}
	got, err := avro.SchemaOf[Node]("")
	if err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint64() != avro.MustParse(want).Fingerprint64() {
		t.Errorf("%s", got.Canonical())
	}
	if _, err := avro.SchemaOf[struct{ F any }](""); err == nil {
		t.Error("an interface has a schema")
	}
}
