package rules

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/serde"
)

const jsonTag = "json"

// jsonShape walks generic values and structs along a JSON Schema. Of
// alternatives (allOf, anyOf, oneOf) it takes the properties of all: a field's
// tags are those of the first place that has any.
type jsonShape struct {
	root  any
	paths pathTags
}

func newJSONShape(s *serde.Schema, paths pathTags) (*jsonShape, error) {
	j := &jsonShape{paths: paths}
	if err := json.Unmarshal([]byte(s.Text), &j.root); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	return j, nil
}

// expand returns the schemas that apply together at one place: local references
// followed, alternatives flattened.
func (j *jsonShape) expand(list []any) []map[string]any {
	var out []map[string]any
	seen := map[string]bool{}
	for len(list) > 0 && len(out) < 1000 {
		m, ok := list[0].(map[string]any)
		list = list[1:]
		if !ok {
			continue
		}
		out = append(out, m)
		if ref, ok := m["$ref"].(string); ok && !seen[ref] {
			seen[ref] = true
			list = append(list, j.resolve(ref))
		}
		for _, key := range []string{"allOf", "anyOf", "oneOf"} {
			if branches, ok := m[key].([]any); ok {
				list = append(list, branches...)
			}
		}
	}
	return out
}

// resolve follows a JSON pointer into the text; nil if it leads elsewhere.
func (j *jsonShape) resolve(ref string) any {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	at := j.root
	for step := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch x := at.(type) {
		case map[string]any:
			at = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			at = x[i]
		default:
			return nil
		}
	}
	return at
}

// below returns the schemas of a property, or of the items for name "".
func below(schemas []map[string]any, name string) []any {
	var out []any
	for _, s := range schemas {
		if name == "" {
			switch items := s["items"].(type) {
			case []any:
				out = append(out, items...)
			case nil:
			default:
				out = append(out, items)
			}
			continue
		}
		properties, _ := s["properties"].(map[string]any)
		if p, ok := properties[name]; ok {
			out = append(out, p)
		} else if p, ok := s["additionalProperties"]; ok {
			out = append(out, p)
		}
	}
	return out
}

func inlineTags(schemas []map[string]any) []string {
	for _, s := range schemas {
		list, _ := s[tagsProperty].([]any)
		var tags []string
		for _, t := range list {
			if tag, ok := t.(string); ok {
				tags = append(tags, tag)
			}
		}
		if len(tags) > 0 {
			return tags
		}
	}
	return nil
}

func (j *jsonShape) fields(v any, visit visitor) (any, error) {
	if v == nil {
		return nil, nil
	}
	out, err := j.walk(j.expand([]any{j.root}), reflect.ValueOf(v), nil, "$", visit, 0)
	if err != nil {
		return nil, err
	}
	return out.Interface(), nil
}

func (j *jsonShape) walk(schemas []map[string]any, v reflect.Value, f *field, path string, visit visitor, depth int) (reflect.Value, error) {
	if depth > maxDepth {
		return v, errTooDeep
	}
	switch v.Kind() {
	case reflect.Interface:
		if v.IsNil() {
			if f != nil {
				if _, err := visit(&field{f.name, f.fullName, "NULL", f.tags, f.message}, nil); err != nil {
					return v, fmt.Errorf("%s: %w", f.fullName, err)
				}
			}
			return v, nil
		}
		return j.walk(schemas, v.Elem(), f, path, visit, depth+1)
	case reflect.Pointer:
		if v.IsNil() {
			_, err := leaf(v, f, "NULL", visit)
			return v, err
		}
		inner, err := j.walk(schemas, v.Elem(), f, path, visit, depth+1)
		if err != nil {
			return v, err
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out, nil
	}
	if name := jsonTypeName(schemas, v); name != "" {
		return leaf(v, f, name, visit)
	}
	message := func() (any, error) { return j.show(v.Interface()) }
	property := func(name string, old reflect.Value) (reflect.Value, error) {
		sub := j.expand(below(schemas, name))
		at := &field{name: name, fullName: path + "." + name, message: message}
		at.tags = j.paths.of(at.fullName, inlineTags(sub))
		return j.walk(sub, old, at, at.fullName, visit, depth+1)
	}
	switch v.Kind() {
	case reflect.Map:
		if v.IsNil() || v.Type().Key().Kind() != reflect.String {
			return v, nil
		}
		out := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			item, err := property(it.Key().String(), it.Value())
			if err != nil {
				return v, err
			}
			to := reflect.New(v.Type().Elem()).Elem()
			set(to, item)
			out.SetMapIndex(it.Key(), to)
		}
		return out, nil
	case reflect.Struct:
		if opaque(v.Type()) {
			return v, nil
		}
		out := copyStruct(v)
		for name, index := range structFields(v.Type(), jsonTag) {
			old, ok := fieldIn(v, index)
			if !ok {
				continue
			}
			item, err := property(name, old)
			if err != nil {
				return v, err
			}
			if to, ok := fieldIn(out, index); ok {
				set(to, item)
			}
		}
		return out, nil
	case reflect.Slice:
		if v.IsNil() {
			return v, nil
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		items := j.expand(below(schemas, ""))
		for i := range v.Len() {
			item, err := j.walk(items, v.Index(i), f, path, visit, depth+1)
			if err != nil {
				return v, err
			}
			set(out.Index(i), item)
		}
		return out, nil
	}
	return v, nil
}

// jsonTypeName returns what a primitive value is called, "" for anything else.
func jsonTypeName(schemas []map[string]any, v reflect.Value) string {
	whole := false
	for _, s := range schemas {
		whole = whole || s["type"] == "integer"
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			if whole {
				return "INT"
			}
			return "DOUBLE"
		}
		return "STRING"
	case reflect.Bool:
		return "BOOLEAN"
	case reflect.Float32, reflect.Float64:
		if whole {
			return "INT"
		}
		return "DOUBLE"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "INT"
	case reflect.Slice:
		if v.Type() == bytesType {
			return "BYTES"
		}
	}
	return ""
}

// show makes structs generic as encoding/json would; generic values stay.
func (j *jsonShape) show(v any) (any, error) {
	switch v.(type) {
	case nil, map[string]any, []any, string, bool, float64:
		return generic(v, 0)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return parseJSON(b)
}

// parseJSON reads a document; whole numbers are int64, others float64.
func parseJSON(b []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return generic(v, 0)
}

// generic turns the numbers in a document into int64 and float64.
func generic(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			var err error
			if out[k], err = generic(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			var err error
			if out[i], err = generic(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

func (j *jsonShape) build(v any, result any) (any, error) {
	if _, ok := v.(json.RawMessage); ok {
		b, err := json.Marshal(result)
		return json.RawMessage(b), err
	}
	return buildLike(v, result, jsonTag)
}
