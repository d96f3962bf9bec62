package jsonschema_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	compatjs "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// suiteGroup is a group of the official JSON-Schema-Test-Suite, as a line of
// testdata/suite.
type suiteGroup struct {
	File        string
	Description string
	Schema      json.RawMessage
	Tests       []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

func lines(t testing.TB, file string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		out = append(out, bytes.Clone(s.Bytes()))
	}
	return out
}

func remotes(t testing.TB) (all []compat.Dependency) {
	t.Helper()
	for _, line := range lines(t, "testdata/suite/remotes.jsonl") {
		var r struct {
			URL    string
			Schema json.RawMessage
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		all = append(all, compat.Dependency{Name: r.URL, Text: string(r.Schema)})
	}
	return all
}

// needed returns the remote schemas that a text can lead to.
func needed(text string, all []compat.Dependency) []compat.Dependency {
	var out []compat.Dependency
	seen := map[string]bool{}
	var visit func(text string)
	visit = func(text string) {
		for _, d := range all {
			name := d.Name[strings.LastIndexByte(d.Name, '/')+1:]
			if !seen[d.Name] && strings.Contains(text, name) {
				seen[d.Name] = true
				visit(d.Text)
				out = append(out, d)
			}
		}
	}
	visit(text)
	return out
}

// otherwise are the tests of the suite in which we differ, with the reason.
var otherwise = map[string]string{
	"draft4/optional/zeroTerminatedFloats.json: some languages do not distinguish between different types of numeric value: a float is not an integer even without fractional part": "1.0 is an integer in every dialect",
	"draft7/optional/content.json: validation of string-encoded content based on media type: an invalid JSON document":                                                              noContent,
	"draft7/optional/content.json: validation of binary string-encoding: an invalid base64 string (% is not a valid character)":                                                     noContent,
	"draft7/optional/content.json: validation of binary-encoded media type documents: a validly-encoded invalid JSON document":                                                      noContent,
	"draft7/optional/content.json: validation of binary-encoded media type documents: an invalid base64 string that is valid JSON":                                                  noContent,
	"draft2019-09/vocabulary.json: schema that uses custom metaschema with with no validation vocabulary: no validation: invalid number, but it still validates":                    noVocabulary,
	"draft2020-12/vocabulary.json: schema that uses custom metaschema with with no validation vocabulary: no validation: invalid number, but it still validates":                    noVocabulary,
	"draft2020-12/optional/ecmascript-regex.json: \\a is not an ECMA 262 control escape: when used as a pattern":                                                                    "an escaped letter without a meaning is the letter, as in browsers",
}

const (
	noContent    = "encodings and media types are annotations, as in the later drafts"
	noVocabulary = "meta-schemas of one's own are not looked at"
)

func TestOfficialSuite(t *testing.T) {
	all := remotes(t)
	for draft, schemaURI := range map[string]string{
		"draft4":       "http://json-schema.org/draft-04/schema#",
		"draft6":       "http://json-schema.org/draft-06/schema#",
		"draft7":       "http://json-schema.org/draft-07/schema#",
		"draft2019-09": "https://json-schema.org/draft/2019-09/schema",
		"draft2020-12": "https://json-schema.org/draft/2020-12/schema",
	} {
		t.Run(draft, func(t *testing.T) {
			run, streamed, met := 0, 0, map[string]bool{}
			for _, line := range lines(t, "testdata/suite/"+draft+".jsonl") {
				var g suiteGroup
				if err := json.Unmarshal(line, &g); err != nil {
					t.Fatal(err)
				}
				text := string(g.Schema)
				if text[0] == '{' && !strings.Contains(text, `"$schema"`) {
					text = strings.TrimSuffix(`{"$schema":"`+schemaURI+`",`+text[1:], ",}")
					if text == `{"$schema":"`+schemaURI+`"` {
						text += "}"
					}
				}
				key := draft + "/" + g.File + ": " + g.Description
				s, err := compatjs.Parse(compat.Source{Text: text, Dependencies: needed(text, all)})
				if err == nil {
					var v *jsonschema.Validator
					if v, err = jsonschema.NewValidator(s); err == nil {
						if v.Streams() {
							streamed++
						}
						for _, c := range g.Tests {
							run++
							key := key + ": " + c.Description
							got := v.Validate(c.Data)
							if _, known := otherwise[key]; known {
								met[key] = true
							} else if (got == nil) != c.Valid {
								t.Errorf("%s\nschema %s\ndata %s\nwant valid %v, got %v", key, text, c.Data, c.Valid, got)
							}
						}
					}
				}
				if err != nil {
					if _, known := otherwise[key]; known {
						met[key] = true
					} else {
						t.Errorf("%s\nschema %s: %v", key, text, err)
					}
				}
			}
			t.Logf("%d tests, %d schemas without the library", run, streamed)
			for key := range otherwise {
				if strings.HasPrefix(key, draft+"/") && !met[key] {
					t.Errorf("listed, but not met: %s", key)
				}
			}
		})
	}
}
