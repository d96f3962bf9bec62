package avro

import "strings"

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
