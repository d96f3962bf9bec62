package avrotest

import (
	"slices"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// evolve returns a copy of t with a few changes of the kinds that people make,
// allowed and forbidden ones.
func (g *generator) evolve(t *typ) *typ {
	c := &copier{generator: g, done: make(map[*typ]*typ), percent: pick(g, []int{2, 6, 15})}
	return c.typ(t)
}

// copier copies a graph, changing parts of it with a chance of percent each.
type copier struct {
	*generator
	done    map[*typ]*typ
	percent int
}

func (c *copier) changes() bool { return c.chance(c.percent) }

func (c *copier) typ(t *typ) *typ {
	if copied, ok := c.done[t]; ok {
		return copied
	}
	n := *t
	c.done[t] = &n
	switch t.kind {
	case avro.Record:
		c.names(&n)
		c.record(&n, t.fields)
	case avro.Enum:
		c.names(&n)
		c.enum(&n)
	case avro.Fixed:
		c.names(&n)
		if c.changes() {
			n.size, n.props = n.size+1, nil
		}
	case avro.Array, avro.Map:
		n.items = c.typ(t.items)
	case avro.Union:
		c.union(&n)
	default:
		c.primitive(&n)
	}
	if n.name == "" && n.kind != avro.Union && c.changes() {
		u := &typ{kind: avro.Union, branches: []*typ{{kind: avro.Null}}}
		c.addBranch(u, &n)
		return u
	}
	return &n
}

func (c *copier) names(n *typ) {
	if !c.changes() {
		return
	}
	switch c.IntN(3) {
	case 0:
		if !c.opts.NoAliases {
			n.aliases = append(slices.Clone(n.aliases), full(n))
		}
		n.name = c.freshName("Renamed")
	case 1:
		n.name = c.freshName("Other")
	case 2:
		if !c.opts.NoNamespaces {
			n.space = "moved"
		}
	}
}

var promotions = map[avro.Kind][]avro.Kind{
	avro.Int: {avro.Long, avro.Float, avro.Double}, avro.Long: {avro.Float, avro.Double},
	avro.Float: {avro.Double}, avro.String: {avro.Bytes}, avro.Bytes: {avro.String},
}

func (c *copier) primitive(n *typ) {
	if !c.changes() {
		return
	}
	n.props = nil
	if wider := promotions[n.kind]; len(wider) > 0 && c.chance(75) {
		n.kind = pick(c.generator, wider)
		return
	}
	n.kind = pick(c.generator, primitives)
}

func (c *copier) record(n *typ, fields []*field) {
	n.fields, n.open = nil, true
	for _, f := range fields {
		if c.changes() {
			continue // dropped
		}
		copied := *f
		copied.typ = c.typ(f.typ)
		if f.dflt != "" {
			copied.dflt = c.defaultOf(copied.typ, 0)
		}
		if c.changes() {
			if !c.opts.NoAliases && c.chance(70) {
				copied.aliases = append(slices.Clone(f.aliases), f.name)
			}
			copied.name = c.freshName("renamed")
		}
		n.fields = append(n.fields, &copied)
	}
	if c.changes() {
		added := &field{name: c.freshName("added"), typ: c.optional()}
		if !c.opts.NoDefaults && c.chance(70) {
			added.dflt = c.defaultOf(added.typ, 0)
		}
		n.fields = append(n.fields, added)
	}
	if c.changes() {
		c.Shuffle(len(n.fields), func(i, j int) { n.fields[i], n.fields[j] = n.fields[j], n.fields[i] })
	}
	n.open = false
}

func (c *copier) optional() *typ {
	t := c.generator.primitive()
	if c.chance(30) {
		u := &typ{kind: avro.Union, branches: []*typ{{kind: avro.Null}}}
		c.addBranch(u, t)
		return u
	}
	return t
}

func (c *copier) enum(n *typ) {
	n.symbols = slices.Clone(n.symbols)
	if c.changes() {
		n.symbols = append(n.symbols, c.freshName("New"))
	}
	if c.changes() && len(n.symbols) > 1 {
		gone := c.IntN(len(n.symbols))
		if n.symbols[gone] == n.dflt {
			n.dflt = ""
		}
		n.symbols = slices.Delete(n.symbols, gone, gone+1)
	}
	if c.changes() && !c.opts.NoDefaults {
		n.dflt = n.symbols[0]
	}
}

func (c *copier) union(n *typ) {
	old := n.branches
	n.branches = nil
	for _, b := range old {
		if len(old) > 1 && c.changes() {
			continue
		}
		c.addBranch(n, c.typ(b))
	}
	if c.changes() || len(n.branches) == 0 {
		c.addBranch(n, c.generator.primitive())
	}
	if c.changes() {
		c.Shuffle(len(n.branches), func(i, j int) { n.branches[i], n.branches[j] = n.branches[j], n.branches[i] })
	}
}
