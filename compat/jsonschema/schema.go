// Package jsonschema reads JSON Schemas and says what changed between two of
// them.
//
// It promises: drafts 04, 06, 07, 2019-09 and 2020-12 (07 if a text names none),
// mixed at will; canonical text that differs from the original in white space
// and the spelling of strings only; every reference resolved from the texts at
// hand, nothing ever fetched; and the reference server's rules, strict and
// lenient, with every difference of a pair. It leaves payloads to
// serde/jsonschema, and what a registry keeps beside the text (reserved names)
// to the registry.
//
//	text ──▶ *Value tree ──┬─ Canonical, Normalized
//	dependencies ──────────┤
//	                       └─ references ──▶ *Schema ──▶ model ──▶ Differences(writer)
//
// In the model every schema has one shape: a type, an enum, a const, a
// combination, a negation. A list of types becomes an anyOf of single ones,
// keywords of several shapes become an allOf, and a $ref is the schema that it
// leads to, so a recursive schema is a cyclic graph. That is the view of the
// reference server, and it decides which differences are reported.
//
// Everything that a text can make large has a bound (MaxTextBytes and those
// beside it), and no state outlives a call: schemas are immutable and safe for
// concurrent use.
package jsonschema

import (
	"strconv"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Schema is one JSON Schema with everything that it refers to. It implements
// compat.Schema.
type Schema struct {
	doc       *document
	deps      []*document
	links     *linker
	root      *node
	canonical string
}

var _ compat.Schema = (*Schema)(nil)

// Parse reads a schema. Errors are *compat.SyntaxError. With src.Strict the text
// must also be valid under the meta-schema of its dialect.
func Parse(src compat.Source) (*Schema, error) {
	size := len(src.Text)
	for _, d := range src.Dependencies {
		size += len(d.Text)
	}
	if size > MaxTextBytes {
		return nil, &compat.SyntaxError{Type: schema.JSON, Reason: "the schema has " + strconv.Itoa(size) +
			" bytes with what it refers to, more than " + strconv.Itoa(MaxTextBytes) + "; split it"}
	}
	left := maxValues
	doc, err := parseJSON("", src.Text, &left)
	if err != nil {
		return nil, err
	}
	if !doc.root.isSchema() {
		return nil, doc.fail(int(doc.root.pos), "", "a schema is an object, true or false")
	}
	s := &Schema{doc: doc}
	if s.deps, err = dependencyDocuments(src.Dependencies, &left); err != nil {
		return nil, err
	}
	if s.links, err = link(doc, s.deps); err != nil {
		return nil, err
	}
	if src.Strict {
		if err := s.checkStrictly(); err != nil {
			return nil, err
		}
	}
	s.root = buildModel(s.links, doc.root)
	s.canonical = string(doc.root.appendJSON(make([]byte, 0, len(src.Text)), false))
	return s, nil
}

// Type returns schema.JSON.
func (s *Schema) Type() schema.Type { return schema.JSON }

// Canonical returns the text that is stored and fingerprinted: without white
// space, members and numbers as they were.
func (s *Schema) Canonical() string { return s.canonical }

// Normalized returns the canonical text with the members of every object
// sorted.
func (s *Schema) Normalized() string {
	return string(s.doc.root.appendJSON(make([]byte, 0, len(s.canonical)), true))
}

// Format returns the canonical text: JSON Schema has no other form.
func (s *Schema) Format(string) (string, error) { return s.canonical, nil }

// Name returns the title of the schema.
func (s *Schema) Name() string {
	title, _ := s.doc.root.str("title")
	return title
}

// Root returns the whole schema as a JSON value.
func (s *Schema) Root() *Value { return s.doc.root }

// Reference returns the schema that the $ref of v leads to, nil if v has none
// or if it leads to a published meta-schema (see MetaSchema). v is a schema that
// can be reached from the root.
func (s *Schema) Reference(v *Value) *Value { return s.links.refs[v] }

// MetaSchema reports whether the $ref of v leads to a published meta-schema.
func (s *Schema) MetaSchema(v *Value) bool { return s.links.meta[v] != "" }

// Dialect returns the dialect in which v, a schema that can be reached from the
// root, is written.
func (s *Schema) Dialect(v *Value) Dialect {
	if r, ok := s.links.scope[v]; ok {
		return r.dialect
	}
	return s.links.root.dialect
}
