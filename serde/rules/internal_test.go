package rules

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/proto/aes_gcm_go_proto"
	"github.com/tink-crypto/tink-go/v2/proto/aes_siv_go_proto"
	"google.golang.org/protobuf/proto"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

func TestKeysAreMessagesOfTink(t *testing.T) {
	random := func(b []byte) error { _, err := rand.Read(b); return err }
	for algorithm, size := range map[string]int{aes128GCM: 16, aes256GCM: 32, aes256SIV: 64} {
		key, err := newKey(algorithm, random)
		if err != nil {
			t.Fatal(err)
		}
		var value []byte
		if algorithm == aes256SIV {
			var k aes_siv_go_proto.AesSivKey
			err, value = proto.Unmarshal(key, &k), k.GetKeyValue()
		} else {
			var k aes_gcm_go_proto.AesGcmKey
			err, value = proto.Unmarshal(key, &k), k.GetKeyValue()
		}
		if err != nil || len(value) != size {
			t.Errorf("%s: %d bytes, %v", algorithm, len(value), err)
		}
		c, err := newCipher(algorithm, key)
		if err != nil {
			t.Fatal(err)
		}
		b, err := c.seal([]byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := c.open(b); err != nil || string(plain) != "text" {
			t.Errorf("%s: %q, %v", algorithm, plain, err)
		}
		again, err := c.seal([]byte("text"))
		if err != nil || bytes.Equal(again, b) != (algorithm == aes256SIV) {
			t.Errorf("%s: deterministic is %v, %v", algorithm, bytes.Equal(again, b), err)
		}
		for _, bad := range [][]byte{nil, {0xff}, key[:len(key)-1], append(bytes.Clone(key), 0xff), {0x1a, 1, 2}} {
			if _, err := newCipher(algorithm, bad); err == nil {
				t.Errorf("%s: % x is taken for a key", algorithm, bad)
			}
		}
	}
}

func FuzzSplitVersion(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 'x'})
	f.Add([]byte{0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		version, rest, err := splitVersion(b)
		if err != nil {
			return
		}
		if version < 1 || !bytes.Equal(append(appendVersion(nil, version), rest...), b) {
			t.Fatalf("% x is version %d and % x", b, version, rest)
		}
	})
}

func FuzzKeyAndCiphertext(f *testing.F) {
	key, err := newKey(aes256GCM, func(b []byte) error { return nil })
	if err != nil {
		f.Fatal(err)
	}
	c, err := newCipher(aes256GCM, key)
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := c.seal([]byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(key, sealed)
	f.Add(key, []byte{})
	f.Add([]byte{0x12, 64}, sealed)
	f.Fuzz(func(t *testing.T, key, b []byte) {
		for _, algorithm := range []string{aes128GCM, aes256GCM, aes256SIV} {
			if c, err := newCipher(algorithm, key); err == nil {
				_, _ = c.open(b)
			}
		}
	})
}

// Whatever the expression is: it ends, within its cost, without a panic.
func FuzzExpression(f *testing.F) {
	e, err := New(Options{CostLimit: 10_000})
	if err != nil {
		f.Fatal(err)
	}
	for _, expr := range []string{
		"message.a > 1", "message.a > 0; {'a': message.list.map(x, x * 2)}", "message.s.isEmail() || message.s.matches('(a+)+$')",
		"[1,2].all(x, [1,2].all(y, x == y))", "'%s'.format([message])", "message.list.join('x').replace('a', 'b')", "x.Y{}", "now - now", ";;", "((((((",
	} {
		f.Add(expr)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		r := newCELRule(&step{engine: e, rule: schema.Rule{Expr: expr}})
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		out, err := r.document(ctx, []byte(`{"a":1,"s":"aaaa","list":["a",2]}`))
		if ctx.Err() != nil {
			t.Fatalf("%q takes for ever", expr)
		}
		if err == nil && out != nil && !json.Valid(out) {
			t.Fatalf("%q made %q", expr, out)
		}
	})
}

func TestLongAndDeepExpressionsAreRefused(t *testing.T) {
	cache, err := newCELCache(DefaultCostLimit)
	if err != nil {
		t.Fatal(err)
	}
	for name, expr := range map[string]string{
		"long":    strings.Repeat(" ", maxExpressionBytes) + "true",
		"deep":    strings.Repeat("(", 10_000) + "1" + strings.Repeat(")", 10_000),
		"deep [":  strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"unknown": "nothing == 1",
	} {
		if _, err := cache.program(celKey{expr: expr}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestStringFunctions(t *testing.T) {
	for _, c := range []struct {
		test     func(string) bool
		good, no []string
	}{
		{isEmail, []string{"a@example.com", "a.b+c@x-y.org"}, []string{"", "a", "@x.org", "a@", "a b@x.org", "A <a@x.org>", "a@-x.org", strings.Repeat("a", 65) + "@x.org", "a@" + strings.Repeat("a.", 126) + "b", "a@b@c.org"}},
		{isHostname, []string{"a", "example.com", "example.com.", "xn--a.b", "1a"}, []string{"", ".", "a..b", "-a", "a-", "a_b", "1.2.3.4", strings.Repeat("a", 64), strings.Repeat("a.", 130)}},
		{isIPv4, []string{"1.2.3.4"}, []string{"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::1", "01.2.3.4"}},
		{isIPv6, []string{"::1", "2001:db8::1", "::ffff:1.2.3.4"}, []string{"", "1.2.3.4", ":::1", "fe80::1%eth0"}},
		{isURI, []string{"http://a/b?c#d", "mailto:a@b", "urn:x:y"}, []string{"", "/a", "a b:c", "http://a/%zz", "http://a/{b}", "http://ü/"}},
		{isURIRef, []string{"http://a", "/a", "a/b", "?q", ""}, []string{"%zz", "a b", ":a", "a\\b"}},
		{isUUID, []string{"00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF"}, []string{"", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg", "{0112233-4455-6677-8899-aabbccddeef}"}},
	} {
		for _, s := range c.good {
			if !c.test(s) {
				t.Errorf("%q is refused", s)
			}
		}
		for _, s := range c.no {
			if c.test(s) {
				t.Errorf("%q is taken", s)
			}
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, c := range []struct {
		glob, path string
		want       bool
	}{
		{"a.b", "a.b", true}, {"a.b", "aXb", false}, {"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"a.**", "a.b.c", true},
		{"**.c", "a.b.c", true}, {"a.?", "a.b", true}, {"a.?", "a.bb", false}, {"*.b", "a.b", true}, {"", "", true}, {"(", "(", true}, {"\xff", "a", false},
	} {
		if got := compileGlob(c.glob).MatchString(c.path); got != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.path, got)
		}
	}
}

const personText = `{"type":"object","properties":{
	"name":{"type":"string"},
	"ssn":{"type":"string","confluent:tags":["PII"]},
	"age":{"type":"integer"},
	"home":{"$ref":"#/definitions/place"},
	"past":{"type":"array","items":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/place"}]}}},
	"definitions":{"place":{"type":"object","properties":{"street":{"type":"string","confluent:tags":["PII"]},"next":{"$ref":"#/definitions/place"}}}}}`

type place struct {
	Street string `json:"street"`
}

type person struct {
	Name string   `json:"name"`
	SSN  *string  `json:"ssn"`
	Age  int      `json:"age"`
	Home place    `json:"home"`
	Past []*place `json:"past"`
}

// JSON values, generic and structs, are walked along the schema.
func TestJSONValues(t *testing.T) {
	shape, err := newShape(&serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Type: schema.JSON, Text: personText}}})
	if err != nil {
		t.Fatal(err)
	}
	ssn := "1"
	for _, v := range []any{
		person{Name: "ann", SSN: &ssn, Age: 3, Home: place{"a"}, Past: []*place{{"b"}, nil}},
		&person{Name: "ann", SSN: &ssn, Age: 3, Home: place{"a"}, Past: []*place{{"b"}, nil}},
		map[string]any{"name": "ann", "ssn": "1", "age": 3.0, "home": map[string]any{"street": "a"}, "past": []any{map[string]any{"street": "b"}, nil}},
	} {
		before, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		out, err := shape.fields(v, func(f *field, leaf any) (any, error) {
			seen[f.fullName] = f.typeName
			if _, text := leaf.(string); text && f.tagged([]string{"PII"}) {
				return "*" + leaf.(string), nil
			}
			return leaf, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var got, want any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`{"name":"ann","ssn":"*1","age":3,"home":{"street":"*a"},"past":[{"street":"*b"},null]}`), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || reflect.TypeOf(out) != reflect.TypeOf(v) {
			t.Errorf("%T: %s", out, b)
		}
		if after, err := json.Marshal(v); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%T was changed in place: %s", v, after)
		}
		if seen["$.age"] != "INT" || seen["$.home.street"] != "STRING" {
			t.Errorf("fields %v", seen)
		}
		shown, err := shape.show(v)
		if err != nil {
			t.Fatal(err)
		}
		e, err := New(Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := newCELRule(&step{engine: e, rule: schema.Rule{Expr: "message.home.street == 'a' && message.past[1] == null; {'name': message.name + '!'}"}})
		if out, err = r.message(context.Background(), shape, v); err != nil {
			t.Fatalf("%v: %v", shown, err)
		}
		if b, err = json.Marshal(out); err != nil || !strings.Contains(string(b), `"name":"ann!"`) || reflect.TypeOf(out) != reflect.TypeOf(v) {
			t.Errorf("%T: %s, %v", out, b, err)
		}
	}
}

// Structs with pointers to themselves end at the bound, not in the stack.
func TestCyclicValuesAreRefused(t *testing.T) {
	type node struct {
		Next *node `json:"next"`
	}
	n := &node{}
	n.Next = n
	shape, err := newShape(&serde.Schema{Registered: serde.Registered{Definition: schema.Definition{Type: schema.JSON, Text: personText}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shape.fields(n, func(_ *field, leaf any) (any, error) { return leaf, nil }); err == nil {
		t.Error("walked for ever and came back")
	}
}
