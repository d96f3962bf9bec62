//go:build amd64 || arm64

package protobuf

import (
	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// hyperType reads with hyperpb.
type hyperType struct {
	message *hyperpb.MessageType
}

// hyperpbRuns says whether this build has hyperpb at all.
const hyperpbRuns = true

// compileFast returns nil for a message that hyperpb cannot lay out or does not
// read right.
func compileFast(m protoreflect.MessageDescriptor) (t fastType) {
	if !readsRight(m, map[protoreflect.FullName]bool{}) {
		return nil
	}
	defer func() {
		if recover() != nil {
			t = nil
		}
	}()
	return &hyperType{message: hyperpb.CompileMessageDescriptor(m)}
}

// readsRight keeps from hyperpb v0.1.3 what it reads wrongly, in m or anything
// that m can contain: 64-bit varints in a oneof come out as other numbers.
// TestDynamicDecodersAgree finds it without this.
func readsRight(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[m.FullName()] {
		return true
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		switch f.Kind() {
		case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Sint64Kind:
			if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
				return false
			}
		case protoreflect.MessageKind, protoreflect.GroupKind:
			if !readsRight(f.Message(), seen) {
				return false
			}
		}
	}
	return true
}

func (t *hyperType) decode(b []byte) (proto.Message, error) {
	m := hyperpb.NewMessage(t.message)
	if err := m.Unmarshal(b, hyperpb.WithMaxDepth(maxDepth)); err != nil {
		return nil, err
	}
	if err := m.Initialized(); err != nil {
		return nil, err
	}
	return m, nil
}
