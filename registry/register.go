package registry

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// maxValueBytes bounds a record's value: what a broker takes by default, less
// what surrounds it.
const maxValueBytes = 1<<20 - 1024

// Register makes a definition the next version of a subject, or finds it there.
func (r *Registry) Register(ctx context.Context, name schema.Subject, req RegisterRequest) (Schema, error) {
	name = name.Canonical()
	var err error
	if req.Definition, err = tidyDefinition(req.Definition); err != nil {
		return Schema{}, err
	}
	if err := r.checkSubject(name); err != nil {
		return Schema{}, err
	}
	if req.ID != nil && *req.ID < 0 {
		req.ID = nil
	}
	if req.Version < schema.Latest {
		return Schema{}, errInvalidVersion(strconv.Itoa(int(req.Version)))
	}
	if strings.TrimSpace(req.Definition.Text) == "" {
		req.Definition.Text = ""
	}
	st, err := r.read()
	if err != nil {
		return Schema{}, err
	}
	if found, ok := r.again(st, name, req); ok {
		return found, nil
	}
	r.warm(st, name, req)
	if found, ok := r.existing(st, name, req); ok {
		return found, nil
	}
	var out Schema
	err = r.writeDecoded(ctx, "registering the schema", func(st *state) (records []journal.Record, last *decoded, err error) {
		out, records, err = r.decideRegister(st, name, req)
		if len(records) > 0 && out.Content.plain() {
			last = &decoded{key: journal.Key{Type: journal.SchemaKey, Subject: out.Subject, Version: out.Version}, content: *out.Content, id: out.ID}
		}
		return records, last, err
	})
	if err != nil {
		return Schema{}, err
	}
	if sub := r.snap.Load().subject(out.Subject); out.Stored && sub != nil {
		if v := sub.find(out.Version); v != nil && v.id == out.ID && !v.deleted {
			return sub.schemaOf(v), nil // with the journal's own time
		}
	}
	return out, nil
}

// warm parses outside the turn what will be needed in it. Errors come up again
// there.
func (r *Registry) warm(st *state, name schema.Subject, req RegisterRequest) {
	if req.Definition.Text == "" {
		return
	}
	cfg := r.inForce(st, name)
	_, err := r.prepare(st, name, req.Definition, false, cfg.newSchemas, newReferences)
	if latest := st.subject(name).latest(false); latest != nil && err == nil {
		_, _ = r.parseStored(st, name.Context(), latest.content)
	}
}

// again is the short cut of existing that parses nothing.
func (r *Registry) again(st *state, name schema.Subject, req RegisterRequest) (Schema, bool) {
	sub := st.subject(name)
	if sub == nil || !repeatable(req) {
		return Schema{}, false
	}
	cfg := r.inForce(st, name)
	if cfg.contributes {
		return Schema{}, false
	}
	normalize := (req.Normalize || cfg.normalize) && !st.modeOf(name).importing()
	found, ok := r.recalled(st, sub, req.Definition, normalize, false)
	return found, ok && (req.ID == nil || *req.ID == found.ID)
}

// repeatable reports whether a request asks for nothing but that the schema be
// there.
func repeatable(req RegisterRequest) bool {
	return req.Version <= 0 && req.Definition.Text != "" && len(req.TagsToAdd)+len(req.TagsToRemove) == 0 && !req.PropagateTags
}

// existing is the short cut of a schema that is registered already: it needs
// neither mode nor compatibility.
func (r *Registry) existing(st *state, name schema.Subject, req RegisterRequest) (Schema, bool) {
	if !repeatable(req) || !st.known(name, false) || r.inForce(st, name).contributes {
		return Schema{}, false
	}
	found, ok, err := r.lookup(st, name, req, LookupOptions{Normalize: req.Normalize})
	if err != nil || !ok || req.ID != nil && *req.ID != found.ID {
		return Schema{}, false
	}
	return found, true
}

// decideRegister returns the version that a request leads to and the records
// that make it so; none if it is there already.
func (r *Registry) decideRegister(st *state, name schema.Subject, req RegisterRequest) (Schema, []journal.Record, error) {
	if found, ok := r.existing(st, name, req); ok {
		return found, nil, nil
	}
	mode := st.modeOf(name)
	if err := permitRegister(name, mode, req.ID); err != nil {
		return Schema{}, nil, err
	}
	cfg := r.inForce(st, name)
	sub := st.subject(name)
	next := sub.last() + 1
	if sub.last() == math.MaxInt32 {
		return Schema{}, nil, errStore("registering the schema", errors.New("the subject has no version numbers left"))
	}

	p, err := r.complete(st, name, sub, cfg, mode, req, next)
	if err != nil {
		return Schema{}, nil, err
	}
	for _, ref := range p.definition.References {
		if to := ref.Subject.In(name.Context()); st.strong(to) {
			return Schema{}, nil, errNotPermitted("Subject %s has a strong association and cannot be referenced", to)
		}
	}
	if v := st.exact(sub, p, false); v != nil && req.Version == 0 {
		if req.ID != nil && *req.ID != v.id {
			return Schema{}, nil, errIDMismatch(*req.ID, v.id)
		}
		return sub.schemaOf(v), nil, nil
	}
	if !mode.importing() && !req.Force {
		verdict, err := r.compare(st, name, cfg, p, sub.priors(), false)
		if err != nil {
			return Schema{}, nil, err
		}
		if !verdict.Compatible {
			return Schema{}, nil, errIncompatible(name, verdict)
		}
	}
	if req.Version > 0 {
		if !mode.importing() && req.Version != next {
			return Schema{}, nil, errNotNextVersion()
		}
		next = req.Version
	}
	id, err := st.chooseID(name.Context(), p.key(), req.ID)
	if err != nil {
		return Schema{}, nil, err
	}
	if old := sub.find(next); old != nil && !old.deleted && old.id == id && old.content.fingerprint == p.fingerprint {
		return sub.schemaOf(old), nil, nil
	}
	return r.registration(st, sub, use{name, next}, id, p)
}

func permitRegister(name schema.Subject, mode Mode, id *schema.ID) error {
	switch {
	case mode.readOnly():
		return errReadOnly(name)
	case mode.importing() && id == nil:
		return errNotReadWrite(name)
	case !mode.importing() && id != nil:
		return errNotImport(name)
	}
	return nil
}

// complete brings a request into the form that is stored: text, metadata and
// rules that it leaves out, tags, canonical or normal form.
func (r *Registry) complete(st *state, name schema.Subject, sub *subject, cfg inForce, mode Mode, req RegisterRequest, next schema.Version) (*prepared, error) {
	d := req.Definition
	if mode.importing() {
		if d.Text == "" {
			return nil, errEmptySchema()
		}
		return r.prepare(st, name, d, false, false, newReferences)
	}
	latest := sub.latest(false)
	if d.Text == "" {
		if latest == nil {
			return nil, errEmptySchema()
		}
		d.Text, d.Type = latest.content.Text(), latest.content.Type()
		if d.References == nil {
			d.References = latest.content.References()
		}
	}
	var err error
	if d.Text, err = r.editTags(st, name, d, latest, req); err != nil {
		return nil, err
	}
	d = st.inherited(sub, cfg, d)
	if _, recorded := property(d.Metadata, versionProperty); recorded || req.Version != 0 {
		d.Metadata = withProperty(d.Metadata, versionProperty, strconv.Itoa(int(next)))
	}
	p, err := r.prepare(st, name, d, req.Normalize || cfg.normalize, cfg.newSchemas, newReferences)
	if err != nil {
		return nil, err
	}
	if cfg.fields && d.Type == schema.JSON {
		if bad := dollarProperty(p.definition.Text); bad != "" {
			return nil, errInvalidSchema(show(name, d), errors.New("property name "+strconv.Quote(bad)+" starts with the reserved prefix $$"))
		}
	}
	return p, nil
}

// priors returns the live versions, newest first.
func (s *subject) priors() []*version {
	if s == nil {
		return nil
	}
	var live []*version
	for i := len(s.versions) - 1; i >= 0; i-- {
		if !s.versions[i].deleted {
			live = append(live, s.versions[i])
		}
	}
	return live
}

// chooseID returns the ID under which a content goes into context c.
func (s *state) chooseID(c schema.Context, key contentKey, asked *schema.ID) (schema.ID, error) {
	if asked != nil {
		if e := s.entry(c, *asked); e != nil && e.content.key() != key {
			return 0, errNotPermitted("Overwrite new schema with id %d in context %s is not permitted.", *asked, c)
		}
		return *asked, nil
	}
	if id, ok := s.idOf(c, key); ok {
		return id, nil
	}
	cs := s.context(c)
	if cs == nil {
		return 1, nil
	}
	if cs.maxID == math.MaxInt32 {
		return 0, errStore("registering the schema", errors.New("the context has no schema IDs left"))
	}
	return cs.maxID + 1, nil
}

// registration returns the records that put p at a version.
func (r *Registry) registration(st *state, sub *subject, at use, id schema.ID, p *prepared) (Schema, []journal.Record, error) {
	var records []journal.Record
	c := at.subject.Context()
	if cs := st.context(c); c != schema.DefaultContext && (cs == nil || !cs.declared) {
		records = append(records, contextRecord(c, 0))
	}
	if old := sub.find(at.version); old != nil && old.id != id {
		records = append(records, st.remember([]use{at})...) // an import replaces it
	}
	if sub != nil {
		for _, v := range sub.versions {
			old := use{sub.name, v.number}
			if v.deleted && v.id == id && v.number < at.version && len(st.refereesOf(old)) == 0 {
				records = append(records, tombstone(old))
			}
		}
	}
	content := newContent(p.definition, p.fingerprint, "")
	value := journal.AppendSchema(make([]byte, 0, len(content.quoted)+len(at.subject)+128),
		journal.SchemaValue{Subject: at.subject, Version: at.version, ID: id, Definition: p.definition, Quoted: content.quoted})
	if n := len(value) + sealedGrowth(p.definition.Metadata); n > maxValueBytes {
		return Schema{}, nil, errTooLarge(strconv.Itoa(n) + " bytes as a record, the most is " + strconv.Itoa(maxValueBytes))
	}
	records = append(records, journal.Record{
		Key:   journal.AppendKey(make([]byte, 0, len(at.subject)+72), journal.Key{Type: journal.SchemaKey, Subject: at.subject, Version: at.version}),
		Value: value,
	})
	return Schema{
		Content: content, Subject: at.subject, Version: at.version, ID: id,
		Timestamp: r.opts.Now().UnixMilli(), Stored: true,
	}, records, nil
}

// refereesOf returns the versions that refer to at.
func (s *state) refereesOf(at use) []use {
	list, _ := s.referees.get(at)
	return list
}

func tombstone(at use) journal.Record {
	return journal.Record{Key: journal.AppendKey(nil, journal.Key{Type: journal.SchemaKey, Subject: at.subject, Version: at.version})}
}

func contextRecord(c schema.Context, maxID schema.ID) journal.Record {
	return journal.Record{
		Key:   journal.AppendKey(nil, journal.Key{Type: journal.ContextKey, Context: c}),
		Value: journal.AppendContext(nil, journal.ContextValue{Context: c, MaxID: maxID}),
	}
}

// tombstones returns the records that forget versions for good.
func (s *state) tombstones(gone []use) []journal.Record {
	records := s.remember(gone)
	for _, at := range gone {
		records = append(records, tombstone(at))
	}
	return records
}

// remember returns the records that keep the highest ID of a context known
// when the last version that shows it goes: an ID is never given to a second
// definition, whatever the journal compacts away.
func (s *state) remember(gone []use) []journal.Record {
	left := map[place]int{}
	var records []journal.Record
	for _, at := range gone {
		c := at.subject.Context()
		v := s.subject(at.subject).find(at.version)
		cs := s.context(c)
		e := cs.ids.ref(v.id)
		p := place{c, v.id}
		if _, ok := left[p]; !ok {
			left[p] = 1 + len(e.others())
		}
		if left[p]--; left[p] == 0 && v.id == cs.maxID {
			records = append(records, contextRecord(c, cs.maxID))
		}
	}
	return records
}
