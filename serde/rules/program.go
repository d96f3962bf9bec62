package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// program is the rules of one target.
type program struct {
	domain, encoding []*step
	migration        *migration
	inline           *inlineCheck // nil for none
}

// orNil returns nil if there is nothing to do.
func (p *program) orNil() serde.RuleProgram {
	if len(p.domain)+len(p.encoding) == 0 && p.migration == nil && p.inline == nil {
		return nil
	}
	return p
}

// Value runs domain rules and, if there are any, inline rules.
func (p *program) Value(ctx context.Context, v any) (any, error) {
	var err error
	if p.inline != nil && p.inline.engine.opts.Inline == InlineBefore {
		if err = p.inline.run(ctx, v); err != nil {
			return nil, err
		}
	}
	for _, s := range p.domain {
		if v, err = s.onValue(ctx, v); err != nil {
			return nil, err
		}
	}
	if p.inline != nil && p.inline.engine.opts.Inline == InlineAfter {
		if err = p.inline.run(ctx, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// Bytes runs encoding rules.
func (p *program) Bytes(ctx context.Context, payload []byte) ([]byte, error) {
	var err error
	for _, s := range p.encoding {
		if payload, err = s.onBytes(ctx, payload); err != nil {
			return nil, err
		}
	}
	return payload, nil
}

// Migrate runs migration rules.
func (p *program) Migrate(ctx context.Context, indexes, payload []byte) ([]byte, bool, error) {
	if p.migration == nil {
		return nil, false, nil
	}
	out, err := p.migration.run(ctx, indexes, payload)
	return out, err == nil, err
}

// step is one rule, ready to run.
type step struct {
	engine    *Engine
	rule      schema.Rule
	mode      Mode
	target    serde.RuleTarget
	schema    *serde.Schema // the rule is one of its
	set       *schema.RuleSet
	params    map[string]string
	onSuccess Action
	onFailure Action

	cel     *celRule     // CEL and CEL_FIELD
	jsonata *jsonataRule // JSONATA
	crypt   *cryptor     // ENCRYPT and ENCRYPT_PAYLOAD
	own     Executor     // of a type of the application
	useless error        // why the rule can never run

	shapeOnce sync.Once
	shapeOf   shape
	shapeErr  error
}

// at returns where the rule stands.
func (s *step) at() (schema.Subject, schema.Version, schema.ID) {
	subject := s.schema.Subject
	if subject == "" {
		subject = s.target.Subject
	}
	return subject, s.schema.Version, s.schema.ID
}

// prepare makes what does not depend on values. What goes wrong here is a
// failure of the rule each time it runs, so that its action decides.
func (s *step) prepare() {
	switch s.rule.Type {
	case typeCEL, typeCELField:
		s.cel = newCELRule(s)
	case typeEncrypt, typeEncryptPayload:
		s.crypt, s.useless = newCryptor(s)
	case typeJSONata:
		s.jsonata, s.useless = newJSONataRule(s)
	default:
		if s.own = s.engine.opts.Executors[s.rule.Type]; s.own == nil {
			s.useless = fmt.Errorf("this client has no executor for rules of type %q, only for %s: set Options.Executors, or disable the rule with Options.Overrides[%q]",
				s.rule.Type, strings.Join(s.engine.types(), ", "), s.rule.Name)
		}
	}
}

// shape returns how values of the schema are walked; it parses the schema once.
func (s *step) shape() (shape, error) {
	s.shapeOnce.Do(func() { s.shapeOf, s.shapeErr = newShape(s.schema) })
	return s.shapeOf, s.shapeErr
}

// refusedBefore reports whether the record went to a dead-letter topic because
// of this rule: whoever sends it again has dealt with that. Encryption is not
// left out for that: nothing may get out in the clear by a header.
func (s *step) refusedBefore(ctx context.Context) bool {
	name, ok := serde.OriginOf(ctx).Header(ruleNameHeader)
	return ok && string(name) == s.rule.Name
}

func (s *step) onValue(ctx context.Context, v any) (any, error) {
	if s.refusedBefore(ctx) && s.rule.Type != typeEncrypt {
		return v, nil
	}
	out, err := s.value(ctx, v)
	if err = s.act(ctx, v, err); err != nil {
		return nil, err
	}
	if out == nil {
		return v, nil
	}
	return out, nil
}

// value runs the rule; a nil value without an error means that nothing changed.
func (s *step) value(ctx context.Context, v any) (any, error) {
	if s.useless != nil {
		return nil, s.useless
	}
	f, err := s.shape()
	if err != nil {
		return nil, err
	}
	switch s.rule.Type {
	case typeCEL:
		return s.cel.message(ctx, f, v)
	case typeCELField:
		return s.cel.fields(ctx, f, v)
	case typeEncrypt:
		return f.fields(v, func(d *field, leaf any) (any, error) {
			if !d.tagged(s.rule.Tags) {
				return leaf, nil
			}
			return s.crypt.leaf(ctx, leaf)
		})
	}
	if s.own != nil {
		return s.ownValue(ctx, f, v)
	}
	if s.rule.Type == typeJSONata {
		return nil, errors.New("rules of type JSONATA are migration rules: move it to migrationRules, or make it of type CEL")
	}
	return nil, fmt.Errorf("rules of type %s are encoding rules: move it to encodingRules", s.rule.Type)
}

func (s *step) onBytes(ctx context.Context, payload []byte) ([]byte, error) {
	if s.refusedBefore(ctx) && s.rule.Type != typeEncryptPayload {
		return payload, nil
	}
	out, err := s.bytes(ctx, payload)
	if err = s.act(ctx, payload, err); err != nil {
		return nil, err
	}
	if out == nil {
		return payload, nil
	}
	return out, nil
}

func (s *step) bytes(ctx context.Context, payload []byte) ([]byte, error) {
	switch {
	case s.useless != nil:
		return nil, s.useless
	case s.rule.Type == typeEncryptPayload:
		return s.crypt.bytes(ctx, payload)
	case s.rule.Type == typeCEL:
		return s.cel.payload(ctx, payload)
	case s.own != nil:
		return s.ownBytes(ctx, payload)
	}
	return nil, fmt.Errorf("rules of type %s cannot work on encoded payloads: move it to domainRules or migrationRules", s.rule.Type)
}

// act runs the action for how a rule went. A failed rule whose action returns
// nil leaves what there was before.
func (s *step) act(ctx context.Context, given any, failed error) error {
	a := s.onSuccess
	if failed != nil {
		a = s.onFailure
	}
	if _, none := a.(noAction); none {
		if failed != nil {
			s.engine.opts.Logger.DebugContext(ctx, "rule failed, its action is NONE", "rule", s.rule.Name,
				"subject", string(s.target.Subject), "topic", s.target.Topic, "error", failed)
		}
		return nil
	}
	o := s.outcome(given, failed)
	if _, ordinary := a.(errorAction); !ordinary {
		o.Value = s.masked(given)
	}
	if _, dead := a.(dlqAction); dead {
		o.Value = s.plain(o.Value)
	}
	return a.Run(ctx, o)
}

func (s *step) outcome(given any, failed error) Outcome {
	o := Outcome{
		Rule: s.rule, Mode: s.mode, Topic: s.target.Topic, Key: s.target.Key, Params: s.params, Value: given, Err: failed,
	}
	o.Subject, o.Version, o.ID = s.at()
	return o
}

// failed is the error of a rule that cannot even be prepared.
func (s *step) failed(err error) *Error { return s.outcome(nil, err).failed(err) }

// plain returns a value as CEL sees it, with the names of the schema; as it is if
// that cannot be done.
func (s *step) plain(v any) any {
	switch v.(type) {
	case nil, []byte, json.RawMessage:
		return v
	}
	if f, err := s.shape(); err == nil {
		if shown, err := f.show(v); err == nil {
			return shown
		}
	}
	return v
}

const mask = "<REDACTED>"

// masked returns a value without what the rule set encrypts. What cannot be
// masked is not shown at all.
func (s *step) masked(v any) any {
	if _, bytes := v.([]byte); bytes || s.mode == Upgrade || s.mode == Downgrade {
		return v
	}
	for _, r := range s.set.DomainRules {
		if r.Type != typeEncrypt {
			continue
		}
		f, err := s.shape()
		if err != nil {
			return nil
		}
		out, err := f.fields(v, func(d *field, leaf any) (any, error) {
			if d.tagged(r.Tags) {
				switch leaf.(type) {
				case string:
					return mask, nil
				case []byte:
					return []byte(mask), nil
				}
			}
			return leaf, nil
		})
		if err != nil {
			return nil
		}
		if out != nil {
			v = out
		}
	}
	return v
}
