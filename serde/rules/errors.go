package rules

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// ErrCondition: the condition of a rule does not hold.
var ErrCondition = errors.New("the condition does not hold")

// Error says which rule of which schema made a record fail.
type Error struct {
	Rule string
	Type string // of the rule
	Doc  string // of the rule; may be empty
	Mode Mode
	// Subject and Version are where the rule stands. Version is 0 where the
	// registry did not tell; ID is 0 for a schema that came by its GUID.
	Subject schema.Subject
	Version schema.Version
	ID      schema.ID
	Err     error
}

func (e *Error) Error() string {
	doc := ""
	if e.Doc != "" {
		doc = " (" + e.Doc + ")"
	}
	return fmt.Sprintf("rules: %s rule %q%s of %s, %s: %v", e.Type, e.Rule, doc, schemaName(e.Subject, e.Version, e.ID), e.Mode, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// schemaName names a schema as closely as it is known.
func schemaName(s schema.Subject, v schema.Version, id schema.ID) string {
	switch {
	case v > 0:
		return fmt.Sprintf("subject %q version %d", string(s), v)
	case id > 0:
		return fmt.Sprintf("subject %q schema ID %d", string(s), id)
	}
	return fmt.Sprintf("subject %q", string(s))
}

// maxShownExpression bounds what is shown of an expression, in bytes.
const maxShownExpression = 200

// broken is ErrCondition with the expression that was not true.
func broken(expr string) error {
	expr = strings.TrimSpace(expr)
	if len(expr) > maxShownExpression {
		expr = strings.ToValidUTF8(expr[:maxShownExpression], "") + "…"
	}
	return fmt.Errorf("%w: %s", ErrCondition, expr)
}
