package avrotest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// quote returns s as JSON, sometimes in a form that a printer would not choose.
func quote(s string) string {
	b, _ := json.Marshal(s) // strings always can be
	return string(b)
}

// text writes t. Attributes come in any order and names in any of the forms
// that mean the same, unless the options ask for plain text.
func (g *generator) text(t *typ) string {
	w := &textWriter{generator: g, done: make(map[*typ]bool)}
	w.typ(t, "")
	return w.String()
}

type textWriter struct {
	*generator
	strings.Builder
	done map[*typ]bool
}

func (w *textWriter) space() {
	if !w.opts.NoSpecialText && w.chance(5) {
		w.WriteString(pick(w.generator, []string{" ", "\n\t", "  ", "/* c */"}))
	}
}

// attr is an attribute with a way to write it.
type attr struct {
	key   string
	write func()
}

func (w *textWriter) raw(key, value string) attr {
	return attr{key, func() { w.WriteString(value) }}
}

// object writes attributes. Those whose writing defines types keep their
// order among each other: the first use of a name has to be its definition.
func (w *textWriter) object(attrs []attr) {
	if !w.opts.NoSpecialText {
		w.Shuffle(len(attrs), func(i, j int) { attrs[i], attrs[j] = attrs[j], attrs[i] })
	}
	w.WriteByte('{')
	for i, a := range attrs {
		if i > 0 {
			w.WriteByte(',')
		}
		w.space()
		w.WriteString(quote(a.key))
		w.WriteByte(':')
		w.space()
		a.write()
	}
	w.space()
	w.WriteByte('}')
}

func (w *textWriter) typ(t *typ, around string) {
	w.space()
	switch {
	case t.kind == avro.Union:
		w.WriteByte('[')
		for i, b := range t.branches {
			if i > 0 {
				w.WriteByte(',')
			}
			w.typ(b, around)
		}
		w.WriteByte(']')
	case t.name != "" && w.done[t]:
		w.WriteString(quote(w.reference(t, around)))
	case t.name != "":
		w.definition(t, around)
	case t.kind == avro.Array:
		w.object(w.withProps([]attr{w.raw("type", `"array"`), {"items", func() { w.typ(t.items, around) }}}, t.props))
	case t.kind == avro.Map:
		w.object(w.withProps([]attr{w.raw("type", `"map"`), {"values", func() { w.typ(t.items, around) }}}, t.props))
	case len(t.props) == 0 && (w.opts.NoSpecialText || !w.chance(10)):
		w.WriteString(quote(t.kind.String()))
	default:
		w.object(w.withProps([]attr{w.raw("type", quote(t.kind.String()))}, t.props))
	}
}

func (w *textWriter) withProps(attrs []attr, props []prop) []attr {
	for _, p := range props {
		attrs = append(attrs, w.raw(p.key, p.value))
	}
	return attrs
}

func full(t *typ) string {
	if t.space == "" {
		return t.name
	}
	return t.space + "." + t.name
}

func (w *textWriter) reference(t *typ, around string) string {
	if t.space == around && w.chance(50) {
		return t.name
	}
	return full(t)
}

func (w *textWriter) definition(t *typ, around string) {
	w.done[t] = true
	attrs := []attr{w.raw("type", quote(t.kind.String()))}
	switch {
	case t.space != "" && w.chance(30):
		attrs = append(attrs, w.raw("name", quote(full(t))))
	case t.space != around || w.chance(20):
		attrs = append(attrs, w.raw("name", quote(t.name)), w.raw("namespace", quote(t.space)))
	default:
		attrs = append(attrs, w.raw("name", quote(t.name)))
	}
	if t.doc != "" {
		attrs = append(attrs, w.raw("doc", quote(t.doc)))
	}
	if len(t.aliases) > 0 {
		attrs = append(attrs, w.raw("aliases", list(t.aliases)))
	}
	switch t.kind {
	case avro.Record:
		attrs = append(attrs, attr{"fields", func() { w.fields(t) }})
	case avro.Enum:
		attrs = append(attrs, w.raw("symbols", list(t.symbols)))
		if t.dflt != "" {
			attrs = append(attrs, w.raw("default", quote(t.dflt)))
		}
	case avro.Fixed:
		attrs = append(attrs, w.raw("size", strconv.Itoa(t.size)))
	}
	w.object(w.withProps(attrs, t.props))
}

func list(names []string) string {
	b, _ := json.Marshal(names) // strings always can be
	return string(b)
}

func (w *textWriter) fields(t *typ) {
	w.WriteByte('[')
	for i, f := range t.fields {
		if i > 0 {
			w.WriteByte(',')
		}
		w.space()
		attrs := []attr{w.raw("name", quote(f.name)), {"type", func() { w.typ(f.typ, t.space) }}}
		if f.doc != "" {
			attrs = append(attrs, w.raw("doc", quote(f.doc)))
		}
		if f.dflt != "" {
			attrs = append(attrs, w.raw("default", f.dflt))
		}
		if f.order != "" {
			attrs = append(attrs, w.raw("order", quote(f.order)))
		}
		if len(f.aliases) > 0 {
			attrs = append(attrs, w.raw("aliases", list(f.aliases)))
		}
		w.object(w.withProps(attrs, f.props))
	}
	w.WriteByte(']')
}

// defaultOf returns a default value for a field of type t, of a union for its
// first branch.
func (g *generator) defaultOf(t *typ, depth int) string {
	switch t.kind {
	case avro.Null:
		return "null"
	case avro.Boolean:
		return pick(g, []string{"true", "false"})
	case avro.Int:
		return pick(g, []string{"0", "-1", "2147483647", "-2147483648", "17"})
	case avro.Long:
		return pick(g, []string{"0", "-1", "9223372036854775807", "-9223372036854775808", "42"})
	case avro.Float:
		return pick(g, []string{"0", "1.5", "-2.5e3", "1e-4"})
	case avro.Double:
		return pick(g, []string{"0", "-1.25", "1e300", "123456789.125"})
	case avro.Bytes:
		return pick(g, []string{`""`, `"\u00ff\u0000"`, `"abc"`})
	case avro.String:
		return pick(g, []string{`""`, `"é \"x\""`, `"plain"`})
	case avro.Fixed:
		return quote(strings.Repeat("a", t.size))
	case avro.Enum:
		return quote(pick(g, t.symbols))
	case avro.Array:
		if depth > 2 || t.items.open || g.chance(50) {
			return "[]"
		}
		if inner := g.defaultOf(t.items, depth+1); inner != "" {
			return "[" + inner + "]"
		}
		return "[]"
	case avro.Map:
		return "{}"
	case avro.Union:
		return g.defaultOf(t.branches[0], depth)
	case avro.Record:
		return g.defaultRecord(t, depth)
	}
	return ""
}

// defaultRecord returns "" for a record that is not complete yet or goes on
// for too long.
func (g *generator) defaultRecord(t *typ, depth int) string {
	if t.open || depth > 4 {
		return ""
	}
	members := make([]string, 0, len(t.fields))
	for _, f := range t.fields {
		inner := g.defaultOf(f.typ, depth+1)
		if inner == "" {
			return ""
		}
		members = append(members, quote(f.name)+":"+inner)
	}
	return "{" + strings.Join(members, ",") + "}"
}
