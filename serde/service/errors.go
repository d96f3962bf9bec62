package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/serde/avro"
	"github.com/dovetail-dev/dovetail/serde/jsonschema"
	"github.com/dovetail-dev/dovetail/serde/protobuf"
)

// DocumentError says why a document or a payload does not fit its schema.
type DocumentError struct {
	Path   string // place in the document, such as items[3].price; empty if it is the whole or not known
	Pos    int    // byte position in what was given, from 0; -1 if it is not known
	Reason string
}

func (e *DocumentError) Error() string {
	switch {
	case e.Path != "" && e.Pos >= 0:
		return fmt.Sprintf("byte %d, %s: %s", e.Pos, e.Path, e.Reason)
	case e.Path != "":
		return e.Path + ": " + e.Reason
	case e.Pos >= 0:
		return fmt.Sprintf("byte %d: %s", e.Pos, e.Reason)
	}
	return e.Reason
}

// documentError takes the errors of the codecs apart.
func documentError(err error) error {
	var data *avro.DataError
	if errors.As(err, &data) {
		return &DocumentError{Path: data.Path, Pos: data.Pos, Reason: fmt.Sprintf("expected %s, found %s", data.Expected, data.Found)}
	}
	var walk *protobuf.WalkError
	if errors.As(err, &walk) {
		return &DocumentError{Path: walk.Path(), Pos: walk.Pos, Reason: walk.Reason}
	}
	var invalid *jsonschema.Error
	if errors.As(err, &invalid) {
		return &DocumentError{Path: dotted(invalid.Path), Pos: invalid.Pos, Reason: invalid.Reason()}
	}
	return &DocumentError{Pos: -1, Reason: err.Error()}
}

// dotted spells a JSON pointer as other formats' paths are spelled.
func dotted(pointer string) string {
	var out strings.Builder
	for i, step := range strings.Split(pointer, "/") {
		switch _, err := strconv.ParseUint(step, 10, 32); {
		case i == 0:
		case err == nil:
			out.WriteString("[" + step + "]")
		default:
			if out.Len() > 0 {
				out.WriteByte('.')
			}
			out.WriteString(strings.NewReplacer("~1", "/", "~0", "~").Replace(step))
		}
	}
	return out.String()
}

// syntaxError says why text is no JSON.
func syntaxError(text []byte) error {
	var v any
	err := json.Unmarshal(text, &v)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &DocumentError{Pos: int(syntax.Offset), Reason: "not JSON: " + syntax.Error()}
	}
	return &DocumentError{Pos: -1, Reason: fmt.Sprintf("not JSON: %v", err)}
}
