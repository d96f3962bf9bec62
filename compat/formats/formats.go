// Package formats is the one switch from a schema type to its parser. It holds
// no state and knows nothing that the parsers do not know.
package formats

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Parse reads src with the parser of its type; the empty type is AVRO. Every
// error is a *compat.SyntaxError, and the Schema is nil if and only if there is
// one.
func Parse(src compat.Source) (compat.Schema, error) {
	src.Type = src.Type.OrDefault()
	switch src.Type {
	case schema.Avro:
		return result(avro.Parse(src))
	case schema.JSON:
		return result(jsonschema.Parse(src))
	case schema.Protobuf:
		return result(protobuf.Parse(src))
	}
	return nil, &compat.SyntaxError{
		Type:   src.Type,
		Reason: fmt.Sprintf("unknown schema type %q; want %s, %s or %s", src.Type, schema.Avro, schema.JSON, schema.Protobuf),
	}
}

// result keeps a nil pointer from becoming an interface that is not nil.
func result[S compat.Schema](s S, err error) (compat.Schema, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
