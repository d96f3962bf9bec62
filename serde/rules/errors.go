package rules

import (
	"errors"
	"fmt"
)

// ErrCondition: the condition of a rule does not hold.
var ErrCondition = errors.New("the condition does not hold")

// Error says which rule made a record fail.
type Error struct {
	Rule string
	Doc  string // of the rule; may be empty
	Mode Mode
	Err  error
}

func (e *Error) Error() string {
	doc := ""
	if e.Doc != "" {
		doc = " (" + e.Doc + ")"
	}
	return fmt.Sprintf("rules: rule %q%s, %s: %v", e.Rule, doc, e.Mode, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
