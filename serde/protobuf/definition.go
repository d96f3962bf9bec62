package protobuf

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	compat "github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// DefinitionOf returns the schema of a message: the source text of its file,
// with the files that it imports as references to register first. Name is the
// message's full name. The result is made once per call; see Format for a
// cached one.
func DefinitionOf(m proto.Message) (*serde.Local, error) {
	return definitionOf(m.ProtoReflect().Descriptor())
}

func definitionOf(m protoreflect.MessageDescriptor) (*serde.Local, error) {
	b := &definitionBuilder{files: map[string]*serde.Local{}}
	file, err := b.file(m.ParentFile())
	if err != nil {
		return nil, err
	}
	local := *file
	local.Name = string(m.FullName())
	return &local, nil
}

// definitionBuilder makes one Local per file.
type definitionBuilder struct {
	files map[string]*serde.Local
}

func (b *definitionBuilder) file(f protoreflect.FileDescriptor) (*serde.Local, error) {
	if l, ok := b.files[f.Path()]; ok {
		return l, nil
	}
	if f.IsPlaceholder() {
		return nil, fmt.Errorf("protobuf: %s is imported but not linked into the program", f.Path())
	}
	text, err := compat.SourceOf(f)
	if err != nil {
		return nil, err
	}
	local := &serde.Local{Name: f.Path(), Definition: schema.Definition{Type: schema.Protobuf, Text: text}}
	named := map[string]bool{}
	for i := range f.Imports().Len() {
		imp := f.Imports().Get(i)
		if compat.WellKnown(imp.Path()) {
			continue
		}
		dep, err := b.file(imp.FileDescriptor)
		if err != nil {
			return nil, err
		}
		local.References = append(local.References, serde.LocalReference{Name: imp.Path(), Schema: dep})
		for _, d := range append(dep.Dependencies, serde.Dependency{Name: imp.Path(), Text: dep.Text}) {
			if !named[d.Name] {
				named[d.Name] = true
				local.Dependencies = append(local.Dependencies, d)
			}
		}
	}
	b.files[f.Path()] = local
	return local, nil
}

// locals keeps one Local per message descriptor, so that values of one type
// share its address.
type locals struct {
	options FormatOptions
	known   sync.Map // protoreflect.MessageDescriptor → *serde.Local, or error
}

// of returns the schema of a descriptor.
func (c *locals) of(m protoreflect.MessageDescriptor) (*serde.Local, error) {
	got, ok := c.known.Load(m)
	if !ok {
		local, err := definitionOf(m)
		if err != nil {
			got, _ = c.known.LoadOrStore(m, err)
		} else {
			local.Metadata, local.RuleSet = c.options.Metadata, c.options.RuleSet
			got, _ = c.known.LoadOrStore(m, local)
		}
	}
	switch got := got.(type) {
	case *serde.Local:
		return got, nil
	case error:
		return nil, got
	}
	return nil, nil
}
