// Package avrotest makes random Avro schemas, values of them and plausible
// successors of them, for property and differential tests of any package.
//
// Everything depends only on the *rand.Rand and the options: a failing test
// that prints its seed can be repeated. Values of a schema are finite although
// the schema may be recursive.
//
//	Schema ──▶ text ──avro.Parse──▶ *avro.Node ──Value──▶ any ──Append──▶ Avro binary
//	Pair   ──▶ writer text, reader text
package avrotest

import (
	"fmt"
	"math/rand/v2"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// Options bound and narrow what is generated. The zero value generates all of
// the specification at a moderate size.
type Options struct {
	MaxDepth  int // of types inside types; 4 if zero
	MaxFields int // of a record, branches of a union, symbols of an enum; 6 if zero

	NoLogical     bool // no logical types
	NoProps       bool // no attributes beyond the specification, documentation or order
	NoAliases     bool
	NoRecursion   bool
	NoDefaults    bool // no default values, neither of fields nor of enums
	NoNamespaces  bool // all types without namespace
	NoSpecialText bool // names and texts of ASCII only, attributes in one order, no odd white space
	// RecordRoot makes the outermost type a record.
	RecordRoot bool
}

func (o Options) withDefaults() Options {
	if o.MaxDepth == 0 {
		o.MaxDepth = 4
	}
	if o.MaxFields == 0 {
		o.MaxFields = 6
	}
	return o
}

// Schema returns the text of a random schema that parses strictly.
func Schema(r *rand.Rand, opts Options) string {
	g := newGenerator(r, opts)
	return g.text(g.root())
}

// Pair returns a writer's schema and a reader's schema that was made from it
// by a few random changes. Many pairs are compatible, many are not.
func Pair(r *rand.Rand, opts Options) (writer, reader string) {
	g := newGenerator(r, opts)
	w := g.root()
	return g.text(w), g.text(g.evolve(w))
}

// typ is a type to be written. A named type occurs at several places as the
// same *typ.
type typ struct {
	kind        avro.Kind
	name, space string
	aliases     []string
	doc         string
	fields      []*field
	symbols     []string
	dflt        string // of an enum
	size        int
	items       *typ
	branches    []*typ
	props       []prop
	open        bool // a record whose fields are still being made
}

type field struct {
	name    string
	aliases []string
	doc     string
	typ     *typ
	dflt    string // JSON; "" for none
	order   string
	props   []prop
}

type prop struct{ key, value string }

type generator struct {
	*rand.Rand
	opts  Options
	named []*typ
	count int // for names
}

func newGenerator(r *rand.Rand, opts Options) *generator {
	return &generator{Rand: r, opts: opts.withDefaults()}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) root() *typ {
	if g.opts.RecordRoot {
		return g.record("", 0)
	}
	return g.typ("", 0, true)
}

// typ makes a type inside namespace space. bare says that the place is
// reached by every value: a record that holds itself there would have none.
func (g *generator) typ(space string, depth int, bare bool) *typ {
	if old := g.reuse(bare); old != nil {
		return old
	}
	if depth >= g.opts.MaxDepth {
		return g.primitive()
	}
	switch n := g.IntN(20); {
	case n < 8:
		return g.primitive()
	case n < 12:
		return g.record(space, depth)
	case n < 13:
		return g.enum(space)
	case n < 14:
		return g.fixed(space)
	case n < 16:
		return g.withProps(&typ{kind: avro.Array, items: g.typ(space, depth+1, false)})
	case n < 17:
		return g.withProps(&typ{kind: avro.Map, items: g.typ(space, depth+1, false)})
	}
	return g.union(space, depth)
}

// reuse returns an earlier named type now and then.
func (g *generator) reuse(bare bool) *typ {
	if len(g.named) == 0 || !g.chance(12) {
		return nil
	}
	old := pick(g, g.named)
	if old.open && (bare || g.opts.NoRecursion) {
		return nil
	}
	return old
}

var primitives = []avro.Kind{avro.Null, avro.Boolean, avro.Int, avro.Long, avro.Float, avro.Double, avro.Bytes, avro.String}

var logicalOf = map[avro.Kind][]string{
	avro.Int:    {"date", "time-millis"},
	avro.Long:   {"time-micros", "timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-micros", "local-timestamp-nanos"},
	avro.Bytes:  {"decimal", "big-decimal"},
	avro.String: {"uuid"},
	avro.Fixed:  {"decimal", "duration", "uuid"},
}

func (g *generator) primitive() *typ { return g.logical(&typ{kind: pick(g, primitives)}) }

func (g *generator) logical(t *typ) *typ {
	if words := logicalOf[t.kind]; !g.opts.NoLogical && len(words) > 0 && g.chance(25) {
		word := pick(g, words)
		t.props = append(t.props, prop{"logicalType", quote(word)})
		switch word {
		case "decimal":
			precision := 1 + g.IntN(18)
			t.props = append(t.props, prop{"precision", fmt.Sprint(precision)}, prop{"scale", fmt.Sprint(g.IntN(precision + 1))})
			if t.kind == avro.Fixed {
				t.size = 8
			}
		case "duration":
			t.size = 12
		case "uuid":
			if t.kind == avro.Fixed {
				t.size = 16
			}
		}
	}
	return g.withProps(t)
}

func (g *generator) withProps(t *typ) *typ {
	if !g.opts.NoProps && g.chance(10) {
		t.props = append(t.props, g.prop())
	}
	return t
}

func (g *generator) prop() prop {
	g.count++
	return prop{fmt.Sprintf("x-%d", g.count), pick(g, []string{"1", "1.50", "true", "null", `"t/\"\u00e9"`, `[1,{"b":2,"a":[]}]`, `{"k":-0.0}`})}
}

func (g *generator) freshName(prefix string) string {
	g.count++
	if !g.opts.NoSpecialText && g.chance(5) {
		prefix += "é"
	}
	return fmt.Sprintf("%s%d", prefix, g.count)
}

func (g *generator) docText() string {
	if g.opts.NoProps || !g.chance(15) {
		return ""
	}
	return pick(g, []string{"about this", "with \"quotes\" and \\", "line\nline", "é 世界"})
}

// define gives t a name and makes it known.
func (g *generator) define(t *typ, prefix, space string) {
	t.name, t.space = g.freshName(prefix), space
	if !g.opts.NoNamespaces && g.chance(15) {
		t.space = pick(g, []string{"", "com.example", "a.b"})
	}
	if !g.opts.NoAliases && g.chance(10) {
		t.aliases = []string{g.freshName("Alias")}
	}
	t.doc = g.docText()
	g.named = append(g.named, t)
}

func (g *generator) record(space string, depth int) *typ {
	t := &typ{kind: avro.Record, open: true}
	g.define(t, "R", space)
	for range g.IntN(g.opts.MaxFields + 1) {
		f := &field{name: g.freshName("f"), typ: g.typ(t.space, depth+1, true), doc: g.docText()}
		if !g.opts.NoDefaults && g.chance(35) {
			f.dflt = g.defaultOf(f.typ, 0)
		}
		if !g.opts.NoAliases && g.chance(5) {
			f.aliases = []string{g.freshName("was")}
		}
		if !g.opts.NoProps && g.chance(10) {
			f.order = pick(g, []string{"ascending", "descending", "ignore"})
		}
		if !g.opts.NoProps && g.chance(5) {
			f.props = append(f.props, g.prop())
		}
		t.fields = append(t.fields, f)
	}
	t.open = false
	return g.withProps(t)
}

func (g *generator) enum(space string) *typ {
	t := &typ{kind: avro.Enum}
	g.define(t, "E", space)
	for range 1 + g.IntN(g.opts.MaxFields) {
		t.symbols = append(t.symbols, g.freshName("S"))
	}
	if !g.opts.NoDefaults && g.chance(30) {
		t.dflt = pick(g, t.symbols)
	}
	return g.withProps(t)
}

func (g *generator) fixed(space string) *typ {
	t := &typ{kind: avro.Fixed, size: g.IntN(20)}
	g.define(t, "F", space)
	return g.logical(t)
}

func (g *generator) union(space string, depth int) *typ {
	u := &typ{kind: avro.Union}
	if g.chance(60) {
		u.branches = append(u.branches, &typ{kind: avro.Null})
	}
	for range 1 + g.IntN(min(4, g.opts.MaxFields)) {
		g.addBranch(u, g.typ(space, depth+1, len(u.branches) == 0))
	}
	if len(u.branches) == 0 {
		u.branches = append(u.branches, &typ{kind: avro.String})
	}
	return u
}

// addBranch adds b if the union may hold it beside what it has.
func (g *generator) addBranch(u, b *typ) {
	if b.kind == avro.Union {
		return
	}
	for _, have := range u.branches {
		if have == b || have.kind == b.kind && b.name == "" {
			return
		}
	}
	u.branches = append(u.branches, b)
}
