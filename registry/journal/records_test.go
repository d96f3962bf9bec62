package journal

import (
	"reflect"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Keys are compared by compaction, so their bytes never change.
func TestKeyBytes(t *testing.T) {
	for _, c := range []struct {
		key  Key
		want string
	}{
		{Key{Type: SchemaKey, Subject: "s", Version: 1}, `{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`},
		{Key{Type: SchemaKey, Subject: ":.ctx:s", Version: 12}, `{"keytype":"SCHEMA","subject":":.ctx:s","version":12,"magic":1}`},
		{Key{Type: SchemaKey, Subject: "a\"b\\ü\n", Version: 1}, `{"keytype":"SCHEMA","subject":"a\"b\\ü\n","version":1,"magic":1}`},
		{Key{Type: ConfigKey, Subject: "s"}, `{"keytype":"CONFIG","subject":"s","magic":0}`},
		{Key{Type: ConfigKey}, `{"keytype":"CONFIG","magic":0}`},
		{Key{Type: ConfigKey, Subject: ":.__GLOBAL:"}, `{"keytype":"CONFIG","subject":":.__GLOBAL:","magic":0}`},
		{Key{Type: ModeKey, Subject: "s"}, `{"keytype":"MODE","subject":"s","magic":0}`},
		{Key{Type: ModeKey}, `{"keytype":"MODE","magic":0}`},
		{Key{Type: DeleteSubjectKey, Subject: "s"}, `{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}`},
		{Key{Type: ClearSubjectKey, Subject: "s"}, `{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}`},
		{Key{Type: ClearSubjectKey}, `{"keytype":"CLEAR_SUBJECT","magic":0}`},
		{Key{Type: NoopKey}, `{"keytype":"NOOP","magic":0}`},
		{Key{Type: ContextKey, Context: ".ctx"}, `{"keytype":"CONTEXT","tenant":"default","context":".ctx","magic":0}`},
		{Key{Type: AssociationKey, ResourceName: "t", ResourceNamespace: "lkc", ResourceType: "topic", AssociationType: "value", Subject: "s"},
			`{"keytype":"ASSOC","tenant":"default","resourceName":"t","resourceNamespace":"lkc","resourceType":"topic","associationType":"value","subject":"s","magic":0}`},
		{Key{Type: EncoderKey}, `{"keytype":"ENCODER","tenant":"default","magic":0}`},
		{Key{Type: KEKKey, KEK: "k"}, `{"keytype":"KEK","tenant":"default","name":"k","magic":0}`},
		{Key{Type: DEKKey, KEK: "k", Subject: "s", Algorithm: "AES256_GCM", Version: 2},
			`{"keytype":"DEK","tenant":"default","kekName":"k","subject":"s","algorithm":"AES256_GCM","version":2,"magic":0}`},
	} {
		got := string(AppendKey(nil, c.key))
		if got != c.want {
			t.Errorf("%+v\n got %s\nwant %s", c.key, got, c.want)
		}
		back, err := ParseKey([]byte(got))
		if err != nil || back != c.key {
			t.Errorf("%s reads as %+v, %v", got, back, err)
		}
	}
}

// Old releases wrote other bytes for the same things.
func TestOldKeysAreReadable(t *testing.T) {
	for text, want := range map[string]Key{
		`{"keytype":"CONFIG","subject":null,"magic":0}`:                  {Type: ConfigKey},
		`{"keytype":"MODE","subject":null,"magic":0}`:                    {Type: ModeKey},
		`{"keytype":"SCHEMA","subject":"s","version":3,"magic":0}`:       {Type: SchemaKey, Subject: "s", Version: 3},
		`{"magic":1,"keytype":"SCHEMA","version":3,"subject":"s"}`:       {Type: SchemaKey, Subject: "s", Version: 3},
		` { "keytype" : "NOOP" , "magic" : 0 , "new":[{"a":[1.5e3]}] } `: {Type: NoopKey},
	} {
		if got, err := ParseKey([]byte(text)); err != nil || got != want {
			t.Errorf("%s reads as %+v, %v", text, got, err)
		}
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	for text, why := range map[string]string{
		``:                     "want an object",
		`{`:                    "want a string",
		`{"keytype":"SCHEMA"}`: "version 0 is not 1 or more",
		`{"keytype":"SCHEMA","subject":"s","version":1,"magic":2}`:           "unknown magic",
		`{"keytype":"CONFIG","magic":1}`:                                     "unknown magic",
		`{"keytype":"WISH","magic":0}`:                                       "unknown keytype",
		`{"keytype":"SCHEMA","subject":"s","version":99999999999,"magic":1}`: "want an integer",
		`{"keytype":"NOOP","magic":0} x`:                                     "something follows",
		`{"keytype":"NOOP","x":` + strings.Repeat("[", 100) + `}`:            "nested too deeply",
		`{"keytype":"\ud8"}`:                                                 "\\u",
	} {
		if _, err := ParseKey([]byte(text)); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%.60s: %v, want %q", text, err, why)
		}
	}
}

func TestSchemaValueBytes(t *testing.T) {
	v := SchemaValue{Subject: "s", Version: 1, ID: 1, Definition: schema.Definition{Type: schema.Avro, Text: `"string"`}, Quoted: `"\"string\""`}
	want := `{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\"string\"","deleted":false}`
	if got := string(AppendSchema(nil, v)); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	old := `{"subject":"s","version":1,"id":1,"schema":"\"string\"","deleted":false}`
	if got, err := ParseSchema([]byte(old)); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("without a type: %+v, %v", got, err)
	}
}

func TestValuesRoundTrip(t *testing.T) {
	yes, no := true, false
	metadata := &schema.Metadata{
		Tags: map[string][]string{"a.*": {"PII", "X"}, "b": {"Y"}}, Properties: map[string]string{"owner": "me", "é": "\u0001\U0001F600"}, Sensitive: []string{"owner"},
	}
	rules := &schema.RuleSet{
		MigrationRules: []schema.Rule{{Name: "up", Kind: "TRANSFORM", Mode: "UPGRADE", Type: "JSONATA", Expr: "$", Disabled: true}},
		DomainRules:    []schema.Rule{{Name: "d", Doc: "doc", Type: "CEL", Tags: []string{"PII"}, Params: map[string]string{"k": "v", "a": "b"}, OnSuccess: "NONE", OnFailure: "DLQ"}},
		EncodingRules:  []schema.Rule{{Name: "e", Type: "ENCRYPT_PAYLOAD"}}, EnableAt: "CLIENT",
	}
	s := SchemaValue{
		Subject: ":.c:s", Version: 7, ID: 9, MD5: []byte("0123456789abcdef"), Deleted: true, Timestamp: 5,
		Quoted:     `"syntax = \"proto3\";\n"`,
		Definition: schema.Definition{Type: schema.Protobuf, Text: "syntax = \"proto3\";\n", References: []schema.Reference{{Name: "n", Subject: "r", Version: 2}}, Metadata: metadata, RuleSet: rules},
	}
	if got, err := ParseSchema(AppendSchema(nil, s)); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("schema\n got %+v, %v\nwant %+v", got, err, s)
	}
	empty := s
	empty.Definition.Metadata, empty.Definition.RuleSet = &schema.Metadata{}, &schema.RuleSet{}
	if got, err := ParseSchema(AppendSchema(nil, empty)); err != nil || !reflect.DeepEqual(got, empty) {
		t.Errorf("empty metadata is not none\n got %+v, %v", got, err)
	}
	c := ConfigValue{
		Subject: "s", Alias: "t", AliasForDeks: "u", Normalize: &yes, ValidateFields: &no, ValidateNewSchemas: &yes, ValidateRules: &no,
		Level: "FULL", Policy: "LENIENT", Group: "g", DefaultMetadata: metadata, OverrideMetadata: metadata, DefaultRuleSet: rules, OverrideRuleSet: rules,
	}
	if got, err := ParseConfig(AppendConfig(nil, c)); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("config\n got %+v, %v\nwant %+v", got, err, c)
	}
	m := ModeValue{Subject: "s", Mode: "IMPORT"}
	if got, err := ParseMode(AppendMode(nil, m)); err != nil || got != m {
		t.Errorf("mode: %+v, %v", got, err)
	}
	d := DeleteSubjectValue{Subject: "s", Watermark: 3}
	if got, err := ParseDeleteSubject(AppendDeleteSubject(nil, d)); err != nil || got != d {
		t.Errorf("delete: %+v, %v", got, err)
	}
	x := ContextValue{Tenant: "default", Context: ".c", MaxID: 4}
	if got, err := ParseContext(AppendContext(nil, x)); err != nil || got != x {
		t.Errorf("context: %+v, %v", got, err)
	}
	a := AssociationValue{GUID: "g", Tenant: "default", ResourceName: "n", ResourceNamespace: "ns", ResourceID: "i", ResourceType: "topic",
		AssociationType: "key", Subject: "s", Lifecycle: "STRONG", Frozen: true, CreateTs: 1, UpdateTs: 2}
	if got, err := ParseAssociation(AppendAssociation(nil, a)); err != nil || got != a {
		t.Errorf("association: %+v, %v", got, err)
	}
	kek := KEKValue{Name: "k", KMSType: "local-kms", KMSKeyID: "id", KMSProps: map[string]string{"a": "b"}, Doc: "d", Shared: true, Deleted: true}
	if got, err := ParseKEK(AppendKEK(nil, kek)); err != nil || !reflect.DeepEqual(got, kek) {
		t.Errorf("KEK: %+v, %v", got, err)
	}
	dek := DEKValue{KEK: "k", Subject: ":.c:s", Algorithm: "AES256_SIV", Version: 3, Wrapped: "AAEC", Deleted: true}
	if got, err := ParseDEK(AppendDEK(nil, dek)); err != nil || got != dek {
		t.Errorf("DEK: %+v, %v", got, err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}`))
	f.Add([]byte(`{"keytype":"CONFIG","subject":null,"magic":0}`))
	f.Add([]byte(`{"keytype":"CONTEXT","tenant":"default","context":".c","magic":0}`))
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"a\"b","version":1,"magic":1}`))
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"s","version":01,"magic":1}`))
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"s","version":1234567890,"magic":1}`))
	f.Add([]byte(`{"keytype":"SCHEMA","subject":"s","version":,"magic":1}`))
	f.Add([]byte("{\"keytype\":\"SCHEMA\",\"subject\":\"\x01\",\"version\":1,\"magic\":1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey(b)
		if in, errIn := ParseKeyIn(b); in != k || (errIn == nil) != (err == nil) {
			t.Fatalf("%q in place is %+v, %v; copied %+v, %v", b, in, errIn, k, err)
		}
		if err != nil {
			return
		}
		if again, err := ParseKey(AppendKey(nil, k)); err != nil {
			t.Fatalf("%+v does not read back: %v", k, err)
		} else if k.Type == SchemaKey && (again.Subject != k.Subject || again.Version != k.Version) {
			t.Fatalf("%+v reads back as %+v", k, again)
		}
	})
}

// Strings are read eight bytes at a time; wherever an escape lies among them, the
// text is what reading byte by byte finds.
func FuzzSpelled(f *testing.F) {
	for _, s := range []string{``, `a`, `"`, `\`, "\n", "\b\f\r\t", "é", "𝄞", "\x7f", "a\xffb", "\x00", "/"} {
		for before := range 17 {
			quoted := AppendQuoted(nil, strings.Repeat("x", before)+s)
			f.Add(quoted)
			f.Add(append(quoted, `,"é\u0041":1}`...))
			f.Add(AppendQuoted(nil, strings.Repeat("x", before)+s+strings.Repeat("y\"", 9)))
			f.Add(append(append([]byte{'"'}, strings.Repeat("x", before)...), s...)) // may have no end
			f.Add([]byte(`"` + strings.Repeat("x", before) + `\u00e9` + s + `"`))
			f.Add([]byte(`"` + strings.Repeat("x", before) + "\x1f" + `"`))
			f.Add([]byte(`"` + strings.Repeat("x", before) + `\`))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		want := cursor{b: string(b)}
		text := want.str()
		got := cursor{b: string(b)}
		for _, scratch := range [][]byte{nil, make([]byte, 7), make([]byte, 1000)} {
			got.i, got.err = 0, nil
			gotText, quoted, _ := got.spelled(scratch)
			if gotText != text || got.i != want.i || (got.err == nil) != (want.err == nil) {
				t.Fatalf("%q is %q up to byte %d, %v; want %q up to %d, %v", b, gotText, got.i, got.err, text, want.i, want.err)
			}
			if want := string(AppendQuoted(nil, text)); quoted != want {
				t.Fatalf("%q is spelled %s, want %s", b, quoted, want)
			}
		}
	})
}

func FuzzParseSchema(f *testing.F) {
	f.Add([]byte(`{"subject":"s","version":1,"id":1,"schemaType":"AVRO","schema":"\"string\"","deleted":false}`))
	f.Add([]byte(`{"subject":"s","version":1,"id":1,"references":[{"name":"n","subject":"r","version":2}],"metadata":{"tags":{"a":["b"]},"properties":{"k":"v"}},"ruleSet":{"domainRules":[{"name":"d","params":{"a":"b"}}]},"schema":"x","deleted":true,"ts":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseSchema(b)
		if err != nil {
			return
		}
		again, err := ParseSchema(AppendSchema(nil, v))
		if err != nil {
			t.Fatalf("%+v does not read back: %v", v, err)
		}
		if v.Quoted != string(AppendQuoted(nil, v.Definition.Text)) {
			t.Fatalf("%q is kept as %s", v.Definition.Text, v.Quoted)
		}
		if again.Definition.Fingerprint() != v.Definition.Fingerprint() || again.ID != v.ID {
			t.Fatalf("%+v reads back as %+v", v, again)
		}
	})
}

func FuzzParseOtherValues(f *testing.F) {
	f.Add([]byte(`{"subject":"s","compatibilityLevel":"FULL","normalize":true,"defaultMetadata":{},"overrideRuleSet":{"migrationRules":[]}}`))
	f.Add([]byte(`{"subject":"s","mode":"IMPORT","version":3,"tenant":"t","context":".c","maxId":7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseConfig(b); err == nil {
			if _, err := ParseConfig(AppendConfig(nil, v)); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := ParseMode(b); err == nil {
			if _, err := ParseMode(AppendMode(nil, v)); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := ParseKEK(b); err == nil {
			if again, err := ParseKEK(AppendKEK(nil, v)); err != nil || again.Name != v.Name {
				t.Fatalf("%+v reads back as %+v, %v", v, again, err)
			}
		}
		if v, err := ParseDEK(b); err == nil {
			if again, err := ParseDEK(AppendDEK(nil, v)); err != nil || again != v {
				t.Fatalf("%+v reads back as %+v, %v", v, again, err)
			}
		}
		_, _ = ParseDeleteSubject(b)
		_, _ = ParseContext(b)
		_, _ = ParseAssociation(b)
	})
}
