package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Types of rules that an engine can run.
const (
	typeCEL            = "CEL"
	typeCELField       = "CEL_FIELD"
	typeJSONata        = "JSONATA"
	typeEncrypt        = "ENCRYPT"
	typeEncryptPayload = "ENCRYPT_PAYLOAD"
)

var ownTypes = []string{typeCEL, typeCELField, typeJSONata, typeEncrypt, typeEncryptPayload}

// Executor runs rules of a type that this package does not have. It is safe for
// concurrent use.
type Executor interface {
	// Run returns what takes the place of c.Value, nil if that stays as it is.
	// A condition that does not hold is an error that is ErrCondition.
	Run(ctx context.Context, c Call) (any, error)
}

// Call is one rule and what it is to work on.
type Call struct {
	Rule  schema.Rule
	Mode  Mode
	Topic string
	Key   bool
	// Subject, Version and ID are where the rule stands; see Error.
	Subject schema.Subject
	Version schema.Version
	ID      schema.ID
	// Params are the rule's parameters, those of the engine included.
	Params map[string]string
	// Value is, for domain rules, the value by the names of the schema: maps,
	// lists, strings, []byte, bool, int64, uint64, float64, time.Time,
	// time.Duration and Decimal, or a Protobuf message. Encoding rules get and
	// return []byte, migration rules json.RawMessage. It is not to be changed.
	Value any
}

// types are the types that the engine has executors for.
func (e *Engine) types() []string {
	return append(slices.Clone(ownTypes), slices.Sorted(maps.Keys(e.opts.Executors))...)
}

func (s *step) call(v any) Call {
	c := Call{Rule: s.rule, Mode: s.mode, Topic: s.target.Topic, Key: s.target.Key, Params: maps.Clone(s.params), Value: v}
	c.Subject, c.Version, c.ID = s.at()
	return c
}

// ownValue lets an executor of the application work on a value; nil if nothing
// changed.
func (s *step) ownValue(ctx context.Context, f shape, v any) (any, error) {
	shown, err := f.show(v)
	if err != nil {
		return nil, err
	}
	out, err := s.own.Run(ctx, s.call(shown))
	if err != nil || out == nil {
		return nil, err
	}
	return f.build(v, out)
}

// ownBytes lets an executor of the application work on bytes; nil if nothing
// changed.
func (s *step) ownBytes(ctx context.Context, given any) ([]byte, error) {
	out, err := s.own.Run(ctx, s.call(given))
	if err != nil || out == nil {
		return nil, err
	}
	switch out := out.(type) {
	case []byte:
		return out, nil
	case json.RawMessage:
		return out, nil
	case string:
		return []byte(out), nil
	}
	return nil, fmt.Errorf("the executor of type %s returned a %T, not bytes", s.rule.Type, out)
}
