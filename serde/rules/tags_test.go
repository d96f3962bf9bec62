package rules_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"reflect"
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

// The same record in the three formats: inline tags on ssn, cards, notes and
// home.street; the tag map of the metadata adds some by path.
const (
	taggedAvro = `{"type":"record","name":"P","namespace":"x","fields":[
		{"name":"name","type":"string"},
		{"name":"ssn","type":["null","string"],"default":null,"confluent:tags":["PII","KEY"]},
		{"name":"cards","type":{"type":"array","items":"string"},"confluent:tags":["PII"]},
		{"name":"notes","type":{"type":"map","values":"string"},"confluent:tags":["PII"]},
		{"name":"home","type":["null",{"type":"record","name":"Home","fields":[
			{"name":"street","type":"string","confluent:tags":["PII"]},
			{"name":"city","type":"string","confluent:tags":"PII"}]}],"default":null}]}`
	taggedJSON = `{"type":"object","properties":{
		"name":{"type":"string"},
		"ssn":{"oneOf":[{"type":"null"},{"type":"string"}],"confluent:tags":["PII","KEY"]},
		"cards":{"type":"array","items":{"type":"string"},"confluent:tags":["PII"]},
		"notes":{"type":"object","additionalProperties":{"type":"string","confluent:tags":["PII"]}},
		"home":{"$ref":"#/$defs/Home"}},
		"$defs":{"Home":{"type":"object","properties":{
			"street":{"type":"string","confluent:tags":["PII"]},
			"city":{"type":"string","confluent:tags":"PII"}}}}}`
	taggedProto = `syntax = "proto3";
		package x;
		import "confluent/meta.proto";
		message P {
			string name = 1;
			optional string ssn = 2 [(confluent.field_meta) = { tags: ["PII", "KEY"] }];
			repeated string cards = 3 [(confluent.field_meta).tags = "PII"];
			map<string, string> notes = 4 [(confluent.field_meta).tags = "PII"];
			Home home = 5;
			message Home {
				string street = 1 [(confluent.field_meta).tags = "PII"];
				string city = 2;
			}
		}`
	taggedDocument = `{"name":"ann","ssn":"s-1","cards":["c-1","c-2"],"notes":{"k":"n-1"},"home":{"street":"h-1","city":"rome"}}`
)

type taggedP struct {
	Name  string            `avro:"name" json:"name"`
	SSN   *string           `avro:"ssn" json:"ssn"`
	Cards []string          `avro:"cards" json:"cards"`
	Notes map[string]string `avro:"notes" json:"notes"`
	Home  *taggedHome       `avro:"home" json:"home"`
}

type taggedHome struct {
	Street string `avro:"street" json:"street"`
	City   string `avro:"city" json:"city"`
}

// roundTrip writes a document with a rule and reads it twice: with no rules,
// and with them.
type roundTrip func(t *testing.T, rule schema.Rule, tags map[string][]string) (written []byte, raw, read any)

func through[T any](w *world, t *testing.T, f serde.Format[T], e *rules.Engine, v T, document func(T) any) (written []byte, raw, read any) {
	t.Helper()
	s, err := serde.NewSerializer(w.Client, f, serde.WithRules(e), serde.WithLatest(), serde.WithStrict(false))
	if err != nil {
		t.Fatal(err)
	}
	if written, err = s.Append(ctx, nil, "p", v); err != nil {
		t.Fatal(err)
	}
	out := [2]any{}
	for i, opts := range [][]serde.Option{nil, {serde.WithRules(e)}} {
		d, err := serde.NewDeserializer(w.Client, f, opts...)
		if err != nil {
			t.Fatal(err)
		}
		var got T
		if err := d.Decode(ctx, "p", written, &got); err != nil {
			t.Fatal(err)
		}
		out[i] = document(got)
	}
	return written, out[0], out[1]
}

func taggedWorld(t *testing.T, typ schema.Type, text string, rule schema.Rule, tags map[string][]string) (*world, *rules.Engine) {
	t.Helper()
	w := newWorld(t)
	def := schema.Definition{Type: typ, Text: text, RuleSet: domain(rule)}
	if tags != nil {
		def.Metadata = &schema.Metadata{Tags: tags}
	}
	if _, err := w.Register(ctx, "p-value", def, serde.RegisterOptions{}); err != nil {
		t.Fatal(err)
	}
	return w, w.engine(t, rules.Options{Params: map[string]string{"secret": "hush"}})
}

func asDocument[T any](v T) any {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		return err
	}
	return out
}

// taggedFormats are the formats and what begins the path of a field.
func taggedFormats() map[string]struct {
	prefix, home string
	trip         roundTrip
} {
	return map[string]struct {
		prefix, home string
		trip         roundTrip
	}{
		"avro": {"x.P.", "x.Home.", func(t *testing.T, rule schema.Rule, tags map[string][]string) ([]byte, any, any) {
			w, e := taggedWorld(t, schema.Avro, taggedAvro, rule, tags)
			f, err := avro.NewFormat[taggedP](avro.FormatOptions{Text: taggedAvro})
			if err != nil {
				t.Fatal(err)
			}
			return through(w, t, f, e, parsed[taggedP](t, taggedDocument), asDocument)
		}},
		"json": {"$.", "$.home.", func(t *testing.T, rule schema.Rule, tags map[string][]string) ([]byte, any, any) {
			w, e := taggedWorld(t, schema.JSON, taggedJSON, rule, tags)
			f, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{Text: taggedJSON})
			if err != nil {
				t.Fatal(err)
			}
			return through(w, t, f, e, parsed[any](t, taggedDocument), asDocument)
		}},
		"json struct": {"$.", "$.home.", func(t *testing.T, rule schema.Rule, tags map[string][]string) ([]byte, any, any) {
			w, e := taggedWorld(t, schema.JSON, taggedJSON, rule, tags)
			f, err := jsonschema.NewFormat[*taggedP](jsonschema.FormatOptions{Text: taggedJSON})
			if err != nil {
				t.Fatal(err)
			}
			p := parsed[taggedP](t, taggedDocument)
			return through(w, t, f, e, &p, asDocument)
		}},
		"protobuf": {"x.P.", "x.P.Home.", func(t *testing.T, rule schema.Rule, tags map[string][]string) ([]byte, any, any) {
			w, e := taggedWorld(t, schema.Protobuf, taggedProto, rule, tags)
			p, err := compatpb.Parse(compat.Source{Type: schema.Protobuf, Text: taggedProto})
			if err != nil {
				t.Fatal(err)
			}
			m := dynamicpb.NewMessage(p.Message("x.P"))
			if err := protojson.Unmarshal([]byte(taggedDocument), m); err != nil {
				t.Fatal(err)
			}
			return through(w, t, protobuf.NewFormat[proto.Message](protobuf.FormatOptions{}), e, proto.Message(m), func(m proto.Message) any {
				b, err := protojson.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				return parsed[any](t, string(b))
			})
		}},
	}
}

// leaves returns the strings of a document by their path.
func leaves(v any, path string, out map[string]string) map[string]string {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			leaves(item, path+"."+k, out)
		}
	case []any:
		for i, item := range v {
			leaves(item, path+"."+string(rune('0'+i)), out)
		}
	case string:
		out[strings.TrimPrefix(path, ".")] = v
	}
	return out
}

func TestTagsSelectFieldsInEachFormat(t *testing.T) {
	inline := []string{"ssn", "cards.0", "cards.1", "notes.k", "home.street"}
	for name, c := range map[string]struct {
		tags map[string][]string // by path without its beginning
		rule []string
		want []string
	}{
		"inline":           {nil, []string{"PII"}, inline},
		"one of several":   {nil, []string{"KEY"}, []string{"ssn"}},
		"any of the rule":  {nil, []string{"OTHER", "KEY"}, []string{"ssn"}},
		"none":             {nil, []string{"OTHER"}, nil},
		"metadata alone":   {map[string][]string{"name": {"M"}}, []string{"M"}, []string{"name"}},
		"both":             {map[string][]string{"name": {"PII"}}, []string{"PII"}, append([]string{"name"}, inline...)},
		"metadata adds":    {map[string][]string{"ssn": {"M"}}, []string{"M"}, []string{"ssn"}},
		"and keeps inline": {map[string][]string{"ssn": {"M"}}, []string{"KEY"}, []string{"ssn"}},
		"glob":             {map[string][]string{"n*": {"M"}}, []string{"M"}, []string{"name", "notes.k"}},
		"nested":           {map[string][]string{"home/city": {"M"}}, []string{"M"}, []string{"home.city"}},
	} {
		for format, f := range taggedFormats() {
			if name == "glob" && strings.HasPrefix(format, "json") {
				c.want = []string{"name"} // the members of notes are fields with paths of their own
			} else if name == "glob" {
				c.want = []string{"name", "notes.k"}
			}
			var tags map[string][]string
			for path, list := range c.tags {
				if tags == nil {
					tags = map[string][]string{}
				}
				if city, ok := strings.CutPrefix(path, "home/"); ok {
					tags[f.home+city] = list
				} else {
					tags[f.prefix+path] = list
				}
			}
			t.Run(name+"/"+format, func(t *testing.T) {
				selected := func(got map[string]string, is func(before, after string) bool) {
					t.Helper()
					for path, before := range leaves(parsed[any](t, taggedDocument), "", map[string]string{}) {
						want := false
						for _, p := range c.want {
							want = want || p == path
						}
						if want != is(before, got[path]) || !want && got[path] != before {
							t.Errorf("%s: %q became %q", path, before, got[path])
						}
					}
				}
				// CEL_FIELD, which sees the tags too.
				rule := schema.Rule{Name: "r", Type: "CEL_FIELD", Mode: "WRITE", Tags: c.rule, Expr: "typeName == 'STRING'; value + (tags.exists(t, t in ['" + strings.Join(c.rule, "','") + "']) ? '!' : '?')"}
				_, _, read := f.trip(t, rule, tags)
				selected(leaves(read, "", map[string]string{}), func(before, after string) bool { return after == before+"!" })

				// ENCRYPT: the bytes on the wire, then the way back.
				rule = encryptRule(nil)
				rule.Tags = c.rule
				written, raw, read := f.trip(t, rule, tags)
				selected(leaves(raw, "", map[string]string{}), func(before, after string) bool {
					b, err := base64.StdEncoding.DecodeString(after)
					return err == nil && len(b) == len(before)+28 && !bytes.Contains(written, []byte(before))
				})
				if want := parsed[any](t, taggedDocument); !reflect.DeepEqual(read, want) {
					t.Errorf("read %v, want %v", read, want)
				}
			})
		}
	}
}

// What a schema says about alternatives and patterns counts as long as the type
// of the value allows it: a ciphertext need not be valid to be found again.
func TestTagsOfJSONAlternativesAndPatterns(t *testing.T) {
	text := `{"type":"object","properties":{
		"either":{"oneOf":[{"type":"string","pattern":"^[0-9]+$","confluent:tags":["PII"]},{"type":"integer"},{"type":"array","items":{"type":"string"}}]},
		"pair":{"type":"array","prefixItems":[{"type":"string"},{"type":"string"}],"confluent:tags":["PII"]}},
		"patternProperties":{"^secret":{"type":"string","confluent:tags":["PII"]}}}`
	for document, hidden := range map[string][]string{
		`{"either":"4711"}`:                   {"4711"},
		`{"either":12}`:                       nil,
		`{"either":["a"],"pair":["bb","cc"]}`: {"bb", "cc"},
		`{"secretA":"one","open":"two"}`:      {"one"},
	} {
		w, e := taggedWorld(t, schema.JSON, text, encryptRule(nil), nil)
		f, err := jsonschema.NewFormat[any](jsonschema.FormatOptions{Text: text, Unvalidated: true})
		if err != nil {
			t.Fatal(err)
		}
		written, _, read := through(w, t, f, e, parsed[any](t, document), asDocument)
		if !reflect.DeepEqual(read, parsed[any](t, document)) {
			t.Errorf("%s: read %v", document, read)
		}
		for _, text := range hidden {
			if bytes.Contains(written, []byte(`"`+text+`"`)) {
				t.Errorf("%s: %q is in clear: %s", document, text, written[5:])
			}
		}
		if document == `{"secretA":"one","open":"two"}` && !bytes.Contains(written, []byte(`"two"`)) {
			t.Errorf("%s: what has no tag is encrypted: %s", document, written[5:])
		}
	}
}
