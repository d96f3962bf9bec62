package registry

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// decoded is a record as far as it can be read without a state, so that a
// replay can read records side by side.
type decoded struct {
	key     journal.Key // may lie in the record if it is that of a SCHEMA record
	content Content     // of a SCHEMA record with a value, and what follows; its text may lie in the record
	id      schema.ID
	ts      int64 // 0 for the record's own
	deleted bool
	err     error
}

func decode(rec journal.Record) decoded {
	d, _ := decodeIn(nil, rec)
	return d
}

// decodeIn needs some bytes to work with, and returns them for the next record.
func decodeIn(scratch []byte, rec journal.Record) (d decoded, _ []byte) {
	if d.key, d.err = journal.ParseKeyIn(rec.Key); d.err != nil {
		return d, scratch
	}
	d.key.Subject = d.key.Subject.Canonical()
	if d.key.Type != journal.SchemaKey || rec.Value == nil {
		return d, scratch
	}
	v, scratch, err := journal.ParseSchemaIn(scratch, rec.Value)
	if d.err = err; err != nil {
		return d, scratch
	}
	var f schema.Fingerprint
	if v.MD5 != nil {
		copy(f[:], v.MD5)
	} else {
		f = v.Definition.Fingerprint()
	}
	d.id, d.ts, d.deleted = v.ID, v.Timestamp, v.Deleted
	d.content = contentOf(v.Definition, f, v.Quoted)
	return d, scratch
}

// decodeAll reads records on all processors, into dst as far as it has room.
func decodeAll(dst []decoded, records []journal.Record) []decoded {
	if cap(dst) < len(records) {
		dst = make([]decoded, len(records))
	}
	dst = dst[:len(records)]
	workers := min(runtime.GOMAXPROCS(0), len(records)/256+1)
	var wg sync.WaitGroup
	for w := range workers {
		part := func() {
			var scratch []byte
			for i := len(records) * w / workers; i < len(records)*(w+1)/workers; i++ {
				dst[i], scratch = decodeIn(scratch, records[i])
			}
		}
		if workers == 1 {
			part()
			break
		}
		wg.Go(part)
	}
	wg.Wait()
	return dst
}

// apply makes one record part of s. An error means that the record was
// skipped; the state is as before.
func (s *state) apply(rec journal.Record) error {
	d := decode(rec)
	return s.applyDecoded(rec, &d)
}

// applyDecoded is the only code that changes a state, while serving and at
// start.
func (s *state) applyDecoded(rec journal.Record, d *decoded) error {
	if d.err != nil {
		return d.err
	}
	k := d.key
	switch k.Type {
	case journal.SchemaKey:
		if rec.Value == nil {
			s.removeVersion(use{k.Subject, k.Version})
			return nil
		}
		return s.applySchema(d, rec.Timestamp)
	case journal.ConfigKey:
		if rec.Value == nil {
			s.configs.delete(s.own, k.Subject)
			return nil
		}
		v, err := journal.ParseConfig(rec.Value)
		if err != nil {
			return err
		}
		v.Subject = k.Subject
		s.configs.set(s.own, k.Subject, &v)
	case journal.ModeKey:
		if rec.Value == nil {
			s.modes.delete(s.own, k.Subject)
			return nil
		}
		v, err := journal.ParseMode(rec.Value)
		if err != nil {
			return err
		}
		m, ok := parseMode(v.Mode)
		if !ok {
			return fmt.Errorf("registry: unknown mode %q of subject %q", v.Mode, k.Subject)
		}
		s.modes.set(s.own, k.Subject, m)
	case journal.DeleteSubjectKey:
		if rec.Value == nil {
			return nil
		}
		v, err := journal.ParseDeleteSubject(rec.Value)
		if err != nil {
			return err
		}
		s.softDelete(k.Subject, v.Watermark)
	case journal.ClearSubjectKey:
		if rec.Value != nil {
			s.clear(k.Subject)
		}
	case journal.ContextKey:
		return s.applyContext(k, rec.Value)
	case journal.AssociationKey:
		return s.applyAssociation(k, rec.Value)
	case journal.KEKKey:
		return s.applyKEK(k, rec)
	case journal.DEKKey:
		return s.applyDEK(k, rec)
	}
	return nil
}

// editContext returns the context's state for changing, creating it.
func (s *state) editContext(c schema.Context) *contextState {
	cs := s.context(c)
	if cs != nil && cs.own == s.own {
		return cs
	}
	if cs == nil {
		cs = &contextState{own: s.own, ids: newTree[schema.ID, idEntry](func(a, b schema.ID) int { return int(a) - int(b) })}
	} else {
		copied := *cs
		copied.own = s.own
		cs = &copied
	}
	s.contexts.set(s.own, c, cs)
	return cs
}

func (s *state) applySchema(d *decoded, ts int64) error {
	k := &d.key
	if d.ts != 0 {
		ts = d.ts
	}
	sub := s.subject(k.Subject)
	if sub == nil {
		sub = &subject{name: schema.Subject(strings.Clone(string(k.Subject)))}
	}
	c := sub.name.Context()
	at := use{sub.name, k.Version}
	key := d.content.key()
	if e := s.entry(c, d.id); e != nil && e.content.key() != key && (e.more != nil || e.first != at) {
		return fmt.Errorf("registry: subject %q version %d: id %d already stands for another schema in context %s", k.Subject, k.Version, d.id, c)
	}

	if old := sub.find(k.Version); old != nil && old.id == d.id && old.content.key() == key {
		// A re-written record: a soft delete, or an import of what is there.
		s.editSubject(sub, func(versions []*version) []*version {
			i := slices.Index(versions, old)
			changed := *old
			changed.deleted, changed.timestamp = d.deleted, ts
			versions = slices.Clone(versions)
			versions[i] = &changed
			return versions
		})
		return nil
	} else if old != nil {
		s.removeVersion(at)
		if sub = s.subject(at.subject); sub == nil {
			sub = &subject{name: at.subject}
		}
	}

	content := s.addPlace(&d.content, place{c, d.id}, sub)
	cs := s.editContext(c)
	cs.maxID = max(cs.maxID, d.id)
	e := idEntry{content: content, first: at}
	if old := cs.ids.ref(d.id); old != nil {
		e = *old
		if compareUses(at, e.first) < 0 {
			e.first, e.more = at, e.and(e.first)
		} else {
			e.more = e.and(at)
		}
	}
	cs.ids.set(s.own, d.id, e)
	for _, r := range content.References() {
		to := use{r.Subject.In(c), r.Version}
		list, _ := s.referees.get(to)
		s.referees.set(s.own, to, append(list, at))
	}

	next := &version{content: content, timestamp: ts, number: k.Version, id: d.id, deleted: d.deleted}
	s.editSubject(sub, func(versions []*version) []*version {
		if k.Version > sub.last() {
			return append(versions, next)
		}
		i, _ := slices.BinarySearchFunc(versions, k.Version, func(x *version, v schema.Version) int { return int(x.number) - int(v) })
		return slices.Insert(slices.Clone(versions), i, next)
	})
	return nil
}

// editSubject changes sub, or a copy of it in its place. change may append to
// what it gets but must copy before it changes anything else.
func (s *state) editSubject(sub *subject, change func([]*version) []*version) {
	versions := change(sub.versions)
	switch {
	case len(versions) == 0:
		s.subjects.delete(s.own, sub.name)
	case sub.own == s.own:
		sub.versions = versions
	default:
		s.subjects.set(s.own, sub.name, &subject{own: s.own, name: sub.name, versions: versions})
	}
}

// addPlace records that an ID stands for a content and returns the one copy of
// the content, which is kept beside those of sub.
func (s *state) addPlace(content *Content, at place, sub *subject) *Content {
	key := content.key()
	p := s.contents.ref(key)
	if p == nil {
		var earlier *Content
		if last := sub.latest(true); last != nil && last.content.format == content.format {
			earlier = last.content
		}
		added := &struct {
			content Content
			places  contentPlaces
		}{content: content.kept(earlier)}
		added.places = contentPlaces{content: &added.content, first: at}
		s.contents.set(s.own, &added.places)
		return &added.content
	}
	content = p.content
	if at != p.first && !slices.Contains(p.more, at) {
		s.contents.set(s.own, &contentPlaces{content, p.first, append(slices.Clone(p.more), at)})
	}
	return content
}

func (s *state) removePlace(key contentKey, at place) {
	p := s.contents.ref(key)
	switch {
	case p == nil:
	case p.first != at:
		s.contents.set(s.own, &contentPlaces{p.content, p.first, without(p.more, at)})
	case len(p.more) == 0:
		s.contents.delete(s.own, key)
	default:
		s.contents.set(s.own, &contentPlaces{p.content, p.more[0], slices.Clone(p.more[1:])})
	}
}

// removeVersion forgets one version, and its ID and content with the last
// version that carries them.
func (s *state) removeVersion(at use) {
	sub := s.subject(at.subject)
	v := sub.find(at.version)
	if v == nil {
		return
	}
	s.editSubject(sub, func(versions []*version) []*version { return without(versions, v) })
	c := at.subject.Context()
	for _, r := range v.content.References() {
		to := use{r.Subject.In(c), r.Version}
		list, _ := s.referees.get(to)
		if list = without(list, at); len(list) == 0 {
			s.referees.delete(s.own, to)
		} else {
			s.referees.set(s.own, to, list)
		}
	}
	cs := s.editContext(c)
	e := cs.ids.ref(v.id)
	switch {
	case e == nil:
	case e.more == nil:
		cs.ids.delete(s.own, v.id)
		s.removePlace(v.content.key(), place{c, v.id})
	case e.first == at:
		first := slices.MinFunc(e.others(), compareUses)
		cs.ids.set(s.own, v.id, idEntry{content: e.content, first: first, more: e.butNot(first)})
	default:
		cs.ids.set(s.own, v.id, idEntry{content: e.content, first: e.first, more: e.butNot(at)})
	}
}

// without returns a copy of list that lacks one x.
func without[T comparable](list []T, x T) []T {
	i := slices.Index(list, x)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

func (s *state) softDelete(name schema.Subject, watermark schema.Version) {
	sub := s.subject(name)
	if sub == nil {
		return
	}
	s.editSubject(sub, func(versions []*version) []*version {
		versions = slices.Clone(versions)
		for i, v := range versions {
			if v.number <= watermark && !v.deleted {
				changed := *v
				changed.deleted = true
				versions[i] = &changed
			}
		}
		return versions
	})
}

// clear forgets the soft-deleted versions of a scope: a subject, a context, or
// all contexts.
func (s *state) clear(scope schema.Subject) {
	var gone []use
	for sub := range s.scope(scope) {
		for _, v := range sub.versions {
			if v.deleted {
				gone = append(gone, use{sub.name, v.number})
			}
		}
	}
	for _, at := range gone {
		s.removeVersion(at)
	}
}

// scope yields the subjects that a mode or config of that name covers.
func (s *state) scope(name schema.Subject) func(func(*subject) bool) {
	c, n := name.Split()
	switch {
	case n != "":
		return func(yield func(*subject) bool) {
			if sub := s.subject(name); sub != nil {
				yield(sub)
			}
		}
	case c == schema.GlobalContext:
		return s.matching(allContexts)
	}
	return s.inContext(c, "")
}

func (s *state) applyContext(k journal.Key, value []byte) error {
	if value == nil {
		cs := s.context(k.Context)
		if cs == nil {
			return nil
		}
		if cs.ids.len() == 0 {
			s.contexts.delete(s.own, k.Context)
			return nil
		}
		s.editContext(k.Context).declared = false
		return nil
	}
	v, err := journal.ParseContext(value)
	if err != nil {
		return err
	}
	cs := s.editContext(schema.Context(strings.Clone(string(k.Context))))
	cs.declared = true
	cs.maxID = max(cs.maxID, v.MaxID)
	return nil
}
