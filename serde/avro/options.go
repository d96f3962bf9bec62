package avro

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// Option changes how a Codec works. The zero set is what the package-level
// functions do.
type Option func(*settings)

type settings struct {
	arena bool
	text  bool
	bare  bool
	types *Types

	methodsWanted bool
	logical       map[string]Conversion
}

// WithArena keeps all strings and byte slices of a value in one block of
// memory: a copy of the payload or, where little of it is text, of its texts.
// A text that is kept keeps that block, however large. Without it they share
// blocks of at most 1 KiB and long ones have their own memory. No block holds
// texts of two values, and none is the caller's payload.
func WithArena() Option { return func(s *settings) { s.arena = true } }

// WithCheckedText refuses strings that are not UTF-8 when decoding, as
// Validate does.
func WithCheckedText() Option { return func(s *settings) { s.text = true } }

// WithBareUnions decodes a union in a generic value as its bare value instead
// of a map from the branch name to it. AppendJSON and FromJSON then read and
// write the bare form too.
func WithBareUnions() Option { return func(s *settings) { s.bare = true } }

// WithTypes resolves the branches of unions in fields of interface type.
func WithTypes(types *Types) Option { return func(s *settings) { s.types = types } }

// WithMethods calls the methods of generated types (Methods) where the data is
// of the schema that they were written for, logical types included, and there is
// no WithConversion; other data and types are as without it.
func WithMethods() Option { return func(s *settings) { s.methodsWanted = true } }

// WithConversion converts values of the logical type name, one of the
// specification or the application's own.
func WithConversion(name string, c Conversion) Option {
	return func(s *settings) {
		if s.logical == nil {
			s.logical = map[string]Conversion{}
		}
		s.logical[name] = c
	}
}

// Conversion carries values of a logical type in a Go type of the application.
// The other side of each function is the value of the type underneath as a
// generic decode without logical types gives it: bool, int (for int), int64
// (for long), float32, float64, []byte (for bytes and fixed), string (for
// string and enum), []any, map[string]any.
type Conversion struct {
	Type   reflect.Type
	Encode func(v any) (any, error)
	Decode func(v any) (any, error)
}

// conversion returns the conversion for n, if there is one.
func (s *settings) conversion(n *avro.Node) (Conversion, bool) {
	if len(s.logical) == 0 {
		return Conversion{}, false
	}
	name := string(n.Logical)
	if name == "" {
		for _, p := range n.Props {
			if p.Key == "logicalType" {
				name = strings.Trim(string(p.Value), `"`)
			}
		}
	}
	c, ok := s.logical[name]
	return c, ok && name != ""
}

// Types names the Go types of union branches, so that a field of interface
// type receives them: a record, enum or fixed by its full name, an array or a
// map as "array:" or "map:" with the name of its items. Branches of primitive
// types need no registration. Safe for concurrent use.
type Types struct {
	mu     sync.RWMutex
	byName map[string]reflect.Type
	byType map[reflect.Type]string
}

// Register gives the branch name the type of v. A pointer makes decoded values
// pointers. Registering a name again replaces its type; programs that were
// compiled before keep theirs.
func (t *Types) Register(name string, v any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName == nil {
		t.byName, t.byType = map[string]reflect.Type{}, map[reflect.Type]string{}
	}
	typ := reflect.TypeOf(v)
	if typ == nil {
		panic(fmt.Sprintf("avro: Register(%q, nil) names no type", name))
	}
	t.byName[name] = typ
	t.byType[typ] = name
}

// typeOf returns the type of a branch; nil for none.
func (t *Types) typeOf(n *avro.Node) reflect.Type {
	if t == nil {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[registeredName(n)]
}

// nameOf returns the name that typ, or the type it points to, is registered
// under.
func (t *Types) nameOf(typ reflect.Type) string {
	if t == nil {
		return ""
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if name, ok := t.byType[typ]; ok {
		return name
	}
	if typ.Kind() == reflect.Pointer {
		return t.byType[typ.Elem()]
	}
	return t.byType[reflect.PointerTo(typ)]
}

func registeredName(n *avro.Node) string {
	switch n.Kind {
	case avro.Array, avro.Map:
		return n.Kind.String() + ":" + branchName(n.Items)
	}
	return branchName(n)
}
