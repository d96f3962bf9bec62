package formats_test

import (
	"errors"
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/formats"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

func TestEachTypeHasItsParser(t *testing.T) {
	for _, c := range []struct {
		typ, want schema.Type
		text      string
	}{
		{"", schema.Avro, `"int"`},
		{schema.Avro, schema.Avro, `"int"`},
		{schema.JSON, schema.JSON, `{"type": "object"}`},
		{schema.Protobuf, schema.Protobuf, `syntax = "proto3"; message M {}`},
	} {
		s, err := formats.Parse(compat.Source{Type: c.typ, Text: c.text, Strict: true})
		if err != nil || s.Type() != c.want {
			t.Errorf("%q: %v, %v", c.typ, s, err)
			continue
		}
		again, err := formats.Parse(compat.Source{Type: c.want, Text: s.Canonical()})
		if err != nil || again.Canonical() != s.Canonical() {
			t.Errorf("%q: canonical text %q: %v", c.typ, s.Canonical(), err)
		}
	}
}

// TestErrorsComeWithoutSchema: neither a schema nor a nil pointer in its
// interface.
func TestErrorsComeWithoutSchema(t *testing.T) {
	for _, typ := range []schema.Type{"", schema.Avro, schema.JSON, schema.Protobuf, "XML", "avro"} {
		s, err := formats.Parse(compat.Source{Type: typ, Text: "{"})
		var syntax *compat.SyntaxError
		if s != nil || !errors.As(err, &syntax) {
			t.Errorf("%q: %v, %v", typ, s, err)
			continue
		}
		if syntax.Type != typ.OrDefault() || syntax.Reason == "" {
			t.Errorf("%q: %+v", typ, syntax)
		}
	}
}
