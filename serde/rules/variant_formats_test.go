package rules_test

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// {"a": 7}: an object with one member, whose name is 0.
var (
	variantMetadata = []byte{0x01, 1, 0, 1, 'a'}
	variantObject   = []byte{0x02, 1, 0, 0, 2, 0x0c, 7}
	variantSeven    = []byte{0x0c, 7}
)

var variantRules = []schema.Rule{
	{Name: "seven", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "variants.field(variant(message.data), 'a', 'int') == 7"},
	{Name: "inner", Type: "CEL", Mode: "WRITE", Expr: "{'data': variants.path(message.data, '$.a'), 'text': variants.toJson(message.data)}"},
}

func TestVariantsInAvro(t *testing.T) {
	text := `{"type":"record","name":"R","fields":[
		{"name":"data","type":{"type":"record","name":"Variant","namespace":"confluent.type","fields":[{"name":"metadata","type":"bytes"},{"name":"value","type":"bytes"}]}},
		{"name":"text","type":"string"}]}`
	w := newWorld(t)
	f, err := avro.NewFormat[map[string]any](avro.FormatOptions{Text: text, RuleSet: domain(variantRules...)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(w.Client, f, serde.WithRules(w.engine(t, rules.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	d, err := serde.NewDeserializer(w.Client, f)
	if err != nil {
		t.Fatal(err)
	}
	of := func(value []byte, text string) map[string]any {
		return map[string]any{"data": map[string]any{"metadata": variantMetadata, "value": value}, "text": text}
	}
	b, err := s.Append(ctx, nil, "r", of(variantObject, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := d.Decode(ctx, "r", b, &got); err != nil || !reflect.DeepEqual(got, of(variantSeven, `{"a":7}`)) {
		t.Errorf("read %v, %v", got, err)
	}
	if _, err := s.Append(ctx, nil, "r", of(variantObject[:5], "")); err == nil || !strings.Contains(err.Error(), "the variant ends too early") {
		t.Errorf("got %v", err)
	}
}

func TestVariantsInProtobuf(t *testing.T) {
	text := `syntax = "proto3"; package x; import "confluent/type/variant.proto"; message R { confluent.type.Variant data = 1; string text = 2; }`
	p, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	if _, err := w.Register(ctx, "r-value", schema.Definition{Type: schema.Protobuf, Text: text, RuleSet: domain(variantRules...)}, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := protobuf.NewSerializer[proto.Message](w.Client, serde.WithLatest(), serde.WithStrict(false), serde.WithRules(w.engine(t, rules.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	d := p.Message("x.R")
	data := d.Fields().ByName("data")
	of := func(value []byte, text string) *dynamicpb.Message {
		inner := dynamicpb.NewMessage(data.Message())
		inner.Set(data.Message().Fields().ByName("metadata"), protoreflect.ValueOfBytes(variantMetadata))
		inner.Set(data.Message().Fields().ByName("value"), protoreflect.ValueOfBytes(value))
		m := dynamicpb.NewMessage(d)
		m.Set(data, protoreflect.ValueOfMessage(inner))
		m.Set(d.Fields().ByName("text"), protoreflect.ValueOfString(text))
		return m
	}
	b, err := s.Append(ctx, nil, "r", of(variantObject, ""))
	if err != nil {
		t.Fatal(err)
	}
	got := dynamicpb.NewMessage(d)
	if err := proto.Unmarshal(b[6:], got); err != nil || !proto.Equal(got, of(variantSeven, `{"a":7}`)) {
		t.Errorf("read %v, %v", got, err)
	}
}
