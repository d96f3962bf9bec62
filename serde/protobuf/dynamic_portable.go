//go:build !amd64 && !arm64

package protobuf

import "google.golang.org/protobuf/reflect/protoreflect"

// compileFast has nothing to offer here: hyperpb knows two architectures.
func compileFast(protoreflect.MessageDescriptor) fastType { return nil }
