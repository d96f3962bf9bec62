package rules

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/serde"
)

const jsonTag = "json"

// jsonShape walks generic values and structs along a JSON Schema. For tags, of
// alternatives (anyOf, oneOf) all count that say nothing else of the value's
// type: whether a value is valid under one may not decide, since what is
// encrypted is valid no more. A field's tags are those of the first place that
// has any.
type jsonShape struct {
	root     any
	paths    pathTags
	ruled    bool // there are inline rules
	branches *branches
	patterns map[string]*regexp.Regexp // of patternProperties; nil for those that Go cannot read
}

func newJSONShape(s *serde.Schema, paths pathTags) (*jsonShape, error) {
	j := &jsonShape{paths: paths}
	if err := json.Unmarshal([]byte(s.Text), &j.root); err != nil {
		return nil, fmt.Errorf("the schema is not JSON: %w", err)
	}
	j.patterns = map[string]*regexp.Regexp{}
	j.prepare(j.root, 0)
	j.branches = newBranches(s, j.root)
	return j, nil
}

// prepare compiles the patterns of a text and looks for inline rules.
func (j *jsonShape) prepare(at any, depth int) {
	if depth > maxDepth {
		return
	}
	switch at := at.(type) {
	case map[string]any:
		if list, ok := at[rulesProperty].([]any); ok && len(list) > 0 {
			j.ruled = true
		}
		if patterns, ok := at["patternProperties"].(map[string]any); ok {
			for p := range patterns {
				if e, err := regexp.Compile(p); err == nil {
					j.patterns[p] = e
				}
			}
		}
		for _, item := range at {
			j.prepare(item, depth+1)
		}
	case []any:
		for _, item := range at {
			j.prepare(item, depth+1)
		}
	}
}

// expand returns the schemas that apply together at one place of a type (a
// word of JSON Schema, empty for any): local references followed, alternatives
// flattened.
func (j *jsonShape) expand(list []any, typ string) []map[string]any {
	return j.expandFor(list, func(branch map[string]any) bool { return typ == "" || allows(branch["type"], typ) })
}

// allows reports whether a type keyword allows a type.
func allows(keyword any, typ string) bool {
	same := func(t any) bool { return t == typ || typ == "number" && t == "integer" }
	switch k := keyword.(type) {
	case string:
		return same(k)
	case []any:
		return slices.ContainsFunc(k, same)
	}
	return true
}

// expandFor is expand with a say in which alternatives count.
func (j *jsonShape) expandFor(list []any, counts func(branch map[string]any) bool) []map[string]any {
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
		if all, ok := m["allOf"].([]any); ok {
			list = append(list, all...)
		}
		for _, key := range []string{"anyOf", "oneOf"} {
			branches, _ := m[key].([]any)
			for _, b := range branches {
				if branch, ok := b.(map[string]any); ok && counts(branch) {
					list = append(list, branch)
				}
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
func (j *jsonShape) below(schemas []map[string]any, name string) []any {
	var out []any
	for _, s := range schemas {
		if name == "" {
			if prefix, ok := s["prefixItems"].([]any); ok {
				out = append(out, prefix...)
			}
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
		p, found := properties[name]
		if found {
			out = append(out, p)
		}
		patterns, _ := s["patternProperties"].(map[string]any)
		for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
			// A pattern that cannot be read matches: better a tag too many
			// than a secret in clear.
			if e := j.patterns[pattern]; e == nil || e.MatchString(name) {
				out, found = append(out, patterns[pattern]), true
			}
		}
		if more, ok := s["additionalProperties"]; ok && !found {
			out = append(out, more)
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
	out, err := j.walk([]any{j.root}, reflect.ValueOf(v), nil, "$", visit, 0)
	if err != nil {
		return nil, err
	}
	return out.Interface(), nil
}

func (j *jsonShape) walk(list []any, v reflect.Value, f *field, path string, visit visitor, depth int) (reflect.Value, error) {
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
		return j.walk(list, v.Elem(), f, path, visit, depth+1)
	case reflect.Pointer:
		if v.IsNil() {
			_, err := leaf(v, f, "NULL", visit)
			return v, err
		}
		inner, err := j.walk(list, v.Elem(), f, path, visit, depth+1)
		if err != nil {
			return v, err
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(inner)
		return out, nil
	}
	schemas := j.expand(list, jsonTypeOf(v))
	if name := jsonTypeName(schemas, v); name != "" {
		return leaf(v, f, name, visitNumber(v, name, visit))
	}
	message := func() (any, error) { return j.show(v.Interface()) }
	property := func(name string, old reflect.Value) (reflect.Value, error) {
		sub := j.below(schemas, name)
		at := &field{name: name, fullName: path + "." + name, message: message}
		at.tags = j.paths.of(at.fullName, inlineTags(j.expand(sub, jsonTypeOf(old))))
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
		items := j.below(schemas, "")
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

// jsonTypeOf returns the word of JSON Schema for what a value is in JSON, empty
// if that cannot be told.
func jsonTypeOf(v reflect.Value) string {
	for range maxDepth {
		if !v.IsValid() || v.Type().Implements(textMarshaler) || v.Type().Implements(jsonMarshaler) {
			return ""
		}
		if v.Kind() != reflect.Interface && v.Kind() != reflect.Pointer {
			break
		}
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			return "number"
		}
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "number"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return "string" // base64
		}
		return "array"
	}
	return ""
}

var (
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

// visitNumber lets a visitor see the numbers of generic documents as what the
// schema says that they are: int64 for INT, float64 for DOUBLE.
func visitNumber(v reflect.Value, typeName string, visit visitor) visitor {
	if number, ok := v.Interface().(json.Number); ok {
		return func(f *field, leaf any) (any, error) {
			var seen any = string(number)
			if n, err := number.Int64(); err == nil && typeName == "INT" {
				seen = n
			} else if n, err := number.Float64(); err == nil {
				seen = n
			}
			got, err := visit(f, seen)
			if err != nil || got == seen {
				return leaf, err
			}
			switch got.(type) {
			case int64, uint64, float64:
				b, err := json.Marshal(got)
				return string(b), err
			}
			return nil, fmt.Errorf("a %T does not fit into a number", got)
		}
	}
	if v.Kind() != reflect.Float64 || typeName != "INT" {
		return visit
	}
	return func(f *field, leaf any) (any, error) { return visit(f, asInteger(leaf)) }
}

// asInteger returns a whole float64 as int64, anything else as it is.
func asInteger(v any) any {
	if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f)
	}
	return v
}

// saysType reports whether one of the schemas has that type alone.
func saysType(schemas []map[string]any, typ string) bool {
	return slices.ContainsFunc(schemas, func(s map[string]any) bool { return s["type"] == typ })
}

// jsonTypeName returns what a primitive value is called, "" for anything else.
func jsonTypeName(schemas []map[string]any, v reflect.Value) string {
	whole := saysType(schemas, "integer")
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

// show makes structs generic as encoding/json would. Numbers are int64 where the
// schema says integer, float64 where it says number.
func (j *jsonShape) show(v any) (any, error) {
	switch v.(type) {
	case nil, map[string]any, []any, string, bool, float64:
		out, err := generic(v, 0)
		if err != nil {
			return nil, err
		}
		return j.numbers([]any{j.root}, out), nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	out, err := parseJSON(b)
	if err != nil {
		return nil, err
	}
	return j.numbers([]any{j.root}, out), nil
}

// numbers makes numbers what the schema says. It changes v, which generic has
// made.
func (j *jsonShape) numbers(list []any, v any) any {
	if len(list) == 0 {
		return v
	}
	switch v := v.(type) {
	case float64:
		if saysType(j.expand(list, "number"), "integer") {
			return asInteger(v)
		}
	case int64:
		if s := j.expand(list, "number"); saysType(s, "number") && !saysType(s, "integer") {
			return float64(v)
		}
	case map[string]any:
		schemas := j.expand(list, "object")
		for name, item := range v {
			v[name] = j.numbers(j.below(schemas, name), item)
		}
	case []any:
		items := j.below(j.expand(list, "array"), "")
		for i, item := range v {
			v[i] = j.numbers(items, item)
		}
	}
	return v
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
