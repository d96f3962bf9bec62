package rules_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

func TestUnsignedFields(t *testing.T) {
	text := `syntax = "proto3"; package x; message U { uint64 serial = 1; int64 signed = 2; }`
	p, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	d := p.Message("x.U")
	serial := d.Fields().ByName("serial")
	for _, c := range []struct {
		as, expr string
		given    uint64
		want     uint64 // 0 for an error
	}{
		{"", "value + 1u", 41, 42}, {"", "value + 1", 41, 0}, {"uint", "value + 1u", 41, 42}, {"uint", "value + 1", 41, 0},
		{"int", "value + 1", 41, 42}, {"int", "value + 1u", 41, 0}, {"int", "value - 42", 41, 0}, {"int", "value", 1 << 63, 1 << 63},
	} {
		w := newWorld(t)
		rule := schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "WRITE", Expr: "name == 'serial'; " + c.expr, Params: map[string]string{"cel.unsigned.field.type": c.as}}
		if _, err := w.Register(ctx, "u-value", schema.Definition{Type: schema.Protobuf, Text: text, RuleSet: domain(rule)}, serde.RegisterOptions{}); err != nil {
			t.Fatal(err)
		}
		s, err := protobuf.NewSerializer[proto.Message](w.Client, serde.WithLatest(), serde.WithStrict(false), serde.WithRules(w.engine(t, rules.Options{})))
		if err != nil {
			t.Fatal(err)
		}
		m := dynamicpb.NewMessage(d)
		m.Set(serial, protoreflect.ValueOfUint64(c.given))
		b, err := s.Append(ctx, nil, "u", m)
		if c.want == 0 {
			if err == nil || !strings.Contains(err.Error(), "x.U.serial") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		got := dynamicpb.NewMessage(d)
		if err := proto.Unmarshal(b[6:], got); err != nil || got.Get(serial).Uint() != c.want {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}
