package validate

import (
	"fmt"

	"github.com/dovetail-dev/dovetail/compat/avro"
	"github.com/dovetail-dev/dovetail/compat/jsonschema"
	"github.com/dovetail-dev/dovetail/compat/protobuf"
	"github.com/dovetail-dev/dovetail/compat/schema"
	serdeavro "github.com/dovetail-dev/dovetail/serde/avro"
	serdejsonschema "github.com/dovetail-dev/dovetail/serde/jsonschema"
	serdeprotobuf "github.com/dovetail-dev/dovetail/serde/protobuf"
)

// program is a schema, compiled for walking. It is immutable.
type program struct {
	name    string               // record name
	indexed bool                 // message indexes stand before the payload
	avro    *serdeavro.Validator // of Avro; of the others walk
	walk    func(indexes, payload []byte) error
}

// programKey names a definition; references of one text may be read in
// different contexts.
type programKey struct {
	context schema.Context
	guid    schema.GUID
}

// program returns the compiled schema, compiling it if it is new.
func (v *Validator) program(c schema.Context, found Found) (*program, error) {
	key := programKey{c, found.GUID}
	v.mu.RLock()
	p := v.programs[key]
	v.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	parsed, err := v.lookup.Schema(c, found)
	if err != nil {
		return nil, fmt.Errorf("validate: stored schema %d: %w", found.ID, err)
	}
	p = &program{name: parsed.Name()}
	switch s := parsed.(type) {
	case *avro.Schema:
		if p.avro, err = serdeavro.NewValidator(s, serdeavro.ValidateOptions{}); err != nil {
			return nil, fmt.Errorf("validate: schema %d: %w", found.ID, err)
		}
	case *protobuf.Schema:
		p.indexed = true
		p.walk = serdeprotobuf.NewValidator(s).Validate
	case *jsonschema.Schema:
		check, err := serdejsonschema.NewValidator(s)
		if err != nil {
			return nil, fmt.Errorf("validate: schema %d: %w", found.ID, err)
		}
		p.walk = func(_, payload []byte) error { return check.Validate(payload) }
	default:
		return nil, fmt.Errorf("validate: schema %d is of type %s, whose payloads cannot be checked", found.ID, parsed.Type())
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.programs) >= v.opts.Programs {
		for old := range v.programs { // any one; what is in use comes back
			delete(v.programs, old)
			break
		}
	}
	v.programs[key] = p
	return p, nil
}
