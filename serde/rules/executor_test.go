package rules_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// executor is a rule type of an application.
type executor func(c rules.Call) (any, error)

func (e executor) Run(_ context.Context, c rules.Call) (any, error) { return e(c) }

func TestRuleTypesOfTheApplication(t *testing.T) {
	w := newWorld(t)
	var calls []rules.Call
	upper := executor(func(c rules.Call) (any, error) {
		calls = append(calls, c)
		switch v := c.Value.(type) {
		case map[string]any:
			if v["name"] == "bob" {
				return nil, rules.ErrCondition
			}
			if v["name"] == "cy" {
				return nil, nil
			}
			out := map[string]any{}
			for k, item := range v {
				out[k] = item
			}
			out["name"] = strings.ToUpper(v["name"].(string))
			return out, nil
		case []byte:
			out := make([]byte, len(v))
			for i, b := range v {
				out[i] = b ^ 0x55
			}
			return out, nil
		}
		return 7, nil
	})
	set := domain(schema.Rule{Name: "up", Type: "UPPER", Mode: "WRITE", Params: map[string]string{"a": "b"}})
	set.EncodingRules = []schema.Rule{{Name: "turn", Type: "UPPER", Mode: "WRITEREAD"}}
	e := w.engine(t, rules.Options{Executors: map[string]rules.Executor{"UPPER": upper}})
	s, d := w.avro(t, e, set, nil)
	for name, want := range map[string]string{"ann": "ANN", "cy": "cy"} {
		calls = nil
		given := user()
		given.Name = name
		b, err := s.Append(ctx, nil, "users", given)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), want) {
			t.Errorf("the payload is not turned: %q", b)
		}
		c := calls[0]
		if c.Rule.Name != "up" || c.Mode != rules.Write || c.Topic != "users" || c.Key || c.Subject != "users-value" || c.Version != 1 || c.Params["a"] != "b" {
			t.Errorf("called with %+v", c)
		}
		var got User
		given.Name = want
		if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, given) {
			t.Errorf("read %+v, %v", got, err)
		}
	}
	given := user()
	given.Name = "bob"
	if _, err := s.Append(ctx, nil, "users", given); !errors.Is(err, rules.ErrCondition) || !strings.Contains(err.Error(), `UPPER rule "up" of subject "users-value" version 1`) {
		t.Errorf("got %v", err)
	}
}

func TestMigrationsOfTheApplication(t *testing.T) {
	w := newWorld(t)
	e := w.engine(t, rules.Options{Executors: map[string]rules.Executor{
		"RENAME": executor(func(c rules.Call) (any, error) {
			var in map[string]any
			if err := json.Unmarshal(c.Value.(json.RawMessage), &in); err != nil {
				return nil, err
			}
			if in["full"] == "nobody" {
				return 3, nil
			}
			return json.Marshal(map[string]any{"name": in["full"]})
		})}})
	register := func(text string, set *schema.RuleSet) *serde.Serializer[map[string]any] {
		f, err := avro.NewFormat[map[string]any](avro.FormatOptions{Text: text, RuleSet: set})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w.anything(t, "r-value")
	first := register(`{"type":"record","name":"R","fields":[{"name":"full","type":"string"}]}`, nil)
	second := register(`{"type":"record","name":"R","fields":[{"name":"name","type":"string"}]}`,
		&schema.RuleSet{MigrationRules: []schema.Rule{{Name: "rename", Type: "RENAME", Mode: "UPGRADE"}}})
	d, err := avro.NewDeserializer[any](w.Client, "", serde.WithLatest(), serde.WithRules(e))
	if err != nil {
		t.Fatal(err)
	}
	var payloads [2][]byte
	for i, name := range []string{"ann", "nobody"} {
		if payloads[i], err = first.Append(ctx, nil, "r", map[string]any{"full": name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := second.Append(ctx, nil, "r", map[string]any{"name": "x"}); err != nil {
		t.Fatal(err)
	}
	var got any
	if err := d.Decode(ctx, "r", payloads[0], &got); err != nil || !reflect.DeepEqual(got, any(map[string]any{"name": "ann"})) {
		t.Errorf("%v, %v", got, err)
	}
	want := `RENAME rule "rename" of subject "r-value" version 2, UPGRADE: the executor of type RENAME returned a int, not bytes`
	if err := d.Decode(ctx, "r", payloads[1], &got); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestTypesOfTheEngineAreItsOwn(t *testing.T) {
	_, err := rules.New(rules.Options{Executors: map[string]rules.Executor{"ENCRYPT": executor(nil)}})
	if err == nil || !strings.Contains(err.Error(), "type ENCRYPT") {
		t.Errorf("got %v", err)
	}
}
