package avro

import (
	"math"
	"strconv"
	"strings"
)

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
