package protobuf

import (
	"encoding/base64"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dovetail-dev/dovetail/compat"
)

// decodeBase64 reports whether text is base64 and nothing else, and returns its
// bytes. No source file is: each statement of the language has a byte that
// base64 lacks.
func decodeBase64(text string) ([]byte, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, false
	}
	encoding := base64.StdEncoding
	if len(text)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	if strings.ContainsAny(text, " \t{};\"'") {
		return nil, false
	}
	raw, err := encoding.DecodeString(text)
	return raw, err == nil
}

// fromDescriptor reads a serialized FileDescriptorProto. Options that are not
// of the language itself stay bytes here, so that nothing depends on what else
// is linked into the program.
func (s *fileSet) fromDescriptor(path, shown string, raw []byte) (*unit, error) {
	nowhere := compat.Position{}
	fdp := &descriptorpb.FileDescriptorProto{}
	err := proto.UnmarshalOptions{Resolver: noExtensions{}, RecursionLimit: 2*maxMessageDepth + 16}.Unmarshal(raw, fdp)
	if err != nil {
		return nil, fault(shown, nowhere, "the base64 text is not a FileDescriptorProto: %s", reason(err, s.mainPath))
	}
	if !fdp.ProtoReflect().Has(fdp.ProtoReflect().Descriptor().Fields().ByName("name")) && len(fdp.MessageType)+len(fdp.EnumType)+len(fdp.Extension)+len(fdp.Service) == 0 {
		return nil, fault(shown, nowhere, "the base64 text is not a FileDescriptorProto: it has no name and declares nothing")
	}
	fdp.Name = proto.String(path)
	fdp.SourceCodeInfo = nil
	fdp.ProtoReflect().SetUnknown(nil)
	switch fdp.GetSyntax() {
	case "", "proto2", "proto3":
	case "editions":
		if fdp.GetEdition() != descriptorpb.Edition_EDITION_2023 {
			return nil, fault(shown, nowhere, "edition %s is not supported: use edition 2023, or syntax proto3", strings.TrimPrefix(fdp.GetEdition().String(), "EDITION_"))
		}
	default:
		return nil, fault(shown, nowhere, "syntax %q is not known: want proto2, proto3 or edition 2023", fdp.GetSyntax())
	}
	if len(fdp.Dependency) > maxImports {
		return nil, fault(shown, nowhere, "more than %d imports", maxImports)
	}
	for _, i := range fdp.WeakDependency {
		if i < 0 || int(i) >= len(fdp.Dependency) {
			return nil, fault(shown, nowhere, "weak import %d of %d", i, len(fdp.Dependency))
		}
	}
	if err := checkDescriptor(shown, fdp); err != nil {
		return nil, err
	}
	for _, imp := range fdp.Dependency {
		if _, err := s.find(imp, shown, nowhere); err != nil {
			return nil, err
		}
	}
	file, err := protodesc.NewFile(fdp, s.resolver(path, fdp.Dependency))
	if err != nil {
		return nil, fault(shown, nowhere, "the descriptor contradicts itself: %s", reason(err, s.mainPath))
	}
	if err := checkMapEntries(shown, file); err != nil {
		return nil, err
	}
	tree := treeOfDescriptor(file, fdp, extensionsOf(file), false)
	return &unit{file: file, proto: fdp, tree: tree}, nil
}

// SourceOf prints the canonical source text of a linked file, for instance of a
// generated one: what Parse would make of its descriptor.
func SourceOf(file protoreflect.FileDescriptor) (string, error) {
	fdp := &descriptorpb.FileDescriptorProto{}
	raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(file))
	if err == nil {
		err = proto.UnmarshalOptions{Resolver: noExtensions{}}.Unmarshal(raw, fdp)
	}
	if err != nil {
		return "", fmt.Errorf("protobuf: print %s: %w", file.Path(), err)
	}
	return treeOfDescriptor(file, fdp, extensionsOf(file), false).print(printOptions{}), nil
}

// noExtensions knows no extension at all.
type noExtensions struct{}

func (noExtensions) FindExtensionByName(protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

func (noExtensions) FindExtensionByNumber(protoreflect.FullName, protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return nil, protoregistry.NotFound
}

// extensionsOf knows the extensions that file declares or imports.
func extensionsOf(file protoreflect.FileDescriptor) *extensionTypes {
	t := &extensionTypes{byNumber: map[extensionKey]protoreflect.ExtensionType{}}
	seen := map[string]bool{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		t.add(f)
		for i := range f.Imports().Len() {
			visit(f.Imports().Get(i).FileDescriptor)
		}
	}
	visit(file)
	return t
}

type extensionKey struct {
	message protoreflect.FullName
	number  protoreflect.FieldNumber
}

// extensionTypes finds extensions of option messages by their number.
type extensionTypes struct {
	noExtensions
	byNumber map[extensionKey]protoreflect.ExtensionType
}

func (t *extensionTypes) add(s scope) {
	for i := range s.Extensions().Len() {
		x := s.Extensions().Get(i)
		t.byNumber[extensionKey{x.ContainingMessage().FullName(), x.Number()}] = dynamicpb.NewExtensionType(x)
	}
	for i := range s.Messages().Len() {
		t.add(s.Messages().Get(i))
	}
}

func (t *extensionTypes) FindExtensionByNumber(m protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if x := t.byNumber[extensionKey{m, n}]; x != nil {
		return x, nil
	}
	return nil, protoregistry.NotFound
}

// checkDescriptor holds a descriptor to the bounds that a source has to keep.
func checkDescriptor(path string, fdp *descriptorpb.FileDescriptorProto) error {
	budget := &nameBudget{path: path}
	if err := budget.name("", fdp.GetPackage()); err != nil {
		return err
	}
	prefix := len(fdp.GetPackage()) + 1
	for _, e := range fdp.EnumType {
		if err := budget.enum(prefix, e); err != nil {
			return err
		}
	}
	for _, m := range fdp.MessageType {
		if err := budget.message(prefix, 1, m); err != nil {
			return err
		}
	}
	for _, svc := range fdp.Service {
		if err := budget.name("service", svc.GetName()); err != nil {
			return err
		}
		for _, rpc := range svc.Method {
			if err := budget.declare(prefix+len(svc.GetName()), rpc.GetName(), rpc.GetInputType(), rpc.GetOutputType()); err != nil {
				return err
			}
		}
	}
	return budget.fields(prefix, fdp.Extension)
}

// nameBudget adds up the full names of a file: a declaration inside a message
// with a long name costs that name again.
type nameBudget struct {
	path  string
	bytes int
}

func (b *nameBudget) name(what, name string) error {
	if len(name) > maxWordBytes {
		return fault(b.path, compat.Position{}, "a %s name of %d bytes: at most %d are read", strings.TrimSpace(what), len(name), maxWordBytes)
	}
	return nil
}

func (b *nameBudget) declare(prefix int, names ...string) error {
	for _, n := range names {
		if err := b.name("declared", n); err != nil {
			return err
		}
	}
	if b.bytes += prefix + len(names[0]) + 1; b.bytes > maxNameBytes {
		return fault(b.path, compat.Position{}, "the full names of the file come to more than %d bytes", maxNameBytes)
	}
	return nil
}

func (b *nameBudget) message(prefix, depth int, m *descriptorpb.DescriptorProto) error {
	if depth > maxMessageDepth {
		return fault(b.path, compat.Position{}, "messages are nested more than %d deep", maxMessageDepth)
	}
	if err := b.declare(prefix, m.GetName()); err != nil {
		return err
	}
	prefix += len(m.GetName()) + 1
	for _, o := range m.OneofDecl {
		if err := b.declare(prefix, o.GetName()); err != nil {
			return err
		}
	}
	for _, n := range m.NestedType {
		if err := b.message(prefix, depth+1, n); err != nil {
			return err
		}
	}
	for _, e := range m.EnumType {
		if err := b.enum(prefix, e); err != nil {
			return err
		}
	}
	if err := b.fields(prefix, m.Field); err != nil {
		return err
	}
	return b.fields(prefix, m.Extension)
}

func (b *nameBudget) enum(prefix int, e *descriptorpb.EnumDescriptorProto) error {
	if err := b.declare(prefix, e.GetName()); err != nil {
		return err
	}
	for _, v := range e.Value {
		if err := b.declare(prefix, v.GetName()); err != nil {
			return err
		}
	}
	return nil
}

func (b *nameBudget) fields(prefix int, list []*descriptorpb.FieldDescriptorProto) error {
	for _, f := range list {
		if err := b.declare(prefix, f.GetName(), f.GetTypeName(), f.GetExtendee()); err != nil {
			return err
		}
	}
	return nil
}
