package check

import (
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"
)

var jsonTypes = []string{"null", "boolean", "object", "array", "number", "string", "integer"}

// looksLikeJSONSchema tells a schema from any other JSON file (package.json, a
// fixture). Text that is no JSON at all counts as a schema, so that its error
// is reported.
func looksLikeJSONSchema(text string) bool {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return true
	}
	if _, ok := v.(bool); ok {
		return true
	}
	o, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for _, k := range []string{"$schema", "$id", "$ref", "$defs", "properties", "allOf", "anyOf", "oneOf", "enum", "const"} {
		if _, ok := o[k]; ok {
			return true
		}
	}
	switch t := o["type"].(type) {
	case string:
		return slices.Contains(jsonTypes, t)
	case []any:
		return len(t) > 0
	}
	return len(o) == 0
}

// scanJSON notes the $id of a JSON Schema and the documents that it refers to.
func (ws *Workspace) scanJSON(f *file) {
	var v any
	if json.Unmarshal([]byte(f.text), &v) != nil {
		return
	}
	root, _ := v.(map[string]any)
	id, _ := root["$id"].(string)
	if id == "" {
		id, _ = root["id"].(string) // draft-04
	}
	id = strings.TrimSuffix(id, "#")
	if id != "" {
		ws.jsonIDs[id] = f.path
		f.identity = []string{id}
	}
	seen := map[string]bool{}
	walkRefs(v, func(ref string) {
		document, _, _ := strings.Cut(ref, "#")
		if document == "" || document == id || seen[document] {
			return
		}
		seen[document] = true
		candidates := []string{document, path.Join(path.Dir(f.path), document), path.Clean(document)}
		if base, err := url.Parse(id); err == nil && id != "" {
			if r, err := base.Parse(document); err == nil {
				candidates = append([]string{r.String()}, candidates...)
			}
		}
		f.uses = append(f.uses, use{name: document, candidates: candidates})
	})
}

func walkRefs(v any, visit func(string)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walkRefs(e, visit)
		}
	case map[string]any:
		for _, k := range slices.Sorted(keys(v)) {
			if ref, ok := v[k].(string); ok && k == "$ref" {
				visit(ref)
			} else {
				walkRefs(v[k], visit)
			}
		}
	}
}
