//go:build !amd64 && !arm64

package protobuf

import "google.golang.org/protobuf/reflect/protoreflect"

// hyperpbRuns says whether this build has hyperpb at all.
const hyperpbRuns = false

// compileFast has nothing to offer here: hyperpb knows two architectures.
func compileFast(protoreflect.MessageDescriptor) fastType { return nil }
