package rules_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

const inlineAvro = `{"type":"record","name":"Person","confluent:rules":[{"name":"adult","expr":"this.age >= 18 || this.home == null"}],"fields":[
	{"name":"name","type":"string","confluent:rules":[{"name":"named","doc":"a name is needed","expr":"this != ''"}]},
	{"name":"age","type":"int","confluent:rules":[{"name":"old","expr":"this <= 150 ? '' : 'nobody is ' + string(this)"}]},
	{"name":"home","type":["null",{"type":"record","name":"Place","fields":[
		{"name":"zip","type":["null","string"],"default":null,"confluent:rules":[{"expr":"this.size() == 5","sql":"LENGTH(zip) = 5"}]}]}],"default":null},
	{"name":"past","type":{"type":"array","items":"Place"},"confluent:rules":[{"name":"few","expr":"this.size() < 3"}]},
	{"name":"by","type":{"type":"map","values":"Place"}}]}`

const inlineJSON = `{"type":"object","confluent:rules":[{"name":"adult","expr":"this.age >= 18 || !has(this.home)"}],
	"properties":{
		"name":{"type":"string","confluent:rules":[{"name":"named","doc":"a name is needed","expr":"this != ''"}]},
		"age":{"type":"integer","confluent:rules":[{"name":"old","expr":"this <= 150 ? '' : 'nobody is ' + string(this)"}]},
		"home":{"$ref":"#/definitions/Place"},
		"past":{"type":"array","items":{"$ref":"#/definitions/Place"},"confluent:rules":[{"name":"few","expr":"this.size() < 3"}]},
		"by":{"type":"object","additionalProperties":{"$ref":"#/definitions/Place"}}},
	"definitions":{"Place":{"type":"object","properties":{
		"zip":{"type":["null","string"],"confluent:rules":[{"expr":"this.size() == 5","sql":"LENGTH(zip) = 5"}]}}}}}`

const inlineProto = `syntax = "proto3";
package x;
import "confluent/meta.proto";
message Person {
  option (confluent.message_meta).rules = { name: "adult" expr: "this.age >= 18 || !has(this.home)" };
  string name = 1 [(confluent.field_meta).rules = { name: "named" doc: "a name is needed" expr: "this != ''" }];
  int32 age = 2 [(confluent.field_meta) = { rules: [{ name: "old" expr: "this <= 150 ? '' : 'nobody is ' + string(this)" }] }];
  Place home = 3;
  repeated Place past = 4 [(confluent.field_meta).rules = { name: "few" expr: "this.size() < 3 && this.all(p, p.zip != '?')" }];
  map<string, Place> by = 5;
  map<int32, string> codes = 6 [(confluent.field_meta).rules = { name: "coded" expr: "!(7 in this) || this[7] == 'seven'" }];
  message Place {
    optional string zip = 1 [(confluent.field_meta).rules = { expr: "this.size() == 5" sql: "LENGTH(zip) = 5" }];
  }
}`

type inlinePerson struct {
	Name string                 `avro:"name" json:"name"`
	Age  int                    `avro:"age" json:"age"`
	Home *inlineHome            `avro:"home" json:"home,omitempty"`
	Past []inlineHome           `avro:"past" json:"past"`
	By   map[string]*inlineHome `avro:"by" json:"by"`
}

type inlineHome struct {
	Zip *string `avro:"zip" json:"zip,omitempty"`
}

// documents returns for each format and kind of value a function that writes
// JSON documents with the rules of an engine.
func documents(t *testing.T, e func(*world) *rules.Engine, set *schema.RuleSet) map[string]func(string) error {
	t.Helper()
	out := map[string]func(string) error{}
	{
		w := newWorld(t)
		f, err := avro.NewFormat[inlinePerson](avro.FormatOptions{Text: inlineAvro, RuleSet: set})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e(w)))
		if err != nil {
			t.Fatal(err)
		}
		out["avro"] = func(document string) error {
			_, err := s.Append(ctx, nil, "people", parsed[inlinePerson](t, document))
			return err
		}
		g, err := avro.NewFormat[any](avro.FormatOptions{Text: inlineAvro, RuleSet: set})
		if err != nil {
			t.Fatal(err)
		}
		generic, err := serde.NewSerializer(w.Client, g, serde.WithRules(e(w)))
		if err != nil {
			t.Fatal(err)
		}
		out["generic avro"] = func(document string) error {
			_, err := generic.Append(ctx, nil, "people", avroValue(parsed[inlinePerson](t, document)))
			return err
		}
	}
	{
		w := newWorld(t)
		f, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{Text: inlineJSON, RuleSet: set})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e(w)))
		if err != nil {
			t.Fatal(err)
		}
		out["json struct"] = func(document string) error {
			_, err := s.Append(ctx, nil, "people", parsed[inlinePerson](t, document))
			return err
		}
		out["json"] = func(document string) error {
			_, err := s.Append(ctx, nil, "people", parsed[any](t, document))
			return err
		}
	}
	{
		w := newWorld(t)
		if _, err := w.Register(ctx, "people-value", schema.Definition{Type: schema.Protobuf, Text: inlineProto, RuleSet: set}, serde.RegisterOptions{}); err != nil {
			t.Fatal(err)
		}
		s, err := protobuf.NewSerializer[proto.Message](w.Client, serde.WithLatest(), serde.WithStrict(false), serde.WithRules(e(w)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: inlineProto})
		if err != nil {
			t.Fatal(err)
		}
		out["protobuf"] = func(document string) error {
			m := dynamicpb.NewMessage(p.Message("x.Person"))
			if err := protojson.Unmarshal([]byte(document), m); err != nil {
				t.Fatal(err)
			}
			_, err := s.Append(ctx, nil, "people", m)
			return err
		}
	}
	return out
}

func parsed[T any](t *testing.T, document string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(document), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// avroValue is a person as maps, with unions by the name of their branch.
func avroValue(p inlinePerson) any {
	place := func(h *inlineHome) map[string]any {
		m := map[string]any{"zip": nil}
		if h.Zip != nil {
			m["zip"] = map[string]any{"string": *h.Zip}
		}
		return m
	}
	by, past := map[string]any{}, []any{}
	for k, h := range p.By {
		by[k] = place(h)
	}
	for _, h := range p.Past {
		past = append(past, place(&h))
	}
	out := map[string]any{"name": p.Name, "age": p.Age, "home": nil, "past": past, "by": by}
	if p.Home != nil {
		out["home"] = map[string]any{"Place": place(p.Home)}
	}
	return out
}

func inlineEngine(t *testing.T, o rules.Options) func(*world) *rules.Engine {
	return func(w *world) *rules.Engine { return w.engine(t, o) }
}

const goodPerson = `{"name":"ann","age":30,"home":{"zip":"12345"},"past":[{"zip":"12345"},{}],"by":{"x":{"zip":"12345"},"y":{}}}`

func TestInlineRulesHold(t *testing.T) {
	for name, write := range documents(t, inlineEngine(t, rules.Options{Inline: rules.InlineBefore}), nil) {
		if err := write(goodPerson); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each format finds the same violations at the same paths, all of them.
func TestInlineRulesAreBroken(t *testing.T) {
	for _, c := range []struct {
		document string
		want     []rules.Violation
	}{
		{`{"name":"","age":30,"past":[],"by":{}}`, []rules.Violation{{Rule: "named", Path: "name", Reason: "a name is needed"}}},
		{`{"name":"a","age":200,"past":[],"by":{}}`, []rules.Violation{{Rule: "old", Path: "age", Reason: "nobody is 200"}}},
		{`{"name":"a","age":9,"home":{},"past":[],"by":{}}`, []rules.Violation{{Rule: "adult", Path: "", Reason: "this.age >= 18 || "}}},
		{`{"name":"a","age":30,"home":{"zip":"1"},"past":[],"by":{}}`, []rules.Violation{{Path: "home.zip", Reason: "LENGTH(zip) = 5"}}},
		{`{"name":"a","age":30,"past":[{},{"zip":"12345"},{"zip":""}],"by":{}}`, []rules.Violation{
			{Rule: "few", Path: "past", Reason: "this.size() < 3"}, {Path: "past[2].zip", Reason: "LENGTH(zip) = 5"}}},
		{`{"name":"a","age":30,"past":[],"by":{"k":{"zip":"2"},"a":{"zip":"1"}}}`, []rules.Violation{
			{Path: `by["a"].zip`, Reason: "LENGTH(zip) = 5"}, {Path: `by["k"].zip`, Reason: "LENGTH(zip) = 5"}}},
	} {
		for name, write := range documents(t, inlineEngine(t, rules.Options{Inline: rules.InlineBefore}), nil) {
			err := write(c.document)
			var failed *rules.InlineError
			if !errors.As(err, &failed) || !errors.Is(err, rules.ErrCondition) || len(failed.Violations) != len(c.want) {
				t.Errorf("%s: %s: got %v, want %v", name, c.document, err, c.want)
				continue
			}
			if failed.Subject != "people-value" || failed.Version != 1 || !strings.Contains(err.Error(), `subject "people-value" version 1`) {
				t.Errorf("%s: %v does not name the schema", name, err)
			}
			for i, want := range c.want {
				got := failed.Violations[i]
				if strings.Contains(name, "json") { // rooted at $, and keys are members
					want.Path = strings.NewReplacer(`["`, ".", `"]`, "").Replace(strings.TrimSuffix("$."+want.Path, "."))
				}
				if got.Err != nil || got.Rule != want.Rule || got.Path != want.Path || !strings.HasPrefix(got.Reason, want.Reason) {
					t.Errorf("%s: %s: got %+v, want %+v", name, c.document, got, want)
				}
			}
		}
	}
}

func TestInlineRulesAreOffUnlessAskedFor(t *testing.T) {
	for name, write := range documents(t, inlineEngine(t, rules.Options{}), nil) {
		if err := write(`{"name":"","age":200,"home":{"zip":"1"},"past":[],"by":{}}`); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInlineRulesEndAtTheFirst(t *testing.T) {
	for name, write := range documents(t, inlineEngine(t, rules.Options{Inline: rules.InlineBefore, InlineFirst: true}), nil) {
		err := write(`{"name":"","age":200,"home":{"zip":"1"},"past":[],"by":{}}`)
		var failed *rules.InlineError
		if !errors.As(err, &failed) || len(failed.Violations) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Before domain rules the application's value counts, after them what they made
// of it.
func TestInlineRulesRunBeforeOrAfterDomainRules(t *testing.T) {
	set := domain(schema.Rule{Name: "older", Type: "CEL_FIELD", Mode: "WRITE", Expr: "name == 'age'; value + 100"})
	young, old := `{"name":"a","age":60,"past":[],"by":{}}`, `{"name":"a","age":-60,"past":[],"by":{}}`
	for when, wantYoung := range map[rules.InlineRules]bool{rules.InlineBefore: true, rules.InlineAfter: false} {
		for name, write := range documents(t, inlineEngine(t, rules.Options{Inline: when}), set) {
			if err := write(young); (err == nil) != wantYoung {
				t.Errorf("%s, %s: %v", when, name, err)
			}
			if err := write(old); err != nil && !errors.Is(err, rules.ErrCondition) {
				t.Errorf("%s, %s: %v", when, name, err)
			}
		}
	}
}

func TestInlineRulesThatCannotBeEvaluatedAreBroken(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"r","expr":"this."}`:                   "does not compile",
		`{"name":"r","expr":"this.nothing"}`:            "no such",
		`{"name":"r","doc":"hm","expr":"1"}`:            "it returned a int: want a boolean",
		`{"name":"r"}`:                                  "it has no expression",
		`{"name":"r","expr":"` + costly + ` == false"}`: "cost limit",
	} {
		w := newWorld(t)
		f, err := avro.NewFormat[map[string]any](avro.FormatOptions{Text: `{"type":"record","name":"R","fields":[{"name":"a","type":"int","confluent:rules":[` + text + `]}]}`})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f, serde.WithRules(w.engine(t, rules.Options{Inline: rules.InlineAfter})))
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Append(ctx, nil, "r", map[string]any{"a": 1})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `a breaks rule "r"`) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// Attributes of another form are no rules; of alternatives those count that the
// value is valid under.
func TestInlineRulesOfAlternatives(t *testing.T) {
	text := `{"type":"object","confluent:rules":"none","properties":{"a":{"oneOf":[
		{"type":"string","maxLength":3,"confluent:rules":[{"name":"short","expr":"this == 'abc'"}]},
		{"type":"string","minLength":4,"confluent:rules":[{"name":"long","expr":"this == 'abcd'"}, 7]},
		{"type":"integer"}]}}}`
	w := newWorld(t)
	f, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(w.Client, f, serde.WithRules(w.engine(t, rules.Options{Inline: rules.InlineAfter})))
	if err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]string{
		`{"a":"abc"}`: "", `{"a":"abcd"}`: "", `{"a":7}`: "", `{}`: "",
		`{"a":"x"}`: `$.a breaks rule "short": this == 'abc'`, `{"a":"xxxx"}`: `$.a breaks rule "long": this == 'abcd'`,
	} {
		_, err := s.Append(ctx, nil, "r", parsed[any](t, document))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", document, err, want)
		}
	}
}

func TestInlineRulesOfProtobufMaps(t *testing.T) {
	write := documents(t, inlineEngine(t, rules.Options{Inline: rules.InlineBefore}), nil)["protobuf"]
	if err := write(`{"name":"a","age":30,"codes":{"7":"seven","1":"x"}}`); err != nil {
		t.Error(err)
	}
	if err := write(`{"name":"a","age":30,"codes":{"7":"x"}}`); err == nil || !strings.Contains(err.Error(), `codes breaks rule "coded"`) {
		t.Errorf("got %v", err)
	}
}

func TestInlineErrorsAreBounded(t *testing.T) {
	write := documents(t, inlineEngine(t, rules.Options{Inline: rules.InlineBefore}), nil)["json"]
	err := write(`{"name":"a","age":30,"past":[` + strings.Repeat(`{"zip":"1"},`, 1000) + `{}]}`)
	var failed *rules.InlineError
	if !errors.As(err, &failed) || len(failed.Violations) != 100 {
		t.Errorf("got %.200v", err)
	}
}

func TestInlineOptionIsChecked(t *testing.T) {
	if _, err := rules.New(rules.Options{Inline: "SOMETIMES"}); err == nil || !strings.Contains(err.Error(), "SOMETIMES") {
		t.Errorf("got %v", err)
	}
}
