package jsonschema

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// checkStrictly validates the text and what it refers to under the meta-schemas
// of their dialects, and its patterns.
func (s *Schema) checkStrictly() error {
	if err := s.checkPatterns(s.doc.root); err != nil {
		return err
	}
	for i, d := range append([]*document{s.doc}, s.deps...) {
		dialect := s.links.root.dialect
		if i > 0 {
			dialect = dialectOf(d.root, dialect)
		}
		if err := checkMeta(d, dialect); err != nil {
			return err
		}
	}
	return nil
}

// metaSchemas are compiled when they are first needed. They take any pattern
// for one: checkPatterns knows better.
var metaSchemas = func() (out [len(dialectURIs)]func() (*santhosh.Schema, error)) {
	for d := range out {
		out[d] = sync.OnceValues(func() (*santhosh.Schema, error) {
			c := newCompiler(Dialect(d), func(pattern string) (santhosh.Regexp, error) {
				if re, err := CompilePattern(pattern); err == nil {
					return re, nil
				}
				return regexp.MustCompile(""), nil
			})
			return c.Compile(Dialect(d).URI())
		})
	}
	return out
}()

// checkMeta validates a text under the meta-schema of its dialect.
func checkMeta(d *document, dialect Dialect) error {
	meta, err := metaSchemas[dialect]()
	if err != nil {
		return &compat.SyntaxError{Type: schema.JSON, Reason: "the meta-schema: " + err.Error()}
	}
	err = meta.Validate(d.root.Any())
	var invalid *santhosh.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	fault := deepest(invalid)
	at := d.root
	var path strings.Builder
	for _, step := range fault.InstanceLocation {
		next := at.child(step)
		if next == nil {
			break
		}
		at = next
		path.WriteByte('/')
		path.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return d.fail(int(at.pos), "#"+path.String(), "not valid under "+dialect.URI()+": "+reasonOf(fault, at))
}

// child returns the element or member that a step of a JSON pointer names.
func (v *Value) child(step string) *Value {
	if v.Kind == Array {
		i, err := strconv.Atoi(step)
		if err != nil || i < 0 || i >= len(v.Items) {
			return nil
		}
		return v.Items[i]
	}
	return v.Get(step)
}

// deepest returns the cause that is furthest inside the text: of the branches
// that a meta-schema offers, the one that fits best.
func deepest(e *santhosh.ValidationError) *santhosh.ValidationError {
	if len(e.Causes) == 0 {
		return e
	}
	best := deepest(e.Causes[0])
	for _, c := range e.Causes[1:] {
		if d := deepest(c); len(d.InstanceLocation) > len(best.InstanceLocation) {
			best = d
		}
	}
	return best
}

func reasonOf(e *santhosh.ValidationError, at *Value) string {
	what := strings.Join(e.ErrorKind.KeywordPath(), "/")
	switch k := e.ErrorKind.(type) {
	case *kind.Type:
		return "a " + k.Got + " where " + strings.Join(k.Want, " or ") + " is wanted"
	case *kind.Enum:
		return string(shorten(at.appendJSON(nil, false))) + " is not one of the values that may stand here"
	case *kind.Minimum:
		return string(shorten(at.appendJSON(nil, false))) + " is too small"
	case *kind.Format:
		return "not a " + k.Want
	case *kind.UniqueItems:
		return "the same value twice"
	case *kind.MinItems:
		return "the list has too few elements"
	}
	return "it breaks the rule " + strconv.Quote(what)
}

func shorten(b []byte) []byte {
	if len(b) > 80 {
		return append(b[:80:80], "..."...)
	}
	return b
}

// checkPatterns refuses regular expressions that are none. Those that are fine
// but cannot be matched here are let through: they are compared as text.
func (s *Schema) checkPatterns(v *Value) error {
	var bad error
	check := func(at *Value, pattern, keyword string) {
		var e *PatternError
		if _, err := CompilePattern(pattern); bad == nil && errors.As(err, &e) && !e.Unsupported {
			bad = at.doc.fail(int(at.pos), v.pointer()+"/"+keyword, e.Error())
		}
	}
	if p := v.Get("pattern"); p != nil && p.Kind == String {
		check(p, p.Text, "pattern")
	}
	if p := v.Get("patternProperties"); p != nil {
		for _, m := range p.Members {
			check(m.Value, m.Name, "patternProperties")
		}
	}
	s.Dialect(v).subschemas(v, true, func(sub *Value) {
		if bad == nil {
			bad = s.checkPatterns(sub)
		}
	})
	return bad
}
