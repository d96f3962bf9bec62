package protobuf

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printOptions choose what of a tree is printed.
type printOptions struct {
	ignoreExtensions bool // no custom options, no extend blocks
}

// print lays a file out: syntax, package, imports, options, messages, enums,
// extend blocks, services; two spaces per level; a blank line before each of
// these parts and between the parts of a message. A blank line inside a nested
// message carries the indentation of that message, as the reference server's
// does.
func (f *fileTree) print(o printOptions) string {
	p := &printer{printOptions: o}
	switch {
	case f.edition != "":
		p.line("edition = %s;", quote(f.edition))
	case f.syntax != "":
		p.line("syntax = %s;", quote(f.syntax))
	}
	if f.pkg != "" {
		p.line("package %s;", f.pkg)
	}
	if len(f.imports[importPlain])+len(f.imports[importPublic])+len(f.imports[importWeak]) > 0 {
		p.line("")
		for kind, word := range [...]string{importPlain: "", importPublic: "public ", importWeak: "weak "} {
			for _, path := range f.imports[kind] {
				p.line("import %s%s;", word, quote(path))
			}
		}
	}
	if opts := p.keep(f.options); len(opts) > 0 {
		p.line("")
		p.options(opts)
	}
	if len(f.messages)+len(f.enums) > 0 {
		p.line("")
		p.types(f.messages, f.enums)
	}
	if len(f.extends) > 0 && !p.ignoreExtensions {
		p.line("")
		for _, x := range f.extends {
			p.extend(x)
		}
	}
	if len(f.services) > 0 {
		p.line("")
		for _, s := range f.services {
			p.service(s)
		}
	}
	return p.String()
}

type printer struct {
	printOptions
	strings.Builder
	depth int
}

// line writes one declaration, which may have several lines, at the current
// depth.
func (p *printer) line(format string, args ...any) {
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	for l := range strings.SplitSeq(text, "\n") {
		for range p.depth {
			p.WriteString("  ")
		}
		p.WriteString(l)
		p.WriteByte('\n')
	}
}

// block writes head, the parts that have content, each after a blank line, and
// the closing brace. A block with no part stays on one line.
func (p *printer) block(head string, parts ...func()) {
	if len(parts) == 0 {
		p.line("%s {}", head)
		return
	}
	p.line("%s {", head)
	p.depth++
	for i, part := range parts {
		if i > 0 {
			p.depth--
			p.line("")
			p.depth++
		}
		part()
	}
	p.depth--
	p.line("}")
}

// keep drops the options that are not to be printed.
func (p *printer) keep(list []option) []option {
	if !p.ignoreExtensions {
		return list
	}
	var out []option
	for _, o := range list {
		if !o.custom {
			out = append(out, o)
		}
	}
	return out
}

func (p *printer) options(list []option) {
	for _, o := range list {
		p.line("option %s = %s;", o.name, o.value)
	}
}

// inline renders the options of a field, constant or range with a leading
// space, nothing if there are none.
func (p *printer) inline(list []option) string {
	list = p.keep(list)
	switch len(list) {
	case 0:
		return ""
	case 1:
		return " [" + list[0].name + " = " + list[0].value + "]"
	}
	items := make([]string, len(list))
	for i, o := range list {
		items[i] = o.name + " = " + o.value
	}
	return " " + bracketed("[", items, "]")
}

// bracketed puts items on lines of their own, indented by one level.
func bracketed(open string, items []string, closing string) string {
	var b strings.Builder
	b.WriteString(open + "\n")
	for i, item := range items {
		b.WriteString("  " + strings.ReplaceAll(item, "\n", "\n  "))
		if i < len(items)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString(closing)
	return b.String()
}

func (p *printer) types(messages []*message, enums []*enum) {
	for _, m := range messages {
		p.message("message "+m.name, m)
	}
	for _, e := range enums {
		p.enum(e)
	}
}

func (p *printer) message(head string, m *message) {
	var parts []func()
	part := func(n int, f func()) {
		if n > 0 {
			parts = append(parts, f)
		}
	}
	options := p.keep(m.options)
	part(len(m.reserved), func() { p.reserved(m.reserved) })
	part(len(options), func() { p.options(options) })
	part(len(m.fields), func() { p.fields(m.fields) })
	part(len(m.oneofs), func() {
		for _, o := range m.oneofs {
			p.oneof(o)
		}
	})
	part(len(m.groups), func() { p.fields(m.groups) })
	part(len(m.extensions), func() {
		for _, x := range m.extensions {
			p.line("extensions %s%s;", joinRanges(x.ranges, true), p.inline(x.options))
		}
	})
	part(len(m.messages)+len(m.enums), func() { p.types(m.messages, m.enums) })
	if !p.ignoreExtensions {
		part(len(m.extends), func() {
			for _, x := range m.extends {
				p.extend(x)
			}
		})
	}
	p.block(head, parts...)
}

func (p *printer) fields(list []*field) {
	for _, f := range list {
		label := f.label
		if label != "" {
			label += " "
		}
		if f.body != nil {
			p.message(fmt.Sprintf("%sgroup %s = %d%s", label, f.name, f.number, p.inline(f.options)), f.body)
			continue
		}
		p.line("%s%s %s = %d%s;", label, f.typ, f.name, f.number, p.inline(f.options))
	}
}

func (p *printer) oneof(o *oneof) {
	var parts []func()
	if options := p.keep(o.options); len(options) > 0 {
		parts = append(parts, func() { p.options(options) })
	}
	if len(o.fields) > 0 {
		parts = append(parts, func() { p.fields(o.fields) })
	}
	if len(o.groups) > 0 {
		parts = append(parts, func() { p.fields(o.groups) })
	}
	p.block("oneof "+o.name, parts...)
}

func (p *printer) enum(e *enum) {
	p.block("enum "+e.name, func() {
		p.reserved(e.reserved)
		p.options(p.keep(e.options))
		for _, v := range e.values {
			p.line("%s = %d%s;", v.name, v.number, p.inline(v.options))
		}
	})
}

func (p *printer) extend(x *extend) {
	p.block("extend "+x.name, func() {
		p.fields(x.fields)
		p.fields(x.groups)
	})
}

func (p *printer) service(s *service) {
	var parts []func()
	if options := p.keep(s.options); len(options) > 0 {
		parts = append(parts, func() { p.options(options) })
	}
	if len(s.rpcs) > 0 {
		parts = append(parts, func() {
			for _, r := range s.rpcs {
				p.rpc(r)
			}
		})
	}
	p.block("service "+s.name, parts...)
}

func (p *printer) rpc(r rpc) {
	stream := map[bool]string{true: "stream "}
	head := fmt.Sprintf("rpc %s (%s%s) returns (%s%s)", r.name, stream[r.requestStreaming], r.request, stream[r.responseStream], r.response)
	options := p.keep(r.options)
	if len(options) == 0 {
		p.line("%s;", head)
		return
	}
	p.line("%s {", head)
	p.depth++
	p.options(options)
	p.depth--
	p.line("};")
}

func (p *printer) reserved(list [][]rangeOrName) {
	for _, statement := range list {
		p.line("reserved %s;", joinRanges(statement, false))
	}
}

// joinRanges renders the list of a reserved or extensions statement. Only the
// latter spells its end "max".
func joinRanges(list []rangeOrName, max bool) string {
	items := make([]string, len(list))
	for i, r := range list {
		switch {
		case r.isName && r.bare:
			items[i] = r.name
		case r.isName:
			items[i] = quote(r.name)
		case r.start == r.end:
			items[i] = strconv.FormatInt(r.start, 10)
		case max && r.end == maxFieldNumber:
			items[i] = fmt.Sprintf("%d to max", r.start)
		default:
			items[i] = fmt.Sprintf("%d to %d", r.start, r.end)
		}
	}
	return strings.Join(items, ", ")
}

// quote writes a string literal. Bytes that are not UTF-8 and control bytes
// without a letter of their own become octal escapes.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if named := strings.IndexByte("\a\b\f\n\r\t\v\\'\"", s[i]); named >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`abfnrtv\'"`[named])
		} else if r == utf8.RuneError && size == 1 || r < ' ' || r == 0x7f {
			fmt.Fprintf(&b, "\\%03o", s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}
