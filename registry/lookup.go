package registry

import (
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Lookup finds the version of a subject that has a definition. A subject that
// does not name its context is looked for in the others too if the default one
// does not have it.
func (r *Registry) Lookup(name schema.Subject, req RegisterRequest, opts LookupOptions) (Schema, error) {
	return fresh(r, func(st *state) (Schema, error) { return r.lookupAnywhere(st, name, req, opts) })
}

func (r *Registry) lookupAnywhere(st *state, name schema.Subject, req RegisterRequest, opts LookupOptions) (Schema, error) {
	var err error
	if name = name.Canonical(); badName(string(name)) {
		return Schema{}, errInvalidSubject(name)
	}
	if req.Definition, err = tidyDefinition(req.Definition); err != nil {
		return Schema{}, err
	}
	if !st.known(name, opts.Deleted) && !st.elsewhere(name, opts.Deleted) {
		return Schema{}, errSubjectNotFound(name)
	}
	if req.Definition.Text == "" {
		return Schema{}, errEmptySchema()
	}
	found, ok, err := r.lookup(st, name, req, opts)
	if ok {
		return found, nil
	}
	if !name.Qualified() {
		for _, c := range st.contextNames() {
			other := schema.Qualify(c, string(name))
			if c == schema.DefaultContext || !st.known(other, opts.Deleted) {
				continue
			}
			if found, ok, otherErr := r.lookup(st, other, req, opts); otherErr == nil && ok {
				return found, nil
			}
		}
	}
	if err != nil {
		return Schema{}, err
	}
	return Schema{}, errSchemaNotFound()
}

// elsewhere reports whether an unqualified name is known in another context.
func (s *state) elsewhere(name schema.Subject, deleted bool) bool {
	if name.Qualified() || s.contexts.len() < 2 {
		return false
	}
	return slices.ContainsFunc(s.contextNames(), func(c schema.Context) bool {
		return s.known(schema.Qualify(c, string(name)), deleted)
	})
}

func tidyDefinition(d schema.Definition) (schema.Definition, error) {
	rules, err := checkRuleSet(d.RuleSet)
	d.RuleSet, d.Metadata = rules, tidyMetadata(d.Metadata)
	return d, err
}

// lookup finds a definition among the versions of one subject: as it stands,
// then by relaxed equality, then with what registering it would add.
func (r *Registry) lookup(st *state, name schema.Subject, req RegisterRequest, opts LookupOptions) (Schema, bool, error) {
	sub := st.subject(name)
	cfg := r.inForce(st, name)
	normalize := (opts.Normalize || cfg.normalize) && !st.modeOf(name).importing()
	if found, ok := r.recalled(st, sub, req.Definition, normalize, opts.Deleted); ok {
		return found, true, nil
	}
	p, err := r.prepare(st, name, req.Definition, normalize, false, storedReferences)
	if err != nil || sub == nil {
		return Schema{}, false, err
	}
	if found, ok := r.match(st, sub, p, opts.Deleted); ok {
		if bare(req.Definition) && found.Fingerprint() == p.fingerprint {
			r.recall.learn(r.recall.key(formatOf(req.Definition.Type), normalize, req.Definition.Text), p.fingerprint)
		}
		return found, true, nil
	}
	merged := st.inherited(sub, cfg, p.definition)
	if merged.Metadata == p.definition.Metadata && merged.RuleSet == p.definition.RuleSet {
		return Schema{}, false, nil
	}
	found, ok := r.match(st, sub, p.with(merged.Metadata, merged.RuleSet), opts.Deleted)
	return found, ok, nil
}

// inherited returns d with the metadata and rules that it would be registered
// with: its own or else the latest version's, between defaults and overrides.
func (s *state) inherited(sub *subject, cfg inForce, d schema.Definition) schema.Definition {
	if latest := sub.latest(false); latest != nil {
		if d.Metadata == nil {
			d.Metadata = latest.content.Metadata()
		}
		if d.RuleSet == nil {
			d.RuleSet = latest.content.RuleSet()
		}
	}
	d.Metadata = mergeMetadata(cfg.DefaultMetadata, d.Metadata, cfg.OverrideMetadata)
	d.RuleSet = mergeRuleSets(cfg.DefaultRuleSet, d.RuleSet, cfg.OverrideRuleSet)
	return d
}

// match finds p among the versions of sub, the newest first.
func (r *Registry) match(st *state, sub *subject, p *prepared, deleted bool) (Schema, bool) {
	if v := st.exact(sub, p, deleted); v != nil {
		found := sub.schemaOf(v)
		found.Stored = false
		return found, true
	}
	quoted := string(journal.AppendQuoted(nil, p.definition.Text))
	for _, v := range slices.Backward(sub.versions) {
		if (deleted || !v.deleted) && r.relaxed(st, sub, v, p, quoted) {
			return sub.schemaOf(v), true
		}
	}
	return Schema{}, false
}

// exact finds the newest version with p's fingerprint; sub may be nil.
func (s *state) exact(sub *subject, p *prepared, deleted bool) *version {
	return s.exactly(sub, p.key(), deleted)
}

func (s *state) exactly(sub *subject, key contentKey, deleted bool) *version {
	known := s.contents.ref(key)
	if known == nil || sub == nil {
		return nil
	}
	for _, v := range slices.Backward(sub.versions) {
		if v.content == known.content && (deleted || !v.deleted) {
			return v
		}
	}
	return nil
}

// relaxed compares a version with a definition that has another fingerprint:
// a recorded version on one side only does not count, and an Avro text may
// stand there with its references resolved.
func (r *Registry) relaxed(st *state, sub *subject, v *version, p *prepared, quoted string) bool {
	c := v.content
	if c.Type() != p.definition.Type || !sameMetadata(c.Metadata(), p.definition.Metadata) || !sameRuleSet(c.RuleSet(), p.definition.RuleSet) {
		return false
	}
	if slices.Equal(c.References(), p.definition.References) {
		return c.hasQuoted(quoted)
	}
	if c.Type() != schema.Avro || len(c.References()) > 0 && len(p.definition.References) > 0 {
		return false
	}
	stored, err := r.parseStored(st, sub.name.Context(), c)
	if err != nil {
		return false
	}
	a, err := stored.schema.Format("resolved")
	if err != nil {
		return false
	}
	b, err := p.parsed.schema.Format("resolved")
	return err == nil && a == b
}
