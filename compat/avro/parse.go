package avro

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

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

func invalidUTF8(text string) int {
	if utf8.ValidString(text) {
		return -1
	}
	for i, r := range text {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return i
			}
		}
	}
	return -1
}

// attributes are the tokens of a type's or field's reserved attributes. Zero
// is none: the token 0 is never the value of an attribute.
type attributes struct {
	typ, name, namespace, doc, aliases         uint32
	fields, symbols, items, values, size       uint32
	dflt, order, logicalType, precision, scale uint32
	others                                     int // attributes that are not reserved, for types other than enum
}

// attributes reads the attributes of the object at i. The last one of a name
// counts.
func (p *parser) attributes(i uint32) (a attributes) {
	for k := i + 1; k < p.toks[i].next; k = p.toks[k+1].next {
		v := k + 1
		switch p.str(k) {
		case "type":
			a.typ = v
		case "name":
			a.name = v
		case "namespace":
			a.namespace = v
		case "doc":
			a.doc = v
		case "aliases":
			a.aliases = v
		case "fields":
			a.fields = v
		case "symbols":
			a.symbols = v
		case "items":
			a.items = v
		case "values":
			a.values = v
		case "size":
			a.size = v
		case "default":
			a.dflt = v
			a.others++
		case "order":
			a.order = v
			a.others++
		case "logicalType":
			a.logicalType = v
			a.others++
		case "precision":
			a.precision = v
			a.others++
		case "scale":
			a.scale = v
			a.others++
		default:
			a.others++
		}
	}
	return a
}

// othersInField is others for the object of a field.
func (a *attributes) othersInField() int {
	n := a.others
	for _, reserved := range [...]uint32{a.dflt, a.order} {
		if reserved != 0 {
			n--
		}
	}
	for _, free := range [...]uint32{a.namespace, a.fields, a.symbols, a.items, a.values, a.size} {
		if free != 0 {
			n++
		}
	}
	return n
}

// optional returns the string at i; "" and false if there is none or it is
// something else.
func (p *parser) optional(i uint32) (string, bool) {
	if i == 0 || p.toks[i].kind != tokString {
		return "", false
	}
	return p.str(i), true
}

// typ reads the type at i into slot, which may be filled only by finish.
func (p *parser) typ(i uint32, ns string, slot **Node) *fault {
	switch p.toks[i].kind {
	case tokString:
		return p.reference(i, i, ns, slot)
	case tokArray:
		return p.union(i, ns, slot)
	case tokObject:
		return p.object(i, ns, slot)
	}
	return faultf(i, `a type is a name ("string"), an object ({"type": …}) or an array of types`)
}

// reference reads the name at i, of a primitive or of a defined type.
func (p *parser) reference(i, at uint32, ns string, slot **Node) *fault {
	name := p.str(i)
	if kind, ok := primitiveKind(name); ok {
		*slot = primitiveNodes[kind]
		return nil
	}
	full := name
	if ns != "" && strings.IndexByte(name, '.') < 0 {
		p.key = append(append(append(p.key[:0], ns...), '.'), name...)
		if n, ok := p.names[string(p.key)]; ok {
			*slot = n
			return nil
		}
		full = string(p.key)
	}
	if n, ok := p.names[name]; ok {
		if full != name {
			p.bare = append(p.bare, forwardRef{name: full, tok: at})
		}
		*slot = n
		return nil
	}
	p.forward = append(p.forward, forwardRef{slot: slot, name: full, tok: at})
	return nil
}

func (p *parser) union(i uint32, ns string, slot **Node) *fault {
	n := p.node(Union, i)
	n.Branches = make([]*Node, p.count(i))
	*slot = n
	unresolved := len(p.forward)
	at := 0
	for b := i + 1; b < p.toks[i].next; b = p.toks[b].next {
		if p.toks[b].kind == tokArray {
			return faultf(b, "a union inside a union; list its types in the outer one")
		}
		if f := p.typ(b, ns, &n.Branches[at]); f != nil {
			return f
		}
		at++
	}
	if len(p.forward) > unresolved {
		p.unions = append(p.unions, unionCheck{n, i})
		return nil
	}
	return p.checkUnion(n, i)
}

// checkUnion refuses a type that occurs twice.
func (p *parser) checkUnion(n *Node, tok uint32) *fault {
	if len(n.Branches) <= 8 {
		for i, b := range n.Branches {
			for _, earlier := range n.Branches[:i] {
				if sameBranch(b, earlier) {
					return p.twice(tok, i, b)
				}
			}
		}
		return nil
	}
	seen := make(map[string]struct{}, len(n.Branches))
	for i, b := range n.Branches {
		name := b.FullName()
		if _, dup := seen[name]; dup {
			return p.twice(tok, i, b)
		}
		seen[name] = struct{}{}
	}
	return nil
}

func sameBranch(a, b *Node) bool {
	if a.Name == "" || b.Name == "" {
		return a.Name == b.Name && a.Kind == b.Kind
	}
	return a == b
}

func (p *parser) twice(union uint32, branch int, n *Node) *fault {
	tok := union + 1
	for range branch {
		tok = p.toks[tok].next
	}
	return faultf(tok, "%s occurs twice in the union; a union holds each type once", n.FullName())
}

// object reads a type that is written as an object.
func (p *parser) object(i uint32, ns string, slot **Node) *fault {
	a := p.attributes(i)
	word, ok := p.optional(a.typ)
	if !ok {
		switch {
		case a.typ == 0:
			return faultf(i, `a type without the attribute "type"`)
		case p.toks[a.typ].kind == tokObject || p.toks[a.typ].kind == tokArray:
			return faultf(a.typ, `the "type" of a type is a name; put the inner type in place of the outer one`)
		}
		return faultf(a.typ, `the attribute "type" is a name`)
	}
	switch word {
	case "record", "error":
		return p.record(i, &a, ns, word == "error", slot)
	case "enum":
		return p.enum(i, &a, ns, slot)
	case "fixed":
		return p.fixed(i, &a, ns, slot)
	case "array":
		return p.collection(i, a.items, "items", Array, &a, ns, slot)
	case "map":
		return p.collection(i, a.values, "values", Map, &a, ns, slot)
	}
	kind, primitive := primitiveKind(word)
	if !primitive || a.others == 0 {
		return p.reference(a.typ, a.typ, ns, slot)
	}
	n := p.node(kind, i)
	*slot = n
	return p.attach(n, i, &a)
}

func (p *parser) collection(i, inner uint32, attr string, kind Kind, a *attributes, ns string, slot **Node) *fault {
	if inner == 0 {
		return faultf(i, "%s %s without the attribute %q, the type of what it holds", article(kind), kind, attr)
	}
	n := p.node(kind, i)
	*slot = n
	if f := p.typ(inner, ns, &n.Items); f != nil {
		return f
	}
	return p.attach(n, i, a)
}

func article(k Kind) string {
	if k == Array || k == Enum {
		return "an"
	}
	return "a"
}

func (p *parser) node(kind Kind, tok uint32) *Node {
	p.types++
	n := &Node{Kind: kind}
	if p.where != nil {
		p.where[n] = tok
	}
	return n
}

// attach reads the attributes that are not reserved, and the logical type.
func (p *parser) attach(n *Node, i uint32, a *attributes) *fault {
	if p.types > MaxTypes {
		return faultf(i, "more than %d types and fields; split the schema", MaxTypes)
	}
	if a.others == 0 {
		return nil
	}
	reserved := reservedInType
	if n.Kind == Enum {
		reserved = reservedInEnum
	}
	n.Props = p.props(i, a.others, reserved)
	if a.logicalType == 0 {
		return nil
	}
	return p.logical(n, a)
}

func reservedInType(key string) bool {
	switch key {
	case "doc", "fields", "items", "name", "namespace", "size", "symbols", "values", "type", "aliases":
		return true
	}
	return false
}

func reservedInEnum(key string) bool { return key == "default" || reservedInType(key) }

func reservedInField(key string) bool {
	switch key {
	case "aliases", "default", "doc", "name", "order", "type":
		return true
	}
	return false
}

// props reads the attributes of the object at i that are not reserved; n is
// at least their number.
func (p *parser) props(i uint32, n int, reserved func(string) bool) []Prop {
	list := make([]Prop, 0, n)
	var at map[string]int
	if n > 8 {
		at = make(map[string]int, n)
	}
	for k := i + 1; k < p.toks[i].next; k = p.toks[k+1].next {
		key := p.str(k)
		if reserved(key) {
			continue
		}
		value := p.json(k + 1)
		if old := findProp(list, at, key); old >= 0 {
			list[old].Value = value
			continue
		}
		if at != nil {
			at[key] = len(list)
		}
		list = append(list, Prop{Key: key, Value: value})
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

func findProp(list []Prop, at map[string]int, key string) int {
	if at != nil {
		if i, ok := at[key]; ok {
			return i
		}
		return -1
	}
	for i := range list {
		if list[i].Key == key {
			return i
		}
	}
	return -1
}

// json returns the value at i as compact JSON, in the arena.
func (p *parser) json(i uint32) []byte {
	return p.keep(p.appendValue(p.bytes, i))
}

// keep takes what was appended to the arena.
func (p *parser) keep(grown []byte) []byte {
	value := grown[len(p.bytes):len(grown):len(grown)]
	p.bytes = grown
	return value
}

// aliases reads a list of names, each once.
func (p *parser) aliases(i uint32) ([]string, *fault) {
	if i == 0 {
		return nil, nil
	}
	if p.toks[i].kind != tokArray {
		return nil, faultf(i, `"aliases" is an array of names`)
	}
	var list []string
	var seen map[string]struct{}
	for e := i + 1; e < p.toks[i].next; e = p.toks[e].next {
		if p.toks[e].kind != tokString {
			return nil, faultf(e, "an alias is a name in double quotes")
		}
		alias := p.str(e)
		if len(alias) > MaxNameBytes {
			return nil, faultf(e, "an alias of more than %d bytes", MaxNameBytes)
		}
		if seen == nil {
			seen = make(map[string]struct{})
		}
		if _, dup := seen[alias]; !dup {
			seen[alias] = struct{}{}
			list = append(list, alias)
		}
	}
	return list, nil
}

// position returns the place of a token in the text.
func (t *tape) position(tok uint32) compat.Position {
	return positionAt(t.text, t.offset(tok))
}

func (t *tape) offset(tok uint32) int {
	at := int(t.toks[tok].start)
	if t.toks[tok].kind == tokString {
		at-- // its quote
	}
	return at
}

func positionAt(text string, offset int) compat.Position {
	before := text[:min(offset, len(text))]
	line := strings.LastIndexByte(before, '\n') + 1
	return compat.Position{
		Line:   1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[line:]),
	}
}

// path returns the JSON pointer of a token.
func (t *tape) path(tok uint32) string {
	var b strings.Builder
	for at := uint32(0); at != tok; {
		child, step := t.childOver(at, tok)
		if child == at {
			break
		}
		b.WriteByte('/')
		b.WriteString(step)
		at = child
	}
	return b.String()
}

// childOver returns the child of at that is or holds tok, with its key or index.
func (t *tape) childOver(at, tok uint32) (uint32, string) {
	switch t.toks[at].kind {
	case tokObject:
		for k := at + 1; k < t.toks[at].next; k = t.toks[k+1].next {
			if tok < t.toks[k+1].next {
				if tok == k {
					return at, "" // the key itself: its object will do
				}
				return k + 1, strings.NewReplacer("~", "~0", "/", "~1").Replace(t.str(k))
			}
		}
	case tokArray:
		n := 0
		for e := at + 1; e < t.toks[at].next; e = t.toks[e].next {
			if tok < t.toks[e].next {
				return e, strconv.Itoa(n)
			}
			n++
		}
	}
	return at, ""
}
