package avro

import (
	"slices"
	"sort"
)

// Canonical returns the text as Avro for Java 1.12 prints it: compact, with
// fixed member order, each type defined where it first occurs. Types of the
// dependencies stay names.
func (s *Schema) Canonical() string { return s.canonical() }

// Normalized returns the canonical text of the normal form: aliases and
// attributes that are not reserved sorted, the default values of numbers
// written as their type is, empty documentation of types and the word "error"
// gone.
func (s *Schema) Normalized() string { return s.normalized() }

// Format returns the text with all dependencies inlined for "resolved", and
// Canonical for everything else. It never fails.
func (s *Schema) Format(name string) (string, error) {
	if name == "resolved" && len(s.foreign) > 0 {
		return s.print(printer{}), nil
	}
	return s.Canonical(), nil
}

func (s *Schema) print(p printer) string {
	p.done = make(map[*Node]struct{})
	p.typ(s.root, "")
	return string(p.dst)
}

// printer writes a graph as text.
type printer struct {
	dst    []byte
	known  map[*Node]struct{} // types that stay names
	done   map[*Node]struct{} // types that have been written
	normal bool
}

func (p *printer) raw(s string) { p.dst = append(p.dst, s...) }
func (p *printer) str(s string) { p.dst = appendString(p.dst, s) }

func (p *printer) typ(n *Node, around string) {
	switch n.Kind {
	case Record, Enum, Fixed:
		p.named(n, around)
	case Union:
		p.dst = append(p.dst, '[')
		for i, b := range n.Branches {
			if i > 0 {
				p.dst = append(p.dst, ',')
			}
			p.typ(b, around)
		}
		p.dst = append(p.dst, ']')
	case Array:
		p.raw(`{"type":"array","items":`)
		p.typ(n.Items, around)
		p.props(n.Props, "")
		p.dst = append(p.dst, '}')
	case Map:
		p.raw(`{"type":"map","values":`)
		p.typ(n.Items, around)
		p.props(n.Props, "")
		p.dst = append(p.dst, '}')
	default:
		if len(n.Props) == 0 {
			p.str(n.Kind.String())
			return
		}
		p.raw(`{"type":`)
		p.str(n.Kind.String())
		p.props(n.Props, n.Logical)
		p.dst = append(p.dst, '}')
	}
}

func (p *printer) named(n *Node, around string) {
	_, known := p.known[n]
	if _, done := p.done[n]; done || known {
		p.str(refName(n.Name, n.Namespace, around))
		return
	}
	p.done[n] = struct{}{}
	p.raw(`{"type":"`)
	if n.IsError && !p.normal {
		p.raw("error")
	} else {
		p.raw(n.Kind.String())
	}
	p.raw(`","name":`)
	p.str(n.Name)
	if n.Namespace != around {
		p.raw(`,"namespace":`)
		p.str(n.Namespace)
	}
	if n.HasDoc && (n.Doc != "" || !p.normal) {
		p.raw(`,"doc":`)
		p.str(n.Doc)
	}
	switch n.Kind {
	case Record:
		p.fields(n)
	case Enum:
		p.list("symbols", n.Symbols)
		if n.EnumDefault != nil {
			p.raw(`,"default":`)
			p.str(*n.EnumDefault)
		}
	case Fixed:
		p.raw(`,"size":`)
		p.dst = appendInt(p.dst, n.Size)
	}
	logical := n.Logical
	if n.Kind != Fixed {
		logical = ""
	}
	p.props(n.Props, logical)
	p.aliases(n)
	p.dst = append(p.dst, '}')
}

// aliases writes the aliases of a named type relative to its namespace.
func (p *printer) aliases(n *Node) {
	if len(n.Aliases) == 0 {
		return
	}
	relative := make([]string, 0, len(n.Aliases))
	for _, full := range p.sorted(n.Aliases) {
		name, space := splitName(full, "")
		if alias := refName(name, space, n.Namespace); !slices.Contains(relative, alias) {
			relative = append(relative, alias)
		}
	}
	p.list("aliases", relative)
}

// sorted returns list, sorted in the normal form.
func (p *printer) sorted(list []string) []string {
	if !p.normal || sort.StringsAreSorted(list) {
		return list
	}
	list = append([]string(nil), list...)
	sort.Strings(list)
	return list
}

func (p *printer) list(key string, list []string) {
	p.raw(`,"`)
	p.raw(key)
	p.raw(`":[`)
	for i, s := range list {
		if i > 0 {
			p.dst = append(p.dst, ',')
		}
		p.str(s)
	}
	p.dst = append(p.dst, ']')
}

func (p *printer) fields(n *Node) {
	p.raw(`,"fields":[`)
	for i, f := range n.Fields {
		if i > 0 {
			p.dst = append(p.dst, ',')
		}
		p.field(f, n.Namespace)
	}
	p.dst = append(p.dst, ']')
}

func (p *printer) field(f *Field, around string) {
	p.raw(`{"name":`)
	p.str(f.Name)
	p.raw(`,"type":`)
	p.typ(f.Type, around)
	if f.HasDoc {
		p.raw(`,"doc":`)
		p.str(f.Doc)
	}
	if f.Default != nil {
		p.raw(`,"default":`)
		if p.normal {
			p.dst = appendNormalDefault(p.dst, f)
		} else {
			p.dst = append(p.dst, f.Default...)
		}
	}
	if f.Order != "" && f.Order != "ascending" {
		p.raw(`,"order":`)
		p.str(f.Order)
	}
	if len(f.Aliases) > 0 {
		p.list("aliases", p.sorted(f.Aliases))
	}
	p.props(f.Props, "")
	p.dst = append(p.dst, '}')
}

// props writes attributes. The normal form sorts them, those of a valid
// logical type first.
func (p *printer) props(props []Prop, logical Logical) {
	if p.normal && len(props) > 1 {
		props = append([]Prop(nil), props...)
		sort.SliceStable(props, func(i, j int) bool {
			a, b := propRank(props[i], logical), propRank(props[j], logical)
			return a < b || a == b && lessUTF16(props[i].Key, props[j].Key)
		})
	}
	for _, prop := range props {
		p.dst = append(p.dst, ',')
		p.str(prop.Key)
		p.dst = append(p.dst, ':')
		p.dst = append(p.dst, prop.Value...)
	}
}

func propRank(p Prop, logical Logical) int {
	switch {
	case logical == "":
	case p.Key == "logicalType":
		return 0
	case logical == Decimal && p.Key == "precision":
		return 1
	case logical == Decimal && p.Key == "scale" && string(p.Value) != "0":
		return 2
	}
	return 3
}
