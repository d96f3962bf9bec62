package rules

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/rules/jsonata"
	"github.com/dovetail-dev/dovetail/serde/rules/kms"
)

// Mode is what is being done while a rule runs.
type Mode string

// Modes.
const (
	Write     Mode = "WRITE"
	Read      Mode = "READ"
	Upgrade   Mode = "UPGRADE"
	Downgrade Mode = "DOWNGRADE"
)

// Defaults.
const (
	DefaultCostLimit = 1_000_000
	DefaultMaxKeys   = 10_000
	DefaultTarget    = "CLIENT"
)

// Options say how an Engine works. The zero value runs CEL and JSONATA rules.
type Options struct {
	// Keys is the registry of encryption keys; without one ENCRYPT and
	// ENCRYPT_PAYLOAD fail.
	Keys Keys
	// KMS are the key management services, by kmsType. kms.LocalType and
	// kms.VaultType are there unless replaced.
	KMS map[string]KMS
	// Params are parameters for rules that do not have them themselves, such
	// as "secret" of the local KMS.
	Params map[string]string
	// Overrides change single rules, by rule name, by "_TYPE_" for all rules
	// of a type, or by "_default_".
	Overrides map[string]Override
	// Executors run rules of further types, by the type.
	Executors map[string]Executor
	// Actions are further actions, by the name that rules call them.
	Actions map[string]Action
	// DeadLetters takes what action DLQ is for; without it DLQ only fails.
	DeadLetters DeadLetters
	// Inline says when the rules that stand in schema texts are checked.
	Inline InlineRules
	// InlineFirst ends the check of inline rules at the first that does not
	// hold. Otherwise an error lists up to 100.
	InlineFirst bool
	// Target is where this engine runs: rule sets that are enabled elsewhere
	// are skipped. Empty is DefaultTarget.
	Target string
	// CostLimit bounds the evaluation of one CEL expression, in CEL's units;
	// 0 is DefaultCostLimit.
	CostLimit uint64
	// MaxKeys bounds the cached keys; 0 is DefaultMaxKeys.
	MaxKeys int

	Now    func() time.Time // nil is time.Now
	Logger *slog.Logger     // nil discards
}

// Override changes a rule for this engine. Empty members change nothing.
type Override struct {
	OnSuccess, OnFailure string
	Disabled             *bool
	Params               map[string]string
}

// Engine runs rules. Create it with New, one for a process.
type Engine struct {
	opts    Options
	keys    *keyring
	cel     *celCache
	jsonata *jsonata.Evaluator
}

var _ serde.RuleEngine = (*Engine)(nil)

// New returns an engine.
func New(opts Options) (*Engine, error) {
	var faults []error
	if opts.Target == "" {
		opts.Target = DefaultTarget
	}
	if !slices.Contains([]string{"CLIENT", "GATEWAY", "SERVER"}, opts.Target) {
		faults = append(faults, fmt.Errorf("rules: target %q is not CLIENT, GATEWAY or SERVER", opts.Target))
	}
	if !slices.Contains([]InlineRules{InlineOff, InlineBefore, InlineAfter}, opts.Inline) {
		faults = append(faults, fmt.Errorf("rules: Options.Inline is %q, not %s, %s or empty", opts.Inline, InlineBefore, InlineAfter))
	}
	if opts.CostLimit == 0 {
		opts.CostLimit = DefaultCostLimit
	}
	if opts.MaxKeys == 0 {
		opts.MaxKeys = DefaultMaxKeys
	}
	if opts.MaxKeys < 0 {
		faults = append(faults, errors.New("rules: MaxKeys must not be negative"))
	}
	for _, name := range ownTypes {
		if opts.Executors[name] != nil {
			faults = append(faults, fmt.Errorf("rules: Options.Executors has type %s, which is not for others to run", name))
		}
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	services := map[string]KMS{kms.LocalType: kms.Local{}, kms.VaultType: kms.Vault{}}
	for name, service := range opts.KMS {
		services[name] = service
	}
	opts.KMS = services
	cache, err := newCELCache(opts.CostLimit)
	if err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Engine{opts: opts, keys: newKeyring(opts), cel: cache, jsonata: jsonata.New(opts.Now)}, nil
}

// WriteRules prepares the rules of t.Schema that run while values are written.
func (e *Engine) WriteRules(_ context.Context, t serde.RuleTarget) (serde.RuleProgram, error) {
	p := &program{}
	var err error
	if e.opts.Inline != InlineOff {
		if p.inline, err = e.inline(t); err != nil {
			return nil, err
		}
	}
	set := t.Schema.RuleSet
	if set == nil || !e.enabled(set) {
		return p.orNil(), nil
	}
	if p.domain, err = e.steps(t, t.Schema, set, set.DomainRules, Write); err != nil {
		return nil, err
	}
	if p.encoding, err = e.steps(t, t.Schema, set, set.EncodingRules, Write); err != nil {
		return nil, err
	}
	return p.orNil(), nil
}

// ReadRules prepares the rules that run while payloads are read: encoding rules
// of t.Schema, migrations from it to t.Reader, and domain rules of whichever of
// the two the value is of.
func (e *Engine) ReadRules(ctx context.Context, t serde.RuleTarget) (serde.RuleProgram, error) {
	p := &program{}
	var err error
	if set := t.Schema.RuleSet; set != nil && e.enabled(set) {
		if p.encoding, err = e.steps(t, t.Schema, set, set.EncodingRules, Read); err != nil {
			return nil, err
		}
	}
	of := t.Schema
	if t.Reader != nil {
		of = t.Reader
		if p.migration, err = e.migration(ctx, t); err != nil {
			return nil, err
		}
	}
	if set := of.RuleSet; set != nil && e.enabled(set) {
		if p.domain, err = e.steps(t, of, set, set.DomainRules, Read); err != nil {
			return nil, err
		}
	}
	return p.orNil(), nil
}

// enabled reports whether a rule set is meant to run here.
func (e *Engine) enabled(s *schema.RuleSet) bool {
	switch at := strings.ToUpper(s.EnableAt); at {
	case "", "ALL", e.opts.Target:
		return true
	}
	return false
}

// covers reports whether a rule of mode runs while m is done.
func covers(mode string, m Mode) bool {
	switch mode := strings.ToUpper(mode); mode {
	case "", "WRITEREAD":
		return m == Write || m == Read
	case "UPDOWN":
		return m == Upgrade || m == Downgrade
	default:
		return mode == string(m)
	}
}

// steps prepares the rules of a list that run while m is done, in their order.
func (e *Engine) steps(t serde.RuleTarget, of *serde.Schema, set *schema.RuleSet, list []schema.Rule, m Mode) ([]*step, error) {
	var steps []*step
	for i := range list {
		r := list[i]
		o := e.override(&r)
		disabled := r.Disabled
		if o.Disabled != nil {
			disabled = *o.Disabled
		}
		if disabled || !covers(r.Mode, m) {
			continue
		}
		s := &step{engine: e, rule: r, mode: m, target: t, schema: of, set: set, params: e.params(&r, of, o)}
		if earlier := sameFields(steps, &r); earlier != nil {
			e.opts.Logger.Warn("rule left out, one before it does the same to fields with the same tags",
				"rule", r.Name, "before", earlier.rule.Name, "subject", string(t.Subject), "version", int(of.Version))
			continue
		}
		var err error
		if s.onSuccess, err = e.action(&r, m, either(o.OnSuccess, r.OnSuccess, "NONE")); err != nil {
			return nil, s.failed(fmt.Errorf("onSuccess: %w", err))
		}
		if s.onFailure, err = e.action(&r, m, either(o.OnFailure, r.OnFailure, "ERROR")); err != nil {
			return nil, s.failed(fmt.Errorf("onFailure: %w", err))
		}
		s.prepare()
		steps = append(steps, s)
	}
	if m == Read || m == Downgrade {
		slices.Reverse(steps)
	}
	return steps, nil
}

// sameFields returns the step that makes r superfluous: of the transformations
// with one type, one mode and the same tags other clients run the first of the
// list alone, in both directions.
func sameFields(steps []*step, r *schema.Rule) *step {
	if len(r.Tags) == 0 || r.Type != typeEncrypt && r.Type != typeCELField || isCondition(r) {
		return nil
	}
	for _, s := range steps {
		if o := &s.rule; o.Type == r.Type && strings.EqualFold(o.Mode, r.Mode) && !isCondition(o) && sameSet(o.Tags, r.Tags) {
			return s
		}
	}
	return nil
}

func isCondition(r *schema.Rule) bool { return strings.EqualFold(r.Kind, "CONDITION") }

func sameSet(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) }) &&
		!slices.ContainsFunc(b, func(s string) bool { return !slices.Contains(a, s) })
}

func either(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// override merges what the options say about a rule; what names it most
// closely counts.
func (e *Engine) override(r *schema.Rule) Override {
	var out Override
	for _, name := range []string{"_default_", "_" + r.Type + "_", r.Name} {
		o, ok := e.opts.Overrides[name]
		if !ok {
			continue
		}
		out.OnSuccess, out.OnFailure = either(o.OnSuccess, out.OnSuccess), either(o.OnFailure, out.OnFailure)
		if o.Disabled != nil {
			out.Disabled = o.Disabled
		}
		params := map[string]string{}
		for _, m := range []map[string]string{out.Params, o.Params} {
			for k, v := range m {
				params[k] = v
			}
		}
		out.Params = params
	}
	return out
}

// params merges parameters: the rule's own, the schema's properties, those of
// an override, those of the engine; the first that has one counts.
func (e *Engine) params(r *schema.Rule, of *serde.Schema, o Override) map[string]string {
	out := map[string]string{}
	var properties map[string]string
	if of.Metadata != nil {
		properties = of.Metadata.Properties
	}
	for _, m := range []map[string]string{e.opts.Params, o.Params, properties, r.Params} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
