package registry

import (
	"context"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Config is what is configured for a subject, a context or the top level. A
// nil or empty member is not set.
type Config = journal.ConfigValue

// Patch is one member of a merge patch: absent (the zero value) keeps, set
// replaces, set to the zero value of T clears.
type Patch[T any] struct {
	Set   bool
	Value T
}

func (p Patch[T]) apply(to *T) {
	if p.Set {
		*to = p.Value
	}
}

// ConfigPatch changes a Config.
type ConfigPatch struct {
	Alias              Patch[string]
	AliasForDeks       Patch[string]
	Normalize          Patch[*bool]
	ValidateFields     Patch[*bool]
	ValidateNewSchemas Patch[*bool]
	ValidateRules      Patch[*bool]
	Level              Patch[string]
	Policy             Patch[string]
	Group              Patch[string]
	DefaultMetadata    Patch[*schema.Metadata]
	OverrideMetadata   Patch[*schema.Metadata]
	DefaultRuleSet     Patch[*schema.RuleSet]
	OverrideRuleSet    Patch[*schema.RuleSet]
}

func (p ConfigPatch) apply(c *Config) {
	p.Alias.apply(&c.Alias)
	p.AliasForDeks.apply(&c.AliasForDeks)
	p.Normalize.apply(&c.Normalize)
	p.ValidateFields.apply(&c.ValidateFields)
	p.ValidateNewSchemas.apply(&c.ValidateNewSchemas)
	p.ValidateRules.apply(&c.ValidateRules)
	p.Level.apply(&c.Level)
	p.Policy.apply(&c.Policy)
	p.Group.apply(&c.Group)
	p.DefaultMetadata.apply(&c.DefaultMetadata)
	p.OverrideMetadata.apply(&c.OverrideMetadata)
	p.DefaultRuleSet.apply(&c.DefaultRuleSet)
	p.OverrideRuleSet.apply(&c.OverrideRuleSet)
}

// check brings names into their stored spelling and refuses unknown ones.
func (p *ConfigPatch) check() error {
	if p.Level.Value != "" {
		level, err := compat.ParseLevel(p.Level.Value)
		if err != nil {
			return errInvalidLevel()
		}
		p.Level.Value = level.String()
	}
	if p.Policy.Value != "" {
		switch policy := compat.Policy(strings.ToUpper(p.Policy.Value)); policy {
		case compat.PolicyStrict, compat.PolicyLenient:
			p.Policy.Value = string(policy)
		default:
			return errInvalidPolicy(p.Policy.Value)
		}
	}
	for _, rules := range []**schema.RuleSet{&p.DefaultRuleSet.Value, &p.OverrideRuleSet.Value} {
		checked, err := checkRuleSet(*rules)
		if err != nil {
			return err
		}
		*rules = checked
	}
	for _, m := range []**schema.Metadata{&p.DefaultMetadata.Value, &p.OverrideMetadata.Value} {
		*m = tidyMetadata(*m)
	}
	return nil
}

// inForce is a configuration with everything decided.
type inForce struct {
	Config
	level       compat.Level
	policy      compat.Policy
	normalize   bool
	fields      bool // validateFields
	newSchemas  bool // validateNewSchemas
	contributes bool // there are defaults or overrides
}

// configOf returns what holds for name: its own configuration, in part
// completed from the top level's, or else the nearest one in the chain.
func (r *Registry) configOf(st *state, name schema.Subject) Config {
	var c Config
	for i, at := range chain(name) {
		own, ok := st.configs.get(at)
		if !ok {
			continue
		}
		c = *own
		if top, ok := st.configs.get(""); ok && i == 0 && name != "" {
			inherit(&c.Normalize, top.Normalize)
			inherit(&c.ValidateFields, top.ValidateFields)
			inherit(&c.ValidateNewSchemas, top.ValidateNewSchemas)
			inherit(&c.ValidateRules, top.ValidateRules)
			if c.Policy == "" {
				c.Policy = top.Policy
			}
			if c.Group == "" {
				c.Group = top.Group
			}
		}
		break
	}
	return r.withLevel(c)
}

func inherit(own **bool, top *bool) {
	if *own == nil {
		*own = top
	}
}

func (r *Registry) withLevel(c Config) Config {
	if c.Level == "" {
		c.Level = r.opts.DefaultLevel.String()
	}
	return c
}

func (r *Registry) inForce(st *state, name schema.Subject) inForce {
	c := r.configOf(st, name)
	level, err := compat.ParseLevel(c.Level)
	if err != nil { // a foreign journal's
		level = *r.opts.DefaultLevel
	}
	return inForce{
		Config:      c,
		level:       level,
		policy:      compat.Policy(c.Policy),
		normalize:   c.Normalize != nil && *c.Normalize,
		fields:      valueOr(c.ValidateFields, r.opts.ValidateFields),
		newSchemas:  valueOr(c.ValidateNewSchemas, !r.opts.LenientNewSchemas),
		contributes: c.DefaultMetadata != nil || c.OverrideMetadata != nil || c.DefaultRuleSet != nil || c.OverrideRuleSet != nil,
	}
}

func valueOr(b *bool, otherwise bool) bool {
	if b == nil {
		return otherwise
	}
	return *b
}

// Config returns the configuration of a subject, a context (":.ctx:") or the
// top level (""), its level filled in. A subject without one of its own is an
// error unless inForce is set, which answers with what holds for it.
func (r *Registry) Config(name schema.Subject, inForce bool) (Config, error) {
	st, err := r.read()
	if err != nil {
		return Config{}, err
	}
	name = name.Canonical()
	if name == "" || inForce {
		return r.configOf(st, name), nil
	}
	if own, ok := st.configs.get(name); ok {
		return r.withLevel(*own), nil
	}
	return Config{}, errConfigNotFound(name)
}

// SetConfig applies a merge patch and returns the stored outcome. The subject
// need not exist.
func (r *Registry) SetConfig(ctx context.Context, name schema.Subject, patch ConfigPatch) (Config, error) {
	name = name.Canonical()
	if err := patch.check(); err != nil {
		return Config{}, err
	}
	if err := r.checkSettingName(name); err != nil {
		return Config{}, err
	}
	var c Config
	err := r.write(ctx, "setting the config", func(st *state) ([]journal.Record, error) {
		if st.modeOf(name).readOnly() {
			return nil, errReadOnly(name)
		}
		c = Config{Subject: name}
		if own, ok := st.configs.get(name); ok {
			c = *own
		}
		patch.apply(&c)
		return []journal.Record{configRecord(name, &c)}, nil
	})
	return c, err
}

// DeleteConfig removes a configuration and returns what it was. At the top
// level, where there is always one, it returns the one that was in force.
func (r *Registry) DeleteConfig(ctx context.Context, name schema.Subject) (Config, error) {
	name = name.Canonical()
	if err := r.checkSettingName(name); err != nil {
		return Config{}, err
	}
	var old Config
	err := r.write(ctx, "deleting the config", func(st *state) ([]journal.Record, error) {
		own, ok := st.configs.get(name)
		switch {
		case ok && st.modeOf(name).readOnly(), name == "" && st.modeOf(name).readOnly():
			return nil, errReadOnly(name)
		case !ok && name != "":
			return nil, errSubjectNotFound(name)
		case !ok:
			old = r.configOf(st, name)
			return nil, nil
		}
		old = r.withLevel(*own)
		return []journal.Record{configRecord(name, nil)}, nil
	})
	return old, err
}

// configRecord sets a configuration, or removes it if c is nil.
func configRecord(name schema.Subject, c *Config) journal.Record {
	rec := journal.Record{Key: journal.AppendKey(nil, journal.Key{Type: journal.ConfigKey, Subject: name})}
	if c != nil {
		v := *c
		v.Subject = name
		rec.Value = journal.AppendConfig(nil, v)
	}
	return rec
}

// Alias returns the subject that serves requests for name: the target of its
// alias, or name itself. forDeks prefers the alias meant for encryption keys.
func (r *Registry) Alias(name schema.Subject, forDeks bool) schema.Subject {
	own, ok := r.snap.Load().configs.get(name.Canonical())
	if !ok {
		return name
	}
	alias := own.Alias
	if forDeks && own.AliasForDeks != "" {
		alias = own.AliasForDeks
	}
	if alias == "" {
		return name
	}
	return schema.Subject(alias).In(name.Context())
}
