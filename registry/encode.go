package registry

import (
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte { return journal.AppendQuoted(dst, s) }

// AppendReferences appends a JSON array.
func AppendReferences(dst []byte, refs []schema.Reference) []byte {
	return journal.AppendReferences(dst, refs)
}

// AppendMetadata appends a JSON object; m is not nil.
func AppendMetadata(dst []byte, m *schema.Metadata) []byte { return journal.AppendMetadata(dst, m) }

// AppendRuleSet appends a JSON object; s is not nil.
func AppendRuleSet(dst []byte, s *schema.RuleSet) []byte { return journal.AppendRuleSet(dst, s) }

// AppendConfig appends a JSON object in which the level has the name levelName:
// answers to GET and PUT differ in it.
func AppendConfig(dst []byte, c Config, levelName string) []byte {
	return journal.AppendConfigMembers(dst, c, levelName)
}

// AppendStringMap appends m as a JSON object, its members sorted by name.
func AppendStringMap(dst []byte, m map[string]string) []byte { return journal.AppendStringMap(dst, m) }
