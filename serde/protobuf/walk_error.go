package protobuf

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// WalkError says where a payload is not a message of its descriptor.
type WalkError struct {
	Pos    int    // byte position in the payload, from 0
	Reason string // what is wrong there

	path []string // innermost first
}

// Path names the field, from the outermost message inwards ("order.lines.sku");
// a field that the descriptor does not have is named by its number. It is empty
// if the fault is in no field.
func (e *WalkError) Path() string {
	parts := slices.Clone(e.path)
	slices.Reverse(parts)
	return strings.Join(parts, ".")
}

func (e *WalkError) Error() string {
	if p := e.Path(); p != "" {
		return fmt.Sprintf("byte %d, field %s: %s", e.Pos, p, e.Reason)
	}
	return fmt.Sprintf("byte %d: %s", e.Pos, e.Reason)
}

func fail(pos int, reason string) *WalkError { return &WalkError{Pos: pos, Reason: reason} }

func mismatch(pos int, got, want protowire.Type) *WalkError {
	return fail(pos, fmt.Sprintf("wire type %s, want %s", wireName(got), wireName(want)))
}

func tooLong(pos int, length uint64, left int) *WalkError {
	return fail(pos, fmt.Sprintf("a length of %d bytes with %d left", length, left))
}

func (e *WalkError) within(name protoreflect.Name) *WalkError {
	e.path = append(e.path, string(name))
	return e
}

func (e *WalkError) unknown(n protowire.Number) *WalkError {
	e.path = append(e.path, fmt.Sprint(n))
	return e
}

func wireName(t protowire.Type) string {
	names := [...]string{"varint", "64-bit", "length-delimited", "group", "end of group", "32-bit"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprint(t)
}
