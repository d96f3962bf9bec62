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

// compileFast returns nil for a message that hyperpb cannot lay out.
func compileFast(m protoreflect.MessageDescriptor) (t fastType) {
	defer func() {
		if recover() != nil {
			t = nil
		}
	}()
	return &hyperType{message: hyperpb.CompileMessageDescriptor(m)}
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
