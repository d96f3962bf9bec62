// Package jsonschema validates JSON payloads while it reads their bytes, and
// serializes Go values as JSON.
//
// A schema is compiled once into a graph of programs. Validating is one walk
// over the payload that builds no values and allocates nothing; sub-schemas
// that look at the same value (allOf, anyOf, not, if, …) walk over that value
// again:
//
//	*jsonschema.Schema ──compile──▶ program ──┐
//	                                          ├─ Validate ──▶ nil or *Error
//	payload ──────────────────────────────────┘
//
// Keywords that need to know what other keywords have seen (unevaluated*,
// $dynamicRef, $recursiveRef) send the whole schema to the library
// santhosh-tekuri/jsonschema, which knows all of them but builds values first.
// Both give one verdict; formats and content encodings are annotations, never
// checked.
//
// A payload is one JSON value by RFC 8259, in UTF-8, no deeper than MaxDepth.
// If an object has a member twice, each of the two must be valid. What a schema
// makes of a payload takes a bounded time: one that tries too many combinations
// is given up with an error.
//
// Everything compiled is immutable and safe for concurrent use.
package jsonschema

import (
	"sync"

	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// Limits of payloads.
const (
	// MaxDepth bounds the nesting of objects and arrays.
	MaxDepth = 1000

	maxFrames          = 20_000  // programs around a value, with those that look at the same one
	baseSteps          = 1 << 18 // of one validation, and
	stepsPerByte       = 200     // of its payload
	maxLibraryExponent = 1000    // of a number that the library is given, either way
)

// Validator checks payloads of one schema.
type Validator struct {
	root    *program
	library *library // nil unless the schema needs it
	walkers sync.Pool
}

// NewValidator compiles s. It is an error if a pattern cannot be matched in
// linear time, or if the schema applies itself to the same value without end.
func NewValidator(s *jsonschema.Schema) (*Validator, error) {
	v := &Validator{}
	v.walkers.New = func() any { return new(walker) }
	c := compiler{schema: s, programs: map[*jsonschema.Value]*program{}}
	root, err := c.compile()
	if err != nil {
		return nil, err
	}
	v.root = root
	if c.needsLibrary {
		v.root = nil
		if v.library, err = newLibrary(s); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Validate returns nil if payload is a value of the schema, otherwise an *Error.
// The payload is not kept.
func (v *Validator) Validate(payload []byte) error {
	w := v.walkers.Get().(*walker)
	w.reset(payload)
	err := w.document(v.root)
	w.data = nil
	if cap(w.text) <= 1<<16 && cap(w.hashes) <= 1<<13 {
		v.walkers.Put(w)
	}
	if err != nil {
		return err
	}
	if v.library != nil {
		return v.library.validate(payload)
	}
	return nil
}

// Streams reports whether payloads are validated without building values; the
// schema has no keyword that needs the library.
func (v *Validator) Streams() bool { return v.library == nil }
