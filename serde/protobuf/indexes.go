package protobuf

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// IndexesOf returns the message index path of m in its file, outermost message
// first. Map entries count, as they do for everyone who counts messages of a
// descriptor.
func IndexesOf(m protoreflect.MessageDescriptor) []int {
	var path []int
	for d := protoreflect.Descriptor(m); d != nil; d = d.Parent() {
		if _, ok := d.(protoreflect.MessageDescriptor); !ok {
			break
		}
		path = append(path, d.Index())
	}
	slices.Reverse(path)
	return path
}

// MessageAt resolves a message index path in file; an empty path is the first
// message.
func MessageAt(file protoreflect.FileDescriptor, path []int) (protoreflect.MessageDescriptor, error) {
	if len(path) == 0 {
		path = []int{0}
	}
	list := file.Messages()
	var m protoreflect.MessageDescriptor
	for depth, i := range path {
		if i < 0 || i >= list.Len() {
			within := "the schema"
			if m != nil {
				within = string(m.FullName())
			}
			return nil, fmt.Errorf("message indexes %v: element %d asks for message %d, %s has %d", path, depth, i, within, list.Len())
		}
		m = list.Get(i)
		list = m.Messages()
	}
	return m, nil
}
