package avro

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
)

// define reads the name, aliases and documentation of a named type.
func (p *parser) define(n *Node, i uint32, a *attributes, ns string) *fault {
	written, ok := p.optional(a.name)
	if !ok {
		return faultf(i, `%s %s without a name; add the attribute "name"`, article(n.Kind), n.Kind)
	}
	if space, ok := p.optional(a.namespace); ok {
		ns = space
	}
	n.Name, n.Namespace = splitName(written, ns)
	n.Doc, n.HasDoc = p.optional(a.doc)
	if f := p.checkDefinition(n, a.name); f != nil {
		return f
	}
	aliases, f := p.aliases(a.aliases)
	if f != nil {
		return f
	}
	for _, w := range aliases {
		name, space := splitName(w, n.Namespace)
		if p.strict {
			if fault := checkName(name); fault != "" {
				return faultf(a.aliases, "the alias %s", fault)
			}
		}
		if full := joinName(name, space); !slices.Contains(n.Aliases, full) {
			n.Aliases = append(n.Aliases, full)
		}
	}
	return nil
}

func (p *parser) checkDefinition(n *Node, tok uint32) *fault {
	if n.Name == "" {
		return faultf(tok, "the name is empty; a name starts with a letter or an underscore")
	}
	if len(n.Name)+len(n.Namespace) > MaxNameBytes {
		return faultf(tok, "a name of more than %d bytes", MaxNameBytes)
	}
	if _, primitive := primitiveKind(n.Name); primitive && n.Namespace == "" {
		return faultf(tok, "%q is the name of a primitive type; choose another name or a namespace", n.Name)
	}
	if !p.strict {
		return nil
	}
	if n.Namespace != "" {
		if fault := checkNamespace(n.Namespace); fault != "" {
			return faultf(tok, "the namespace part %s", fault)
		}
	}
	if fault := checkName(n.Name); fault != "" {
		return faultf(tok, "the name %s", fault)
	}
	return nil
}

// register makes n known under its name. An enum or fixed may be defined again
// word for word: the first definition is then returned.
func (p *parser) register(n *Node, tok uint32) (*Node, *fault) {
	full := n.FullName()
	old, taken := p.names[full]
	if !taken {
		p.names[full] = n
		return n, nil
	}
	if n.Kind != Record && sameDefinition(n, old) {
		return old, nil
	}
	if _, foreign := p.foreign[old]; foreign {
		return nil, faultf(tok, "%q is defined by a reference already; use its name, or drop the reference", full)
	}
	return nil, faultf(tok, "%q is defined twice; define it once and use its name after that", full)
}

func sameDefinition(a, b *Node) bool {
	if a.Kind != b.Kind || a.Size != b.Size || !slices.Equal(a.Symbols, b.Symbols) || len(a.Props) != len(b.Props) {
		return false
	}
	for _, p := range a.Props {
		i := slices.IndexFunc(b.Props, func(q Prop) bool { return q.Key == p.Key })
		if i < 0 || !bytes.Equal(p.Value, b.Props[i].Value) {
			return false
		}
	}
	return true
}

func (p *parser) record(i uint32, a *attributes, ns string, isError bool, slot **Node) *fault {
	n := p.node(Record, i)
	n.IsError = isError
	*slot = n
	if f := p.define(n, i, a, ns); f != nil {
		return f
	}
	if _, f := p.register(n, a.name); f != nil {
		return f
	}
	if a.fields == 0 || p.toks[a.fields].kind != tokArray {
		return faultf(i, `the record %q has no array "fields"; an empty one will do`, n.FullName())
	}
	count := p.count(a.fields)
	if p.types += count; p.types > MaxTypes {
		return faultf(i, "more than %d types and fields; split the schema", MaxTypes)
	}
	fields := make([]Field, count)
	n.Fields = make([]*Field, count)
	at := 0
	for e := a.fields + 1; e < p.toks[a.fields].next; e = p.toks[e].next {
		n.Fields[at] = &fields[at]
		fields[at].Index = at
		if f := p.field(&fields[at], e, n); f != nil {
			return f
		}
		at++
	}
	if f := p.checkFields(n, a.fields); f != nil {
		return f
	}
	return p.attach(n, i, a)
}

// checkFields refuses two fields of one name.
func (p *parser) checkFields(n *Node, fields uint32) *fault {
	if p.seen == nil {
		p.seen = make(map[string]struct{}, len(n.Fields))
	}
	clear(p.seen)
	e := fields + 1
	for _, f := range n.Fields {
		if _, dup := p.seen[f.Name]; dup {
			return faultf(e, "the record %q has two fields called %q; rename one", n.FullName(), f.Name)
		}
		p.seen[f.Name] = struct{}{}
		e = p.toks[e].next
	}
	return nil
}

func (p *parser) field(f *Field, i uint32, rec *Node) *fault {
	if p.toks[i].kind != tokObject {
		return faultf(i, `a field is an object with "name" and "type"`)
	}
	a := p.attributes(i)
	var ok bool
	if f.Name, ok = p.optional(a.name); !ok {
		return faultf(i, `a field without a name; add the attribute "name"`)
	}
	if len(f.Name) > MaxNameBytes {
		return faultf(a.name, "a name of more than %d bytes", MaxNameBytes)
	}
	if p.strict {
		if fault := checkName(f.Name); fault != "" {
			return faultf(a.name, "the name %s", fault)
		}
	}
	if a.typ == 0 {
		return faultf(i, `the field %q has no type; add the attribute "type"`, f.Name)
	}
	f.Doc, f.HasDoc = p.optional(a.doc)
	if fault := p.typ(a.typ, rec.Namespace, &f.Type); fault != nil {
		return fault
	}
	if fault := p.order(f, a.order); fault != nil {
		return fault
	}
	if fault := p.defaultValue(f, a.dflt); fault != nil {
		return fault
	}
	var fault *fault
	if f.Aliases, fault = p.aliases(a.aliases); fault != nil {
		return fault
	}
	if n := a.othersInField(); n > 0 {
		f.Props = p.props(i, n, reservedInField)
	}
	return nil
}

func (p *parser) order(f *Field, i uint32) *fault {
	if i == 0 {
		return nil
	}
	word, _ := p.optional(i)
	switch f.Order = strings.ToLower(word); f.Order {
	case "ascending", "descending", "ignore":
		return nil
	}
	return faultf(i, `"order" is "ascending", "descending" or "ignore"`)
}

// defaultValue reads the default of a field whose type is known unless it is
// defined later. The default of a float or double may be the text of a number.
func (p *parser) defaultValue(f *Field, i uint32) *fault {
	if i == 0 {
		return nil
	}
	if p.strict {
		p.fields = append(p.fields, fieldDefault{f, i})
	}
	text, isText := p.optional(i)
	if !isText || f.Type == nil || f.Type.Kind != Float && f.Type.Kind != Double {
		f.Default = p.json(i)
		return nil
	}
	value, ok := parseJavaDouble(text)
	if !ok {
		return faultf(i, "the default of the field %q is the text %q, which is not a number; write a number", f.Name, text)
	}
	f.Default = p.keep(appendDouble(p.bytes, value, 64))
	return nil
}

// parseJavaDouble reads what Java's Double.parseDouble reads, hexadecimal
// numbers excepted.
func parseJavaDouble(s string) (float64, bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	switch s {
	case "NaN", "+NaN", "-NaN":
		return math.NaN(), true
	case "Infinity", "+Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if s != "" && strings.IndexByte("fFdD", s[len(s)-1]) >= 0 {
		s = s[:len(s)-1]
	}
	if s == "" || len(s) > maxNumberBytes || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return 0, false
	}
	return v, true
}

func (p *parser) enum(i uint32, a *attributes, ns string, slot **Node) *fault {
	n := p.node(Enum, i)
	if f := p.define(n, i, a, ns); f != nil {
		return f
	}
	if a.symbols == 0 || p.toks[a.symbols].kind != tokArray {
		return faultf(i, `the enum %q has no array "symbols"`, n.FullName())
	}
	n.Symbols = make([]string, 0, p.count(a.symbols))
	seen := make(map[string]struct{}, cap(n.Symbols))
	for e := a.symbols + 1; e < p.toks[a.symbols].next; e = p.toks[e].next {
		symbol, ok := p.optional(e)
		if !ok {
			return faultf(e, "a symbol is a name in double quotes")
		}
		if fault := checkName(symbol); p.strict && fault != "" {
			return faultf(e, "the symbol %s", fault)
		}
		if len(symbol) > MaxNameBytes {
			return faultf(e, "a symbol of more than %d bytes", MaxNameBytes)
		}
		if _, dup := seen[symbol]; dup {
			return faultf(e, "the enum %q has the symbol %q twice; remove one", n.FullName(), symbol)
		}
		seen[symbol] = struct{}{}
		n.Symbols = append(n.Symbols, symbol)
	}
	if dflt, ok := p.optional(a.dflt); ok {
		if _, known := seen[dflt]; !known {
			return faultf(a.dflt, "the default %q is not a symbol of the enum %q; use one of its symbols", dflt, n.FullName())
		}
		n.EnumDefault = &dflt
	}
	return p.named(n, i, a, slot)
}

func (p *parser) fixed(i uint32, a *attributes, ns string, slot **Node) *fault {
	n := p.node(Fixed, i)
	if f := p.define(n, i, a, ns); f != nil {
		return f
	}
	size, ok := p.integer(a.size)
	if !ok {
		at := a.size
		if at == 0 {
			at = i
		}
		return faultf(at, `the fixed %q needs an integer "size", its length in bytes`, n.FullName())
	}
	if size < 0 || size > MaxFixedBytes {
		return faultf(a.size, "the size of the fixed %q is %d; it is between 0 and %d bytes", n.FullName(), size, MaxFixedBytes)
	}
	n.Size = int(size)
	return p.named(n, i, a, slot)
}

// named ends the definition of an enum or fixed.
func (p *parser) named(n *Node, i uint32, a *attributes, slot **Node) *fault {
	if f := p.attach(n, i, a); f != nil {
		return f
	}
	var f *fault
	*slot, f = p.register(n, a.name)
	return f
}

// integer returns the integer at i, saturated if it exceeds 64 bits.
func (p *parser) integer(i uint32) (int64, bool) {
	if i == 0 || p.toks[i].kind != tokInteger {
		return 0, false
	}
	v, _ := strconv.ParseInt(p.text[p.toks[i].start:p.toks[i].end], 10, 64)
	return v, true
}
