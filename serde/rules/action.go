package rules

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Outcome is what an action is told.
type Outcome struct {
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
	// Value is what the rule was given: a value for domain rules, with what is
	// to be encrypted masked, []byte for encoding rules, the JSON form for
	// migrations, as json.RawMessage.
	Value any
	Err   error // nil if the rule succeeded
}

// Action is what happens after a rule. If it returns an error, the record
// fails with it.
type Action interface {
	Run(ctx context.Context, o Outcome) error
}

// DeadLetters takes what could not be processed. Send returns once the letter
// is safe.
type DeadLetters interface {
	Send(ctx context.Context, l DeadLetter) error
}

// DeadLetter is a value that a rule refused. Values of domain rules are plain:
// maps, lists and so on by the names of the schema, or a Protobuf message.
type DeadLetter struct {
	Topic string // the dead-letter topic: parameter dlq.topic
	Outcome
}

// ruleNameHeader names the rule that made a record a dead letter.
const ruleNameHeader = "__rule.name"

// Headers returns the record headers that say why a letter is dead: names and
// values in turn.
func (l DeadLetter) Headers() [][2]string {
	return [][2]string{
		{ruleNameHeader, l.Rule.Name},
		{"__rule.mode", string(l.Mode)},
		{"__rule.subject", string(l.Subject)},
		{"__rule.topic", l.Outcome.Topic},
		{"__rule.exception", l.Err.Error()},
	}
}

// action finds the action for a mode: of a pair "A,B" the first is for writing
// and upgrading.
func (e *Engine) action(r *schema.Rule, m Mode, name string) (Action, error) {
	if first, second, pair := strings.Cut(name, ","); pair {
		name = first
		if m == Read || m == Downgrade {
			name = second
		}
	}
	name = strings.TrimSpace(name)
	if a, ok := e.opts.Actions[name]; ok {
		return a, nil
	}
	switch name {
	case "", "NONE":
		return noAction{}, nil
	case "ERROR":
		return errorAction{}, nil
	case "DLQ":
		return dlqAction{e.opts.DeadLetters}, nil
	}
	return nil, fmt.Errorf("unknown action %q: want %s, or change it for this client with Options.Overrides[%q]", name,
		strings.Join(append([]string{"ERROR", "NONE", "DLQ"}, slices.Sorted(maps.Keys(e.opts.Actions))...), ", "), r.Name)
}

type noAction struct{}

func (noAction) Run(context.Context, Outcome) error { return nil }

type errorAction struct{}

func (errorAction) Run(_ context.Context, o Outcome) error {
	err := o.Err
	if err == nil {
		err = fmt.Errorf("the rule succeeded, and its action for that is ERROR")
	}
	return o.failed(err)
}

// failed is the error of a rule.
func (o Outcome) failed(err error) *Error {
	return &Error{
		Rule: o.Rule.Name, Type: o.Rule.Type, Doc: o.Rule.Doc, Mode: o.Mode,
		Subject: o.Subject, Version: o.Version, ID: o.ID, Err: err,
	}
}

type dlqAction struct{ letters DeadLetters }

func (a dlqAction) Run(ctx context.Context, o Outcome) error {
	if o.Err == nil {
		return nil
	}
	failed := o.failed(o.Err)
	topic := o.Params["dlq.topic"]
	switch {
	case topic == "":
		failed.Err = fmt.Errorf("%w; it is no dead letter, because the rule has no parameter dlq.topic", o.Err)
		return failed
	case a.letters == nil:
		failed.Err = fmt.Errorf("%w; it is no dead letter, because Options.DeadLetters is not set", o.Err)
		return failed
	}
	if err := a.letters.Send(ctx, DeadLetter{Topic: topic, Outcome: o}); err != nil {
		failed.Err = fmt.Errorf("%w; nor could it be sent to dead-letter topic %q: %w", o.Err, topic, err)
	}
	return failed
}
