package registry

import (
	"context"
	"slices"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// DeleteVersion deletes one version: first softly, then, with permanent, for
// good. schema.Latest is the newest live one.
func (r *Registry) DeleteVersion(ctx context.Context, name schema.Subject, number schema.Version, permanent bool) (schema.Version, error) {
	name = name.Canonical()
	var deleted schema.Version
	err := r.write(ctx, "deleting the version", func(st *state) ([]journal.Record, error) {
		sub := st.subject(name)
		if sub == nil {
			return nil, errSubjectNotFound(name)
		}
		v := sub.find(number)
		if number == schema.Latest {
			v = sub.latest(false)
		}
		if v == nil {
			return nil, errVersionNotFound(versionText(number))
		}
		deleted = v.number
		switch {
		case !permanent && v.deleted:
			return nil, errVersionSoftDeleted(name, v.number)
		case permanent && !v.deleted:
			return nil, errVersionNotSoftDeleted(name, v.number)
		case st.modeOf(name).readOnly():
			return nil, errReadOnly(name)
		}
		at := use{name, v.number}
		for _, by := range st.refereesOf(at) {
			if other := st.subject(by.subject).find(by.version); permanent || !other.deleted {
				return nil, errReferenceExists(name, v.number)
			}
		}
		if permanent {
			return st.tombstones([]use{at}), nil
		}
		if live := sub.priors(); len(live) == 1 && len(st.associationsOf(name)) > 0 {
			return nil, errAssociationForSubject(name)
		}
		return []journal.Record{softDeleteRecord(name, v)}, nil
	})
	return deleted, err
}

// softDeleteRecord re-writes a version as deleted; it keeps the time of its
// registration.
func softDeleteRecord(name schema.Subject, v *version) journal.Record {
	value := journal.SchemaValue{
		Subject: name, Version: v.number, ID: v.id, Definition: v.content.Definition(), Deleted: true, Timestamp: v.timestamp,
	}
	if f := v.content.fingerprint; value.Definition.Fingerprint() != f {
		value.MD5 = f[:]
	}
	return journal.Record{
		Key:   journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: name, Version: v.number}),
		Value: journal.AppendSchema(nil, value),
	}
}

// DeleteSubject deletes all versions of a subject: first softly, which returns
// those that were live, then, with permanent, for good, which returns all and
// takes the subject's own config and mode along.
func (r *Registry) DeleteSubject(ctx context.Context, name schema.Subject, permanent bool) ([]schema.Version, error) {
	name = name.Canonical()
	var deleted []schema.Version
	err := r.write(ctx, "deleting the subject", func(st *state) ([]journal.Record, error) {
		records, versions, err := st.deleteSubject(name, permanent)
		deleted = versions
		return records, err
	})
	return deleted, err
}

func (s *state) deleteSubject(name schema.Subject, permanent bool) ([]journal.Record, []schema.Version, error) {
	sub := s.subject(name)
	switch {
	case sub == nil:
		return nil, nil, errSubjectNotFound(name)
	case !permanent && !sub.live():
		return nil, nil, errSubjectSoftDeleted(name)
	case permanent && sub.live():
		return nil, nil, errSubjectNotSoftDeleted(name)
	case s.modeOf(name).readOnly():
		return nil, nil, errReadOnly(name)
	case len(s.associationsOf(name)) > 0:
		return nil, nil, errAssociationForSubject(name)
	}
	var versions []schema.Version
	var all []use
	for _, v := range sub.versions {
		at := use{name, v.number}
		all = append(all, at)
		if !permanent && v.deleted {
			continue
		}
		versions = append(versions, v.number)
		for _, by := range s.refereesOf(at) {
			if by.subject == name {
				continue
			}
			if other := s.subject(by.subject).find(by.version); permanent || !other.deleted {
				return nil, nil, errReferenceExists(name, v.number)
			}
		}
	}
	if !permanent {
		return []journal.Record{{
			Key:   journal.AppendKey(nil, journal.Key{Type: journal.DeleteSubjectKey, Subject: name}),
			Value: journal.AppendDeleteSubject(nil, journal.DeleteSubjectValue{Subject: name, Watermark: sub.last()}),
		}}, versions, nil
	}
	slices.Reverse(all)
	records := s.tombstones(all)
	if _, ok := s.modes.get(name); ok {
		records = append(records, modeRecord(name, ""))
	}
	if _, ok := s.configs.get(name); ok {
		records = append(records, configRecord(name, nil))
	}
	return records, versions, nil
}

// DeleteContext forgets an empty context; an unknown one is fine.
func (r *Registry) DeleteContext(ctx context.Context, c schema.Context) error {
	return r.write(ctx, "deleting the context", func(st *state) ([]journal.Record, error) {
		for range st.inContext(c, "") {
			return nil, errContextNotEmpty(c)
		}
		if cs := st.context(c); cs == nil || !cs.declared || c == schema.DefaultContext {
			return nil, nil
		}
		return []journal.Record{{Key: journal.AppendKey(nil, journal.Key{Type: journal.ContextKey, Context: c})}}, nil
	})
}
