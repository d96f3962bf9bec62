package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"
)

var drafts = [...]*santhosh.Draft{
	Draft4: santhosh.Draft4, Draft6: santhosh.Draft6, Draft7: santhosh.Draft7,
	Draft2019: santhosh.Draft2019, Draft2020: santhosh.Draft2020,
}

// newCompiler returns a compiler of the library that loads nothing and does not
// judge formats.
func newCompiler(d Dialect, patterns santhosh.RegexpEngine) *santhosh.Compiler {
	c := santhosh.NewCompiler()
	c.DefaultDraft(drafts[d])
	c.UseLoader(noLoader{})
	c.UseRegexpEngine(patterns)
	for _, name := range formatNames {
		c.RegisterFormat(&santhosh.Format{Name: name, Validate: func(any) error { return nil }})
	}
	return c
}

// formatNames are the formats that the library would judge in the drafts up to
// 07. The later drafts make them annotations, as we do in all.
var formatNames = []string{
	"json-pointer", "relative-json-pointer", "uuid", "duration", "period", "ipv4", "ipv6", "hostname", "email",
	"date", "time", "date-time", "uri", "iri", "uri-reference", "iri-reference", "uri-template", "semver",
}

// Compile compiles the schema with the library, which knows every keyword of
// every dialect but works on values in memory. Formats are not judged.
func (s *Schema) Compile() (*santhosh.Schema, error) {
	if s.links.nodes > maxLibraryNodes {
		return nil, fmt.Errorf("jsonschema: %d schemas are more than the %d that can be compiled with keywords such as unevaluatedProperties or $dynamicRef",
			s.links.nodes, maxLibraryNodes)
	}
	c := newCompiler(s.links.root.dialect, func(pattern string) (santhosh.Regexp, error) { return CompilePattern(pattern) })
	for _, r := range s.resources() {
		text := r.text.Any()
		if m, ok := text.(map[string]any); ok && m["$schema"] != nil {
			m["$schema"] = dialectOf(r.text, s.links.root.dialect).URI()
		}
		if err := c.AddResource(r.uri, text); err != nil {
			return nil, fmt.Errorf("jsonschema: %w", err)
		}
	}
	compiled, err := c.Compile(ownBase)
	if err != nil {
		return nil, fmt.Errorf("jsonschema: %w", err)
	}
	return compiled, nil
}

// locatedText is a text with the URI under which others refer to it.
type locatedText struct {
	uri  string
	text *Value
}

// resources returns the schema first, then what it may refer to.
func (s *Schema) resources() []locatedText {
	out := []locatedText{{ownBase, s.doc.root}}
	for _, d := range s.deps {
		if u, ok := join(s.links.root.base, d.name); ok {
			out = append(out, locatedText{withoutFragment(u), d.root})
		}
	}
	return out
}

// Any returns v as the library takes it: numbers are json.Number.
func (v *Value) Any() any {
	switch v.Kind {
	case True, False:
		return v.Kind == True
	case Number:
		return json.Number(v.Text)
	case String:
		return v.Text
	case Array:
		out := make([]any, len(v.Items))
		for i, item := range v.Items {
			out[i] = item.Any()
		}
		return out
	case Object:
		out := make(map[string]any, len(v.Members))
		for _, m := range v.Members {
			out[m.Name] = m.Value.Any()
		}
		return out
	}
	return nil
}

type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, errors.New("nothing is fetched: " + url)
}
