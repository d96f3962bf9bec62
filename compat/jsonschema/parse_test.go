package jsonschema

import (
	"errors"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

func TestCanonicalLosesWhiteSpaceOnly(t *testing.T) {
	for text, want := range map[string]string{
		" true\n": `true`,
		"{ \"type\" : \"string\",\n\t\"a\": [ 1 , 2.50, 1e2, -0, 1E+2, 123456789012345678901234567890.10 ] }": `{"type":"string","a":[1,2.50,1e2,-0,1E+2,123456789012345678901234567890.10]}`,
		`{"b":1,"a":{"d":null,"c":[]}}`:                 `{"b":1,"a":{"d":null,"c":[]}}`,
		`{"title":"\u00e9\/\u0001\n\"\\ \ud83d\ude00"}`: `{"title":"é/\u0001\n\"\\ 😀"}`,
		`{"title":"first","a":1,"title":"last"}`:        `{"title":"last","a":1}`,
		`{}`:                                            `{}`,
	} {
		s, err := Parse(compat.Source{Text: text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if s.Canonical() != want {
			t.Errorf("%s becomes %s, want %s", text, s.Canonical(), want)
		}
		again, err := Parse(compat.Source{Text: s.Canonical()})
		if err != nil || again.Canonical() != want {
			t.Errorf("again: %v", err)
		}
	}
}

func TestNormalizedSortsMembersEverywhere(t *testing.T) {
	s := parse(t, `{"type":"object","properties":{"b":{"maxLength":1,"$comment":"x"},"a":true,"\ud83d\ude00":{},"\uff5e":{}},"required":["b","a"]}`)
	want := `{"properties":{"a":true,"b":{"$comment":"x","maxLength":1},"😀":{},"～":{}},"required":["b","a"],"type":"object"}`
	if s.Normalized() != want {
		t.Errorf("got  %s\nwant %s", s.Normalized(), want)
	}
	if text, err := s.Format("resolved"); err != nil || text != s.Canonical() {
		t.Errorf("a format changes the text: %s, %v", text, err)
	}
}

func TestName(t *testing.T) {
	if got := parse(t, `{"title":"com.example.Order"}`).Name(); got != "com.example.Order" {
		t.Error(got)
	}
	if got := parse(t, `true`).Name(); got != "" {
		t.Error(got)
	}
}

func TestRefusesWithPlaceAndReason(t *testing.T) {
	for _, c := range []struct {
		text, position, reason string
		strict                 bool
	}{
		{``, "1:1", "the text ends where a value is expected", false},
		{`"string"`, "1:1", "a schema is an object, true or false", false},
		{`[]`, "1:1", "a schema is an object, true or false", false},
		{"{\n \"type\": string}", "2:10", `a JSON value cannot start with 's'`, false},
		{`{"a":1,}`, "1:8", "expected a member name", false},
		{`{"a":1`, "1:7", "is a closing bracket missing", false},
		{`{"a" 1}`, "1:6", "expected ':'", false},
		{`{} {}`, "1:4", "the schema ended before this", false},
		{`{"a":01}`, "1:7", "expected ','", false},
		{`{"a":-}`, "1:7", "needs a digit after '-'", false},
		{`{"a":1.}`, "1:8", "decimal point", false},
		{`{"a":1e}`, "1:8", "exponent", false},
		{`{"a":"\x"}`, "1:7", "not an escape", false},
		{`{"a":"\ud800"}`, "1:7", "surrogate", false},
		{"{\"a\":\"\x01\"}", "1:7", "control character", false},
		{`{"a":"b}`, "1:6", "not closed", false},
		{"{\"é\":\"\xff\"}", "1:7", "not UTF-8", false},
		{`{"minimum":1e999999999}`, "1:14", "out of range", false},
		{`{"minimum":` + strings.Repeat("9", 1001) + `}`, "1:12", "more than 1000 characters", false},
		{`{"type":"strin"}`, "1:9", `"strin" is not one of the values`, true},
		{`{"properties":{"a":{"minLength":-1}}}`, "1:33", "-1 is too small", true},
		{`{"properties":{"a":{"minLength":"1"}}}`, "1:33", "a string where integer is wanted", true},
		{`{"required":["a","a"]}`, "1:13", "the same value twice", true},
		{`{"pattern":"("}`, "1:12", "missing closing )", true},
		{`{"patternProperties":{"[a":{}}}`, "1:28", "missing closing ]", true},
		{`{"$schema":"https://json-schema.org/draft/2020-12/schema","items":[{}]}`, "1:67", "a array where", true},
		{`{"properties":{"a":{"$ref":"other.json"}}}`, "1:28", `$ref "other.json" leads nowhere: there is no reference of this name; add one named "other.json"`, false},
		{`{"properties":{"a":{"$ref":"http://example.com/x.json#/a"}}}`, "1:28", "References are never fetched", false},
		{`{"$ref":"#/definitions/a"}`, "1:9", "no schema at /definitions/a", false},
		{`{"$ref":"#a"}`, "1:9", `no anchor "a"`, false},
		{`{"$ref":"#/type","type":"string"}`, "1:9", "no schema at /type", false},
		{`{"properties":{"a":{"$ref":"#/properties/b"},"b":{"$ref":"#/properties/a"}}}`, "1:50", "leads back to itself", false},
		{`{"$ref":"#"}`, "1:1", "leads back to itself", false},
		{`{"$schema":"https://json-schema.org/draft/2019-09/schema","$ref":"#"}`, "1:1", "leads back to itself", false},
		{`{"$id":"http://[::1"}`, "1:1", "is not a URI", false},
	} {
		s, err := Parse(compat.Source{Text: c.text, Strict: c.strict})
		var syntax *compat.SyntaxError
		if s != nil || !errors.As(err, &syntax) {
			t.Errorf("%.80s: %v", c.text, err)
			continue
		}
		if syntax.Position.String() != c.position || !strings.Contains(syntax.Reason, c.reason) {
			t.Errorf("%.80s: %v", c.text, err)
		}
	}
}

func TestFaultInReferenceNamesIt(t *testing.T) {
	_, err := Parse(compat.Source{Text: `{}`, Dependencies: []compat.Dependency{{Name: "a.json", Text: "{\n\"type\":}"}}})
	if err == nil || !strings.Contains(err.Error(), `in the referenced schema "a.json", 2:8: a JSON value cannot start with '}'`) {
		t.Error(err)
	}
	_, err = Parse(compat.Source{Text: `{}`, Strict: true, Dependencies: []compat.Dependency{{Name: "a.json", Text: `{"type":"strin"}`}}})
	if err == nil || !strings.Contains(err.Error(), `in the referenced schema "a.json", 1:9`) {
		t.Error(err)
	}
}

func TestStoredSchemasAreReadLeniently(t *testing.T) {
	for _, text := range []string{
		`{"type":"strin"}`, `{"minLength":"x"}`, `{"required":true}`, `{"properties":[]}`, `{"allOf":{}}`, `{"allOf":[]}`,
		`{"pattern":"("}`, `{"patternProperties":{"(":{}}}`, `{"enum":"x"}`, `{"type":[]}`, `{"type":[1]}`, `{"items":3}`,
		`{"$schema":3}`, `{"$schema":"http://example.com/mine"}`, `{"$id":3}`, `{"$ref":3}`, `{"dependencies":3}`,
	} {
		s, err := Parse(compat.Source{Text: text})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := s.Differences(s, compat.Options{}); len(d) > 0 {
			t.Errorf("%s: %v", text, d)
		}
	}
}

// TestReferences lists where a $ref may lead.
func TestReferences(t *testing.T) {
	dep := func(name, text string) compat.Dependency { return compat.Dependency{Name: name, Text: text} }
	const (
		d19 = `"$schema":"https://json-schema.org/draft/2019-09/schema",`
		d20 = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	)
	for name, c := range map[string]struct {
		text string
		deps []compat.Dependency
	}{
		"definitions":               {`{"properties":{"p":{"$ref":"#/definitions/s"}},"definitions":{"s":{"type":"string"}}}`, nil},
		"defs":                      {`{` + d20 + `"properties":{"p":{"$ref":"#/$defs/s"}},"$defs":{"s":{"type":"string"}}}`, nil},
		"escaped pointer":           {`{"properties":{"p":{"$ref":"#/definitions/a~1b~0c%25d"}},"definitions":{"a/b~c%d":{"type":"string"}}}`, nil},
		"anywhere":                  {`{"properties":{"p":{"$ref":"#/components/x/0"}},"components":{"x":[{"type":"string"}]}}`, nil},
		"through a property":        {`{"properties":{"p":{"$ref":"#/properties/q"},"q":{"type":"string"}}}`, nil},
		"anchor":                    {`{` + d19 + `"properties":{"p":{"$ref":"#s"}},"$defs":{"x":{"$anchor":"s","type":"string"}}}`, nil},
		"dynamic anchor":            {`{` + d20 + `"properties":{"p":{"$ref":"#s"}},"$defs":{"x":{"$dynamicAnchor":"s","type":"string"}}}`, nil},
		"dynamic reference":         {`{` + d20 + `"properties":{"p":{"$dynamicRef":"#s"}},"$defs":{"x":{"$dynamicAnchor":"s","type":"string"}}}`, nil},
		"identifier as anchor":      {`{"properties":{"p":{"$ref":"#s"}},"definitions":{"x":{"$id":"#s","type":"string"}}}`, nil},
		"draft 04 anchor":           {`{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"p":{"$ref":"#s"}},"definitions":{"x":{"id":"#s","type":"string"}}}`, nil},
		"identifier":                {`{"$id":"http://example.com/a/root.json","properties":{"p":{"$ref":"s.json"}},"definitions":{"x":{"$id":"s.json","type":"string"}}}`, nil},
		"identifier in full":        {`{"$id":"http://example.com/a/root.json","properties":{"p":{"$ref":"http://example.com/a/s.json"}},"definitions":{"x":{"$id":"/a/s.json","type":"string"}}}`, nil},
		"rebased pointer":           {`{"properties":{"p":{"$ref":"s.json#/definitions/y"}},"definitions":{"x":{"$id":"s.json","definitions":{"y":{"type":"string"}}}}}`, nil},
		"rebased relative":          {`{"$id":"http://example.com/","properties":{"p":{"$ref":"dir/s.json"}},"definitions":{"x":{"$id":"dir/s.json","$ref":"void.json","definitions":{}},"y":{"$id":"dir/","definitions":{"z":{"$id":"s.json","type":"string"}}}}}`, nil},
		"urn":                       {`{"$id":"urn:example:root","properties":{"p":{"$ref":"urn:example:s"}},"definitions":{"x":{"$id":"urn:example:s","type":"string"}}}`, nil},
		"name":                      {`{"properties":{"p":{"$ref":"s.json"}}}`, []compat.Dependency{dep("s.json", `{"type":"string"}`)}},
		"name with a space":         {`{"properties":{"p":{"$ref":"my s"}}}`, []compat.Dependency{dep("my s", `{"type":"string"}`)}},
		"name that is no URI":       {`{"properties":{"p":{"$ref":"%zz"}}}`, []compat.Dependency{dep("%zz", `{"type":"string"}`)}},
		"name with a fragment":      {`{"properties":{"p":{"$ref":"s#1"}}}`, []compat.Dependency{dep("s#1", `{"type":"string"}`)}},
		"name, fragment inside":     {`{"properties":{"p":{"$ref":"s.json#/definitions/a"}}}`, []compat.Dependency{dep("s.json", `{"definitions":{"a":{"type":"string"}}}`)}},
		"name is a URL":             {`{"properties":{"p":{"$ref":"http://example.com/s.json"}}}`, []compat.Dependency{dep("http://example.com/s.json", `{"type":"string"}`)}},
		"name relative to the root": {`{"$id":"http://example.com/root.json","properties":{"p":{"$ref":"http://example.com/s.json"}}}`, []compat.Dependency{dep("s.json", `{"type":"string"}`)}},
		"identifier of a reference": {`{"properties":{"p":{"$ref":"http://example.com/s.json"}}}`, []compat.Dependency{dep("whatever", `{"$id":"http://example.com/s.json","type":"string"}`)}},
		"reference to a reference":  {`{"properties":{"p":{"$ref":"a.json"}}}`, []compat.Dependency{dep("b.json", `{"type":"string"}`), dep("a.json", `{"$ref":"b.json"}`)}},
		"reference and back":        {`{"properties":{"p":{"$ref":"a.json"}},"definitions":{"s":{"type":"string"}}}`, []compat.Dependency{dep("a.json", `{"definitions":{"t":{"type":"string"}},"allOf":[{"$ref":"#/definitions/t"}]}`)}},
		"first of one name wins":    {`{"properties":{"p":{"$ref":"s.json"}}}`, []compat.Dependency{dep("s.json", `{"type":"string"}`), dep("s.json", `{"type":"integer"}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, c.text, c.deps...)
			want := parse(t, `{"properties":{"p":{"type":"string","maxLength":3}}}`)
			got := want.Differences(s, compat.Options{})
			for _, d := range got {
				if d.Rule == MaxLengthAdded && strings.HasPrefix(d.Path, "#/properties/p") {
					return
				}
			}
			t.Errorf("p is no string: %v", got)
		})
	}
}
