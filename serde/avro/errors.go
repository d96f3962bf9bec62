package avro

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// DataError says why bytes (a payload, or a JSON text) do not fit the schema.
type DataError struct {
	Pos      int    // byte position in the input, from 0
	Path     string // place in the document, such as items[3].price; empty for the whole
	Expected string
	Found    string
}

func (e *DataError) Error() string {
	return "avro: byte " + strconv.Itoa(e.Pos) + at(e.Path) + ": expected " + e.Expected + ", found " + e.Found
}

// ValueError says why a Go value does not fit the schema.
type ValueError struct {
	Path     string // place in the document
	Expected string
	Found    string
}

func (e *ValueError) Error() string {
	return "avro: encode" + at(e.Path) + ": expected " + e.Expected + ", found " + e.Found
}

// TypeError says why a schema and a Go type can never be brought together, or
// why a schema cannot be compiled at all. It does not depend on data.
type TypeError struct {
	Path   string       // place in the schema
	Schema string       // Avro type that stands there
	Type   reflect.Type // nil if the schema alone is at fault
	Reason string       // may be empty
}

func (e *TypeError) Error() string {
	s := "avro: schema" + at(e.Path) + ": " + e.Schema
	if e.Type != nil {
		s += " does not fit Go type " + e.Type.String()
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// ResolveError says why data of the writer cannot be read with the reader.
type ResolveError struct {
	Path   string // place in the reader
	Reason string
}

func (e *ResolveError) Error() string { return "avro: resolve" + at(e.Path) + ": " + e.Reason }

func at(path string) string {
	if path == "" {
		return ""
	}
	return ", " + path
}

// trail collects a path from the inside out while calls return.
type trail struct {
	parts []string
}

func (t *trail) field(name string) { t.parts = append(t.parts, "."+name) }
func (t *trail) index(i int)       { t.parts = append(t.parts, "["+strconv.Itoa(i)+"]") }
func (t *trail) key(k string)      { t.parts = append(t.parts, "["+strconv.Quote(clip(k))+"]") }

// part adds a part that is written already; an empty one adds nothing.
func (t *trail) part(s string) {
	if s != "" {
		t.parts = append(t.parts, s)
	}
}

const longestPath = 512

func (t *trail) String() string {
	var b strings.Builder
	for i := len(t.parts) - 1; i >= 0; i-- {
		if b.Len() > longestPath {
			b.WriteString("…")
			break
		}
		b.WriteString(t.parts[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// clip shortens foreign text for use in a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func bytesLeft(n int) string {
	switch n {
	case 0:
		return "the end of the data"
	case 1:
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
