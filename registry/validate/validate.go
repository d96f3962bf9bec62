// Package validate decides whether a record's key or value is what its schema
// says: the check that a broker makes before it appends a record.
//
//	value  00 | ID | payload          prefix framing
//	header 01 | GUID, value payload   header framing
//	        │
//	        ├─ is there such a schema, under the subject of this topic?   level id
//	        └─ is the payload, whole, one of that schema?                 level payload
//
// Nothing is decoded: a payload is walked over, so a check allocates nothing
// once a schema has been met. What a schema means is looked up in memory
// through the Lookup that the caller provides. A registry that is behind is
// asked to catch up once before a schema counts as unknown.
//
// A Validator may be used concurrently, a Checker may not.
package validate

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Lookup is what a Validator asks of a registry. All but CatchUp answer from
// memory and are called for every record.
type Lookup interface {
	// Generation changes whenever any answer may have changed.
	Generation() int64
	// Find returns the definition that ref names, seen from context c; ok is
	// false if there is none.
	Find(c schema.Context, ref frame.Ref) (found Found, ok bool, err error)
	// Under reports whether the definition is a live version of subject.
	Under(found Found, subject schema.Subject) bool
	// Schema returns the definition parsed, with everything that it refers to.
	Schema(c schema.Context, found Found) (compat.Schema, error)
	// CatchUp returns when everything that was registered before the call is
	// visible.
	CatchUp(ctx context.Context) error
}

// Found names a definition that a registry has.
type Found struct {
	GUID schema.GUID
	ID   schema.ID
	Type schema.Type
}

// Level is how much is checked.
type Level uint8

// Levels.
const (
	None    Level = iota
	ID            // the schema exists, under the topic's subject
	Payload       // and the payload is one of it
)

// Strategy derives the subject of a record.
type Strategy uint8

// Strategies.
const (
	TopicName       Strategy = iota // topic-key, topic-value
	RecordName                      // the schema's record name
	TopicRecordName                 // topic-name
)

// Field says what a topic wants checked of its keys or of its values.
type Field struct {
	Topic      string
	Key        bool
	Level      Level
	Strategy   Strategy
	RejectNull bool
	Context    schema.Context // where IDs are looked up; empty is the default context
}

// Kind is the reason of a Rejection in one word, for counting.
type Kind string

// Kinds of rejection.
const (
	Null         Kind = "null"          // a null where none may be
	NotFramed    Kind = "not-framed"    // no magic byte, or too short
	UnknownID    Kind = "unknown-id"    // no schema of this ID
	WrongSubject Kind = "wrong-subject" // a schema of another subject
	BadPayload   Kind = "payload"       // not what the schema says
)

// Rejection is why a key or value is refused.
type Rejection struct {
	Kind   Kind
	Reason string // what was expected, what was found, and where
}

func (r *Rejection) Error() string { return r.Reason }

// Options bound a Validator.
type Options struct {
	// Programs is how many compiled schemas are kept. Zero means 10,000.
	Programs int
}

// Validator checks records against the schemas of one registry.
type Validator struct {
	lookup Lookup
	opts   Options

	mu       sync.RWMutex
	programs map[programKey]*program
}

// New returns a validator.
func New(lookup Lookup, opts Options) *Validator {
	if opts.Programs == 0 {
		opts.Programs = 10_000
	}
	return &Validator{lookup: lookup, opts: opts, programs: map[programKey]*program{}}
}

// Checker checks one field of the records of one batch. It remembers what the
// records before had in common, so make one per batch.
type Checker struct {
	v        *Validator
	field    Field
	caughtUp bool

	ref        frame.Ref // of the record before
	generation int64
	program    *program
	series     serdeavro.Series // of the program, if that is of Avro
}

// Checker returns a checker of field.
func (v *Validator) Checker(field Field) Checker {
	if field.Context == "" {
		field.Context = schema.DefaultContext
	}
	return Checker{v: v, field: field}
}

// Check returns a *Rejection if data may not be stored, nil if it may. header is
// the value of the record's schema header (frame.HeaderName), nil for none; data
// is nil for null. Any other error means that nothing could be told.
func (c *Checker) Check(ctx context.Context, header, data []byte) error {
	if c.field.Level == None {
		return nil
	}
	if header == nil && c.isLike(data) {
		if c.field.Level < Payload {
			return nil
		}
		if !c.program.indexed {
			return c.walk(nil, data[frame.IDBytes:])
		}
	}
	if data == nil {
		if c.field.RejectNull {
			return &Rejection{Null, fmt.Sprintf("the %s is null, which topic %s does not take", c.what(), c.field.Topic)}
		}
		return nil
	}
	ref, indexes, payload, err := c.split(header, data)
	if err != nil {
		return &Rejection{NotFramed, fmt.Sprintf("the %s carries no schema ID: %v. Write it with a serializer of the registry", c.what(), err)}
	}
	p, err := c.find(ctx, ref)
	if err != nil {
		return err
	}
	if c.field.Level < Payload {
		return nil
	}
	if p.indexed && header == nil {
		if indexes, payload, err = frame.CutIndexes(payload); err != nil {
			return &Rejection{NotFramed, fmt.Sprintf("the %s has a broken message index: %v", c.what(), err)}
		}
	}
	return c.walk(indexes, payload)
}

// isLike reports whether data begins with the ID of the record before, and all
// that was found out about that one is still so.
func (c *Checker) isLike(data []byte) bool {
	return len(data) >= frame.IDBytes && data[0] == frame.MagicID && c.ref.ID > 0 &&
		binary.BigEndian.Uint32(data[1:]) == uint32(c.ref.ID) && c.generation == c.v.lookup.Generation()
}

// walk checks a payload of the schema that c.find was asked for.
func (c *Checker) walk(indexes, payload []byte) error {
	var err error
	if c.program.avro != nil {
		err = c.series.ValidateFramed(payload)
	} else {
		err = c.program.walk(indexes, payload)
	}
	if err != nil {
		return &Rejection{BadPayload, fmt.Sprintf("the %s is not what schema %s says: %v", c.what(), c.ref, err)}
	}
	return nil
}

// split takes a record apart. With header framing the indexes are in the header.
func (c *Checker) split(header, data []byte) (ref frame.Ref, indexes, payload []byte, err error) {
	if header != nil {
		ref, indexes, err = frame.SplitHeader(header)
		if len(indexes) == 0 {
			indexes = nil
		}
		return ref, indexes, data, err
	}
	id, rest, err := frame.Split(data)
	return frame.Ref{ID: id}, nil, rest, err
}

// find returns the program of the schema that a record names.
func (c *Checker) find(ctx context.Context, ref frame.Ref) (*program, error) {
	generation := c.v.lookup.Generation()
	if c.program != nil && c.ref == ref && c.generation == generation {
		return c.program, nil
	}
	p, err := c.lookup(ref)
	if _, rejected := err.(*Rejection); rejected && !c.caughtUp {
		// Somebody may have registered it on another instance a moment ago.
		c.caughtUp = true
		if err := c.v.lookup.CatchUp(ctx); err != nil {
			return nil, err
		}
		generation = c.v.lookup.Generation()
		p, err = c.lookup(ref)
	}
	if err != nil {
		return nil, err
	}
	c.ref, c.generation, c.program = ref, generation, p
	if p.avro != nil {
		c.series = p.avro.Series()
	}
	return p, nil
}

func (c *Checker) lookup(ref frame.Ref) (*program, error) {
	found, ok, err := c.v.lookup.Find(c.field.Context, ref)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, &Rejection{UnknownID, fmt.Sprintf("the %s names schema %s, which the registry does not have%s", c.what(), ref, c.place())}
	}
	p, err := c.v.program(c.field.Context, found)
	if err != nil {
		return nil, err
	}
	if subject := c.subject(p); !c.v.lookup.Under(found, subject) {
		return nil, &Rejection{WrongSubject, fmt.Sprintf("the %s names schema %s, which is no version of subject %s", c.what(), ref, subject)}
	}
	return p, nil
}

func (c *Checker) subject(p *program) schema.Subject {
	name := c.field.Topic + "-value"
	if c.field.Key {
		name = c.field.Topic + "-key"
	}
	switch c.field.Strategy {
	case RecordName:
		name = p.name
	case TopicRecordName:
		name = c.field.Topic + "-" + p.name
	}
	return schema.Qualify(c.field.Context, name)
}

// place names the context, unless it is the default one.
func (c *Checker) place() string {
	if c.field.Context == schema.DefaultContext {
		return ""
	}
	return fmt.Sprintf(" in context %s", c.field.Context)
}

func (c *Checker) what() string {
	if c.field.Key {
		return "key"
	}
	return "value"
}
