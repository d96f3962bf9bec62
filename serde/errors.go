package serde

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Causes, for errors.Is. A Registry's errors say through these what may be done
// about them; any other error of a Registry is neither cached nor survived.
var (
	// ErrNotFound: the registry knows no such subject, version, ID or GUID.
	ErrNotFound = errors.New("not found in the registry")
	// ErrRejected: the registry refuses the schema or the operation
	// (incompatible, invalid, not permitted). Asking again changes nothing.
	ErrRejected = errors.New("rejected by the registry")
	// ErrUnavailable: no registry answered, or it answered that it cannot now.
	ErrUnavailable = errors.New("registry unavailable")

	// ErrTooLarge: a payload exceeds WithMaxPayloadBytes.
	ErrTooLarge = errors.New("payload too large")
	// ErrNoPayload: a null or empty record has no value to decode. Tombstones
	// are the business of whoever reads the record.
	ErrNoPayload = errors.New("no payload")
	// ErrNoSchema: the value has no schema of its own and no option names one.
	ErrNoSchema = errors.New("no schema to write with")
	// ErrNoRecordName: a strategy needs a record name and there is none.
	ErrNoRecordName = errors.New("schema has no record name")
	// ErrNotCompatible: the schema that the registry gave cannot stand in for
	// the local one; see WithStrict.
	ErrNotCompatible = errors.New("schema is not compatible with the local one")
	// ErrReferences: references are circular, too deep or too many.
	ErrReferences = errors.New("unusable references")
)

// Error says what a serializer or deserializer was doing. Fields that are not
// known yet are zero.
type Error struct {
	Op      string // "serialize" or "deserialize"
	Topic   string
	Key     bool
	Subject schema.Subject
	Ref     frame.Ref // schema by ID or GUID
	Err     error
}

func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "serde: %s ", e.Op)
	if e.Key {
		s.WriteString("key")
	} else {
		s.WriteString("value")
	}
	if e.Topic != "" {
		fmt.Fprintf(&s, " of topic %q", e.Topic)
	}
	if e.Subject != "" {
		fmt.Fprintf(&s, ", subject %q", string(e.Subject))
	}
	if e.Ref != (frame.Ref{}) {
		fmt.Fprintf(&s, ", schema %v", e.Ref)
	}
	s.WriteString(": ")
	s.WriteString(e.Err.Error())
	return s.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// settled reports whether asking again soon would get the same answer.
func settled(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrRejected) || errors.Is(err, ErrNotCompatible) ||
		errors.Is(err, ErrReferences)
}
