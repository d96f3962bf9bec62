package gen

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

const avroPath = "github.com/dovetail-dev/dovetail/serde/avro"

// declaration returns the type declaration of a named type.
func (g *generator) declaration(n *avro.Node) string {
	var out bytes.Buffer
	name, full := g.names[n.FullName()], oneLine(n.FullName())
	switch n.Kind {
	case avro.Record:
		fmt.Fprintf(&out, "// %s is the record %s.\n", name, full)
		comment(&out, "//\n", n.Doc)
		fmt.Fprintf(&out, "type %s struct {\n", name)
		fields := g.fields(n)
		for i, f := range n.Fields {
			comment(&out, "", f.Doc)
			typ, note := g.goType(n, f.Type)
			if note != "" {
				fmt.Fprintf(&out, "// One of: %s.\n", oneLine(note))
			}
			fmt.Fprintf(&out, "%s %s %s\n", fields[i], typ, tag(f.Name))
		}
		out.WriteString("}\n\n")
	case avro.Enum:
		fmt.Fprintf(&out, "// %s is the enum %s.\n", name, full)
		comment(&out, "//\n", n.Doc)
		fmt.Fprintf(&out, "type %s string\n\n", name)
	case avro.Fixed:
		fmt.Fprintf(&out, "// %s is the fixed %s.\n", name, full)
		comment(&out, "//\n", n.Doc)
		fmt.Fprintf(&out, "type %s [%d]byte\n\n", name, n.Size)
	}
	return out.String()
}

// fields returns the names that the fields of a record have in Go.
func (g *generator) fields(n *avro.Node) []string {
	taken := map[string]bool{}
	for _, m := range methodNames {
		taken[m] = true
	}
	names := make([]string, len(n.Fields))
	for i, f := range n.Fields {
		names[i] = unused(exported(f.Name), taken)
	}
	return names
}

// symbols writes the constants of an enum.
func (g *generator) symbols(n *avro.Node) {
	if len(n.Symbols) == 0 {
		return
	}
	name := g.names[n.FullName()]
	fmt.Fprintf(&g.body, "// Symbols of %s.\nconst (\n", name)
	for _, s := range n.Symbols {
		fmt.Fprintf(&g.body, "\t%s %s = %q\n", g.free(name+exported(s)), name, s)
	}
	g.body.WriteString(")\n\n")
}

// goType returns the Go type of n in a field of owner, and for a union that is
// any the names of its branches.
func (g *generator) goType(owner, n *avro.Node) (typ, note string) {
	switch n.Kind {
	case avro.Union:
		return g.union(owner, n)
	case avro.Record:
		if owner != nil && holds(n, owner, map[*avro.Node]bool{}) {
			return "*" + g.names[n.FullName()], "" // a struct cannot hold itself
		}
		return g.names[n.FullName()], ""
	}
	if typ := g.logical(n); typ != "" {
		return typ, ""
	}
	switch n.Kind {
	case avro.Boolean:
		return "bool", ""
	case avro.Int:
		return "int32", ""
	case avro.Long:
		return "int64", ""
	case avro.Float:
		return "float32", ""
	case avro.Double:
		return "float64", ""
	case avro.Bytes:
		return "[]byte", ""
	case avro.String:
		return "string", ""
	case avro.Enum, avro.Fixed:
		return g.names[n.FullName()], ""
	case avro.Array:
		item, note := g.goType(nil, n.Items)
		return "[]" + item, note
	case avro.Map:
		item, note := g.goType(nil, n.Items)
		return "map[string]" + item, note
	}
	return "any", "" // null
}

// logical returns the Go type of a logical type, empty for none.
func (g *generator) logical(n *avro.Node) string {
	switch n.Logical {
	case avro.Date, avro.TimestampMillis, avro.TimestampMicros, avro.TimestampNanos,
		avro.LocalTimestampMillis, avro.LocalTimestampMicros, avro.LocalTimestampNanos:
		return g.from("time", "time.Time")
	case avro.TimeMillis, avro.TimeMicros:
		return g.from("time", "time.Duration")
	case avro.Decimal, avro.BigDecimal:
		return g.from("math/big", "*big.Rat")
	case avro.Duration:
		return g.from(avroPath, "avro.LogicalDuration")
	}
	return ""
}

func (g *generator) from(path, typ string) string {
	g.imports[path] = true
	return typ
}

// union returns the type of a union: of null and one other the nullable other,
// of one branch that branch, else any.
func (g *generator) union(owner, n *avro.Node) (typ, note string) {
	var others []*avro.Node
	for _, b := range n.Branches {
		if b.Kind != avro.Null {
			others = append(others, b)
		}
	}
	if len(others) != 1 {
		var names []string
		for _, b := range n.Branches {
			names = append(names, b.FullName())
			g.register(b)
		}
		return "any", strings.Join(names, ", ")
	}
	if len(n.Branches) == 1 {
		return g.goType(owner, others[0])
	}
	typ, note = g.goType(nil, others[0])
	if strings.HasPrefix(typ, "[]") || strings.HasPrefix(typ, "map[") || strings.HasPrefix(typ, "*") {
		return typ, note
	}
	return "*" + typ, note
}

// register notes the branch of a union that is any, unless its Go type needs no
// name.
func (g *generator) register(n *avro.Node) {
	var b branch
	switch n.Kind {
	case avro.Record, avro.Enum, avro.Fixed:
		name := g.names[n.FullName()]
		if name == "" {
			return // decimal or duration: known by its logical type
		}
		b.name = n.FullName()
		switch n.Kind {
		case avro.Enum:
			b.value = name + `("")`
		default:
			b.value = name + "{}"
		}
	case avro.Array, avro.Map:
		typ, _ := g.goType(nil, n)
		b = branch{n.Kind.String() + ":" + branchName(n.Items), typ + "{}"}
	default:
		return
	}
	for _, known := range g.unions {
		if known.name == b.name {
			return
		}
	}
	g.unions = append(g.unions, b)
}

// branchName is what serde/avro calls a branch.
func branchName(n *avro.Node) string {
	switch n.Kind {
	case avro.Record, avro.Enum, avro.Fixed:
		return n.FullName()
	}
	if n.Logical == "" {
		return n.FullName()
	}
	return n.Kind.String() + "." + string(n.Logical)
}

// holds reports whether a value of record n contains one of record target, not
// behind a pointer, slice or map.
func holds(n, target *avro.Node, seen map[*avro.Node]bool) bool {
	if n == target {
		return true
	}
	if seen[n] {
		return false
	}
	seen[n] = true
	for _, f := range n.Fields {
		inner := f.Type
		if inner.Kind == avro.Union && len(inner.Branches) == 1 {
			inner = inner.Branches[0]
		}
		if inner.Kind == avro.Record && holds(inner, target, seen) {
			return true
		}
	}
	return false
}

// tag returns the struct tag of a field.
func tag(name string) string { return "`avro:" + fmt.Sprintf("%q", name) + "`" }

// comment writes a schema's documentation, with what goes before it if there is
// any.
func comment(out *bytes.Buffer, before, doc string) {
	doc = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(doc))
	if doc == "" {
		return
	}
	out.WriteString(before)
	for line := range strings.SplitSeq(doc, "\n") {
		out.WriteString(strings.TrimRight("// "+strings.TrimRight(line, " \t"), " ") + "\n")
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
