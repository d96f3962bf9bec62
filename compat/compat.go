// Package compat is the pure half of Dovetail: schema text in, verdict out.
//
// A format (compat/avro, compat/jsonschema, compat/protobuf) turns a Source
// into a Schema; Check puts a new Schema beside the versions before it and
// returns what does not fit. Nothing here does I/O, reads a clock or starts a
// goroutine, and no state is shared between calls, so everything is safe for
// concurrent use.
//
//	Source ──formats.Parse──▶ Schema ──┐
//	                                   ├─ Check(level) ──▶ []Finding
//	earlier versions ───────▶ []Prior ─┘
//
// An incompatibility is a result, not an error. Errors mean that a text could
// not be read at all.
package compat

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Source is a schema text with the texts that it may refer to.
type Source struct {
	Type schema.Type
	Text string
	// Dependencies are the resolved references, transitively, each before
	// whatever uses it. A name occurs once: the first one wins.
	Dependencies []Dependency
	// Strict asks for everything that is demanded of a newly registered
	// schema. Stored schemas are read without it, because there are some that
	// an older or more lenient server took.
	//
	//	AVRO      names, namespaces and default values are valid
	//	JSON      the text is valid under the meta-schema of its dialect, and
	//	          its patterns can be compiled
	//	PROTOBUF  a descriptor stands for a text that is a valid source; of
	//	          sources the same is demanded when they are stored, because
	//	          what breaks a rule of the language cannot be linked
	Strict bool
}

// Dependency is one schema text that a Source may refer to by name.
type Dependency struct {
	Name string // Avro full name, Protobuf import path or JSON $ref target
	Text string
}

// Position is a place in the text that was parsed; both count from 1.
type Position struct {
	Line, Column int
}

func (p Position) String() string { return fmt.Sprintf("%d:%d", p.Line, p.Column) }

// SyntaxError says why a text is not a schema. The zero Position means that
// the place is not known.
type SyntaxError struct {
	Type     schema.Type
	Position Position
	Path     string // place in the schema, in the format's own notation; may be empty
	Reason   string
}

func (e *SyntaxError) Error() string {
	s := e.Reason
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Position != (Position{}) {
		s = e.Position.String() + ": " + s
	}
	return s
}

// Schema is a parsed schema of one of the formats. It is immutable.
type Schema interface {
	Type() schema.Type

	// Canonical returns the text that is stored and fingerprinted.
	Canonical() string

	// Normalized returns the canonical text of the normal form: what
	// normalize=true registers. Two texts that differ only in ways that do
	// not matter have one normal form.
	Normalized() string

	// Format returns the text for a ?format= value of the REST API
	// ("resolved", "serialized", "ignore_extensions"); an unknown or empty
	// value returns Canonical.
	Format(name string) (string, error)

	// Name returns the record name that the record-name strategies use: the
	// full name of an Avro named type, of a Protobuf file's first message, the
	// title of a JSON Schema. It may be empty.
	Name() string

	// Differences returns everything that changed from the writer to this
	// schema as the reader, harmless changes included where the format
	// reports those. The writer is of the same type.
	Differences(writer Schema, opts Options) []Incompatibility

	// Changes returns everything that changed from an older schema of the same
	// type to this one, harmless or not.
	Changes(older Schema, opts Options) []Change

	// Describe returns the reference server's wording of one difference that
	// this schema, as the reader, reported.
	Describe(d Incompatibility, roles Roles) string

	// Position finds the place that a path of a difference names in the text
	// that was parsed; false if the path is not of this schema.
	Position(path string) (Position, bool)
}

// Pair is a reader and a writer: will reader understand what writer wrote?
type Pair struct {
	Reader, Writer Schema
}

// Policy is compatibilityPolicy of a subject's config.
type Policy string

// Policies. The empty policy is PolicyStrict.
const (
	PolicyStrict  Policy = "STRICT"
	PolicyLenient Policy = "LENIENT" // JSON Schema: some changes of the content model pass
)

// Options are what a comparison depends on beside the two schemas.
type Options struct {
	Policy Policy
}

// Incompatibility is one difference between a reader and a writer.
type Incompatibility struct {
	Rule   string // errorType of the reference server, e.g. READER_FIELD_MISSING_DEFAULT_VALUE
	Path   string // place in the schema, in the format's notation
	Detail string // format-specific addition; may be empty
	// Compatible marks a difference that is reported but does no harm.
	Compatible bool
}

// Roles says which of the two schemas of a pair is the new one, for wording.
type Roles struct {
	Reader, Writer string // "new" and "old", or the other way round
}

// The two directions of a comparison.
var (
	Backward = Roles{Reader: "new", Writer: "old"} // the new schema reads what the old one wrote
	Forward  = Roles{Reader: "old", Writer: "new"} // the old schema reads what the new one writes
)
