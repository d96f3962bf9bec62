package jsonschema_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	compatjs "github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
)

// dice makes random schemas and payloads over a small vocabulary, so that they
// often meet.
type dice struct{ *rand.Rand }

func (d dice) of(list ...string) string { return list[d.IntN(len(list))] }

func (d dice) value(depth int) string {
	n := 7
	if depth > 0 {
		n = 10
	}
	switch d.IntN(n) {
	case 0:
		return d.of("null", "true", "false")
	case 1, 2:
		return d.of("0", "1", "-1", "2", "1.0", "2.5", "10", "1e1", "0.1", "3e-1", "12345678901234567890", "100", "1E2", "-0")
	case 3, 4, 5, 6:
		return d.of(`""`, `"a"`, `"b"`, `"ab"`, `"abc"`, `"\u0061"`, `"é"`, `"😀\n"`, `"\ud83d\ude00"`, `"a b"`)
	case 7:
		var items []string
		for range d.IntN(4) {
			items = append(items, d.value(depth-1))
		}
		return "[" + strings.Join(items, d.of(",", " , ")) + "]"
	}
	return d.object(depth, func() string { return d.value(depth - 1) })
}

func (d dice) object(_ int, member func() string) string {
	var members []string
	for _, name := range []string{`"a"`, `"b"`, `"c"`, `"\u0061b"`} {
		if d.IntN(2) == 0 {
			members = append(members, name+d.of(":", " : ")+member())
		}
	}
	d.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

func (d dice) schema(depth int) string {
	if d.IntN(12) == 0 {
		return d.of("true", "false", "{}")
	}
	var keywords []string
	add := func(format string, args ...any) { keywords = append(keywords, fmt.Sprintf(format, args...)) }
	sub := func() string { return d.schema(depth - 1) }
	list := func() string {
		out := []string{}
		for range 1 + d.IntN(3) {
			out = append(out, sub())
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	seen := map[int]bool{}
	for range 1 + d.IntN(4) {
		n := 14
		if depth > 0 {
			n = 32
		}
		k := d.IntN(n)
		if seen[k] {
			continue
		}
		seen[k] = true
		switch k {
		case 0, 1:
			if seen[1-k] {
				continue
			}
			add(`"type":%s`, d.of(`"string"`, `"integer"`, `"number"`, `"object"`, `"array"`, `"null"`, `["string","integer"]`, `["object","null","boolean"]`))
		case 2:
			add(`"enum":[%s]`, d.of(`1,"a",null`, `{"a":1},[1,2],"b"`, `true,2.50,"é"`, `"😀\n",[]`))
		case 3:
			add(`"const":%s`, d.value(1))
		case 4:
			add(`"minLength":%d`, d.IntN(3))
		case 5:
			add(`"maxLength":%d`, d.IntN(4))
		case 6:
			add(`"pattern":%s`, d.of(`"^a"`, `"b$"`, `"\\s"`, `"^.$"`))
		case 7:
			add(`"minimum":%s`, d.of("0", "1", "0.5", "12345678901234567890.5"))
		case 8:
			add(`"exclusiveMaximum":%s`, d.of("2", "1e1", "12345678901234567890"))
		case 9:
			add(`"multipleOf":%s`, d.of("2", "0.1", "0.5", "1e1"))
		case 10:
			add(`"required":%s`, d.of(`["a"]`, `["a","b"]`, `["ab"]`))
		case 11:
			add(`"minItems":%d,"uniqueItems":true`, d.IntN(3))
		case 12:
			add(`"maxProperties":%d`, d.IntN(4))
		case 13:
			add(`"dependentRequired":{"a":["b"],"c":["ab"]}`)
		case 14, 15, 16:
			if !seen[14] && !seen[15] || k == 14 && !seen[15] && !seen[16] {
				add(`"properties":{"a":%s,"b":%s}`, sub(), sub())
				seen[14], seen[15], seen[16] = true, true, true
			}
		case 17:
			add(`"additionalProperties":%s`, sub())
		case 18:
			add(`"patternProperties":{"^a":%s,"b":%s}`, sub(), sub())
		case 19:
			add(`"propertyNames":%s`, sub())
		case 20:
			add(`"dependentSchemas":{"a":%s}`, sub())
		case 21, 22:
			if !(seen[21] && seen[22]) {
				add(`"items":%s`, sub())
				seen[21], seen[22] = true, true
			}
		case 23:
			add(`"prefixItems":%s`, list())
		case 24:
			add(`"contains":%s,"minContains":%d`, sub(), d.IntN(3))
		case 25:
			add(`"allOf":%s`, list())
		case 26:
			add(`"anyOf":%s`, list())
		case 27:
			add(`"oneOf":%s`, list())
		case 28:
			add(`"not":%s`, sub())
		case 29:
			add(`"if":%s,"then":%s,"else":%s`, sub(), sub(), sub())
		case 30:
			add(`"$ref":"#/$defs/%s"`, d.of("x", "y"))
		case 31:
			if d.IntN(8) == 0 {
				add(`"unevaluatedProperties":%s`, sub())
			}
		}
	}
	return "{" + strings.Join(keywords, ",") + "}"
}

// TestRandomSchemas compares the walk with the library over random schemas and
// payloads.
func TestRandomSchemas(t *testing.T) {
	valid, total, streams := 0, 0, 0
	for seed := range uint64(1500) {
		d := dice{rand.New(rand.NewPCG(seed, 11))}
		text := d.schema(3)
		if text[0] == '{' {
			text = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$defs":{"x":` + d.schema(2) + `,"y":{"type":"object","properties":{"a":{"$ref":"#/$defs/y"}}}},` + text[1:]
			text = strings.Replace(text, ",}", "}", 1)
		}
		s, err := compatjs.Parse(compat.Source{Text: text, Strict: true})
		if err != nil {
			if strings.Contains(err.Error(), "leads back to itself") {
				continue
			}
			t.Fatalf("seed %d: %v in %s", seed, err, text)
		}
		v, err := jsonschema.NewValidator(s)
		if err != nil {
			if strings.Contains(err.Error(), "without end") {
				continue
			}
			t.Fatalf("seed %d: %v in %s", seed, err, text)
		}
		if v.Streams() {
			streams++
		}
		library, err := s.Compile()
		if err != nil {
			t.Fatalf("seed %d: %v in %s", seed, err, text)
		}
		for range 15 {
			payload := []byte(d.value(3))
			if d.IntN(10) == 0 {
				payload = payload[:d.IntN(len(payload)+1)]
			}
			compare(t, fmt.Sprintf("(seed %d) %s", seed, text), v, library, payload)
			total++
			if v.Validate(payload) == nil {
				valid++
			}
		}
	}
	if valid < total/20 || valid > total*19/20 || streams < 500 {
		t.Errorf("%d of %d payloads valid, %d schemas without the library: nothing is shown", valid, total, streams)
	}
}
