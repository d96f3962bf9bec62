package jsonschema_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat"
	compatjs "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// TestErrorsNamePlaceWantAndFound has one payload for each thing that can be
// wrong.
func TestErrorsNamePlaceWantAndFound(t *testing.T) {
	const d20 = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	for _, c := range []struct{ schema, payload, want string }{
		{`{"type":"integer"}`, `"x"`, `the payload (byte 0): want a value of type integer, found "x"`},
		{`{"type":["string","null"]}`, ` 1.50 `, `the payload (byte 1): want a value of type null or string, found 1.50`},
		{`{"properties":{"a":{"items":{"type":"number"}}}}`, `{"a":[1,{}]}`, `/a/1 (byte 8): want a value of type number, found an object`},
		{`{"properties":{"a/b":{"properties":{"c~d":false}}}}`, `{"a/b":{"c~d":[]}}`, `/a~1b/c~0d (byte 14): want no value at all, found an array`},
		{`{"enum":["b","a",1,null,true,{}]}`, `"c"`, `the payload (byte 0): want one of "a", "b", 1, true, null, 1 objects or arrays, found "c"`},
		{`{"const":2.50}`, `2.51`, `want one of 2.50, found 2.51`},
		{`{"minLength":2}`, `"é"`, `want a string of at least 2 characters, found "é"`},
		{`{"maxLength":2}`, `"` + strings.Repeat("é", 100) + `"`, `want a string of at most 2 characters, found "` + strings.Repeat("é", 29)},
		{`{"pattern":"^a"}`, `"b"`, `want a string that matches "^a", found "b"`},
		{`{"minimum":1,"exclusiveMaximum":3}`, `3.0`, `want a number below 3 and from 1, found 3.0`},
		{`{"multipleOf":0.01}`, `0.001`, `want a multiple of 0.01, found 0.001`},
		{`{"required":["a","b"]}`, `[{"a":1}]`, ``},
		{`{"items":{"required":["a","b"]}}`, `[{"a":1}]`, `/0 (byte 1): want a member "b", found an object without it`},
		{`{"additionalProperties":false,"properties":{"a":{}}}`, `{"a":1,"b":2}`, `/b (byte 7): want no member of this name, found one`},
		{`{"minProperties":1}`, `{}`, `want at least 1 members, found fewer`},
		{`{"maxProperties":1}`, `{"a":1,"b":2}`, `want at most 1 members, found more`},
		{`{"minItems":1}`, `[]`, `want at least 1 items, found fewer`},
		{`{"maxItems":1}`, `[1,2]`, `want at most 1 items, found more`},
		{`{"contains":{"type":"null"}}`, `[1]`, `want at least 1 items as contains says, found fewer`},
		{`{` + d20 + `"contains":{"type":"null"},"maxContains":1}`, `[null,null]`, `want at most 1 items as contains says, found more`},
		{`{"uniqueItems":true}`, `[1,{"a":[1.0],"b":2},{"b":2.0,"a":[1]}]`, `/2 (byte 21): want no two equal items, found an object`},
		{`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `1`, `want a value of at least one of the 2 schemas of anyOf, found 1`},
		{`{"oneOf":[{"type":"string"},{"type":"null"}]}`, `1`, `want a value of one of the 2 schemas of oneOf, found 1`},
		{`{"oneOf":[{"type":"number"},{"type":"integer"}]}`, `1`, `want a value of only one of the schemas of oneOf, found 1`},
		{`{"not":{"type":"number"}}`, `1`, `want a value that is not what the schema excludes, found 1`},
		{`{"if":{"type":"number"},"then":{"minimum":3}}`, `1`, `want a number from 3, found 1`},
		{`{"dependencies":{"a":["b"]}}`, `{"a":1}`, `want a member "b", found an object without it`},
		{`{"propertyNames":{"maxLength":1}}`, `{"abc":1}`, `/abc (byte 1): want a string of at most 1 characters, found "abc"`},
		{`{` + d20 + `"unevaluatedProperties":false,"properties":{"a":{}}}`, `{"a":1,"b":2}`, `/b (byte 11): not what the schema says: at '/b': false schema`},
		{`true`, ``, `the payload (byte 0): not JSON: the payload ends where a value is expected`},
		{`true`, `{"a":1`, `(byte 6): not JSON: the payload ends inside an object or array`},
		{`true`, `{"a" 1}`, `(byte 5): not JSON: no colon after a member name`},
		{`true`, `[1 2]`, `not JSON: no comma and no closing bracket`},
		{`true`, `[1]x`, `(byte 3): not JSON: something follows the value`},
		{`true`, "\"a\x01\"", `not JSON: a control character in a string`},
		{`true`, "\"a\xff\"", `not JSON: not UTF-8`},
		{`true`, `"\x"`, `not JSON: no escape of JSON`},
		{`true`, `tru`, `not JSON: no JSON value`},
		{`{"type":"number"}`, `01`, `not JSON: something follows the value`},
		{`{"not":{"type":"number"}}`, `-`, `not JSON: a number without digits`},
		{`{"anyOf":[{"type":"string"},{"items":{"type":"string"}}]}`, `["a`, `not JSON: the string is not closed`},
	} {
		v := newValidator(t, c.schema)
		err := v.Validate([]byte(c.payload))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s refuses %s: %v", c.schema, c.payload, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s and %s:\ngot  %v\nwant %s", c.schema, c.payload, err, c.want)
		}
	}
}

// TestHostilePayloads: whatever comes, an answer comes soon.
func TestHostilePayloads(t *testing.T) {
	repeat := strings.Repeat
	doubling := `{"allOf":[{"properties":{"a":{"$ref":"#"}}},{"properties":{"a":{"$ref":"#"}}}]}`
	chain := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/definitions/d%d"}],"properties":{"a":{"$ref":"#/definitions/d0"}}},`, i, i+1)
		}
		return `{"allOf":[{"$ref":"#/definitions/d0"}],"definitions":{` + b.String() + fmt.Sprintf(`"d%d":{"type":"object"}`, n) + `}}`
	}
	for name, c := range map[string]struct{ schema, payload, refuse string }{
		"a million arrays":         {`true`, repeat("[", 1_000_000), "nested too deeply"},
		"a million objects":        {`{"properties":{"a":{"$ref":"#"}}}`, repeat(`{"a":`, 1_000_000), "nested too deeply"},
		"1,000 objects":            {`{"properties":{"a":{"$ref":"#"}}}`, repeat(`{"a":`, 999) + "1" + repeat("}", 999), ""},
		"doubling":                 {doubling, repeat(`{"a":`, 900) + "1" + repeat("}", 900), "given up"},
		"doubling any-of":          {strings.ReplaceAll(doubling, "allOf", "oneOf"), repeat(`{"a":`, 900) + "1" + repeat("}", 900), "given up"},
		"chain of all-of":          {chain(5000), repeat(`{"a":`, 900) + "{}" + repeat("}", 900), "given up"},
		"unique 100,000":           {`{"uniqueItems":true}`, "[" + repeat("1,", 100_000) + "1]", "two equal items"},
		"pattern":                  {`{"pattern":"^(a+)+$"}`, `"` + repeat("a", 100_000) + `b"`, "matches"},
		"far exponent":             {`{"maximum":5}`, `1e999999999999`, "up to 5"},
		"far negative exponent":    {`{"multipleOf":5}`, `1e-999999999999`, "multiple of 5"},
		"far multiple":             {`{"multipleOf":5}`, `1e999999999999`, ""},
		"a million digits":         {`{"type":"integer","maximum":5}`, repeat("9", 1_000_000), "up to 5"},
		"library, far exponent":    {`{"$schema":"https://json-schema.org/draft/2020-12/schema","maximum":5,"unevaluatedItems":false}`, `1e999999999`, "exponent"},
		"library, a million depth": {`{"$schema":"https://json-schema.org/draft/2020-12/schema","unevaluatedItems":false}`, repeat("[", 1_000_000), "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			v := newValidator(t, c.schema)
			began := time.Now()
			err := v.Validate([]byte(c.payload))
			if c.refuse == "" && err != nil || c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)) {
				t.Errorf("%.300v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("took %v", took)
			} else {
				t.Logf("took %v", took)
			}
		})
	}
}

func TestSchemasThatCannotBeCompiled(t *testing.T) {
	for text, want := range map[string]string{
		`{"anyOf":[{"$ref":"#"},{"type":"string"}]}`: "without end",
		`{"not":{"$ref":"#"}}`:                       "without end",
		`{"dependencies":{"a":{"$ref":"#"}}}`:        "without end",
		`{"pattern":"(?!a)"}`:                        `pattern "(?!a)": look-around is not supported`,
		`{"patternProperties":{"(a)\\1":{}}}`:        `not supported`,
	} {
		s, err := compatjs.Parse(compat.Source{Text: text})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jsonschema.NewValidator(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestEveryPrefixIsRefused: nothing but the whole payload is one.
func TestEveryPrefixIsRefused(t *testing.T) {
	v := newValidator(t, orderText)
	for i := range orderPayload {
		if err := v.Validate([]byte(orderPayload[:i])); err == nil {
			t.Fatalf("%d bytes are taken", i)
		}
	}
}
