package rules_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// CEL sees the numbers of documents as the schema has them, whatever Go type
// holds them.
func TestNumbersAreWhatTheSchemaSays(t *testing.T) {
	type item struct {
		N int     `json:"n"`
		X float64 `json:"x"`
	}
	text := `{"type":"object","properties":{"n":{"type":"integer"},"x":{"type":"number"}}}`
	for name, rule := range map[string]schema.Rule{
		"whole":  {Name: "r", Type: "CEL", Mode: "WRITE", Expr: "{'n': message.n + 1, 'x': message.x + 0.5}"},
		"fields": {Name: "r", Type: "CEL_FIELD", Mode: "WRITE", Expr: "typeName == 'INT' ? dyn(value + 1) : dyn(value + 0.5)"},
	} {
		for _, v := range []any{
			item{2, 3}, &item{2, 3}, map[string]any{"n": 2.0, "x": 3.0}, map[string]any{"n": json.Number("2"), "x": json.Number("3")},
		} {
			w := newWorld(t)
			f, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{Text: text, RuleSet: domain(rule)})
			if err != nil {
				t.Fatal(err)
			}
			s, err := serde.NewSerializer(w.Client, f, serde.WithRules(w.engine(t, rules.Options{})))
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.Append(ctx, nil, "r", v)
			if err != nil {
				t.Errorf("%s of a %T: %v", name, v, err)
				continue
			}
			if got, want := parsed[any](t, string(b[5:])), parsed[any](t, `{"n":3,"x":3.5}`); !reflect.DeepEqual(got, want) {
				t.Errorf("%s of a %T: %v", name, v, got)
			}
		}
	}
}
