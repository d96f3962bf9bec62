package jsonschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	santhosh "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/dovetail-dev/dovetail/compat"
)

// dice makes random schemas of what is compared exactly, changes them, and makes
// values for them.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

type object = map[string]any

func (d dice) schema(depth int) any {
	n := 5
	if depth > 0 {
		n = 10
	}
	switch d.IntN(n) {
	case 0:
		return d.keywords(object{"type": "string"}, "minLength", "maxLength")
	case 1:
		return d.keywords(object{"type": pick(d, "number", "integer")}, "minimum", "maximum", "exclusiveMaximum", "multipleOf")
	case 2:
		return object{"enum": d.enum()}
	case 3:
		return pick[any](d, object{"const": d.IntN(3)}, object{"type": "null"}, object{"type": "boolean"}, true, object{})
	case 4:
		return object{"type": []any{"string", pick(d, "integer", "null")}, "maxLength": d.IntN(3)}
	case 5:
		a := d.keywords(object{"type": "array", "items": d.schema(depth - 1)}, "minItems", "maxItems")
		if d.IntN(3) == 0 {
			a["uniqueItems"] = true
		}
		return a
	case 6:
		a := object{"type": "array", "items": []any{d.schema(depth - 1), d.schema(depth - 1)}[:1+d.IntN(2)]}
		if d.IntN(2) == 0 {
			a["additionalItems"] = pick(d, false, d.schema(depth-1))
		}
		return a
	case 7:
		list := []any{}
		for range 1 + d.IntN(3) {
			list = append(list, d.schema(depth-1))
		}
		return object{pick(d, "anyOf", "allOf"): list}
	case 8:
		return object{"not": d.schema(depth - 1)}
	}
	o := d.keywords(object{"type": "object"}, "minProperties", "maxProperties")
	properties, required := object{}, []any{}
	for _, name := range []string{"a", "b", "c"} {
		if d.IntN(3) > 0 {
			properties[name] = d.schema(depth - 1)
			if d.IntN(3) == 0 {
				required = append(required, name)
			}
		}
	}
	o["properties"], o["required"] = properties, required
	switch d.IntN(3) {
	case 0:
		o["additionalProperties"] = false
	case 1:
		o["additionalProperties"] = d.schema(depth - 1)
	}
	if d.IntN(6) == 0 {
		o["dependencies"] = object{"a": pick[any](d, []any{"b"}, []any{"b", "c"}, d.schema(0))}
	}
	return o
}

func (d dice) keywords(o object, names ...string) object {
	for _, name := range names {
		if d.IntN(3) == 0 {
			o[name] = 1 + d.IntN(4)
		}
	}
	return o
}

func (d dice) enum() []any {
	all := []any{"a", "bb", 1, 2, nil, true}
	d.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+d.IntN(3)]
}

// change returns a copy of a schema with one thing changed somewhere.
func (d dice) change(v any, depth int) any {
	o, ok := v.(object)
	if !ok || d.IntN(5) == 0 {
		return d.widen(v, depth)
	}
	out := object{}
	for k, w := range o {
		out[k] = w
	}
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if len(keys) == 0 {
		return d.schema(depth)
	}
	k := pick(d, keys...)
	switch w := out[k].(type) {
	case int:
		out[k] = max(w+pick(d, -1, 1, 2), 1)
	case bool:
		delete(out, k)
	case object:
		if k != "properties" && k != "dependencies" {
			out[k] = d.change(w, depth-1)
			break
		}
		inner := object{}
		for name, s := range w {
			inner[name] = s
		}
		name := pick(d, "a", "b", "c")
		if s, ok := inner[name]; !ok && k == "properties" {
			inner[name] = d.schema(1)
		} else if k == "dependencies" || d.IntN(3) == 0 {
			delete(inner, name)
			out["required"] = slices.DeleteFunc(slices.Clone(asList(out["required"])), func(r any) bool { return r == name })
		} else {
			inner[name] = d.change(s, depth-1)
		}
		out[k] = inner
	case []any:
		list := slices.Clone(w)
		switch {
		case k == "enum":
			out[k] = d.enum()
		case k == "required" || k == "type":
			if len(list) > 1 || k == "required" && len(list) > 0 {
				i := d.IntN(len(list))
				list = slices.Delete(list, i, i+1)
			}
			out[k] = list
		case d.IntN(3) == 0:
			out[k] = append(list, d.schema(depth-1))
		case d.IntN(3) == 0 && len(list) > 1:
			out[k] = list[1:]
		case len(list) > 0:
			i := d.IntN(len(list))
			list[i] = d.change(list[i], depth-1)
			out[k] = list
		}
	default:
		if k != "type" {
			delete(out, k)
		} else if w == "integer" {
			out[k] = "number"
		}
	}
	return out
}

func (d dice) widen(v any, depth int) any {
	switch d.IntN(4) {
	case 0:
		return object{"anyOf": []any{v, d.schema(max(depth-1, 0))}}
	case 1:
		return object{pick(d, "anyOf", "allOf"): []any{v}}
	case 2:
		return pick[any](d, true, object{})
	}
	return d.schema(depth)
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func (d dice) value(depth int) any {
	n := 6
	if depth > 0 {
		n = 11
	}
	switch d.IntN(n) {
	case 0:
		return nil
	case 1:
		return d.IntN(2) == 0
	case 2, 3:
		return json.Number(pick(d, "0", "1", "2", "3", "4", "6", "1.5", "12", "-1"))
	case 4, 5:
		return pick(d, "", "a", "bb", "ccc", "dddd")
	case 6, 7:
		list := []any{}
		for range d.IntN(4) {
			list = append(list, d.value(depth-1))
		}
		return list
	}
	o := object{}
	for _, name := range []string{"a", "b", "c", "d"} {
		if d.IntN(2) == 0 {
			o[name] = d.value(depth - 1)
		}
	}
	return o
}

// fitting returns a value that often fits a schema.
func (d dice) fitting(schema any, depth int) any {
	o, ok := schema.(object)
	if !ok || d.IntN(12) == 0 {
		return d.value(depth)
	}
	for _, k := range []string{"anyOf", "allOf"} {
		if list := asList(o[k]); len(list) > 0 {
			return d.fitting(pick(d, list...), depth)
		}
	}
	if list := asList(o["enum"]); len(list) > 0 {
		return jsonNumber(pick(d, list...))
	}
	if c, ok := o["const"]; ok {
		return jsonNumber(c)
	}
	switch o["type"] {
	case "string":
		return pick(d, "", "a", "bb", "ccc", "dddd", "eeeee")
	case "integer", "number":
		return json.Number(pick(d, "0", "1", "2", "3", "4", "5", "6", "8", "1.5"))
	case "array":
		list := []any{}
		for i := range d.IntN(4) {
			item := o["items"]
			if tuple, ok := item.([]any); ok {
				if item = o["additionalItems"]; i < len(tuple) {
					item = tuple[i]
				}
			}
			list = append(list, d.fitting(item, depth-1))
		}
		return list
	case "object":
		out := object{}
		properties, _ := o["properties"].(object)
		for _, name := range []string{"a", "b", "c", "d"} {
			s, ok := properties[name]
			if !ok {
				s = o["additionalProperties"]
			}
			if s != false && (d.IntN(2) == 0 || slices.Contains(asList(o["required"]), any(name))) {
				out[name] = d.fitting(s, depth-1)
			}
		}
		return out
	}
	return d.value(depth)
}

func jsonNumber(v any) any {
	if n, ok := v.(int); ok {
		return json.Number(fmt.Sprint(n))
	}
	return v
}

// TestWhatFitsIsRead is the property that matters: if nothing is found that
// breaks, what is valid for the writer is valid for the reader.
func TestWhatFitsIsRead(t *testing.T) {
	pairs, read := 0, 0
	for seed := range uint64(4000) {
		d := dice{rand.New(rand.NewPCG(seed, 3))}
		before := d.schema(3)
		after := before
		for range 1 + d.IntN(2) {
			after = d.change(after, 3)
		}
		text := func(v any) string { b, _ := json.Marshal(v); return string(b) }
		writer, err := Parse(compat.Source{Text: text(before)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		reader, err := Parse(compat.Source{Text: text(after)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		differences := reader.Differences(writer, compat.Options{})
		if slices.ContainsFunc(differences, func(i compat.Incompatibility) bool { return !i.Compatible }) {
			continue
		}
		if text(before) == text(after) {
			if len(differences) > 0 {
				t.Fatalf("seed %d: %s differs from itself: %v", seed, text(before), differences)
			}
			continue
		}
		pairs++
		w, errW := writer.Compile()
		r, errR := reader.Compile()
		if errW != nil || errR != nil {
			continue // an empty list, which strict parsing refuses
		}
		for range 40 {
			value := d.fitting(before, 3)
			if w.Validate(value) != nil {
				continue
			}
			read++
			if err := r.Validate(value); err != nil {
				t.Fatalf("seed %d\nwriter %s\nreader %s\nfound %v\nbut %s is refused: %v", seed, text(before), text(after), differences, text(value), err)
			}
		}
	}
	if pairs < 500 || read < 2000 {
		t.Errorf("only %d pairs and %d values", pairs, read)
	}
}

// TestLooserThanTheData lists what the reference server lets through although a
// value of the writer is refused by the reader.
func TestLooserThanTheData(t *testing.T) {
	const d20 = `"$schema":"https://json-schema.org/draft/2020-12/schema",`
	for name, c := range map[string]struct {
		writer, reader, value string
		policy                compat.Policy
	}{
		"contains is not compared":                        {`{"type":"array","contains":{"type":"string"}}`, `{"type":"array","contains":{"type":"null"}}`, `["a"]`, ""},
		"patternProperties is not compared":               {`{"type":"object","patternProperties":{"^a":{"type":"string"}}}`, `{"type":"object","patternProperties":{"^a":{"type":"null"}}}`, `{"a":"x"}`, ""},
		"propertyNames is not compared":                   {`{"type":"object","propertyNames":{"maxLength":3}}`, `{"type":"object","propertyNames":{"maxLength":2}}`, `{"abc":1}`, ""},
		"if, then and else are not compared":              {`{"if":{"type":"string"},"then":{"maxLength":3}}`, `{"if":{"type":"string"},"then":{"maxLength":2}}`, `"abc"`, ""},
		"required names without a property":               {`{"type":"object"}`, `{"type":"object","required":["a"]}`, `{}`, ""},
		"a default counts as a value":                     {`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"type":"object","properties":{"a":{"type":"string","default":"x"}},"required":["a"]}`, `{}`, ""},
		"a required property with a default":              {`{"type":"object","additionalProperties":false}`, `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string","default":"x"}},"required":["a"]}`, `{}`, ""},
		"patterns make an object unopen":                  {`{"type":"object","patternProperties":{"^x":{"type":"string"}}}`, `{"type":"object","patternProperties":{"^x":{"type":"string"}},"properties":{"a":{"type":"string"}}}`, `{"a":1}`, ""},
		"a type where there was none":                     {`{"maxLength":3}`, `{"type":"string","maxLength":3}`, `1`, ""},
		"more branches of oneOf may both match":           {`{"oneOf":[{"type":"string"},{"type":"null"}]}`, `{"oneOf":[{"type":"string"},{"type":"null"},{"maxLength":5}]}`, `"a"`, ""},
		"a plain schema becomes one branch of oneOf":      {`{"type":"integer"}`, `{"oneOf":[{"type":"integer"},{"type":"number"}]}`, `1`, ""},
		"minContains of 0 is removed":                     {`{` + d20 + `"type":"array","contains":{"type":"null"},"minContains":0}`, `{` + d20 + `"type":"array","contains":{"type":"null"}}`, `[]`, ""},
		"lenient: a property in an open object":           {`{"type":"object"}`, `{"type":"object","properties":{"a":{"type":"string"}}}`, `{"a":1}`, compat.PolicyLenient},
		"lenient: a property leaves a closed object":      {`{"type":"object","properties":{"a":{}},"additionalProperties":false}`, `{"type":"object","additionalProperties":false}`, `{"a":1}`, compat.PolicyLenient},
		"lenient: an object is closed":                    {`{"type":"object"}`, `{"type":"object","additionalProperties":false}`, `{"a":1}`, compat.PolicyLenient},
		"lenient: an object is closed by half":            {`{"type":"object"}`, `{"type":"object","additionalProperties":{"type":"string"}}`, `{"a":1}`, compat.PolicyLenient},
		"lenient: a property that is not covered arrives": {`{"type":"object","additionalProperties":{"type":"integer"}}`, `{"type":"object","additionalProperties":{"type":"integer"},"properties":{"a":{"type":"string"}}}`, `{"a":1}`, compat.PolicyLenient},
	} {
		t.Run(name, func(t *testing.T) {
			writer, reader := parse(t, c.writer), parse(t, c.reader)
			for _, d := range reader.Differences(writer, compat.Options{Policy: c.policy}) {
				if !d.Compatible {
					t.Errorf("found %v: no longer looser", d)
				}
			}
			if c.policy == compat.PolicyLenient && !slices.ContainsFunc(reader.Differences(writer, compat.Options{}), func(d compat.Incompatibility) bool { return !d.Compatible }) {
				t.Error("strict finds nothing either")
			}
			value, err := santhosh.UnmarshalJSON(strings.NewReader(c.value))
			if err != nil {
				t.Fatal(err)
			}
			for _, side := range []struct {
				schema *Schema
				valid  bool
			}{{writer, true}, {reader, false}} {
				compiled, err := side.schema.Compile()
				if err != nil {
					t.Fatal(err)
				}
				if err := compiled.Validate(value); (err == nil) != side.valid {
					t.Errorf("%s: %v", side.schema.Canonical(), err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	var props bytes.Buffer
	for i := range 50 {
		fmt.Fprintf(&props, `"p%d":{"type":"string","maxLength":20},`, i)
	}
	text := `{"type":"object","properties":{` + strings.TrimSuffix(props.String(), ",") + `}}`
	for _, strict := range []bool{false, true} {
		b.Run(fmt.Sprintf("50 properties/strict=%v", strict), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(compat.Source{Text: text, Strict: strict}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
