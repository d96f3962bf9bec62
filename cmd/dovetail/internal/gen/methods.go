package gen

import (
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// methodNames are those that a record has, so that no field may.
var methodNames = []string{"AppendAvro", "DecodeAvro", "AvroEncode", "AvroDecode", "AvroType"}

// methods writes the Avro methods of a record: the loops of the codec as Go.
func (g *generator) methods(n *avro.Node) {
	g.imports[avroPath] = true
	out := &g.body
	name, number := g.names[n.FullName()], g.number(n)
	fmt.Fprintf(out, `// AppendAvro appends the Avro payload of v to dst.
func (v *%[1]s) AppendAvro(dst []byte) ([]byte, error) {
	if v == nil {
		return dst, %[2]s.NilValue()
	}
	e := %[2]s.Encoding()
	return e.Done(dst, v.AvroEncode(e, dst))
}

// DecodeAvro decodes an Avro payload that src begins with, and returns what is
// behind it.
func (v *%[1]s) DecodeAvro(src []byte) (rest []byte, err error) {
	if v == nil {
		return nil, %[2]s.NilTarget()
	}
	d := %[2]s.Decoding(src)
	return d.Done(%[2]s, src, v.AvroDecode(d, 0))
}

// AvroType returns the schema that the methods were written for.
func (*%[1]s) AvroType() *avro.GeneratedType { return %[2]s }

`, name, number)

	recursive := reaches(n, n, map[*avro.Node]bool{})
	fields := g.fields(n)
	fmt.Fprintf(out, "// AvroEncode appends v for e.\nfunc (v *%s) AvroEncode(e *avro.Encoding, dst []byte) []byte {\n", name)
	if recursive {
		out.WriteString("if !e.Enter() {\nreturn dst\n}\n")
	}
	for i, f := range n.Fields {
		expr := g.encode(n, f.Type, "&v."+fields[i])
		if fallible(f.Type) {
			fmt.Fprintf(out, "if dst = %s; e.Failed() {\nreturn e.At(dst, %q)\n}\n", expr, f.Name)
		} else {
			fmt.Fprintf(out, "dst = %s\n", expr)
		}
	}
	if recursive {
		out.WriteString("e.Leave()\n")
	}
	out.WriteString("return dst\n}\n\n")

	fmt.Fprintf(out, "// AvroDecode reads v for d.\nfunc (v *%s) AvroDecode(d *avro.Decoding, pos int) int {\n", name)
	if recursive {
		out.WriteString("if !d.Enter(pos) {\nreturn -1\n}\n")
	}
	for i, f := range n.Fields {
		fmt.Fprintf(out, "if pos = %s; pos < 0 {\nreturn d.At(%q)\n}\n", g.decode(n, f.Type, "&v."+fields[i]), f.Name)
	}
	if recursive {
		out.WriteString("d.Leave()\n")
	}
	out.WriteString("return pos\n}\n\n")
}

// number is the expression for the type n of the schema that is being written.
func (g *generator) number(n *avro.Node) string {
	return fmt.Sprintf("%s.T(%d)", g.compiled, g.numbers[n])
}

// value is what the pointer expression p points to.
func value(p string) string {
	if of, ok := strings.CutPrefix(p, "&"); ok {
		return of
	}
	return "*" + p
}

// whole is the bytes of the array that p points to.
func whole(p string) string { return strings.TrimPrefix(p, "&") + "[:]" }

// call is a call of a method of what p points to.
func call(p, method string) string { return strings.TrimPrefix(p, "&") + "." + method }

// encode returns the expression that appends to dst the n that p points to.
func (g *generator) encode(owner, n *avro.Node, p string) string {
	typ, _ := g.goType(owner, n)
	v, t := value(p), g.number(n)
	switch {
	case dynamic(n, typ):
		return fmt.Sprintf("e.Any(dst, %s, %s)", v, t)
	case n.Kind == avro.Union:
		other := otherBranch(n)
		if inner, ok := strings.CutPrefix(typ, "*"); ok && typ != ratType {
			return fmt.Sprintf("avro.EncodeOptional(e, dst, %s, %s, %s)", v, t, g.encoder(nil, other, inner))
		}
		null := "false"
		if nilable(typ) {
			null = v + " == nil"
		}
		return fmt.Sprintf("avro.EncodeNullable(e, dst, %s, %s, %s, %s)", p, null, t, g.encoder(nil, other, typ))
	case n.Kind == avro.Record:
		if inner, ok := strings.CutPrefix(typ, "*"); ok {
			return fmt.Sprintf("avro.EncodePointer(e, dst, %s, %s, %s)", v, t, g.encoder(nil, n, inner))
		}
		return call(p, "AvroEncode(e, dst)")
	}
	switch g.logical(n) {
	case "time.Time":
		return fmt.Sprintf("e.Time(dst, %s, %s)", v, t)
	case "time.Duration":
		return fmt.Sprintf("e.Clock(dst, %s, %s)", v, t)
	case ratType:
		return fmt.Sprintf("e.Rat(dst, %s, %s)", v, t)
	case "avro.LogicalDuration":
		return fmt.Sprintf("e.Duration(dst, %s)", v)
	}
	switch n.Kind {
	case avro.Fixed:
		return fmt.Sprintf("e.Fixed(dst, %s)", whole(p))
	case avro.Enum:
		return fmt.Sprintf("e.Symbol(dst, string(%s), %s)", v, t)
	case avro.Array, avro.Map:
		if method := quick[typ]; method != "" {
			return fmt.Sprintf("e.%s(dst, %s)", method, v)
		}
		item, _ := g.goType(nil, n.Items)
		if n.Kind == avro.Map {
			return fmt.Sprintf("avro.EncodeMap(e, dst, %s, %s)", v, g.encoder(nil, n.Items, item))
		}
		return fmt.Sprintf("avro.EncodeSlice(e, dst, %s, %s, %s)", v, t, g.encoder(nil, n.Items, item))
	}
	return fmt.Sprintf("e.%s(dst, %s)", primitives[n.Kind], v)
}

// encoder returns a function that writes an n, of the Go type typ.
func (g *generator) encoder(owner, n *avro.Node, typ string) string {
	if n.Kind == avro.Record {
		return "(*" + typ + ").AvroEncode"
	}
	return fmt.Sprintf("func(p *%s, e *avro.Encoding, dst []byte) []byte {\nreturn %s\n}", typ, g.encode(owner, n, "p"))
}

// decode returns the expression that reads at pos the n that p points to.
func (g *generator) decode(owner, n *avro.Node, p string) string {
	typ, _ := g.goType(owner, n)
	t := g.number(n)
	switch {
	case typ == "any":
		return fmt.Sprintf("d.Any(pos, %s, %s)", p, t)
	case dynamic(n, typ):
		return fmt.Sprintf("avro.DecodeAny(d, pos, %s, %s)", p, t)
	case n.Kind == avro.Union:
		other := otherBranch(n)
		if inner, ok := strings.CutPrefix(typ, "*"); ok && typ != ratType {
			return fmt.Sprintf("avro.DecodeOptional(d, pos, %s, %s, %s)", p, t, g.decoder(nil, other, inner))
		}
		return fmt.Sprintf("avro.DecodeNullable(d, pos, %s, %s, %s)", p, t, g.decoder(nil, other, typ))
	case n.Kind == avro.Record:
		if inner, ok := strings.CutPrefix(typ, "*"); ok {
			return fmt.Sprintf("avro.DecodePointer(d, pos, %s, %s)", p, g.decoder(nil, n, inner))
		}
		return call(p, "AvroDecode(d, pos)")
	}
	switch g.logical(n) {
	case "time.Time":
		return fmt.Sprintf("d.Time(pos, %s, %s)", p, t)
	case "time.Duration":
		return fmt.Sprintf("d.Clock(pos, %s, %s)", p, t)
	case ratType:
		return fmt.Sprintf("d.Rat(pos, %s, %s)", p, t)
	case "avro.LogicalDuration":
		return fmt.Sprintf("d.Duration(pos, %s, %s)", p, t)
	}
	switch n.Kind {
	case avro.Fixed:
		return fmt.Sprintf("d.Fixed(pos, %s, %s)", whole(p), t)
	case avro.Enum:
		return fmt.Sprintf("d.Symbol(pos, (*string)(%s), %s)", p, t)
	case avro.Array, avro.Map:
		if method := quick[typ]; method != "" {
			return fmt.Sprintf("d.%s(pos, %s)", method, p)
		}
		item, _ := g.goType(nil, n.Items)
		return fmt.Sprintf("avro.Decode%s(d, pos, %s, %s, %s)", map[bool]string{true: "Map", false: "Slice"}[n.Kind == avro.Map],
			p, t, g.decoder(nil, n.Items, item))
	}
	return fmt.Sprintf("d.%s(pos, %s)", primitives[n.Kind], p)
}

// decoder returns a function that reads an n, of the Go type typ.
func (g *generator) decoder(owner, n *avro.Node, typ string) string {
	if n.Kind == avro.Record {
		return "(*" + typ + ").AvroDecode"
	}
	return fmt.Sprintf("func(p *%s, d *avro.Decoding, pos int) int {\nreturn %s\n}", typ, g.decode(owner, n, "p"))
}

const ratType = "*big.Rat"

// primitives are the methods for types without parts.
var primitives = map[avro.Kind]string{
	avro.Boolean: "Boolean", avro.Int: "Int", avro.Long: "Long", avro.Float: "Float",
	avro.Double: "Double", avro.Bytes: "Bytes", avro.String: "String",
}

// quick are the methods for whole arrays and maps.
var quick = map[string]string{
	"[]int64": "Longs", "[]float64": "Doubles", "[]string": "Strings", "map[string]string": "StringMap",
}

// fallible tells whether writing an n can go wrong, whatever the value.
func fallible(n *avro.Node) bool {
	switch n.Kind {
	case avro.Boolean, avro.Int, avro.Long, avro.Float, avro.Double, avro.Bytes, avro.String:
		return n.Logical != "" && n.Logical != avro.UUID
	case avro.Fixed:
		return n.Logical == avro.Decimal
	}
	return true
}

// dynamic tells whether the engine is to write and read n, since what its Go
// type holds is known only when it is met.
func dynamic(n *avro.Node, typ string) bool {
	return typ == "any" || typ == "map[string]any" || typ == "[]any" && n.Kind == avro.Array
}

// nilable tells whether null is the nil of a type.
func nilable(typ string) bool {
	return typ == ratType || strings.HasPrefix(typ, "[]") || strings.HasPrefix(typ, "map[")
}

// otherBranch is the one that is not null.
func otherBranch(n *avro.Node) *avro.Node {
	for _, b := range n.Branches {
		if b.Kind != avro.Null {
			return b
		}
	}
	return nil
}

// reaches tells whether target occurs below n.
func reaches(n, target *avro.Node, seen map[*avro.Node]bool) bool {
	for _, b := range below(n) {
		if b == target {
			return true
		}
		if !seen[b] {
			seen[b] = true
			if reaches(b, target, seen) {
				return true
			}
		}
	}
	return false
}

// below returns the types that n is made of.
func below(n *avro.Node) []*avro.Node {
	var all []*avro.Node
	for _, f := range n.Fields {
		all = append(all, f.Type)
	}
	all = append(all, n.Branches...)
	if n.Items != nil {
		all = append(all, n.Items)
	}
	return all
}
