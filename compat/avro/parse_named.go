package avro

import (
	"bytes"
	"slices"
	"strconv"
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
