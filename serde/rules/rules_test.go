package rules_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat"
	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
	"github.com/dovetail-dev/dovetail/serde/rules"
	"github.com/dovetail-dev/dovetail/serde/rules/kms"
)

var ctx = context.Background()

// world is a real registry over HTTP, whose clock the test sets.
type world struct {
	*srclient.Client
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: time.UnixMilli(1_700_000_000_000)}
	clock := func() time.Time { return w.now }
	reg, err := registry.Open(ctx, registry.Options{
		Journal: &journal.Memory{Now: clock}, Now: clock, KMS: map[string]registry.KMS{kms.LocalType: kms.Local{Secret: "the registry's"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	server := httptest.NewServer(rest.Handler(reg, rest.Options{}))
	t.Cleanup(server.Close)
	if w.Client, err = srclient.New([]string{server.URL}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) engine(t *testing.T, o rules.Options) *rules.Engine {
	t.Helper()
	o.Keys = w.Client
	o.Now = func() time.Time { return w.now }
	e, err := rules.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const userText = `{"type":"record","name":"User","namespace":"x","fields":[
	{"name":"name","type":"string"},
	{"name":"age","type":"int"},
	{"name":"ssn","type":["null","string"],"default":null,"confluent:tags":["PII"]},
	{"name":"secret","type":"bytes","confluent:tags":["PII"]},
	{"name":"more","type":{"type":"array","items":{"type":"record","name":"Card","fields":[
		{"name":"number","type":"string"}]}}}]}`

type User struct {
	Name   string  `avro:"name"`
	Age    int     `avro:"age"`
	SSN    *string `avro:"ssn"`
	Secret []byte  `avro:"secret"`
	More   []Card  `avro:"more"`
}

type Card struct {
	Number string `avro:"number"`
}

func ptr[T any](v T) *T { return &v }

func user() User {
	return User{Name: "ann", Age: 7, SSN: ptr("123"), Secret: []byte("s"), More: []Card{{"4711"}}}
}

func (w *world) avro(t *testing.T, e *rules.Engine, set *schema.RuleSet, meta *schema.Metadata) (*serde.Serializer[User], *serde.Deserializer[User]) {
	t.Helper()
	f, err := avro.NewFormat[User](avro.FormatOptions{Text: userText, RuleSet: set, Metadata: meta})
	if err != nil {
		t.Fatal(err)
	}
	s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e))
	if err != nil {
		t.Fatal(err)
	}
	d, err := avro.NewDeserializer[User](w.Client, userText, serde.WithRules(e))
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func domain(list ...schema.Rule) *schema.RuleSet { return &schema.RuleSet{DomainRules: list} }

func TestConditionsAndTransformsOfStructs(t *testing.T) {
	for name, c := range map[string]struct {
		rule schema.Rule
		want func(*User) // what is read differs by
		err  string
	}{
		"condition holds": {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.age > 6 && message.more[0].number.size() == 4"}},
		"condition fails": {rule: schema.Rule{Name: "grown", Doc: "no children", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.age > 17"},
			err: `CEL rule "grown" (no children) of subject "users-value" version 1, WRITE: the condition does not hold: message.age > 17`},
		"guard skips":        {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.age > 100; false"}},
		"guard passes":       {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.age < 100; false"}, err: "does not hold"},
		"separator is text":  {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.name != ';'", Params: map[string]string{"cel.ignore.guard.separator": "true"}}},
		"union is bare":      {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.ssn == '123'"}},
		"not a boolean":      {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "'yes'"}, err: "does not hold"},
		"no such key":        {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.nothing == 1"}, err: "no such key"},
		"syntax":             {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message."}, err: "does not compile"},
		"cost is bounded":    {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: costly}, err: "cost limit exceeded"},
		"disabled":           {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false", Disabled: true}},
		"of another mode":    {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "READ", Expr: "message.name == 'ann'"}},
		"failure is ignored": {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false", OnFailure: "NONE"}},
		"first of a pair":    {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITEREAD", Expr: "false", OnFailure: "NONE,NONE"}},
		"second of a pair":   {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITEREAD", Expr: "false", OnFailure: "NONE,ERROR"}, err: "READ: the condition"},
		"unknown type":       {rule: schema.Rule{Name: "r", Type: "SQL", Mode: "WRITE"}, err: `no executor for rules of type "SQL", only for CEL, CEL_FIELD, JSONATA, ENCRYPT, ENCRYPT_PAYLOAD: set Options.Executors`},
		"unknown action":     {rule: schema.Rule{Name: "r", Type: "CEL", Mode: "WRITE", Expr: "message", OnFailure: "SHOUT"}, err: `of subject "users-value" version 1, WRITE: onFailure: unknown action "SHOUT": want ERROR, NONE, DLQ, or change`},
		"ERROR on success":   {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "true", OnSuccess: "ERROR"}, err: "the rule succeeded"},
		"transform": {rule: schema.Rule{Name: "r", Type: "CEL", Mode: "WRITE",
			Expr: "{'name': message.name.upperAscii(), 'age': message.age + 1, 'ssn': null, 'secret': b'x', 'more': [{'number': '1'}, {'number': '2'}]}"},
			want: func(u *User) { *u = User{"ANN", 8, nil, []byte("x"), []Card{{"1"}, {"2"}}} }},
		"transform to what does not fit": {rule: schema.Rule{Name: "r", Type: "CEL", Mode: "WRITE", Expr: "{'age': 'old'}"}, err: "age: a string does not fit into a int"},
		"transform to an unknown field":  {rule: schema.Rule{Name: "r", Type: "CEL", Mode: "WRITE", Expr: "{'what': 1}"}, err: `no field "what"`},
		"fields": {rule: schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "WRITE", Expr: "typeName == 'STRING'; value + '-' + name"},
			want: func(u *User) { u.Name, u.SSN, u.More[0].Number = "ann-name", ptr("123-ssn"), "4711-number" }},
		"fields with a tag": {rule: schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "READ", Tags: []string{"PII"}, Expr: "typeName == 'STRING'; fullName + message.name + tags[0]"},
			want: func(u *User) { u.SSN = ptr("x.User.ssnannPII") }},
		"fields by metadata": {rule: schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "READ", Tags: []string{"CARD"}, Expr: "'*'"},
			want: func(u *User) { u.More[0].Number = "*" }},
		"field condition": {rule: schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL_FIELD", Mode: "WRITE", Expr: "name == 'number'; value.isUuid()"},
			err: "x.Card.number: the condition"},
		"field of another type": {rule: schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "WRITE", Expr: "name == 'age'; 'seven'"}, err: "x.User.age: a string does not fit"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			meta := &schema.Metadata{Tags: map[string][]string{"**.number": {"CARD"}}}
			s, d := w.avro(t, w.engine(t, rules.Options{}), domain(c.rule), meta)
			given := user()
			b, err := s.Append(ctx, nil, "users", given)
			if !reflect.DeepEqual(given, user()) {
				t.Errorf("the value was changed in place: %+v", given)
			}
			var got User
			if err == nil {
				err = d.Decode(ctx, "users", b, &got)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := user()
			if c.want != nil {
				c.want(&want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v, want %+v", got, want)
			}
		})
	}
}

const costly = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, " +
	"[1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, a+b+c+d+e+f > 0))))))"

func TestErrorNamesRuleAndCause(t *testing.T) {
	w := newWorld(t)
	s, _ := w.avro(t, w.engine(t, rules.Options{}), domain(schema.Rule{Name: "r", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false"}), nil)
	_, err := s.Append(ctx, nil, "users", user())
	var failed *rules.Error
	if !errors.As(err, &failed) || failed.Rule != "r" || failed.Mode != rules.Write || !errors.Is(err, rules.ErrCondition) {
		t.Errorf("got %v", err)
	}
}

func TestReadingRunsRulesBackwards(t *testing.T) {
	w := newWorld(t)
	add := func(name string) schema.Rule {
		return schema.Rule{Name: name, Type: "CEL_FIELD", Mode: "WRITEREAD", Expr: "name == 'name'; value + '" + name + "'"}
	}
	s, d := w.avro(t, w.engine(t, rules.Options{}), domain(add("a"), add("b")), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || got.Name != "annabba" {
		t.Errorf("%q, %v", got.Name, err)
	}
}

func TestRuleSetsRunWhereTheyAreEnabled(t *testing.T) {
	never := schema.Rule{Name: "never", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false"}
	for at, runs := range map[string]bool{"": true, "ALL": true, "CLIENT": true, "SERVER": false, "GATEWAY": false, "NONE": false} {
		w := newWorld(t)
		set := domain(never)
		set.EnableAt = at
		s, _ := w.avro(t, w.engine(t, rules.Options{}), set, nil)
		if _, err := s.Append(ctx, nil, "users", user()); (err != nil) != runs {
			t.Errorf("enabled at %q: %v", at, err)
		}
	}
}

func TestOverrides(t *testing.T) {
	never := schema.Rule{Name: "never", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false"}
	for name, o := range map[string]map[string]rules.Override{
		"off by name":         {"never": {Disabled: ptr(true)}},
		"off by type":         {"_CEL_": {Disabled: ptr(true)}},
		"off for all":         {"_default_": {Disabled: ptr(true)}},
		"ignored":             {"_default_": {OnFailure: "NONE"}},
		"the name counts":     {"_default_": {OnFailure: "ERROR"}, "_CEL_": {OnFailure: "ERROR"}, "never": {OnFailure: "NONE"}},
		"the type over the _": {"_default_": {OnFailure: "ERROR"}, "_CEL_": {OnFailure: "NONE"}},
	} {
		w := newWorld(t)
		s, _ := w.avro(t, w.engine(t, rules.Options{Overrides: o}), domain(never), nil)
		if _, err := s.Append(ctx, nil, "users", user()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type letters []rules.DeadLetter

func (l *letters) Send(_ context.Context, d rules.DeadLetter) error {
	*l = append(*l, d)
	return nil
}

func TestDeadLettersSayWhyAndHideSecrets(t *testing.T) {
	w := newWorld(t)
	var got letters
	s, _ := w.avro(t, w.engine(t, rules.Options{DeadLetters: &got}), domain(
		schema.Rule{Name: "never", Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "false", OnFailure: "DLQ", Params: map[string]string{"dlq.topic": "dead"}},
		encryptRule(nil),
	), nil)
	_, err := s.Append(ctx, nil, "users", user())
	if err == nil || !errors.Is(err, rules.ErrCondition) || len(got) != 1 {
		t.Fatalf("%v, %d letters", err, len(got))
	}
	l := got[0]
	u, ok := l.Value.(map[string]any)
	if !ok || l.Topic != "dead" || u["name"] != "ann" || u["ssn"] != "<REDACTED>" || !reflect.DeepEqual(u["secret"], []byte("<REDACTED>")) {
		t.Errorf("%s: %+v", l.Topic, l.Value)
	}
	want := [][2]string{{"__rule.name", "never"}, {"__rule.mode", "WRITE"}, {"__rule.subject", "users-value"}, {"__rule.topic", "users"}, {"__rule.exception", rules.ErrCondition.Error() + ": false"}}
	if !reflect.DeepEqual(l.Headers(), want) {
		t.Errorf("headers %v", l.Headers())
	}
}

func encryptRule(params map[string]string) schema.Rule {
	p := map[string]string{"encrypt.kek.name": "kek1", "encrypt.kms.type": "local-kms", "encrypt.kms.key.id": "mykey"}
	for k, v := range params {
		p[k] = v
	}
	return schema.Rule{Name: "encrypt", Type: "ENCRYPT", Mode: "WRITEREAD", Tags: []string{"PII"}, Params: p}
}

func TestTaggedFieldsAreEncrypted(t *testing.T) {
	for _, algorithm := range []string{"", "AES128_GCM", "AES256_GCM", "AES256_SIV"} {
		for _, expiry := range []string{"", "0", "30"} {
			t.Run(algorithm+"/"+expiry, func(t *testing.T) {
				w := newWorld(t)
				rule := encryptRule(map[string]string{"encrypt.dek.expiry.days": expiry})
				if algorithm != "" {
					rule.Params["encrypt.dek.algorithm"] = algorithm
				}
				o := rules.Options{Params: map[string]string{kms.SecretProperty: "hush"}}
				s, d := w.avro(t, w.engine(t, o), domain(rule), nil)
				b, err := s.Append(ctx, nil, "users", user())
				if err != nil {
					t.Fatal(err)
				}
				var raw User // read without rules
				bare, err := avro.NewDeserializer[User](w.Client, userText)
				if err != nil {
					t.Fatal(err)
				}
				if err := bare.Decode(ctx, "users", b, &raw); err != nil {
					t.Fatal(err)
				}
				ciphertext, err := base64.StdEncoding.DecodeString(*raw.SSN)
				overhead := 28 // nonce and tag
				if algorithm == "AES256_SIV" {
					overhead = 16
				}
				if expiry == "30" {
					overhead += 5
				}
				if err != nil || len(ciphertext) != 3+overhead || len(raw.Secret) != 1+overhead || raw.Name != "ann" {
					t.Errorf("on the wire: %+v, %v", raw, err)
				}
				if expiry == "30" && !bytes.HasPrefix(raw.Secret, []byte{0, 0, 0, 0, 1}) {
					t.Errorf("% x does not name version 1", raw.Secret)
				}
				var got User
				if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
					t.Errorf("%+v, %v", got, err)
				}
				// Another process has nothing cached.
				_, fresh := w.avro(t, w.engine(t, o), domain(rule), nil)
				if err := fresh.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
					t.Errorf("%+v, %v", got, err)
				}
				o.Params[kms.SecretProperty] = "wrong"
				_, wrong := w.avro(t, w.engine(t, o), domain(rule), nil)
				if err := wrong.Decode(ctx, "users", b, &got); err == nil || !strings.Contains(err.Error(), "does not open the wrapped key") {
					t.Errorf("another secret: %v", err)
				}
			})
		}
	}
}

func TestKeysRotateWhenTheyExpire(t *testing.T) {
	w := newWorld(t)
	rule := encryptRule(map[string]string{"encrypt.dek.expiry.days": "2"})
	s, d := w.avro(t, w.engine(t, rules.Options{Params: map[string]string{"secret": "hush"}}), domain(rule), nil)
	var all [][]byte
	for range 3 {
		for range 2 {
			b, err := s.Append(ctx, nil, "users", user())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b)
		}
		w.now = w.now.Add(49 * time.Hour)
	}
	versions, err := w.DEKVersions(ctx, "kek1", "users-value", srclient.DEKOptions{}, srclient.Page{})
	if err != nil || !reflect.DeepEqual(versions, []int{1, 2, 3}) {
		t.Errorf("versions %v, %v", versions, err)
	}
	for _, b := range all {
		var got User
		if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// The registry calls the KMS of a shared KEK: the client needs no secret.
func TestSharedKeysComeFromTheRegistry(t *testing.T) {
	w := newWorld(t)
	if _, err := w.CreateKEK(ctx, srclient.KEK{Name: "kek1", KMSType: kms.LocalType, KMSKeyID: "mykey", Shared: true}, true); err != nil {
		t.Fatal(err)
	}
	s, d := w.avro(t, w.engine(t, rules.Options{}), domain(encryptRule(nil)), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWholePayloadsAreEncrypted(t *testing.T) {
	w := newWorld(t)
	rule := encryptRule(nil)
	rule.Type, rule.Tags = "ENCRYPT_PAYLOAD", nil
	o := rules.Options{Params: map[string]string{"secret": "hush"}}
	s, d := w.avro(t, w.engine(t, o), &schema.RuleSet{EncodingRules: []schema.Rule{rule}}, nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil || bytes.Contains(b, []byte("ann")) {
		t.Fatalf("%q, %v", b, err)
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
		t.Errorf("%+v, %v", got, err)
	}
	for i := 5; i < len(b); i++ {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if err := d.Decode(ctx, "users", bad, &got); err == nil {
			t.Fatalf("byte %d was changed and nobody noticed", i)
		}
		if err := d.Decode(ctx, "users", b[:i], &got); err == nil {
			t.Fatalf("a prefix of %d bytes is taken for whole", i)
		}
	}
}

func TestWrongEncryptionRulesSayWhatIsWrong(t *testing.T) {
	for want, change := range map[string]func(*schema.Rule){
		"no parameter encrypt.kek.name": func(r *schema.Rule) {
			delete(r.Params, "encrypt.kek.name")
			delete(r.Params, "encrypt.kms.key.id") // the registry would name a KEK after it
		},
		`is "ROT13"`:                   func(r *schema.Rule) { r.Params["encrypt.dek.algorithm"] = "ROT13" },
		"not a number of days":         func(r *schema.Rule) { r.Params["encrypt.dek.expiry.days"] = "-1" },
		"does not exist, and the rule": func(r *schema.Rule) { delete(r.Params, "encrypt.kms.type") },
		`no KMS of type "aws-kms"`:     func(r *schema.Rule) { r.Params["encrypt.kms.type"] = "aws-kms" },
		`needs the property "secret"`:  func(r *schema.Rule) {},
		"only strings and bytes can":   func(r *schema.Rule) { r.Tags, r.Params["secret"] = nil, "hush" },
		"ENCRYPT_PAYLOAD are encoding": func(r *schema.Rule) { r.Type, r.Params["secret"] = "ENCRYPT_PAYLOAD", "hush" },
	} {
		w := newWorld(t)
		rule := encryptRule(nil)
		change(&rule)
		s, _ := w.avro(t, w.engine(t, rules.Options{}), domain(rule), nil)
		if _, err := s.Append(ctx, nil, "users", user()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Generic values: unions are maps with the name of the branch.
func TestGenericAvroValues(t *testing.T) {
	w := newWorld(t)
	f, err := avro.NewFormat[any](avro.FormatOptions{Text: userText, RuleSet: domain(
		schema.Rule{Name: "c", Kind: "CONDITION", Type: "CEL", Mode: "READ", Expr: "message.ssn == '123' && message.more[0].number == '4711'"},
		encryptRule(map[string]string{"secret": "hush"}))})
	if err != nil {
		t.Fatal(err)
	}
	e := w.engine(t, rules.Options{})
	s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e))
	if err != nil {
		t.Fatal(err)
	}
	d, err := serde.NewDeserializer(w.Client, f, serde.WithRules(e))
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{"name": "ann", "age": 7, "ssn": map[string]any{"string": "123"}, "secret": []byte("s"), "more": []any{map[string]any{"number": "4711"}}}
	b, err := s.Append(ctx, nil, "users", given)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("123")) {
		t.Error("the field is in clear")
	}
	var got any
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, any(given)) {
		t.Errorf("%v, %v", got, err)
	}
	given["ssn"] = nil // a null stays one
	if _, err := s.Append(ctx, nil, "users", given); err != nil {
		t.Errorf("null: %v", err)
	}
}

const orderProto = `syntax = "proto3";
package x;
import "confluent/meta.proto";
message Order {
  string id = 1;
  string card = 2 [(confluent.field_meta).tags = "PII"];
  repeated Line lines = 3;
  map<string, string> notes = 4;
  int32 n = 5;
  message Line { string text = 1; }
}`

func TestProtobufMessages(t *testing.T) {
	parsed, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: orderProto})
	if err != nil {
		t.Fatal(err)
	}
	order := func(fields map[string]any) *dynamicpb.Message {
		m := dynamicpb.NewMessage(parsed.Message("x.Order"))
		for name, v := range fields {
			f := m.Descriptor().Fields().ByName(protoreflect.Name(name))
			switch v := v.(type) {
			case []string:
				for _, text := range v {
					line := dynamicpb.NewMessage(f.Message())
					line.Set(f.Message().Fields().ByName("text"), protoreflect.ValueOfString(text))
					m.Mutable(f).List().Append(protoreflect.ValueOfMessage(line))
				}
			case map[string]string:
				for k, text := range v {
					m.Mutable(f).Map().Set(protoreflect.ValueOfString(k).MapKey(), protoreflect.ValueOfString(text))
				}
			default:
				m.Set(f, protoreflect.ValueOf(v))
			}
		}
		return m
	}
	given := map[string]any{"id": "1", "card": "4711", "lines": []string{"a", "b"}, "notes": map[string]string{"k": "v"}, "n": int32(3)}
	for name, c := range map[string]struct {
		rule schema.Rule
		want map[string]any
		err  string
	}{
		"condition":      {rule: schema.Rule{Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.card == '4711' && message.lines[1].text == 'b' && message.notes['k'] == 'v' && message.n == 3"}},
		"unset is zero":  {rule: schema.Rule{Kind: "CONDITION", Type: "CEL", Mode: "WRITE", Expr: "message.id == ''"}, err: "does not hold"},
		"encrypt":        {rule: encryptRule(map[string]string{"secret": "hush"})},
		"fields":         {rule: schema.Rule{Type: "CEL_FIELD", Mode: "WRITE", Expr: "typeName == 'STRING' && name != 'id'; value + '!'"}, want: map[string]any{"id": "1", "card": "4711!", "lines": []string{"a!", "b!"}, "notes": map[string]string{"k": "v!"}, "n": int32(3)}},
		"fields of ints": {rule: schema.Rule{Type: "CEL_FIELD", Mode: "READ", Expr: "typeName == 'INT'; value + message.lines.size()"}, want: map[string]any{"id": "1", "card": "4711", "lines": []string{"a", "b"}, "notes": map[string]string{"k": "v"}, "n": int32(5)}},
		"overflow":       {rule: schema.Rule{Type: "CEL_FIELD", Mode: "READ", Expr: "typeName == 'INT'; 5000000000"}, err: "x.Order.n: a int64 does not fit into a int32"},
		"map":            {rule: schema.Rule{Type: "CEL", Mode: "WRITE", Expr: "{'id': message.id + 'x', 'n': 9, 'lines': [{'text': 'z'}], 'notes': {'a': 'b'}}"}, want: map[string]any{"id": "1x", "n": int32(9), "lines": []string{"z"}, "notes": map[string]string{"a": "b"}}},
		"message":        {rule: schema.Rule{Type: "CEL", Mode: "WRITE", Expr: "x.Order{id: message.id, n: 4}"}, want: map[string]any{"id": "1", "n": int32(4)}},
		"other message":  {rule: schema.Rule{Type: "CEL", Mode: "WRITE", Expr: "x.Order.Line{text: 'a'}"}, err: "returned a x.Order.Line, not a x.Order"},
		"unknown field":  {rule: schema.Rule{Type: "CEL", Mode: "WRITE", Expr: "{'what': 1}"}, err: `no field "what"`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.rule.Name = "r"
			if _, err := w.Register(ctx, "orders-value", schema.Definition{Type: schema.Protobuf, Text: orderProto, RuleSet: domain(c.rule)}, serde.RegisterOptions{}); err != nil {
				t.Fatal(err)
			}
			e := w.engine(t, rules.Options{})
			s, err := protobuf.NewSerializer[proto.Message](w.Client, serde.WithLatest(), serde.WithStrict(false), serde.WithRules(e))
			if err != nil {
				t.Fatal(err)
			}
			d, err := protobuf.NewDeserializer[proto.Message](w.Client, serde.WithRules(e))
			if err != nil {
				t.Fatal(err)
			}
			m := order(given)
			b, err := s.Append(ctx, nil, "orders", m)
			if !proto.Equal(m, order(given)) {
				t.Errorf("the message was changed in place: %v", m)
			}
			var got proto.Message
			if err == nil {
				if c.rule.Type == "ENCRYPT" && bytes.Contains(b, []byte("4711")) {
					t.Error("the field is in clear")
				}
				err = d.Decode(ctx, "orders", b, &got)
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := given
			if c.want != nil {
				want = c.want
			}
			again, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			back := order(nil)
			if err := proto.Unmarshal(again, back); err != nil || !proto.Equal(back, order(want)) {
				t.Errorf("read %v, want %v, %v", back, order(want), err)
			}
		})
	}
}

func TestMigrations(t *testing.T) {
	for language, expressions := range map[string][4]string{
		"CEL": {"{'name': message.full}", "{'full': message.name + '.'}",
			"{'name': message.name, 'len': message.name.size()}", "{'name': message.name}"},
		"JSONATA": {"{'name': full}", "{'full': name & '.'}",
			"$merge([$, {'len': $length(name)}])", "$sift($, function($v, $k) {$k != 'len'})"},
	} {
		t.Run(language, func(t *testing.T) { testMigrations(t, language, expressions) })
	}
}

// testMigrations has three versions of a schema, and expressions from the first
// to the second and back, and from the second to the third and back.
func testMigrations(t *testing.T, language string, expressions [4]string) {
	w := newWorld(t)
	texts := []string{
		`{"type":"record","name":"R","fields":[{"name":"full","type":"string"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"name","type":"string"}]}`,
		`{"type":"record","name":"R","fields":[{"name":"name","type":"string"},{"name":"len","type":"long"}]}`,
	}
	sets := []*schema.RuleSet{nil,
		{MigrationRules: []schema.Rule{
			{Name: "up2", Mode: "UPGRADE", Type: language, Expr: expressions[0]},
			{Name: "down2", Mode: "DOWNGRADE", Type: language, Expr: expressions[1]}}},
		{MigrationRules: []schema.Rule{
			{Name: "up3", Mode: "UPGRADE", Type: language, Expr: expressions[2]},
			{Name: "down3", Mode: "DOWNGRADE", Type: language, Expr: expressions[3]}}},
	}
	none := "NONE"
	if _, err := w.SetConfig(ctx, "r-value", srclient.ConfigUpdate{Config: srclient.Config{Level: none}}); err != nil {
		t.Fatal(err)
	}
	var payloads [][]byte
	for i, text := range texts {
		f, err := avro.NewFormat[map[string]any](avro.FormatOptions{Text: text, RuleSet: sets[i], Metadata: &schema.Metadata{Properties: map[string]string{"v": text[len(text)-5:] + string(rune('1'+i))}}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := serde.NewSerializer(w.Client, f)
		if err != nil {
			t.Fatal(err)
		}
		v := []map[string]any{{"full": "ann"}, {"name": "bob"}, {"name": "cy", "len": int64(2)}}[i]
		b, err := s.Append(ctx, nil, "r", v)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, b)
	}
	e := w.engine(t, rules.Options{})
	read := func(option serde.Option, b []byte) (any, error) {
		d, err := avro.NewDeserializer[any](w.Client, "", option, serde.WithRules(e))
		if err != nil {
			t.Fatal(err)
		}
		var got any
		err = d.Decode(ctx, "r", b, &got)
		return got, err
	}
	for i, want := range []map[string]any{{"name": "ann", "len": int64(3)}, {"name": "bob", "len": int64(3)}, {"name": "cy", "len": int64(2)}} {
		if got, err := read(serde.WithLatest(), payloads[i]); err != nil || !reflect.DeepEqual(got, any(want)) {
			t.Errorf("version %d upgraded: %v, %v", i+1, got, err)
		}
	}
	first, err := w.Version(ctx, "r-value", 1, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []map[string]any{{"full": "ann"}, {"full": "bob."}, {"full": "cy."}} {
		if got, err := read(serde.WithLatestMetadata(first.Metadata.Properties), payloads[i]); err != nil || !reflect.DeepEqual(got, any(want)) {
			t.Errorf("version %d downgraded: %v, %v", i+1, got, err)
		}
	}
}

func TestJSONataIsAMigrationRule(t *testing.T) {
	w := newWorld(t)
	s, _ := w.avro(t, w.engine(t, rules.Options{}), domain(schema.Rule{Name: "j", Type: "JSONATA", Mode: "WRITE", Expr: "$"}), nil)
	if _, err := s.Append(ctx, nil, "users", user()); err == nil || !strings.Contains(err.Error(), "rules of type JSONATA are migration rules") {
		t.Errorf("got %v", err)
	}
}

// TestJSONataMigrationsAreBounded has migrations that fail: each names the rule,
// and action NONE goes on with what there was.
func TestJSONataMigrationsAreBounded(t *testing.T) {
	for name, c := range map[string]struct {
		expr, err string
		kind      string
		params    map[string]string
	}{
		"endless":     {expr: "($f := function() { $f() }; $f())", params: map[string]string{"jsonata.timeout.ms": "1"}, err: "took too long"},
		"deep":        {expr: "($f := function($n) { $n = 0 ? $$ : [$f($n - 1)][0] }; $f(100))", params: map[string]string{"jsonata.max.depth": "50"}, err: "nested too deeply"},
		"large":       {expr: "$pad('', 2000000000)", err: "too much memory"},
		"syntax":      {expr: "$$$(", err: "S0"},
		"no document": {expr: "nothing", err: "does not fit the schema of the reader"},
		"no timeout":  {expr: "$", params: map[string]string{"jsonata.timeout.ms": "soon"}, err: "not a number of milliseconds"},
		"no depth":    {expr: "$", params: map[string]string{"jsonata.max.depth": "1000000"}, err: "not a number from 1 to"},
		"condition":   {expr: "full = 'bob'", kind: "CONDITION", err: "condition does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			text := `{"type":"record","name":"R","fields":[{"name":"full","type":"string"}]}`
			write := func(set *schema.RuleSet) []byte {
				f, err := avro.NewFormat[map[string]any](avro.FormatOptions{Text: text, RuleSet: set})
				if err != nil {
					t.Fatal(err)
				}
				s, err := serde.NewSerializer(w.Client, f)
				if err != nil {
					t.Fatal(err)
				}
				b, err := s.Append(ctx, nil, "r", map[string]any{"full": "ann"})
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			first := write(nil)
			write(&schema.RuleSet{MigrationRules: []schema.Rule{{
				Name: "up", Mode: "UPGRADE", Type: "JSONATA", Kind: c.kind, Expr: c.expr, Params: c.params}}})
			for _, onFailure := range []string{"ERROR", "NONE"} {
				e := w.engine(t, rules.Options{Overrides: map[string]rules.Override{"up": {OnFailure: onFailure}}})
				d, err := avro.NewDeserializer[any](w.Client, "", serde.WithLatest(), serde.WithRules(e))
				if err != nil {
					t.Fatal(err)
				}
				var got any
				err = d.Decode(ctx, "r", first, &got)
				if onFailure == "NONE" && name != "no document" {
					if err != nil || !reflect.DeepEqual(got, any(map[string]any{"full": "ann"})) {
						t.Errorf("action NONE: %v, %v", got, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, %v; want %q", got, err, c.err)
				}
			}
		})
	}
}
