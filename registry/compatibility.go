package registry

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// Check says whether a definition could follow. Version 0 compares with every
// version that the level in force asks for, any other with that one alone; a
// subject without versions has nothing to compare with, unless a number was
// asked for. With all set the verdict names every version that breaks, not
// only the first.
func (r *Registry) Check(name schema.Subject, with schema.Version, req RegisterRequest, all bool) (*Verdict, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	name = name.Canonical()
	if req.Definition, err = tidyDefinition(req.Definition); err != nil {
		return nil, err
	}
	if req.Definition.Text == "" {
		return nil, errEmptySchema()
	}
	sub := st.subject(name)
	priors := sub.priors()
	switch {
	case with == schema.Latest && len(priors) > 0:
		priors = priors[:1]
	case with > 0:
		v := sub.find(with)
		if v == nil || v.deleted {
			return nil, errVersionNotFound(fmt.Sprint(with))
		}
		priors = []*version{v}
	}
	cfg := r.inForce(st, name)
	p, err := r.prepare(st, name, req.Definition, req.Normalize || cfg.normalize, cfg.newSchemas, newReferences)
	if err != nil {
		return nil, err
	}
	return r.compare(st, name, cfg, p, priors, all)
}

// compare puts p after priors, which are live and newest first.
func (r *Registry) compare(st *state, name schema.Subject, cfg inForce, p *prepared, priors []*version, all bool) (*Verdict, error) {
	verdict := &Verdict{Compatible: true, Level: cfg.level}
	if cfg.level == compat.None {
		return verdict, nil
	}
	priors = sameGroup(priors, cfg.Group, p.definition.Metadata)
	if !cfg.level.Transitive() && len(priors) > 1 {
		priors = priors[:1]
	}
	if cfg.fields {
		if err := r.checkReserved(st, name, p, priors, verdict); err != nil {
			return nil, err
		}
	}
	for _, v := range priors {
		stored, err := r.parseStored(st, name.Context(), v.content)
		if err != nil {
			return nil, errInvalidSchema(show(name, v.content.Definition()), fmt.Errorf("version %d of the subject cannot be read: %w", v.number, err))
		}
		findings := compat.Check(cfg.level, p.parsed.schema, []compat.Prior{{Version: v.number, Schema: stored.schema}}, compat.Options{Policy: cfg.policy})
		if len(findings) == 0 {
			continue
		}
		verdict.add(v, findings)
		if !all {
			break
		}
	}
	if !verdict.Compatible {
		verdict.Messages = append(verdict.Messages, fmt.Sprintf("{validateFields: '%t', compatibility: '%s'}", cfg.fields, cfg.level))
	}
	return verdict, nil
}

// add notes what breaks with one version.
func (v *Verdict) add(prior *version, findings []compat.Finding) {
	v.Compatible = false
	v.Findings = append(v.Findings, findings...)
	for _, f := range findings {
		v.Messages = append(v.Messages, f.Sentence)
	}
	if v.Registered == nil {
		v.Registered = map[schema.Version]int64{}
	}
	v.Registered[prior.number] = prior.timestamp
	if findings[0].Rule == compat.RuleTypeChanged {
		return
	}
	v.Messages = append(v.Messages, fmt.Sprintf("{oldSchemaVersion: %d}", prior.number), oldSchema(prior.content.Text()))
}

// mostShown is how much of an earlier schema a message holds.
const mostShown = 10240

func oldSchema(text string) string {
	if utf8.RuneCountInString(text) <= mostShown {
		return "{oldSchema: '" + text + "'}"
	}
	runes := 0
	for i := range text {
		if runes == mostShown {
			return "{oldSchema: <truncated> '" + text[:i] + "...'}"
		}
		runes++
	}
	return "{oldSchema: '" + text + "'}"
}

// sameGroup keeps the versions whose property of that name is the same as the
// new definition's.
func sameGroup(priors []*version, group string, m *schema.Metadata) []*version {
	if group == "" {
		return priors
	}
	want, has := property(m, group)
	return slices.DeleteFunc(slices.Clone(priors), func(v *version) bool {
		got, ok := property(v.content.Metadata(), group)
		return ok != has || got != want
	})
}

// checkReserved holds the reserved names of p and of the versions before it
// against its fields.
func (r *Registry) checkReserved(st *state, name schema.Subject, p *prepared, priors []*version, verdict *Verdict) error {
	reserved := reservedNames(p.definition.Metadata)
	if len(reserved) > 0 {
		fields, err := topLevelFields(p.parsed.schema)
		if err != nil {
			return errInvalidSchema(show(name, p.definition), errors.New("its fields cannot be listed: "+err.Error()))
		}
		for _, f := range fields {
			if slices.Contains(reserved, f) {
				verdict.reservedFinding("RESERVED_PROPERTY_CONFLICTS_WITH_PROPERTY", f,
					fmt.Sprintf("The new schema has field that conflicts with the reserved field %s", f))
			}
		}
	}
	for _, v := range priors {
		for _, old := range reservedNames(v.content.Metadata()) {
			if !slices.Contains(reserved, old) {
				verdict.reservedFinding("RESERVED_PROPERTY_REMOVED", old,
					fmt.Sprintf("The new schema has reserved field %s removed from its metadata which is present in the old schema's metadata", old))
			}
		}
	}
	return nil
}

func (v *Verdict) reservedFinding(rule, field, description string) {
	v.Compatible = false
	sentence := fmt.Sprintf("{errorType:'%s', description:'%s', additionalInfo:'%s'}", rule, description, field)
	v.Findings = append(v.Findings, compat.Finding{
		Incompatibility: compat.Incompatibility{Rule: rule, Path: field, Detail: description}, Roles: compat.Backward, Sentence: sentence,
	})
	v.Messages = append(v.Messages, sentence)
}
