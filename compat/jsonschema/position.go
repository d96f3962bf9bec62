package jsonschema

import (
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// Position returns the place in the text that a path of a difference names. A
// path goes through a $ref as if the schema that it leads to stood there. Where
// the text has no such place (what only the writer has, or what is in another
// text) it is the innermost place that is there. It is false for what is not a
// path.
func (s *Schema) Position(path string) (compat.Position, bool) {
	rest, ok := strings.CutPrefix(path, "#")
	if !ok || rest != "" && rest[0] != '/' {
		return compat.Position{}, false
	}
	at, last := s.doc.root, s.doc.root // last: the innermost place in this text
	var steps []string
	if rest != "" && rest != "/" {
		steps = strings.Split(rest[1:], "/")
	}
	for i := 0; i < len(steps); {
		next, taken := s.step(at, steps[i:], 0)
		if next == nil {
			break
		}
		if i += taken; next.doc == s.doc {
			last = next
		}
		at = next
	}
	return positionAt(s.doc.text, int(last.pos)), true
}

// step goes down from v by the first steps of a path, and returns how many it
// took: the name of a property may have slashes in it.
func (s *Schema) step(v *Value, steps []string, hops int) (*Value, int) {
	switch v.Kind {
	case Array:
		if i, err := strconv.Atoi(steps[0]); err == nil && i >= 0 && i < len(v.Items) {
			return v.Items[i], 1
		}
		for _, item := range v.Items { // an element of required
			if item.Kind == String && item.Text == steps[0] {
				return item, 1
			}
		}
	case Object:
		name := ""
		for i, step := range steps {
			if name += step; v.Get(name) != nil {
				return v.Get(name), i + 1
			}
			if name += "/"; i > 32 {
				break
			}
		}
		if other := s.synonym(v, steps[0]); other != nil {
			return other, 1
		}
		if target := s.links.refs[v]; target != nil && hops < maxRefHops {
			return s.step(target, steps, hops+1)
		}
	}
	return nil, 0
}

// synonyms are the later drafts' words for what paths call by the earlier ones.
var synonyms = map[string][]string{
	"dependencies":    {"dependentRequired", "dependentSchemas"},
	"items":           {"prefixItems"},
	"additionalItems": {"items"},
	"id":              {"$id"},
}

func (s *Schema) synonym(v *Value, step string) *Value {
	for _, word := range synonyms[step] {
		if m := v.Get(word); m != nil {
			return m
		}
	}
	return nil
}
