package avro

import (
	"errors"
	"fmt"
	"sync"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Schema is a parsed Avro schema. It is immutable and safe for concurrent use.
type Schema struct {
	root    *Node
	src     compat.Source
	foreign map[*Node]struct{} // named types that the dependencies define

	canonical  func() string
	normalized func() string
	parsing    func() string
}

var _ compat.Schema = (*Schema)(nil)

// Parse reads src. It understands the names of all types that the dependencies
// define, in addition to its own, and no others. Every error is a
// *compat.SyntaxError.
//
// A strict source is checked as one that is to be registered: names,
// namespaces and default values. Dependencies never are.
func Parse(src compat.Source) (*Schema, error) {
	p := parser{names: make(map[string]*Node)}
	s := &Schema{src: src}
	if err := p.parseAll(src, &s.root); err != nil {
		return nil, err
	}
	s.foreign = p.foreign
	s.canonical = sync.OnceValue(func() string { return s.print(printer{known: s.foreign}) })
	s.normalized = sync.OnceValue(func() string { return s.print(printer{known: s.foreign, normal: true}) })
	s.parsing = sync.OnceValue(func() string { return string(appendParsingForm(nil, s.root, make(map[*Node]struct{}))) })
	return s, nil
}

// ParseText reads a text strictly, without dependencies.
func ParseText(text string) (*Schema, error) {
	return Parse(compat.Source{Type: schema.Avro, Text: text, Strict: true})
}

// Root returns the schema as a graph of nodes, dependencies linked in.
func (s *Schema) Root() *Node { return s.root }

// Type returns schema.Avro.
func (s *Schema) Type() schema.Type { return schema.Avro }

// Name returns the full name of a record, enum or fixed, else "".
func (s *Schema) Name() string {
	if s.root.Name == "" {
		return ""
	}
	return s.root.FullName()
}

// parser turns tapes into nodes. One parser reads the dependencies and then
// the text; it is never used again.
type parser struct {
	tape
	strict  bool
	names   map[string]*Node   // every named type, by full name
	foreign map[*Node]struct{} // those of the dependencies; nil without any
	types   int                // types and fields so far

	forward []forwardRef   // uses of names that had no definition yet
	bare    []forwardRef   // uses of a type without namespace from inside one
	unions  []unionCheck   // unions with such names in them
	fields  []fieldDefault // default values to check
	where   map[*Node]uint32
	seen    map[string]struct{} // scratch: names of one record's fields
	key     []byte              // scratch: a full name
	bytes   []byte              // arena for default values and attributes
}

// forwardRef is a place that waits for the definition of name.
type forwardRef struct {
	slot *(*Node)
	name string
	tok  uint32
}

type unionCheck struct {
	node *Node
	tok  uint32
}

type fieldDefault struct {
	field *Field
	tok   uint32
}

// fault is an error at a token.
type fault struct {
	tok    uint32
	reason string
}

func faultf(tok uint32, format string, args ...any) *fault {
	return &fault{tok: tok, reason: fmt.Sprintf(format, args...)}
}

// parseAll reads the dependencies and the text of src into root.
func (p *parser) parseAll(src compat.Source, root **Node) error {
	size := len(src.Text)
	for _, d := range src.Dependencies {
		size += len(d.Text)
	}
	if size > MaxTextBytes {
		return &compat.SyntaxError{Type: schema.Avro, Reason: fmt.Sprintf(
			"the schema and its references have %d bytes; at most %d are read, so split it", size, MaxTextBytes)}
	}
	if err := p.parseDependencies(src.Dependencies); err != nil {
		return err
	}
	p.strict = src.Strict
	return p.parseText(src.Text, root)
}

func (p *parser) parseDependencies(deps []compat.Dependency) error {
	for i, d := range deps {
		if repeated(deps[:i], d.Name) {
			continue
		}
		var root *Node
		if err := p.parseText(d.Text, &root); err != nil {
			var syntax *compat.SyntaxError
			errors.As(err, &syntax)
			return &compat.SyntaxError{Type: schema.Avro, Reason: fmt.Sprintf("in reference %q: %v", d.Name, syntax)}
		}
	}
	if len(deps) > 0 {
		p.foreign = make(map[*Node]struct{}, len(p.names))
		for _, n := range p.names {
			p.foreign[n] = struct{}{}
		}
	}
	return nil
}

func repeated(before []compat.Dependency, name string) bool {
	for i := range before {
		if before[i].Name == name {
			return true
		}
	}
	return false
}

// parseText reads one text into root.
func (p *parser) parseText(text string, root **Node) error {
	if at := invalidUTF8(text); at >= 0 {
		return &compat.SyntaxError{Type: schema.Avro, Position: positionAt(text, at), Reason: "not UTF-8; schemas are UTF-8 text"}
	}
	t, jsonErr := scan(text, make([]token, 0, min(16+len(text)/8, maxTokens)))
	if jsonErr != nil {
		return &compat.SyntaxError{Type: schema.Avro, Position: positionAt(text, jsonErr.offset), Reason: jsonErr.reason}
	}
	p.tape = t
	p.forward, p.bare, p.unions, p.fields = nil, nil, nil, nil
	f := p.typ(0, "", root)
	if f == nil {
		f = p.finish(root)
	}
	if f != nil {
		return &compat.SyntaxError{
			Type:     schema.Avro,
			Position: p.position(f.tok),
			Path:     p.path(f.tok),
			Reason:   f.reason,
		}
	}
	return nil
}

// finish does what can only be done when all names are known.
func (p *parser) finish(root **Node) *fault {
	for _, r := range p.forward {
		n, ok := p.names[r.name]
		if !ok {
			return faultf(r.tok, "no type is called %q; define it, or register the schema that does and add a reference to it", r.name)
		}
		*r.slot = n
	}
	for _, r := range p.bare {
		if _, ok := p.names[r.name]; ok {
			return faultf(r.tok, "the name could also mean %q, which is defined further on; define that first, or rename one", r.name)
		}
	}
	if len(p.forward) > 0 {
		d := depthChecker{done: make(map[*Node]struct{})}
		if tooDeep := d.typ(*root, 0); tooDeep {
			return faultf(0, "types that are used before they are defined nest deeper than %d levels; define them first", MaxDepth)
		}
	}
	for _, u := range p.unions {
		if f := p.checkUnion(u.node, u.tok); f != nil {
			return f
		}
	}
	if p.strict {
		return p.checkDefaults()
	}
	return nil
}
