package serde

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Registry is what serializers and deserializers ask of a schema registry. Any
// call may block until its context ends. Implementations are safe for
// concurrent use, need not cache, and return errors that are ErrNotFound,
// ErrRejected or ErrUnavailable where those apply.
//
// Answers may leave out what the server does not tell (older servers answer a
// registration with the ID alone).
type Registry interface {
	// Register makes sure that def is a version of subject.
	Register(ctx context.Context, subject schema.Subject, def schema.Definition, opts RegisterOptions) (Registered, error)

	// Lookup finds the version of subject that has the definition def.
	Lookup(ctx context.Context, subject schema.Subject, def schema.Definition, opts LookupOptions) (Registered, error)

	// SchemaByID returns the definition with this ID in the context of
	// subject. subject may be empty, or a bare context.
	SchemaByID(ctx context.Context, id schema.ID, subject schema.Subject) (Registered, error)

	// SchemaByGUID returns the definition with this GUID, in any context.
	SchemaByGUID(ctx context.Context, guid schema.GUID) (Registered, error)

	// Version returns a version of subject; schema.Latest stands for the newest
	// live one. With deleted, soft-deleted versions count too: whoever refers
	// to a version must be able to read it.
	Version(ctx context.Context, subject schema.Subject, version schema.Version, deleted bool) (Registered, error)

	// LatestWithMetadata returns the newest version of subject, soft-deleted
	// ones included, whose metadata has all these properties.
	LatestWithMetadata(ctx context.Context, subject schema.Subject, properties map[string]string) (Registered, error)

	// Associations returns the subjects that are tied to a resource, none if
	// there are none.
	Associations(ctx context.Context, resource Resource) ([]Association, error)
}

// RegisterOptions are the options of Registry.Register.
type RegisterOptions struct {
	Normalize     bool // register the normal form
	PropagateTags bool // carry inline tags over from the version before
}

// LookupOptions are the options of Registry.Lookup.
type LookupOptions struct {
	Normalize bool // compare normal forms
	Deleted   bool // soft-deleted versions count too
}

// Registered is a definition with the names that the registry has for it.
// Members that the answer left out are zero.
type Registered struct {
	ID      schema.ID
	GUID    schema.GUID
	Subject schema.Subject
	Version schema.Version
	schema.Definition
}

// Resource names what an association ties to a subject.
type Resource struct {
	Namespace string // Kafka cluster ID; empty for any
	Name      string // topic name
	Type      string // empty for "topic"
	Key       bool   // the association of keys, not of values
}

// Association ties a resource to a subject.
type Association struct {
	Subject schema.Subject
	GUID    string
}

// Schema is a definition together with everything needed to read it.
type Schema struct {
	Registered
	// Dependencies are the resolved references, transitively, each before
	// whatever uses it; a name occurs once.
	Dependencies []Dependency
}

// Dependency is a schema text that another one refers to by name.
type Dependency struct {
	Name string // Avro full name, Protobuf import path or JSON $ref target
	Text string
}

// ref returns the name that a frame would use.
func (s *Schema) ref() frame.Ref {
	if s.ID > 0 {
		return frame.Ref{ID: s.ID}
	}
	return frame.Ref{GUID: s.GUID}
}
