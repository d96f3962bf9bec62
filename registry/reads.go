package registry

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
)

// ParseVersion reads a version as it stands in a path: a number of 1 and more,
// -1 or "latest" in any letter case.
func ParseVersion(s string) (schema.Version, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, "latest") {
		return schema.Latest, nil
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < -1 || n == 0 {
		return 0, errInvalidVersion(s)
	}
	return schema.Version(n), nil
}

func versionText(v schema.Version) string {
	return strconv.Itoa(int(v))
}

// SubjectsQuery selects subjects. Prefix ":*:" is all contexts, ":.ctx:" one
// and "" the default one; what follows is a prefix of the name.
type SubjectsQuery struct {
	Prefix      string
	Deleted     bool // also subjects with soft-deleted versions only
	DeletedOnly bool // only those
	Page        Page
}

// Subjects lists subjects in order.
func (r *Registry) Subjects(q SubjectsQuery) ([]schema.Subject, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	list := []schema.Subject{}
	for sub := range st.matching(q.Prefix) {
		live := sub.live()
		if q.DeletedOnly && !live || !q.DeletedOnly && (live || q.Deleted) {
			list = append(list, sub.name)
		}
	}
	return cut(list, q.Page, unlimited), nil
}

// VersionsQuery selects versions of a subject.
type VersionsQuery struct {
	Deleted           bool
	DeletedOnly       bool // beats Deleted
	DeletedAsNegative bool // beats both: soft-deleted ones are -n
	Page              Page
}

// Versions lists a subject's versions in ascending order.
func (r *Registry) Versions(name schema.Subject, q VersionsQuery) ([]schema.Version, error) {
	return fresh(r, func(st *state) ([]schema.Version, error) { return st.versions(name, q) })
}

func (s *state) versions(name schema.Subject, q VersionsQuery) ([]schema.Version, error) {
	sub := s.subject(name.Canonical())
	var list []schema.Version
	if sub != nil {
		list = make([]schema.Version, 0, len(sub.versions))
		for _, v := range sub.versions {
			switch {
			case q.DeletedAsNegative && v.deleted:
				list = append(list, -v.number)
			case q.DeletedAsNegative, !q.DeletedOnly && (!v.deleted || q.Deleted), q.DeletedOnly && v.deleted:
				list = append(list, v.number)
			}
		}
	}
	if len(list) == 0 {
		return nil, errSubjectNotFound(name.Canonical())
	}
	return cut(list, q.Page, unlimited), nil
}

// Version returns one version of a subject; schema.Latest is the newest. A
// subject that does not name its context is looked for in the others too.
func (r *Registry) Version(name schema.Subject, number schema.Version, deleted bool) (Schema, error) {
	return fresh(r, func(st *state) (Schema, error) { return st.anyVersion(name, number, deleted) })
}

func (s *state) anyVersion(name schema.Subject, number schema.Version, deleted bool) (Schema, error) {
	name = name.Canonical()
	found, err := s.version(name, number, deleted)
	if err == nil || name.Qualified() || s.contexts.len() < 2 {
		return found, err
	}
	for _, c := range s.contextNames() {
		if c == schema.DefaultContext {
			continue
		}
		if found, otherErr := s.version(schema.Qualify(c, string(name)), number, deleted); otherErr == nil {
			return found, nil
		}
	}
	return found, err
}

func (s *state) version(name schema.Subject, number schema.Version, deleted bool) (Schema, error) {
	sub := s.subject(name)
	if sub.latest(deleted) == nil {
		return Schema{}, errSubjectNotFound(name)
	}
	v := sub.find(number)
	if number == schema.Latest {
		v = sub.latest(deleted)
	}
	if v == nil || v.deleted && !deleted {
		return Schema{}, errVersionNotFound(versionText(number))
	}
	return sub.schemaOf(v), nil
}

// ReferencedBy lists the IDs of the schemas that refer to a version, which may
// itself be soft-deleted.
func (r *Registry) ReferencedBy(name schema.Subject, number schema.Version, deleted bool, page Page) ([]schema.ID, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	target, err := st.version(name.Canonical(), number, number != schema.Latest)
	if err != nil {
		return nil, err
	}
	ids := []schema.ID{}
	for _, by := range st.refereesOf(use{target.Subject, target.Version}) {
		if v := st.subject(by.subject).find(by.version); deleted || !v.deleted {
			ids = append(ids, v.id)
		}
	}
	slices.Sort(ids)
	return cut(slices.Compact(ids), page, r.opts.SearchLimit), nil
}

// SchemaByID returns what an ID stands for, soft-deleted or not, in the
// context of subject (which may be a bare context, ":.ctx:"), as the version
// of that subject if it has one. Without a context, the default one is looked
// in first and then every other.
func (r *Registry) SchemaByID(id schema.ID, subject schema.Subject) (Schema, error) {
	return fresh(r, func(st *state) (Schema, error) {
		c, e := st.findID(id, subject)
		if e == nil {
			return Schema{}, errIDNotFound(id)
		}
		return st.present(e, id, c, subject.Name()), nil
	})
}

// findID returns the entry of an ID and the context it is in.
func (s *state) findID(id schema.ID, subject schema.Subject) (schema.Context, *idEntry) {
	c := subject.Context()
	if e := s.entry(c, id); e != nil || subject.Qualified() {
		return c, e
	}
	for _, c := range s.contextNames() {
		if e := s.entry(c, id); e != nil {
			return c, e
		}
	}
	return c, nil
}

// present shows an ID as one of the versions that carry it: the newest of the
// named subject, else the first one, live ones before soft-deleted ones.
func (s *state) present(e *idEntry, id schema.ID, c schema.Context, name string) Schema {
	if name != "" {
		sub := s.subject(schema.Qualify(c, name))
		if sub != nil {
			for _, v := range slices.Backward(sub.versions) {
				if v.id == id {
					return sub.schemaOf(v)
				}
			}
		}
	}
	sub := s.subject(e.first.subject)
	v := sub.find(e.first.version)
	if v.deleted && e.more != nil {
		best := e.first
		for u := range e.uses() {
			if !s.subject(u.subject).find(u.version).deleted && (best == e.first || compareUses(u, best) < 0) {
				best = u
			}
		}
		sub = s.subject(best.subject)
		v = sub.find(best.version)
	}
	return sub.schemaOf(v)
}

// MaxID returns the highest ID that the context of s ever gave out.
func (r *Registry) MaxID(s Schema) schema.ID {
	if cs := r.snap.Load().context(s.Subject.Context()); cs != nil {
		return cs.maxID
	}
	return s.ID
}

// SubjectVersion names a version.
type SubjectVersion struct {
	Subject schema.Subject
	Version schema.Version
}

// VersionsByID lists the versions that carry an ID, in order. A subject with a
// name keeps only that subject's.
func (r *Registry) VersionsByID(id schema.ID, subject schema.Subject, deleted bool, page Page) ([]SubjectVersion, error) {
	list, err := r.versionsByID(id, subject, deleted)
	return cut(list, page, unlimited), err
}

func (r *Registry) versionsByID(id schema.ID, subject schema.Subject, deleted bool) ([]SubjectVersion, error) {
	return fresh(r, func(st *state) ([]SubjectVersion, error) { return st.versionsByID(id, subject, deleted) })
}

func (s *state) versionsByID(id schema.ID, subject schema.Subject, deleted bool) ([]SubjectVersion, error) {
	c, e := s.findID(id, subject)
	if e == nil {
		return nil, errIDNotFound(id)
	}
	only := schema.Qualify(c, subject.Name())
	list := []SubjectVersion{}
	for u := range e.uses() {
		if subject.Name() != "" && u.subject != only {
			continue
		}
		if deleted || !s.subject(u.subject).find(u.version).deleted {
			list = append(list, SubjectVersion{u.subject, u.version})
		}
	}
	slices.SortFunc(list, func(a, b SubjectVersion) int {
		return compareUses(use{a.Subject, a.Version}, use{b.Subject, b.Version})
	})
	return list, nil
}

// SubjectsByID lists the subjects that carry an ID, in order.
func (r *Registry) SubjectsByID(id schema.ID, subject schema.Subject, deleted bool, page Page) ([]schema.Subject, error) {
	versions, err := r.versionsByID(id, subject, deleted)
	if err != nil {
		return nil, err
	}
	list := make([]schema.Subject, 0, len(versions))
	for _, v := range versions {
		list = append(list, v.Subject)
	}
	return cut(slices.Compact(list), page, unlimited), nil
}

// SchemaByGUID returns a definition by its GUID, with an ID that it has but as
// nobody's version.
func (r *Registry) SchemaByGUID(guid string) (Schema, error) {
	return fresh(r, func(st *state) (Schema, error) {
		p := st.byGUID(guid)
		if p == nil {
			return Schema{}, errGUIDNotFound(guid)
		}
		at := p.first
		return Schema{Content: p.content, Subject: schema.Qualify(at.context, ""), ID: at.id}, nil
	})
}

func (s *state) byGUID(text string) *contentPlaces {
	guid, err := schema.ParseGUID(text)
	if err != nil {
		return nil
	}
	var known *contentPlaces
	for p := range s.contents.of(schema.Fingerprint(guid)) {
		if known == nil || p.content.format < known.content.format {
			known = p
		}
	}
	return known
}

// ContextID is an ID in its context.
type ContextID struct {
	Context schema.Context
	ID      schema.ID
}

// IDsByGUID lists the IDs that stand for a definition; none if it is unknown.
func (r *Registry) IDsByGUID(guid string) ([]ContextID, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	list := []ContextID{}
	if p := st.byGUID(guid); p != nil {
		for at := range p.places() {
			list = append(list, ContextID{at.context, at.id})
		}
	}
	slices.SortFunc(list, func(a, b ContextID) int { return cmp.Or(cmp.Compare(a.Context, b.Context), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// Contexts lists the contexts whose name begins with prefix, the default one
// included.
func (r *Registry) Contexts(prefix string, page Page) ([]schema.Context, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(st.contextNames(), func(c schema.Context) bool { return !strings.HasPrefix(string(c), prefix) })
	return cut(list, page, unlimited), nil
}

// LatestWithMetadata returns the highest version whose metadata has all the
// properties; without any, the highest that has metadata.
func (r *Registry) LatestWithMetadata(name schema.Subject, properties [][2]string, deleted bool) (Schema, error) {
	st, err := r.read()
	if err != nil {
		return Schema{}, err
	}
	name = name.Canonical()
	sub := st.subject(name)
	if sub.latest(deleted) == nil {
		return Schema{}, errSubjectNotFound(name)
	}
	for _, v := range slices.Backward(sub.versions) {
		m := v.content.Metadata()
		if m == nil || v.deleted && !deleted || len(m.Tags)+len(m.Properties)+len(m.Sensitive) == 0 {
			continue
		}
		if !slices.ContainsFunc(properties, func(p [2]string) bool {
			got, ok := m.Properties[p[0]]
			return !ok || got != p[1]
		}) {
			return sub.schemaOf(v), nil
		}
	}
	return Schema{}, errSchemaNotFound()
}

// SchemasQuery selects versions for a listing.
type SchemasQuery struct {
	Prefix           string // as in SubjectsQuery
	Deleted          bool
	LatestOnly       bool
	Aliases          bool // fill ExtendedSchema.Aliases
	RuleType         string
	ResourceType     string
	AssociationTypes []string
	// Lifecycles are STRONG, WEAK and NONE, the last for subjects without an
	// association.
	Lifecycles []string
	Page       Page
}

// ExtendedSchema is a version with what is known about its subject.
type ExtendedSchema struct {
	Schema
	Aliases      []schema.Subject // subjects whose alias leads here
	Associations []*Association
}

// Schemas lists versions in the order of subject and version. Filters run
// before the page is cut.
func (r *Registry) Schemas(q SchemasQuery) ([]ExtendedSchema, error) {
	st, err := r.read()
	if err != nil {
		return nil, err
	}
	var aliases map[schema.Subject][]schema.Subject
	if q.Aliases {
		aliases = st.aliases()
	}
	filterAssociations := q.ResourceType != "" || len(q.AssociationTypes)+len(q.Lifecycles) > 0
	list := []ExtendedSchema{}
	for sub := range st.matching(q.Prefix) {
		var assocs []*Association
		if filterAssociations {
			var ok bool
			if assocs, ok = st.associated(sub.name, q); !ok {
				continue
			}
		}
		add := func(v *version) {
			if q.RuleType == "" || hasRuleOf(v.content.RuleSet(), q.RuleType) {
				list = append(list, ExtendedSchema{sub.schemaOf(v), aliases[sub.name], assocs})
			}
		}
		if q.LatestOnly {
			if v := sub.latest(q.Deleted); v != nil {
				add(v)
			}
			continue
		}
		for _, v := range sub.versions {
			if !v.deleted || q.Deleted {
				add(v)
			}
		}
	}
	return cut(list, q.Page, r.opts.SearchLimit), nil
}

// aliases returns, per subject, the subjects whose alias leads to it.
func (s *state) aliases() map[schema.Subject][]schema.Subject {
	m := map[schema.Subject][]schema.Subject{}
	for at, c := range s.configs.all() {
		if c.Alias != "" && at.Name() != "" {
			to := schema.Subject(c.Alias).In(at.Context())
			m[to] = append(m[to], at)
		}
	}
	return m
}

// associated returns the associations of a subject that a query asks for, and
// whether the subject is wanted at all.
func (s *state) associated(name schema.Subject, q SchemasQuery) ([]*Association, bool) {
	all := s.associationsOf(name)
	var list []*Association
	for _, a := range all {
		if (q.ResourceType == "" || a.ResourceType == q.ResourceType) &&
			(len(q.AssociationTypes) == 0 || slices.Contains(q.AssociationTypes, a.AssociationType)) &&
			(len(q.Lifecycles) == 0 || slices.Contains(q.Lifecycles, string(a.Lifecycle))) {
			list = append(list, a)
		}
	}
	return list, len(list) > 0 || len(all) == 0 && slices.Contains(q.Lifecycles, "NONE")
}

func hasRuleOf(s *schema.RuleSet, typ string) bool {
	if s == nil {
		return false
	}
	is := func(r schema.Rule) bool { return r.Type == typ }
	return slices.ContainsFunc(s.MigrationRules, is) || slices.ContainsFunc(s.DomainRules, is) || slices.ContainsFunc(s.EncodingRules, is)
}
