package registry

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

func typed(t schema.Type, text string) RegisterRequest {
	return RegisterRequest{Definition: schema.Definition{Type: t, Text: text}}
}

// TestOversizedTextsAreNotParsed: a parser that is asked fails the test.
func TestOversizedTextsAreNotParsed(t *testing.T) {
	r := open(t, Options{Parse: func(src compat.Source) (compat.Schema, error) {
		t.Errorf("the parser was given %d bytes of %s", len(src.Text), src.Type)
		return formats.Parse(src)
	}})
	var properties, messages strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&properties, `,"property%d":{"type":"string"}`, i)
		fmt.Fprintf(&messages, "message Message%d { int32 a = 1; }\n", i)
	}
	for _, req := range []RegisterRequest{
		typed(schema.JSON, `{"properties":{"a":{}`+properties.String()+`}}`),
		typed(schema.Protobuf, "syntax = \"proto3\";\n"+messages.String()),
		typed(schema.Avro, strings.Repeat("[", 5<<20)),
		typed(schema.Protobuf, strings.Repeat("A", 5<<20)),
	} {
		_, err := r.Register(context.Background(), "s", req)
		wantCode(t, err, CodeTooLarge)
	}
}

// TestRoomThatTheCanonicalFormGivesBack: comments, white space and escapes may
// make a text larger than what is stored.
func TestRoomThatTheCanonicalFormGivesBack(t *testing.T) {
	r := open(t, Options{})
	for i, req := range []RegisterRequest{
		typed(schema.JSON, `{"type":`+strings.Repeat(" ", 2<<20)+`"string"}`),
		typed(schema.JSON, `{"title":"`+strings.Repeat(`\u0041`, 200_000)+`"}`),
		typed(schema.Avro, `"int"`+strings.Repeat("\n", 2<<20)),
		typed(schema.Protobuf, "syntax = \"proto3\"; // "+strings.Repeat("c", 1<<20)+"\n/*"+strings.Repeat("d", 1<<20)+"*/ message A { string a = 1; }"),
		typed(schema.Protobuf, "syntax = \"proto3\"; message A {"+strings.Repeat("\t;", 1<<20)+"}"),
	} {
		if _, err := r.Register(context.Background(), schema.Subject(fmt.Sprint("s", i)), req); err != nil {
			t.Errorf("text %d: %.300v", i, err)
		}
	}
}

func TestErrorsRepeatOnlyTheBeginningOfWhatIsLong(t *testing.T) {
	r := open(t, Options{})
	long := strings.Repeat("x", 900_000)
	for name, req := range map[string]RegisterRequest{
		"text":            avro(`"` + long + `"`),
		"type of a field": avro(`{"type":"record","name":"R","fields":[{"name":"a","type":"` + long + `"}]}`),
		"schema type":     typed(schema.Type(long), `"int"`),
		"protobuf":        typed(schema.Protobuf, `syntax = "proto3"; message A { `+long+` a = 1; }`),
		"json":            typed(schema.JSON, `{"type":"`+long+`"}`),
		"reference": {Definition: schema.Definition{Text: `"int"`, References: []schema.Reference{
			{Name: long, Subject: schema.Subject(long), Version: 1},
		}}},
	} {
		_, err := r.Register(context.Background(), "s", req)
		wantCode(t, err, CodeInvalidSchema)
		text := err.Error()
		if len(text) > 8<<10 || !strings.HasPrefix(text, "Invalid schema {subject=s,schemaType=") || !strings.Contains(text, "}, details: ") {
			t.Errorf("%s: an error of %d bytes: %.200s", name, len(text), text)
		}
	}
}
