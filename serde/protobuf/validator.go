package protobuf

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	compatpb "github.com/dovetail-dev/dovetail/compat/protobuf"
)

// Validator walks over payloads of any message of one schema.
type Validator struct {
	walkers byIndexes[*Walker]
}

// NewValidator returns a validator of s. Walkers are made when their message is
// met first.
func NewValidator(s *compatpb.Schema) *Validator {
	v := &Validator{}
	v.walkers.file = s.File()
	v.walkers.make = func(m protoreflect.MessageDescriptor) (*Walker, error) { return NewWalker(m), nil }
	return v
}

// Validate returns nil if payload is the message that the encoded message
// indexes name; nil indexes stand for the first message.
func (v *Validator) Validate(indexes, payload []byte) error {
	w, err := v.walkers.get(indexes)
	if err != nil {
		return err
	}
	return w.Walk(payload)
}
