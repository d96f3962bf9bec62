package hamba_test

import (
	"context"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	hambalib "github.com/hamba/avro/v2"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/hamba"
)

const orderText = `{"type":"record","name":"Order","namespace":"shop","fields":[
  {"name":"id","type":"long"},
  {"name":"note","type":["null","string"],"default":null},
  {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
    {"name":"sku","type":"string"},{"name":"count","type":"int"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}}},
  {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
  {"name":"tags","type":{"type":"map","values":"string"}},
  {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"wait","type":{"type":"int","logicalType":"time-millis"}},
  {"name":"sum","type":{"type":"fixed","name":"Sum","size":4}},
  {"name":"parent","type":["null","Order"],"default":null}]}`

type line struct {
	SKU   string   `avro:"sku"`
	Count int      `avro:"count"`
	Price *big.Rat `avro:"price"`
}

type order struct {
	ID     int64             `avro:"id"`
	Note   *string           `avro:"note"`
	Lines  []line            `avro:"lines"`
	State  string            `avro:"state"`
	Tags   map[string]string `avro:"tags"`
	At     time.Time         `avro:"at"`
	Wait   time.Duration     `avro:"wait"`
	Sum    [4]byte           `avro:"sum"`
	Parent *order            `avro:"parent"`
}

func someOrder() order {
	note := "größer"
	o := order{ID: -7, Note: &note, State: "PAID", Tags: map[string]string{"a": "b"}, At: time.UnixMicro(1_700_000_000_000_001).UTC(),
		Wait: 90 * time.Second, Sum: [4]byte{1, 2, 3, 4}}
	for i := range 250 { // more than one block of the library's arrays
		o.Lines = append(o.Lines, line{SKU: strings.Repeat("s", i%9), Count: i - 5, Price: big.NewRat(int64(i*101), 100)})
	}
	o.Parent = &order{ID: 1, State: "NEW", At: time.UnixMicro(0).UTC(), Lines: []line{}, Tags: map[string]string{}}
	return o
}

type bothSerdes struct {
	name string
	ser  func(serde.Registry, string, ...serde.Option) (*serde.Serializer[order], error)
	de   func(serde.Registry, string, ...serde.Option) (*serde.Deserializer[order], error)
}

var serdes = []bothSerdes{
	{"hamba", hamba.NewSerializer[order], hamba.NewDeserializer[order]},
	{"dovetail", avro.NewSerializer[order], avro.NewDeserializer[order]},
}

// same compares orders by what they mean: a *big.Rat by its value.
func same(t *testing.T, got, want order) {
	t.Helper()
	if len(got.Lines) != len(want.Lines) {
		t.Fatalf("%d lines, want %d", len(got.Lines), len(want.Lines))
	}
	for i := range got.Lines {
		if got.Lines[i].Price.Cmp(want.Lines[i].Price) != 0 {
			t.Fatalf("line %d: price %s, want %s", i, got.Lines[i].Price, want.Lines[i].Price)
		}
		got.Lines[i].Price, want.Lines[i].Price = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v\nwant %+v", got, want)
	}
}

func decode[T any](de *serde.Deserializer[T], topic string, framed []byte) (v T, err error) {
	err = de.Decode(context.Background(), topic, framed, &v)
	return v, err
}

func TestEitherReadsWhatEitherWrote(t *testing.T) {
	for _, w := range serdes {
		for _, r := range serdes {
			t.Run(w.name+" to "+r.name, func(t *testing.T) {
				reg := &shelf{}
				ser, err := w.ser(reg, orderText)
				if err != nil {
					t.Fatal(err)
				}
				de, err := r.de(reg, orderText)
				if err != nil {
					t.Fatal(err)
				}
				framed, err := ser.Append(context.Background(), nil, "orders", someOrder())
				if err != nil {
					t.Fatal(err)
				}
				got, err := decode(de, "orders", framed)
				if err != nil {
					t.Fatal(err)
				}
				same(t, got, someOrder())
			})
		}
	}
}

// TestResolvesAnEarlierWriter includes what hamba's own resolution does not
// survive: a record that contains itself and a new field with a default.
func TestResolvesAnEarlierWriter(t *testing.T) {
	const v1 = `{"type":"record","name":"Node","fields":[{"name":"value","type":"int"},{"name":"old","type":"string"},{"name":"next","type":["null","Node"],"default":null}]}`
	const v2 = `{"type":"record","name":"Node","fields":[{"name":"value","type":"long"},{"name":"next","type":["null","Node"],"default":null},{"name":"unit","type":"string","default":"m"}]}`
	type node1 struct {
		Value int    `avro:"value"`
		Old   string `avro:"old"`
		Next  *node1 `avro:"next"`
	}
	type node2 struct {
		Value int64  `avro:"value"`
		Next  *node2 `avro:"next"`
		Unit  string `avro:"unit"`
	}
	reg := &shelf{}
	ser, err := hamba.NewSerializer[node1](reg, v1)
	if err != nil {
		t.Fatal(err)
	}
	de, err := hamba.NewDeserializer[node2](reg, v2)
	if err != nil {
		t.Fatal(err)
	}
	framed, err := ser.Append(context.Background(), nil, "t", node1{1, "x", &node1{2, "y", nil}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(de, "t", framed)
	if want := (node2{1, &node2{2, nil, "m"}, "m"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v, %v", got, err)
	}
}

// TestTheApplicationsAPI shows that registered names of the library count.
func TestTheApplicationsAPI(t *testing.T) {
	type point struct {
		X int `avro:"x"`
	}
	const text = `{"type":"record","name":"R","fields":[{"name":"v","type":["string",{"type":"record","name":"Point","fields":[{"name":"x","type":"int"}]}]}]}`
	type holder struct {
		V any `avro:"v"`
	}
	api := hambalib.Config{}.Freeze()
	api.Register("Point", &point{})
	f, err := hamba.NewFormat[holder](hamba.FormatOptions{Text: text, API: api})
	if err != nil {
		t.Fatal(err)
	}
	reg := &shelf{}
	ser, err := serde.NewSerializer(reg, f)
	if err != nil {
		t.Fatal(err)
	}
	de, err := serde.NewDeserializer(reg, f)
	if err != nil {
		t.Fatal(err)
	}
	framed, err := ser.Append(context.Background(), nil, "t", holder{&point{4}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(de, "t", framed)
	if err != nil || !reflect.DeepEqual(got, holder{&point{4}}) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestReferencesDoNotLeakBetweenSchemas(t *testing.T) {
	const shared = `{"type":"record","name":"Shared","fields":[{"name":"a","type":"int"}]}`
	const user = `{"type":"record","name":"User","fields":[{"name":"s","type":"Shared"}]}`
	deps := []serde.Dependency{{Name: "Shared", Text: shared}}
	refs := []schema.Reference{{Name: "Shared", Subject: "shared", Version: 1}}
	if _, err := hamba.NewFormat[any](hamba.FormatOptions{Text: user, Dependencies: deps, References: refs}); err != nil {
		t.Fatal(err)
	}
	if _, err := hamba.NewFormat[any](hamba.FormatOptions{Text: user}); err == nil {
		t.Fatal("a schema sees a type that it does not refer to")
	}
}

func TestBytesStandBare(t *testing.T) {
	reg := &shelf{}
	ser, err := hamba.NewSerializer[[]byte](reg, `"bytes"`)
	if err != nil {
		t.Fatal(err)
	}
	framed, err := ser.Append(context.Background(), nil, "t", []byte("abc"))
	if err != nil || string(framed[5:]) != "abc" {
		t.Fatalf("%q, %v", framed, err)
	}
	de, err := hamba.NewDeserializer[[]byte](reg, `"bytes"`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(de, "t", framed); err != nil || string(got) != "abc" {
		t.Fatalf("%q, %v", got, err)
	}
}

// TestLongTexts are more than the library's default lets pass.
func TestLongTexts(t *testing.T) {
	reg := &shelf{}
	ser, err := hamba.NewSerializer[string](reg, `"string"`)
	if err != nil {
		t.Fatal(err)
	}
	de, err := hamba.NewDeserializer[string](reg, `"string"`)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 3<<20)
	framed, err := ser.Append(context.Background(), nil, "t", long)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decode(de, "t", framed); err != nil || got != long {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}
