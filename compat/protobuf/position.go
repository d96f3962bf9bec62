package protobuf

import (
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"

	"github.com/dovetail-dev/dovetail/compat"
)

// positionsOf maps the paths of differences to their places in a source that
// has been parsed before; it is empty for a descriptor.
func positionsOf(text string) map[string]compat.Position {
	out := map[string]compat.Position{}
	if _, ok := decodeBase64(text); ok {
		return out
	}
	file, err := parser.Parse("", strings.NewReader(text), reporter.NewHandler(nil))
	if err != nil {
		return out
	}
	w := &placeWalker{file: file, out: out}
	w.put("#/", file)
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.PackageNode:
			w.put("#/", d)
		case *ast.MessageNode:
			w.message("#/", d.Name.Val, d, d.Decls)
		case *ast.EnumNode:
			w.enum("#/", d)
		case *ast.ExtendNode:
			w.extend("#/", d)
		case *ast.ServiceNode:
			w.service(d)
		}
	}
	return out
}

type placeWalker struct {
	file *ast.FileNode
	out  map[string]compat.Position
}

func (w *placeWalker) put(path string, n ast.Node) { w.out[path] = positionOf(w.file, n) }

func (w *placeWalker) message(prefix, name string, n ast.Node, decls []ast.MessageElement) {
	path := prefix + name
	w.put(path, n)
	path += "/"
	for _, decl := range decls {
		switch d := decl.(type) {
		case *ast.FieldNode:
			w.put(path+tagOf(d.Tag), d)
		case *ast.MapFieldNode:
			w.put(path+tagOf(d.Tag), d)
		case *ast.GroupNode:
			w.put(path+tagOf(d.Tag), d)
			w.message(path, d.Name.Val, d, d.Decls)
		case *ast.OneofNode:
			w.oneof(path, d)
		case *ast.MessageNode:
			w.message(path, d.Name.Val, d, d.Decls)
		case *ast.EnumNode:
			w.enum(path, d)
		case *ast.ExtendNode:
			w.extend(path, d)
		}
	}
}

func (w *placeWalker) extend(prefix string, n *ast.ExtendNode) {
	prefix += extendStep(string(n.Extendee.AsIdentifier())) + "/"
	for _, decl := range n.Decls {
		switch d := decl.(type) {
		case *ast.FieldNode:
			w.put(prefix+tagOf(d.Tag), d)
		case *ast.GroupNode:
			w.put(prefix+tagOf(d.Tag), d)
			w.message(prefix, d.Name.Val, d, d.Decls)
		}
	}
}

func (w *placeWalker) service(n *ast.ServiceNode) {
	path := "#/" + n.Name.Val
	w.put(path, n)
	for _, decl := range n.Decls {
		if d, ok := decl.(*ast.RPCNode); ok {
			w.put(path+"/"+d.Name.Val, d)
		}
	}
}

func (w *placeWalker) oneof(prefix string, n *ast.OneofNode) {
	path := prefix + n.Name.Val
	w.put(path, n)
	for _, decl := range n.Decls {
		switch d := decl.(type) {
		case *ast.FieldNode:
			w.put(path+"/"+tagOf(d.Tag), d)
		case *ast.GroupNode:
			w.put(path+"/"+tagOf(d.Tag), d)
			w.message(prefix, d.Name.Val, d, d.Decls)
		}
	}
}

func (w *placeWalker) enum(prefix string, n *ast.EnumNode) {
	path := prefix + n.Name.Val
	w.put(path, n)
	for _, decl := range n.Decls {
		if v, ok := decl.(*ast.EnumValueNode); ok {
			w.put(path+"/"+strconv.FormatInt(number(v.Number), 10), v)
		}
	}
}

func tagOf(n *ast.UintLiteralNode) string { return strconv.FormatUint(n.Val, 10) }
