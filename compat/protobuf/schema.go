// Package protobuf reads Protobuf schemas and says what changed between two of
// them.
//
// A text is either proto source (proto2, proto3 or edition 2023) or the base64
// of a serialized FileDescriptorProto, which is what several clients send. Both
// end as one linked file, checked by the rules of the language:
//
//	source ── bounds ── parse ── link ──┐
//	                                    ├─▶ FileDescriptor ─▶ Differences, Normalized
//	base64 ── bounds ── decode ─────────┘
//	   │
//	   └─▶ tree of declarations ─▶ Canonical
//
// Imports are looked up by path in the dependencies of the source; the files
// that everyone has (google/protobuf, google/type, confluent) need no reference.
// Nothing else can be imported, and no state outlives a call: a type that a
// file does not import does not exist for it.
//
// The canonical text keeps what the author wrote (order, type names as they
// were spelled, options) in one fixed layout without comments. A descriptor has
// lost the spelling of type names, so its canonical text names them in full
// with a leading dot, and shows map entries as the messages that they are; that
// is how the reference server prints descriptors too. The normal form is made
// from the linked file alone, so source and descriptor of one file always have
// the same one.
//
// Everything is immutable after Parse and safe for concurrent use.
package protobuf

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Schema is one Protobuf file, linked to the files that it imports. It
// implements compat.Schema.
type Schema struct {
	file      protoreflect.FileDescriptor
	proto     *descriptorpb.FileDescriptorProto // of file; never changed
	tree      *fileTree
	canonical string
	positions func() map[string]compat.Position
	normal    func() string
}

var _ compat.Schema = (*Schema)(nil)

// Parse reads a schema. Sources are held to the rules of protoc, strict or not,
// but for one: a map entry that is spelled out is taken, which clients send that
// print descriptors. A descriptor need only be linked to be read; if src.Strict is
// set its canonical text must also be a source by those rules, which have more to
// say (numbers 19000 to 19999, names that are the same in JSON). Dependencies are
// never read strictly.
//
// Errors are *compat.SyntaxError: with the line and column of the text if it is
// source, with the name of the import as Path if the fault is in a dependency.
func Parse(src compat.Source) (*Schema, error) {
	set, err := newFileSet(src)
	if err != nil {
		return nil, err
	}
	unit, err := set.compile(set.mainPath, src.Text)
	if err != nil {
		return nil, err
	}
	s := &Schema{
		file:  unit.file,
		proto: unit.proto,
		tree:  unit.tree,
	}
	s.canonical = s.tree.print(printOptions{})
	if src.Strict && unit.linked == nil {
		if err := checkAsSource(src, s.canonical); err != nil {
			return nil, err
		}
	}
	s.positions = sync.OnceValue(func() map[string]compat.Position { return positionsOf(src.Text) })
	s.normal = sync.OnceValue(func() string {
		return normalTree(s.file, s.proto, extensionsOf(s.file)).print(printOptions{})
	})
	return s, nil
}

// checkAsSource refuses a descriptor whose canonical text, which is what is
// stored and what others get to see, is not a source.
func checkAsSource(src compat.Source, canonical string) error {
	src.Text = canonical
	set, err := newFileSet(src)
	if err != nil {
		return err
	}
	_, err = set.compile(set.mainPath, canonical)
	var syntax *compat.SyntaxError
	if errors.As(err, &syntax) {
		return fault(syntax.Path, compat.Position{}, "the descriptor stands for a text that is no valid source: at %s of that text: %s", syntax.Position, syntax.Reason)
	}
	return err
}

// Type returns schema.Protobuf.
func (s *Schema) Type() schema.Type { return schema.Protobuf }

// Canonical returns the text that is stored and fingerprinted: see the package
// comment.
func (s *Schema) Canonical() string { return s.canonical }

// Normalized returns the normal form: imports, fields, members of oneofs, enum
// constants, reserved and extension ranges in order, every type by its full
// name with a leading dot, maps as map<,>, options in order, no line for proto2.
func (s *Schema) Normalized() string { return s.normal() }

// Format returns the file for a ?format= value: "serialized" is the base64 of
// the FileDescriptorProto of this file alone, "ignore_extensions" the canonical
// text without custom options and extensions; anything else is the canonical
// text.
func (s *Schema) Format(name string) (string, error) {
	switch name {
	case "serialized":
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(s.proto)
		if err != nil {
			return "", fmt.Errorf("protobuf: serialize the descriptor: %w", err)
		}
		return base64.StdEncoding.EncodeToString(b), nil
	case "ignore_extensions":
		return s.tree.print(printOptions{ignoreExtensions: true}), nil
	}
	return s.canonical, nil
}

// Name returns the full name of the first message, of the first enum if there
// is no message, and nothing for a file without types.
func (s *Schema) Name() string {
	if m := s.file.Messages(); m.Len() > 0 {
		return string(m.Get(0).FullName())
	}
	if e := s.file.Enums(); e.Len() > 0 {
		return string(e.Get(0).FullName())
	}
	return ""
}

// File returns the linked descriptor. Its path is not that of any real file.
func (s *Schema) File() protoreflect.FileDescriptor { return s.file }

// Imports returns the linked files that this file imports, directly or through
// others, in the order in which each can be built: a file stands after all that
// it imports. Well-known files are among them.
func (s *Schema) Imports() []protoreflect.FileDescriptor {
	var out []protoreflect.FileDescriptor
	seen := map[string]bool{}
	var visit func(protoreflect.FileDescriptor)
	visit = func(f protoreflect.FileDescriptor) {
		for i := range f.Imports().Len() {
			imp := f.Imports().Get(i).FileDescriptor
			if seen[imp.Path()] || imp.IsPlaceholder() {
				continue
			}
			seen[imp.Path()] = true
			visit(imp)
			out = append(out, imp)
		}
	}
	visit(s.file)
	return out
}

// Message finds a message of this file by its full name or, with a leading
// dot or without, nil if there is none.
func (s *Schema) Message(name protoreflect.FullName) protoreflect.MessageDescriptor {
	return findMessage(s.file.Messages(), name)
}

func findMessage(list protoreflect.MessageDescriptors, name protoreflect.FullName) protoreflect.MessageDescriptor {
	for i := range list.Len() {
		m := list.Get(i)
		if m.FullName() == name {
			return m
		}
		if found := findMessage(m.Messages(), name); found != nil {
			return found
		}
	}
	return nil
}

// Position finds the place of a difference's path ("#/Message/3",
// "#/Message/oneof/4", "#/Enum/0") in the source text. It finds nothing in a
// descriptor, and nothing that stands in a dependency.
func (s *Schema) Position(path string) (compat.Position, bool) {
	p, ok := s.positions()[path]
	return p, ok
}
