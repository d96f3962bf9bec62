package protobuf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/options"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
)

// unit is one compiled file.
type unit struct {
	file  protoreflect.FileDescriptor
	proto *descriptorpb.FileDescriptorProto
	tree  *fileTree

	linked linker.File // see linkable
}

// fileSet holds the texts that one Parse may look at and the files that it has
// compiled. It lives as long as the Parse.
type fileSet struct {
	mainPath string
	texts    map[string]string
	units    map[string]*unit // nil while a file is being compiled
	symbols  *linker.Symbols
}

func newFileSet(src compat.Source) (*fileSet, error) {
	if len(src.Dependencies) > maxDependencies {
		return nil, fault("", compat.Position{}, "%d references, directly or through others: at most %d are read", len(src.Dependencies), maxDependencies)
	}
	s := &fileSet{texts: map[string]string{}, units: map[string]*unit{}, symbols: &linker.Symbols{}, mainPath: "default"}
	total := len(src.Text)
	for _, d := range src.Dependencies {
		if _, known := s.texts[d.Name]; known {
			continue
		}
		s.texts[d.Name] = d.Text
		total += len(d.Text)
	}
	if total > maxTotalBytes {
		return nil, fault("", compat.Position{}, "the text and its references have %d bytes: at most %d are read", total, maxTotalBytes)
	}
	for s.texts[s.mainPath] != "" {
		s.mainPath = "_" + s.mainPath
	}
	return s, nil
}

// compile reads one text under the given import path, and before it all that it
// imports.
func (s *fileSet) compile(path, text string) (u *unit, err error) {
	shown := path
	if path == s.mainPath {
		shown = ""
	}
	if len(text) > maxTextBytes {
		return nil, fault(shown, compat.Position{}, "the text has %d bytes: at most %d are read", len(text), maxTextBytes)
	}
	// The parser is not ours. What it cannot bear is refused like any other
	// text that is not a schema.
	defer func() {
		if r := recover(); r != nil {
			u, err = nil, fault(shown, compat.Position{}, "the text cannot be read as Protobuf (%v)", r)
		}
	}()
	s.units[path] = nil
	if raw, ok := decodeBase64(text); ok {
		u, err = s.fromDescriptor(path, shown, raw)
	} else {
		u, err = s.fromSource(path, shown, text)
	}
	if err != nil {
		return nil, err
	}
	s.units[path] = u
	return u, nil
}

func (s *fileSet) fromSource(path, shown, text string) (*unit, error) {
	if err := scan(shown, text); err != nil {
		return nil, err
	}
	var first reporter.ErrorWithPos
	lenient := reporter.NewReporter(func(e reporter.ErrorWithPos) error {
		if strings.HasSuffix(e.Unwrap().Error(), explicitMapEntry) {
			return nil
		}
		first = e
		return e
	}, nil)
	explain := func(err error) error {
		if first != nil {
			err = first
		}
		var at reporter.ErrorWithPos
		if errors.As(err, &at) {
			pos := at.GetPosition()
			return fault(shown, compat.Position{Line: pos.Line, Column: pos.Col}, "%s", reason(at.Unwrap(), s.mainPath))
		}
		return fault(shown, compat.Position{}, "%s", reason(err, s.mainPath))
	}
	file, err := parser.Parse(path, strings.NewReader(text), reporter.NewHandler(lenient))
	if err != nil {
		return nil, explain(err)
	}
	if e := file.Edition; e != nil && e.Edition.AsString() != "2023" {
		return nil, fault(shown, positionOf(file, e.Edition), "edition %q is not supported: use edition \"2023\", or syntax \"proto3\"", e.Edition.AsString())
	}
	tree := treeOfSource(file)
	if err := tree.checkNames(shown); err != nil {
		return nil, err
	}
	deps, err := s.importAll(file, shown)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ResultFromAST(file, true, reporter.NewHandler(lenient))
	if err != nil && !errors.Is(err, reporter.ErrInvalidSource) {
		return nil, explain(err)
	}
	handler := reporter.NewHandler(lenient)
	linked, err := linker.Link(parsed, deps, s.symbols, handler)
	if err != nil {
		return nil, explain(err)
	}
	if _, err := options.InterpretOptions(linked, handler); err != nil {
		return nil, explain(err)
	}
	if err := linked.ValidateOptions(handler, s.symbols); err != nil {
		return nil, explain(err)
	}
	fdp := linked.FileDescriptorProto()
	out, err := protodesc.NewFile(fdp, s.resolver(path, fdp.Dependency))
	if err != nil {
		return nil, fault(shown, compat.Position{}, "%s", reason(err, s.mainPath))
	}
	if err := checkMapEntries(shown, out); err != nil {
		return nil, err
	}
	return &unit{file: out, proto: fdp, tree: tree, linked: linked}, nil
}

// checkMapEntries refuses messages that call themselves map entries and stand
// behind no map field; the shape of those that do is checked by the linker.
func checkMapEntries(shown string, s scope) error {
	entries := map[protoreflect.FullName]bool{}
	parent, _ := s.(protoreflect.MessageDescriptor)
	if parent != nil {
		for i := range parent.Fields().Len() {
			if f := parent.Fields().Get(i); f.IsMap() {
				entries[f.Message().FullName()] = true
			}
		}
	}
	for i := range s.Messages().Len() {
		m := s.Messages().Get(i)
		if m.IsMapEntry() && !entries[m.FullName()] {
			return fault(shown, compat.Position{}, "message %s has the option map_entry, but is not the entry of a map field beside it", m.FullName())
		}
		if err := checkMapEntries(shown, m); err != nil {
			return err
		}
	}
	return nil
}

// explicitMapEntry is the end of the parser's complaint about a map entry that
// is spelled out. Java clients send such texts, because they print descriptors,
// so it is forgiven; whether the message really is one is checked when the
// descriptor has been built.
const explicitMapEntry = "map_entry option should not be set explicitly; use map type instead"

// reason cleans a message of the libraries from names that mean nothing to a
// reader.
func reason(err error, mainPath string) string {
	msg := err.Error()
	msg = strings.ReplaceAll(msg, "proto:\u00a0", "")
	msg = strings.ReplaceAll(msg, "proto: ", "")
	msg = strings.ReplaceAll(msg, "$end", "end of text")
	return strings.ReplaceAll(msg, fmt.Sprintf("file %q", mainPath), "this file")
}

// importAll compiles what a source imports and returns it for the linker.
func (s *fileSet) importAll(file *ast.FileNode, shown string) (linker.Files, error) {
	var deps linker.Files
	for _, decl := range file.Decls {
		imp, ok := decl.(*ast.ImportNode)
		if !ok {
			continue
		}
		if len(deps) >= maxImports {
			return nil, fault(shown, positionOf(file, imp), "more than %d imports", maxImports)
		}
		name := imp.Name.AsString()
		if _, err := s.find(name, shown, positionOf(file, imp.Name)); err != nil {
			return nil, err
		}
		dep, err := s.linkable(name)
		if err != nil {
			return nil, fault(shown, positionOf(file, imp.Name), "%s", reason(err, s.mainPath))
		}
		deps = append(deps, dep)
	}
	return deps, nil
}

// linkable returns the file at path as the linker wants its imports. All links
// of a set share one table of symbols, so that a chain of imports is not walked
// again for each of its files; therefore a file has one identity there, which is
// not that of its descriptor.
func (s *fileSet) linkable(path string) (linker.File, error) {
	u := s.units[path]
	if u.linked != nil {
		return u.linked, nil
	}
	if u.proto == nil { // well known
		var err error
		u.linked, err = linker.NewFileRecursive(u.file)
		return u.linked, err
	}
	deps := make(linker.Files, len(u.proto.Dependency))
	for i, imp := range u.proto.Dependency {
		var err error
		if deps[i], err = s.linkable(imp); err != nil {
			return nil, err
		}
	}
	result := parser.ResultWithoutAST(proto.Clone(u.proto).(*descriptorpb.FileDescriptorProto))
	linked, err := linker.Link(result, deps, s.symbols, reporter.NewHandler(nil))
	if err != nil {
		return nil, err
	}
	u.linked = linked
	return linked, nil
}

// find returns the file that is imported as path, compiling it if need be.
func (s *fileSet) find(path, importer string, at compat.Position) (protoreflect.FileDescriptor, error) {
	if u, known := s.units[path]; known {
		if u == nil {
			return nil, fault(importer, at, "import %q leads back to this file: imports may not form a cycle", path)
		}
		return u.file, nil
	}
	if text, ok := s.texts[path]; ok && !strings.HasPrefix(path, "google/protobuf/") {
		u, err := s.compile(path, text)
		if err != nil {
			return nil, err
		}
		return u.file, nil
	}
	if fd := wellKnown(path); fd != nil {
		s.units[path] = &unit{file: fd}
		return fd, nil
	}
	return nil, fault(importer, at, "import %q is not known: add a reference with the name %q", path, path)
}

// resolver finds what the file at path may refer to.
func (s *fileSet) resolver(path string, imports []string) protodesc.Resolver {
	r := &importResolver{set: s}
	seen := map[string]bool{path: true}
	for _, imp := range imports {
		if u := s.units[imp]; u != nil {
			r.see(u.file, seen)
		}
	}
	return r
}

// importResolver is what one file sees while it is linked: the files that it
// imports, and what those import publicly.
type importResolver struct {
	set     *fileSet
	visible []protoreflect.FileDescriptor
}

func (r *importResolver) see(f protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	r.visible = append(r.visible, f)
	for i := range f.Imports().Len() {
		if imp := f.Imports().Get(i); imp.IsPublic {
			r.see(imp.FileDescriptor, seen)
		}
	}
}

func (r *importResolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if u := r.set.units[path]; u != nil {
		return u.file, nil
	}
	return nil, protoregistry.NotFound
}

func (r *importResolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	for _, f := range r.visible {
		if d := findInFile(f, name); d != nil {
			return d, nil
		}
	}
	return nil, protoregistry.NotFound
}

// findInFile finds a message, enum or extension by its full name.
func findInFile(f protoreflect.FileDescriptor, name protoreflect.FullName) protoreflect.Descriptor {
	rest := string(name)
	if pkg := string(f.Package()); pkg != "" {
		var ok bool
		if rest, ok = strings.CutPrefix(rest, pkg+"."); !ok {
			return nil
		}
	}
	return findInScope(f, rest)
}

// scope is what files and messages have in common.
type scope interface {
	Messages() protoreflect.MessageDescriptors
	Enums() protoreflect.EnumDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

func findInScope(s scope, rest string) protoreflect.Descriptor {
	name, deeper, more := strings.Cut(rest, ".")
	m := s.Messages().ByName(protoreflect.Name(name))
	if more {
		if m == nil {
			return nil
		}
		return findInScope(m, deeper)
	}
	if m != nil {
		return m
	}
	if e := s.Enums().ByName(protoreflect.Name(name)); e != nil {
		return e
	}
	if x := s.Extensions().ByName(protoreflect.Name(name)); x != nil {
		return x
	}
	return nil
}

func positionOf(file *ast.FileNode, n ast.Node) compat.Position {
	start := file.NodeInfo(n).Start()
	return compat.Position{Line: start.Line, Column: start.Col}
}
