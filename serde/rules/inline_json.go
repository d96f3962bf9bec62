package rules

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat"
	compatjson "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

func (j *jsonShape) hasInline() bool { return j.ruled }

// inline walks a document. The rules of an object stand before those of its
// members, and of alternatives only the ones that the value is valid under
// count; if it is valid under none, none do.
func (j *jsonShape) inline(v any, visit inlineVisitor) error {
	shown, err := j.show(v)
	if err != nil {
		return err
	}
	return j.inlineAt([]any{j.root}, shown, "$", visit, 0)
}

func (j *jsonShape) inlineAt(list []any, v any, path string, visit inlineVisitor, depth int) error {
	if depth > maxDepth {
		return errTooDeep
	}
	if v == nil {
		return nil
	}
	schemas := j.expandFor(list, func(branch map[string]any) bool { return j.branches.valid(branch, v) })
	for _, s := range schemas {
		text, err := json.Marshal(s[rulesProperty])
		if err != nil {
			return err
		}
		if rules := parseInline(text); len(rules) > 0 {
			if err := visit(inlinePlace{path: path, rules: rules, this: v}); err != nil {
				return err
			}
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if err := j.inlineAt(j.below(schemas, name), v[name], path+"."+name, visit, depth+1); err != nil {
				return err
			}
		}
	case []any:
		items := j.below(schemas, "")
		for i, item := range v {
			if err := j.inlineAt(items, item, path+"["+strconv.Itoa(i)+"]", visit, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// branches tells which alternatives of a text (anyOf, oneOf) a value is valid
// under.
type branches struct {
	source   compat.Source
	pointers map[uintptr]string // of the alternatives in the text, by their maps

	mu       sync.Mutex
	compiled map[uintptr]*santhosh.Schema // nil for what cannot be compiled
}

func newBranches(s *serde.Schema, root any) *branches {
	b := &branches{source: source(s), pointers: map[uintptr]string{}, compiled: map[uintptr]*santhosh.Schema{}}
	b.collect(root, "", 0)
	return b
}

func (b *branches) collect(at any, pointer string, depth int) {
	if depth > maxDepth {
		return
	}
	switch at := at.(type) {
	case map[string]any:
		for _, key := range []string{"anyOf", "oneOf"} {
			list, _ := at[key].([]any)
			for i, item := range list {
				if m, ok := item.(map[string]any); ok {
					b.pointers[reflect.ValueOf(m).Pointer()] = pointer + "/" + key + "/" + strconv.Itoa(i)
				}
			}
		}
		for key, item := range at {
			b.collect(item, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key), depth+1)
		}
	case []any:
		for i, item := range at {
			b.collect(item, pointer+"/"+strconv.Itoa(i), depth+1)
		}
	}
}

// rootName is what the text is called where an alternative refers to it.
const rootName = "text-with-alternatives.json"

// valid reports whether a value is valid under an alternative. One that cannot
// be compiled takes everything.
func (b *branches) valid(branch map[string]any, v any) bool {
	key := reflect.ValueOf(branch).Pointer()
	b.mu.Lock()
	s, known := b.compiled[key]
	if !known {
		s = b.compile(b.pointers[key])
		b.compiled[key] = s
	}
	b.mu.Unlock()
	return s == nil || s.Validate(v) == nil
}

func (b *branches) compile(pointer string) *santhosh.Schema {
	head := map[string]any{"allOf": []any{map[string]any{"$ref": rootName + "#" + pointer}}}
	var root struct {
		Schema string `json:"$schema"`
	}
	if json.Unmarshal([]byte(b.source.Text), &root) == nil && root.Schema != "" {
		head["$schema"] = root.Schema
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil
	}
	parsed, err := compatjson.Parse(compat.Source{
		Type: schema.JSON, Text: string(text),
		Dependencies: append(slices.Clone(b.source.Dependencies), compat.Dependency{Name: rootName, Text: b.source.Text}),
	})
	if err != nil {
		return nil
	}
	s, err := parsed.Compile()
	if err != nil {
		return nil
	}
	return s
}
