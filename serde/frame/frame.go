// Package frame writes and reads the few bytes that tie a payload to its
// schema, and nothing else: it asks no registry and looks into no payload.
//
// There are two framings. The prefix framing puts a magic byte and the schema
// ID before the payload; the header framing puts the definition's GUID into a
// record header and leaves the payload alone. Protobuf adds the path of the
// message inside its file, after the ID or after the GUID.
//
//	prefix    00 | schema ID, int32 big-endian | [message indexes] | payload
//	header    01 | GUID, 16 bytes              | [message indexes]
//
//	message indexes   count, then one index per nesting level, outermost
//	                  first, each a zigzag varint; the path [0] is the single
//	                  byte 00
//
// A header may also hold 00 and an ID; SplitHeader reads both.
//
// Everything is append and split on the caller's slices: nothing is copied,
// kept or allocated (errors aside), returned slices alias the input, and all
// functions are safe for concurrent use. Every split is bounded by the input
// and by MaxIndexes.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Sizes in bytes.
const (
	IDBytes   = 5  // magic byte and schema ID
	GUIDBytes = 17 // magic byte and GUID
)

// The first byte says what follows it.
const (
	MagicID   = 0x00
	MagicGUID = 0x01
)

// Names of the record headers that hold a GUID. A record may carry both, one
// for its key and one for its value; of several with one name the last counts.
const (
	KeyHeader   = "__key_schema_id"
	ValueHeader = "__value_schema_id"
)

// HeaderName returns KeyHeader or ValueHeader.
func HeaderName(key bool) string {
	if key {
		return KeyHeader
	}
	return ValueHeader
}

// Reasons why bytes are not a frame, for errors.Is.
var (
	ErrShort   = errors.New("too short")
	ErrMagic   = errors.New("wrong magic byte")
	ErrID      = errors.New("schema ID out of range")
	ErrIndexes = errors.New("malformed message indexes")
)

// Error says which part of a frame could not be read, and where.
type Error struct {
	Part   string // "schema ID", "schema ID header" or "message indexes"
	Pos    int    // byte position in the slice that was split
	Detail string // what was found and what was expected
	Reason error  // one of the Err values of this package
}

func (e *Error) Error() string {
	return fmt.Sprintf("frame: %s at byte %d: %v: %s", e.Part, e.Pos, e.Reason, e.Detail)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// AppendID appends the prefix framing of id. It panics if id is not positive:
// no registry gives out such an ID, so there is nothing to write.
func AppendID(dst []byte, id schema.ID) []byte {
	if id <= 0 {
		panic(fmt.Sprintf("frame: schema ID %d is not positive", id))
	}
	return append(dst, MagicID, byte(id>>24), byte(id>>16), byte(id>>8), byte(id))
}

// Split takes the prefix framing off b. rest aliases b; for Protobuf it starts
// with the message indexes.
func Split(b []byte) (id schema.ID, rest []byte, err error) {
	if len(b) < IDBytes || b[0] != MagicID {
		return 0, nil, splitError("schema ID", b)
	}
	id = schema.ID(binary.BigEndian.Uint32(b[1:]))
	if id <= 0 {
		return 0, nil, idError("schema ID", id)
	}
	return id, b[IDBytes:], nil
}

// Ref names a definition as a frame does: by ID or by GUID. The other one is
// zero.
type Ref struct {
	ID   schema.ID
	GUID schema.GUID
}

// ByGUID reports whether r names its definition by GUID.
func (r Ref) ByGUID() bool { return r.ID == 0 }

func (r Ref) String() string {
	if r.ByGUID() {
		return "GUID " + r.GUID.String()
	}
	return fmt.Sprintf("ID %d", int32(r.ID))
}

// AppendGUID appends the value of a schema header for g. Protobuf appends its
// message indexes after it.
func AppendGUID(dst []byte, g schema.GUID) []byte {
	dst = append(dst, MagicGUID)
	return append(dst, g[:]...)
}

// SplitHeader reads the value of a schema header. rest aliases value: the
// message indexes of Protobuf, empty otherwise.
func SplitHeader(value []byte) (ref Ref, rest []byte, err error) {
	if len(value) > 0 && value[0] == MagicGUID {
		if len(value) < GUIDBytes {
			return Ref{}, nil, &Error{
				Part: "schema ID header", Pos: len(value), Reason: ErrShort,
				Detail: fmt.Sprintf("%d bytes, a GUID needs %d", len(value), GUIDBytes),
			}
		}
		copy(ref.GUID[:], value[1:GUIDBytes])
		return ref, value[GUIDBytes:], nil
	}
	if len(value) < IDBytes || value[0] != MagicID {
		return Ref{}, nil, splitError("schema ID header", value)
	}
	id := schema.ID(binary.BigEndian.Uint32(value[1:]))
	if id <= 0 {
		return Ref{}, nil, idError("schema ID header", id)
	}
	return Ref{ID: id}, value[IDBytes:], nil
}

func splitError(part string, b []byte) error {
	if len(b) > 0 && b[0] != MagicID {
		want := "00"
		if part != "schema ID" {
			want = "00 or 01"
		}
		return &Error{
			Part: part, Reason: ErrMagic,
			Detail: fmt.Sprintf("found %02x, want %s: this was not written by a schema-aware serializer", b[0], want),
		}
	}
	return &Error{
		Part: part, Pos: len(b), Reason: ErrShort,
		Detail: fmt.Sprintf("%d bytes, magic byte and ID need %d", len(b), IDBytes),
	}
}

func idError(part string, id schema.ID) error {
	return &Error{Part: part, Pos: 1, Reason: ErrID, Detail: fmt.Sprintf("found %d, IDs start at 1", int32(id))}
}
