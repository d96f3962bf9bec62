package jsonschema

import (
	"testing"

	"github.com/dovetail-dev/dovetail/compat"
)

func TestEveryBreakingRuleSuggestsAnEdit(t *testing.T) {
	for rule := range breaking {
		for _, roles := range []compat.Roles{compat.Backward, compat.Forward} {
			if f := (compat.Finding{Roles: roles, Incompatibility: compat.Incompatibility{Rule: rule}}); f.Suggestion() == "" {
				t.Errorf("%s: no suggestion", rule)
			}
		}
	}
}
