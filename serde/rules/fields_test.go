package rules_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// anything switches the compatibility check of a subject off.
func (w *world) anything(t *testing.T, s schema.Subject) {
	t.Helper()
	none := "NONE"
	if _, err := w.SetConfig(ctx, s, srclient.ConfigUpdate{Config: srclient.Config{Level: none}}); err != nil {
		t.Fatal(err)
	}
}

// Of transformations of fields with the same tags only the first is run, as
// other clients have it: what they encrypted once is not decrypted twice.
func TestTransformationsOfTheSameTagsRunOnce(t *testing.T) {
	star := func(name, expr string) schema.Rule {
		return schema.Rule{Name: name, Type: "CEL_FIELD", Mode: "WRITE", Tags: []string{"PII", "X"}, Expr: "typeName == 'STRING'; value + '" + expr + "'"}
	}
	change := func(r schema.Rule, f func(*schema.Rule)) schema.Rule { f(&r); return r }
	for name, c := range map[string]struct {
		second schema.Rule
		want   string
	}{
		"the same":         {star("b", "2"), "1231"},
		"other order":      {change(star("b", "2"), func(r *schema.Rule) { r.Tags = []string{"X", "PII"} }), "1231"},
		"other tags":       {change(star("b", "2"), func(r *schema.Rule) { r.Tags = []string{"PII"} }), "12312"},
		"other mode":       {change(star("b", "2"), func(r *schema.Rule) { r.Mode = "WRITEREAD" }), "123122"},
		"no tags":          {change(star("b", "2"), func(r *schema.Rule) { r.Tags, r.Expr = nil, "name == 'ssn'; value + '2'" }), "12312"},
		"a condition":      {change(star("b", "2"), func(r *schema.Rule) { r.Kind, r.Expr = "CONDITION", "typeName == 'STRING'; value == '1231'" }), "1231"},
		"one that is off":  {change(star("b", "2"), func(r *schema.Rule) { r.Disabled = true }), "1231"},
		"another type":     {encryptRule(map[string]string{"secret": "hush"}), "1231"},
		"whole, not field": {schema.Rule{Name: "b", Type: "CEL", Kind: "CONDITION", Mode: "WRITE", Tags: []string{"PII", "X"}, Expr: "message.ssn == '1231'"}, "1231"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s, d := w.avro(t, w.engine(t, rules.Options{}), domain(star("a", "1"), c.second), nil)
			b, err := s.Append(ctx, nil, "users", user())
			if err != nil {
				t.Fatal(err)
			}
			var got User
			if err := d.Decode(ctx, "users", b, &got); err != nil || *got.SSN != c.want {
				t.Errorf("%v, %v; want %q", got.SSN, err, c.want)
			}
		})
	}
}

func TestADisabledRuleDoesNotStandForALaterOne(t *testing.T) {
	w := newWorld(t)
	off, on := encryptRule(map[string]string{"secret": "hush"}), encryptRule(map[string]string{"secret": "hush"})
	off.Name, off.Disabled = "off", true
	s, d := w.avro(t, w.engine(t, rules.Options{}), domain(off, on), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("123")) {
		t.Error("the field is in clear")
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestTwoEncryptionsOfTheSameTagsAreOne(t *testing.T) {
	w := newWorld(t)
	second := encryptRule(map[string]string{"secret": "hush", "encrypt.kek.name": "kek2"})
	second.Name = "again"
	s, d := w.avro(t, w.engine(t, rules.Options{}), domain(encryptRule(map[string]string{"secret": "hush"}), second), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := w.KEK(ctx, "kek2", false); err == nil {
		t.Error("the second rule made a key")
	}
}

// preserve.source.fields lets other clients copy a value before they change its
// fields. Here it is always so, whatever the parameter says.
func TestTheSourceIsPreserved(t *testing.T) {
	for _, preserve := range []string{"", "true", "false", "perhaps"} {
		w := newWorld(t)
		encrypt := encryptRule(map[string]string{"secret": "hush", "preserve.source.fields": preserve})
		field := schema.Rule{Name: "field", Type: "CEL_FIELD", Mode: "WRITE", Expr: "typeName == 'STRING'; value + '!'",
			Params: map[string]string{"preserve.source.fields": preserve}}
		s, _ := w.avro(t, w.engine(t, rules.Options{}), domain(field, encrypt), nil)
		given := user()
		for range 2 { // the second time would otherwise encrypt a ciphertext
			if _, err := s.Append(ctx, nil, "users", given); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(given, user()) {
				t.Fatalf("preserve.source.fields %q: the value was changed: %+v", preserve, given)
			}
		}
	}
}

// Every error says which rule of which subject and version it was.
func TestErrorsNameTheRuleAndWhereItStands(t *testing.T) {
	fails := schema.Rule{Name: "never", Kind: "CONDITION", Type: "CEL", Mode: "WRITEREAD", Expr: "false"}
	for name, c := range map[string]struct {
		set  *schema.RuleSet
		want string
	}{
		"domain":      {domain(fails), "CEL rule \"never\" of subject \"users-value\" version 2, WRITE"},
		"encoding":    {&schema.RuleSet{EncodingRules: []schema.Rule{fails}}, "CEL rule \"never\" of subject \"users-value\" version 2, WRITE"},
		"no DLQ":      {domain(schema.Rule{Name: "d", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false", OnFailure: "DLQ"}), "no parameter dlq.topic"},
		"no letters":  {domain(schema.Rule{Name: "d", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false", OnFailure: "DLQ", Params: map[string]string{"dlq.topic": "x"}}), "Options.DeadLetters is not set"},
		"encryption":  {domain(encryptRule(nil)), `ENCRYPT rule "encrypt" of subject "users-value" version 2, WRITE: x.User.ssn: wrapping a DEK by KEK "kek1": kms: the local KMS needs the property "secret"`},
		"wrong place": {&schema.RuleSet{EncodingRules: []schema.Rule{{Name: "f", Type: "CEL_FIELD", Mode: "WRITE", Expr: "value"}}}, "rules of type CEL_FIELD cannot work on encoded payloads: move it to domainRules"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			plain, _ := w.avro(t, w.engine(t, rules.Options{}), &schema.RuleSet{}, nil)
			if _, err := plain.Append(ctx, nil, "users", user()); err != nil {
				t.Fatal(err)
			}
			s, _ := w.avro(t, w.engine(t, rules.Options{}), c.set, nil)
			if _, err := s.Append(ctx, nil, "users", user()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestErrorsOfReadingNameTheSchema(t *testing.T) {
	w := newWorld(t)
	s, d := w.avro(t, w.engine(t, rules.Options{}), domain(schema.Rule{Name: "never", Kind: "CONDITION", Type: "CEL", Mode: "READ", Expr: "message.age > 17"}), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	var got User
	err = d.Decode(ctx, "users", b, &got)
	var failed *rules.Error
	if !errors.As(err, &failed) || failed.Subject != "users-value" || failed.ID != 1 || failed.Mode != rules.Read || failed.Type != "CEL" {
		t.Fatalf("got %+v, %v", failed, err)
	}
	if want := `rule "never" of subject "users-value" version 1, READ: the condition does not hold: message.age > 17`; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
