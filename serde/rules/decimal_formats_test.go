package rules_test

import (
	"math/big"
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

const priceAvro = `{"type":"record","name":"Price","fields":[
	{"name":"net","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":4}},
	{"name":"tax","type":["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}],"default":null},
	{"name":"text","type":"string"}]}`

type price struct {
	Net  *big.Rat `avro:"net"`
	Tax  *big.Rat `avro:"tax"`
	Text string   `avro:"text"`
}

// CEL sees decimals with the scale of the schema, and what it returns becomes a
// decimal again.
func TestAvroDecimals(t *testing.T) {
	for name, c := range map[string]struct {
		rule schema.Rule
		want price
		err  string
	}{
		"condition": {schema.Rule{Kind: "CONDITION", Type: "CEL", Expr: "message.net > decimal('12') && message.net * decimal(2) == decimal('25')"}, price{big.NewRat(25, 2), nil, "x"}, ""},
		"broken":    {schema.Rule{Kind: "CONDITION", Type: "CEL", Expr: "message.net < decimal('12.5')"}, price{}, "does not hold"},
		"whole": {schema.Rule{Type: "CEL", Expr: "{'net': message.net + decimal('0.25'), 'tax': decimals.round(message.net / decimal('7'), 2), 'text': string(message.net)}"},
			price{big.NewRat(51, 4), big.NewRat(179, 100), "12.5000"}, ""},
		"field":   {schema.Rule{Type: "CEL_FIELD", Expr: "name == 'net'; value * decimal('2')"}, price{big.NewRat(25, 1), nil, "x"}, ""},
		"no room": {schema.Rule{Type: "CEL_FIELD", Expr: "name == 'net'; decimals.div(value, decimal('3'))"}, price{}, "4"},
	} {
		c.rule.Name, c.rule.Mode = "r", "WRITE"
		w := newWorld(t)
		e := w.engine(t, rules.Options{})
		f, err := avro.NewFormat[price](avro.FormatOptions{Text: priceAvro, RuleSet: domain(c.rule)})
		if err != nil {
			t.Fatal(err)
		}
		g, err := avro.NewFormat[any](avro.FormatOptions{Text: priceAvro, RuleSet: domain(c.rule)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e))
		if err != nil {
			t.Fatal(err)
		}
		generic, err := serde.NewSerializer(w.Client, g, serde.WithRules(e))
		if err != nil {
			t.Fatal(err)
		}
		d, err := serde.NewDeserializer(w.Client, f)
		if err != nil {
			t.Fatal(err)
		}
		for kind, write := range map[string]func() ([]byte, error){
			"struct": func() ([]byte, error) { return s.Append(ctx, nil, "p", price{big.NewRat(25, 2), nil, "x"}) },
			"generic": func() ([]byte, error) {
				return generic.Append(ctx, nil, "p", map[string]any{"net": big.NewRat(25, 2), "tax": nil, "text": "x"})
			},
		} {
			b, err := write()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s, %s: got %v, want %q", name, kind, err, c.err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, kind, err)
				continue
			}
			var got price
			if err := d.Decode(ctx, "p", b, &got); err != nil || got.Net.Cmp(c.want.Net) != 0 || got.Text != c.want.Text ||
				(got.Tax == nil) != (c.want.Tax == nil) || got.Tax != nil && got.Tax.Cmp(c.want.Tax) != 0 {
				t.Errorf("%s, %s: read %+v, %v", name, kind, got, err)
			}
		}
	}
}

func TestProtobufDecimals(t *testing.T) {
	text := `syntax = "proto3"; package x; import "confluent/type/decimal.proto"; message Price { confluent.type.Decimal net = 1; string text = 2; }`
	parsed, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	d := parsed.Message("x.Price")
	net := d.Fields().ByName("net")
	of := func(value []byte, scale int32) *dynamicpb.Message {
		m := dynamicpb.NewMessage(d)
		n := dynamicpb.NewMessage(net.Message())
		n.Set(n.Descriptor().Fields().ByName("value"), protoreflect.ValueOfBytes(value))
		n.Set(n.Descriptor().Fields().ByName("scale"), protoreflect.ValueOfInt32(scale))
		m.Set(net, protoreflect.ValueOfMessage(n))
		return m
	}
	w := newWorld(t)
	rule := schema.Rule{Name: "r", Type: "CEL", Mode: "WRITE", Expr: "{'net': decimal(message.net) * decimal('-2'), 'text': string(decimal(message.net))}"}
	inline := schema.Rule{Name: "c", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "decimals.lt(message.net, decimal('0'))"}
	if _, err := w.Register(ctx, "p-value", schema.Definition{Type: schema.Protobuf, Text: text, RuleSet: domain(rule, inline)}, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	s, err := protobuf.NewSerializer[proto.Message](w.Client, serde.WithLatest(), serde.WithStrict(false), serde.WithRules(w.engine(t, rules.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Append(ctx, nil, "p", of([]byte{0x04, 0xd2}, 2))
	if err != nil {
		t.Fatal(err)
	}
	got := dynamicpb.NewMessage(d)
	if err := proto.Unmarshal(b[6:], got); err != nil {
		t.Fatal(err)
	}
	n := got.Get(net).Message()
	fields := n.Descriptor().Fields()
	if value, scale, precision := n.Get(fields.ByName("value")).Bytes(), n.Get(fields.ByName("scale")).Int(), n.Get(fields.ByName("precision")).Uint(); !reflect.DeepEqual(value, []byte{0xf6, 0x5c}) || scale != 2 || precision != 4 {
		t.Errorf("written % x, scale %d, precision %d", value, scale, precision)
	}
	if text := got.Get(d.Fields().ByName("text")).String(); text != "12.34" {
		t.Errorf("CEL saw %s", text)
	}
	if _, err := s.Append(ctx, nil, "p", of([]byte{0xff}, 0)); err == nil || !strings.Contains(err.Error(), "does not hold") {
		t.Errorf("got %v", err)
	}
}
