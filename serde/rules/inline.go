package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/common/types"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// InlineRules says when the rules in schema texts are checked; see the package
// comment.
type InlineRules string

// When inline rules are checked, while values are written.
const (
	InlineOff    InlineRules = ""                    // never
	InlineBefore InlineRules = "BEFORE_DOMAIN_RULES" // what the application gave
	InlineAfter  InlineRules = "AFTER_DOMAIN_RULES"  // what is about to be encoded
)

// rulesProperty is where Avro and JSON Schema texts keep inline rules.
const rulesProperty = "confluent:rules"

// maxViolations bounds what one InlineError lists.
const maxViolations = 100

// InlineError lists the inline rules that a value breaks.
type InlineError struct {
	Subject    schema.Subject
	Version    schema.Version // 0 if the registry did not tell
	ID         schema.ID
	Violations []Violation // at least 1, at most 100
}

// Violation is one inline rule that does not hold.
type Violation struct {
	Rule   string // name; empty if it has none
	Path   string // of the value: "home.zip", "cards[3]", "$.home"; empty for all of it
	Reason string // what the rule returned, its doc, its SQL or its expression
	Err    error  // why it could not be evaluated, if that is so
}

func (v Violation) String() string {
	var b strings.Builder
	if b.WriteString(v.Path); v.Path == "" {
		b.WriteString("the whole value")
	}
	if v.Rule != "" {
		fmt.Fprintf(&b, " breaks rule %q", v.Rule)
	} else {
		b.WriteString(" breaks a rule")
	}
	b.WriteString(": " + v.Reason)
	if v.Err != nil {
		fmt.Fprintf(&b, " (%v)", v.Err)
	}
	return b.String()
}

func (e *InlineError) Error() string {
	list := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		list[i] = v.String()
	}
	return fmt.Sprintf("rules: inline rules of %s: %s", schemaName(e.Subject, e.Version, e.ID), strings.Join(list, "; "))
}

// Unwrap returns ErrCondition.
func (e *InlineError) Unwrap() error { return ErrCondition }

// inlineRule is a condition in a schema text, with the value as this.
type inlineRule struct {
	Name string `json:"name"`
	Doc  string `json:"doc"`
	Expr string `json:"expr"`
	SQL  string `json:"sql"` // what the expression was made of
}

// inlinePlace is a value with the rules for it.
type inlinePlace struct {
	path  string
	rules []inlineRule
	this  any                         // as CEL sees it
	file  protoreflect.FileDescriptor // whose types expressions may use; nil for none
}

type inlineVisitor func(inlinePlace) error

// parseInline reads the attribute with inline rules; what is no list of objects
// has none.
func parseInline(text []byte) []inlineRule {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	var out []inlineRule
	for _, item := range list {
		var r inlineRule
		if json.Unmarshal(item, &r) == nil {
			out = append(out, r)
		}
	}
	return out
}

// inlineCheck is the inline rules of one schema.
type inlineCheck struct {
	engine *Engine
	target serde.RuleTarget
	shape  shape
}

// inline returns the check for a schema, nil if its text has no rules.
func (e *Engine) inline(t serde.RuleTarget) (*inlineCheck, error) {
	if !strings.Contains(t.Schema.Text, rulesProperty) && !mayHaveInline(t.Schema) {
		return nil, nil
	}
	c := &inlineCheck{engine: e, target: t}
	var err error
	if c.shape, err = newShape(t.Schema); err != nil {
		return nil, fmt.Errorf("rules: inline rules of %s: %w", c.name(), err)
	}
	if !c.shape.hasInline() {
		return nil, nil
	}
	return c, nil
}

// mayHaveInline reports whether the text alone cannot tell that there are no
// rules: they may be escaped, inside a dependency or inside options.
func mayHaveInline(s *serde.Schema) bool {
	return s.Type.OrDefault() == schema.Protobuf || len(s.Dependencies) > 0 || strings.Contains(s.Text, `\u`)
}

func (c *inlineCheck) name() string {
	return schemaName(either2(c.target.Schema.Subject, c.target.Subject), c.target.Schema.Version, c.target.Schema.ID)
}

func either2(a, b schema.Subject) schema.Subject {
	if a != "" {
		return a
	}
	return b
}

var errEnough = errors.New("enough violations")

// run checks a value.
func (c *inlineCheck) run(ctx context.Context, v any) error {
	limit := maxViolations
	if c.engine.opts.InlineFirst {
		limit = 1
	}
	var found []Violation
	err := c.shape.inline(v, func(at inlinePlace) error {
		for _, r := range at.rules {
			broken, ok := c.eval(ctx, r, at)
			if ok {
				continue
			}
			if found = append(found, broken); len(found) == limit {
				return errEnough
			}
		}
		return ctx.Err()
	})
	if len(found) > 0 {
		s := c.target.Schema
		return &InlineError{Subject: either2(s.Subject, c.target.Subject), Version: s.Version, ID: s.ID, Violations: found}
	}
	if err != nil {
		return fmt.Errorf("rules: inline rules of %s: %w", c.name(), err)
	}
	return nil
}

// eval evaluates one rule, which returns a boolean, or a text that is empty if
// all is well.
func (c *inlineCheck) eval(ctx context.Context, r inlineRule, at inlinePlace) (Violation, bool) {
	out := Violation{Rule: r.Name, Path: at.path, Reason: either(r.Doc, r.SQL, r.Expr)}
	if strings.TrimSpace(r.Expr) == "" {
		out.Err = errors.New("it has no expression: give it an expr")
		return out, false
	}
	v, err := c.engine.cel.eval(ctx, r.Expr, at.file, map[string]any{"this": at.this, "now": c.engine.opts.Now()})
	if err != nil {
		out.Err = err
		return out, false
	}
	switch v := v.(type) {
	case types.Bool:
		return out, bool(v)
	case types.String:
		if v == "" {
			return out, true
		}
		out.Reason = string(v)
		return out, false
	}
	out.Err = fmt.Errorf("it returned a %s: want a boolean, or a text that says what is wrong", v.Type().TypeName())
	return out, false
}
