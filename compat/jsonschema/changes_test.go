package jsonschema

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

// spellChanges is one line a change: rule, path, column in the newer and the older
// text, "B" if it is safe backward and "F" forward, and the words.
func spellChanges(newer, older *Schema) string {
	var lines []string
	for _, c := range newer.Changes(older, compat.Options{}) {
		safe := ""
		if c.BackwardSafe {
			safe += "B"
		}
		if c.ForwardSafe {
			safe += "F"
		}
		is, _ := newer.Position(c.Path)
		was, _ := older.Position(c.OlderPath())
		lines = append(lines, fmt.Sprintf("%s %s %d %d [%s] %s", c.Rule, c.Path, is.Column, was.Column, safe, c.Detail))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestChanges(t *testing.T) {
	for name, c := range map[string]struct{ older, newer, want string }{
		"nothing":        {`{"type":"string"}`, `{ "type": "string" }`, ""},
		"limit":          {`{"type":"string","maxLength":3}`, `{"type":"string","maxLength":5}`, `MAX_LENGTH_INCREASED #/maxLength 30 30 [B] 3 became 5`},
		"limit gone":     {`{"type":"string","maxLength":3}`, `{"type":"string"}`, `MAX_LENGTH_REMOVED #/maxLength 1 30 [B] 3`},
		"anything":       {`{"type":"string"}`, `{}`, "TYPE_EXTENDED #/ 1 1 [B] string became anything"},
		"title":          {`{"type":"string","title":"a"}`, `{"type":"string","title":"b"}`, `TITLE_CHANGED #/title 26 26 [BF] "a" became "b"`},
		"type":           {`{"type":"string","maxLength":3}`, `{"type":"object","title":"T","properties":{"a":true}}`, "KEYWORD_ADDED #/properties 43 1 [BF] {\"a\":true}\nKEYWORD_REMOVED #/maxLength 1 30 [BF] 3\nTITLE_CHANGED #/title 26 1 [BF] \"T\"\nTYPE_CHANGED #/ 1 1 [] string became object \"T\""},
		"keyword":        {`{"type":"string","format":"date"}`, `{"type":"string","format":"time"}`, `KEYWORD_CHANGED #/format 27 27 [BF] "date" became "time"`},
		"contains":       {`{"type":"array","contains":{"minimum":1}}`, `{"type":"array","contains":{"minimum":2}}`, `KEYWORD_CHANGED #/contains/minimum 39 39 [BF] 1 became 2`},
		"pattern":        {`{"type":"object","patternProperties":{"a":{"type":"string"}}}`, `{"type":"object","patternProperties":{"a":{"type":"string","maxLength":1}}}`, `KEYWORD_ADDED #/patternProperties/a/maxLength 72 43 [BF] 1`},
		"then":           {`{"if":{"minimum":1},"then":{"maximum":4}}`, `{"if":{"minimum":1},"then":{"maximum":3}}`, `KEYWORD_CHANGED #/then/maximum 39 39 [BF] 4 became 3`},
		"own keyword":    {`{"type":"string","x-a":[1,{"b":2}]}`, `{"type":"string","x-a":[1,{"b":3}]}`, `KEYWORD_CHANGED #/x-a/1/b 32 32 [BF] 2 became 3`},
		"unused":         {`{"$defs":{"a":{"type":"string"},"b":true},"type":"string"}`, `{"$defs":{"a":{"type":"null"},"c":true},"type":"string"}`, "KEYWORD_ADDED #/$defs/c 35 10 [BF] true\nKEYWORD_CHANGED #/$defs/a/type 23 23 [BF] \"string\" became \"null\"\nKEYWORD_REMOVED #/$defs/b 10 37 [BF] true"},
		"by reference":   {`{"$defs":{"a":{"type":"string"}},"properties":{"p":{"$ref":"#/$defs/a"}}}`, `{"$defs":{"a":{"type":"null"}},"properties":{"p":{"$ref":"#/$defs/a"}}}`, `TYPE_CHANGED #/properties/p 50 52 [] string became null`},
		"becomes null":   {`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":["object","null"],"properties":{"a":{"type":"integer"}}}`, "TYPE_CHANGED #/ 1 1 [] object became [\"object\",\"null\"]\nTYPE_CHANGED #/properties/a 45 36 [] string became integer"},
		"becomes one of": {`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"oneOf":[{"type":"null"},{"type":"object","properties":{"a":{"type":"integer"}}}]}`, "TYPE_CHANGED #/ 1 1 [] object became oneOf\nTYPE_CHANGED #/oneOf/1/properties/a 62 36 [] string became integer"},
		"was one of":     {`{"oneOf":[{"type":"null"},{"type":"object","properties":{"a":{"type":"string"}}}]}`, `{"type":"object","properties":{"a":{"type":"integer"}}}`, "TYPE_CHANGED #/ 1 1 [] oneOf became object\nTYPE_CHANGED #/properties/a 36 62 [] string became integer"},
		"branch": {`{"oneOf":[{"type":"null"},{"title":"T","type":"object","properties":{"a":{"type":"string"}}}]}`, `{"oneOf":[{"title":"T","type":"object","properties":{"a":{"type":"integer"}}},{"type":"null"}]}`,
			"COMBINED_TYPE_SUBSCHEMAS_CHANGED #/ 1 1 [] no branch of the reader fits the writer's oneOf/1 (object \"T\"); only the reader has oneOf/0 (object \"T\")\nTYPE_CHANGED #/oneOf/0/properties/a 58 74 [] string became integer"},
		"branch added":     {`{"anyOf":[{"type":"null"}, {"type":"string"}]}`, `{"anyOf":[{"type":"null"}, {"type":"boolean"}, {"type":"string"}]}`, `SUM_TYPE_EXTENDED #/ 1 1 [B] only the reader has anyOf/1 (boolean)`},
		"criterion":        {`{"anyOf":[{"type":"null"},{"type":"string"}]}`, `{"allOf":[{"type":"null"},{"type":"string","maxLength":1}]}`, "COMBINED_TYPE_CHANGED #/ 1 1 [F] anyOf became allOf\nMAX_LENGTH_ADDED #/allOf/1/maxLength 56 27 [F] 1"},
		"property":         {`{"type":"object","additionalProperties":false}`, `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"}}}`, `OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/a 65 1 [B] `},
		"inside not":       {`{"not":{"type":"string","format":"date"}}`, `{"not":{"type":"string","format":"time"}}`, "KEYWORD_CHANGED #/not/format 34 34 [BF] \"date\" became \"time\"\nNOT_TYPE_NARROWED #/not 8 8 [BF] {\"type\":\"string\",\"format\":\"date\"} became {\"type\":\"string\",\"format\":\"time\"}"},
		"keyword of null":  {`{"type":"null","minimum":1}`, `{"type":"null","minimum":2}`, `KEYWORD_CHANGED #/minimum 26 26 [BF] 1 became 2`},
		"dialect":          {`{"$schema":"http://json-schema.org/draft-07/schema#"}`, `{"$schema":"http://json-schema.org/draft-06/schema#"}`, `KEYWORD_CHANGED #/$schema 12 12 [BF] "http://json-schema.org/draft-07/schema#" became "http://json-schema.org/draft-06/schema#"`},
		"recursive":        {`{"properties":{"n":{"$ref":"#"},"f":{"format":"a"}}}`, `{"properties":{"n":{"$ref":"#"},"f":{"format":"b"}}}`, `KEYWORD_CHANGED #/properties/f/format 47 47 [BF] "a" became "b"`},
		"true to a schema": {`{"properties":{"a":true}}`, `{"properties":{"a":{"description":"d"}}}`, `DESCRIPTION_CHANGED #/properties/a/description 35 20 [BF] "d"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spellChanges(parse(t, c.newer), parse(t, c.older)); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// spelledDifferently are the pairs of the rules that say the same in other words.
var spelledDifferently = map[string]bool{
	"additional_properties_empty_schema": true, "bounds_spelled_differently": true, "branches_collapse": true, "branches_reordered": true,
	"enum_equal_values": true, "plain_into_single_all_of": true, "recursive_unrolled": true, "ref_siblings_void": true,
	"ref_with_title": true, "single_one_of_into_plain": true, "unevaluated_properties_empty_schema": true,
}

// TestChangesOfRules: for each pair of the rules, what Differences finds is there,
// something is marked unsafe exactly where one cannot read the other, and nothing
// is left out where the texts differ.
func TestChangesOfRules(t *testing.T) {
	folders, err := os.ReadDir("testdata/rules")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		t.Run(folder.Name(), func(t *testing.T) {
			dir := filepath.Join("testdata/rules", folder.Name())
			reader, writer := load(t, dir, "reader"), load(t, dir, "writer")
			for _, opts := range []compat.Options{{}, {Policy: compat.PolicyLenient}} {
				changes := reader.Changes(writer, opts)
				backward, forward := true, true
				for _, c := range changes {
					backward, forward = backward && c.BackwardSafe, forward && c.ForwardSafe
				}
				harms := func(d compat.Incompatibility) bool { return !d.Compatible }
				if want := !slices.ContainsFunc(reader.Differences(writer, opts), harms); backward != want {
					t.Errorf("%v: backward safe %t, want %t", opts, backward, want)
				}
				if want := !slices.ContainsFunc(writer.Differences(reader, opts), harms); forward != want {
					t.Errorf("%v: forward safe %t, want %t", opts, forward, want)
				}
				if len(changes) == 0 && !spelledDifferently[folder.Name()] && reader.Normalized() != writer.Normalized() {
					t.Error("no changes")
				}
				for _, d := range reader.Differences(writer, opts) {
					if annotation := slices.Contains([]string{IDChanged, TitleChanged, DescriptionChanged, DefaultChanged}, d.Rule); !annotation &&
						!slices.ContainsFunc(changes, func(c compat.Change) bool { return c.Rule == d.Rule && c.BackwardSafe == d.Compatible }) {
						t.Errorf("%s %s is not among the changes", d.Rule, d.Path)
					}
				}
				if self := reader.Changes(reader, opts); len(self) > 0 {
					t.Errorf("changes from itself: %v", self)
				}
			}
		})
	}
}
