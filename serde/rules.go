package serde

import (
	"context"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// RuleEngine executes the rule sets that come with schemas; serde/rules is one.
// It is asked once per topic and schema. A nil program means that there is
// nothing to do.
type RuleEngine interface {
	// WriteRules prepares the rules that run while values are written; the
	// schema may have no rule set.
	WriteRules(ctx context.Context, t RuleTarget) (RuleProgram, error)
	// ReadRules prepares the rules that run while payloads are read,
	// migrations from t.Schema to t.Reader included.
	ReadRules(ctx context.Context, t RuleTarget) (RuleProgram, error)
}

// RuleTarget is what a rule program is prepared for.
type RuleTarget struct {
	Topic    string
	Key      bool
	Subject  schema.Subject
	Registry Registry
	Schema   *Schema // what the payload is written with
	// Reader is the version that the registry has for readers (WithLatest or
	// WithLatestMetadata on a deserializer), nil if none was asked for.
	Reader *Schema
	// Transcoders converts payloads for migration rules; nil if the format
	// cannot.
	Transcoders Transcoders
}

// RuleProgram runs the rules of one rule set. A program that does not touch
// something returns what it was given.
//
//	write   Value ─ encode ─ Bytes ─ frame
//	read    unframe ─ Bytes ─ Migrate ─ decode ─ Value
type RuleProgram interface {
	// Value runs domain rules on a value of the serializer's type and returns
	// a value of the same type. It does not change v in place.
	Value(ctx context.Context, v any) (any, error)
	// Bytes runs encoding rules on a payload without frame. It may return
	// payload itself, but does not write to it.
	Bytes(ctx context.Context, payload []byte) ([]byte, error)
	// Migrate turns a payload of RuleTarget.Schema into one of
	// RuleTarget.Reader. It reports false if it has no migration to run; the
	// payload is then decoded as the writer wrote it.
	Migrate(ctx context.Context, indexes, payload []byte) (migrated []byte, ok bool, err error)
}
