package registry

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// state is what the records below end make of an empty registry. Once
// published it never changes; the next one shares most of its nodes.
type state struct {
	end      journal.Offset
	contexts tree[schema.Context, *contextState]
	subjects tree[schema.Subject, *subject] // by canonical name
	contents contentTree
	referees tree[use, []use] // a version that is referred to → the versions that do
	configs  tree[schema.Subject, *journal.ConfigValue]
	modes    tree[schema.Subject, Mode]
	assocs   tree[assocKey, *Association]
	assocSub tree[subjectAssoc, struct{}]
	keks     tree[string, *KEK]
	deks     tree[dekKey, *DEK]

	own *token // of the nodes that may be changed in place; nil once published
}

// contextState is the ID space of one context.
type contextState struct {
	own      *token
	declared bool      // a CONTEXT record stands
	maxID    schema.ID // the highest ID ever given out
	ids      tree[schema.ID, idEntry]
}

// idEntry is one ID: what it stands for and which versions carry it.
type idEntry struct {
	content *Content
	first   use    // the smallest of the versions that carry it
	more    *[]use // the others in no order, nil if there are none; grows in place beyond the length that older states see
}

func (e *idEntry) others() []use {
	if e.more == nil {
		return nil
	}
	return *e.more
}

// and returns the others and u.
func (e *idEntry) and(u use) *[]use {
	list := append(e.others(), u)
	return &list
}

// butNot returns the others without u.
func (e *idEntry) butNot(u use) *[]use {
	if list := without(e.others(), u); len(list) > 0 {
		return &list
	}
	return nil
}

// uses yields the versions that carry the ID.
func (e *idEntry) uses() iter.Seq[use] {
	return func(yield func(use) bool) {
		if !yield(e.first) {
			return
		}
		for _, u := range e.others() {
			if !yield(u) {
				return
			}
		}
	}
}

// use names one version.
type use struct {
	subject schema.Subject // canonical
	version schema.Version
}

// subject is a lineage. versions are in ascending order; the slice grows in
// place beyond the length that older states see.
type subject struct {
	own      *token
	name     schema.Subject
	versions []*version
}

type version struct {
	content   *Content
	timestamp int64 // milliseconds since the epoch
	number    schema.Version
	id        schema.ID
	deleted   bool
}

// contentKey tells definitions apart. The type is no part of the fingerprint,
// so texts that mean something in two formats need it here.
type contentKey struct {
	fingerprint schema.Fingerprint
	format      format
}

// contentPlaces says which IDs stand for one content. It never changes.
type contentPlaces struct {
	content *Content
	first   place
	more    []place // the others
}

// places yields all of them.
func (p *contentPlaces) places() iter.Seq[place] {
	return func(yield func(place) bool) {
		if !yield(p.first) {
			return
		}
		for _, at := range p.more {
			if !yield(at) {
				return
			}
		}
	}
}

type place struct {
	context schema.Context
	id      schema.ID
}

func emptyState() *state {
	return &state{
		contexts: newTree[schema.Context, *contextState](cmp.Compare[schema.Context]),
		subjects: newTree[schema.Subject, *subject](cmp.Compare[schema.Subject]),
		referees: newTree[use, []use](compareUses),
		configs:  newTree[schema.Subject, *journal.ConfigValue](cmp.Compare[schema.Subject]),
		modes:    newTree[schema.Subject, Mode](cmp.Compare[schema.Subject]),
		assocs:   newTree[assocKey, *Association](compareAssocKeys),
		assocSub: newTree[subjectAssoc, struct{}](compareSubjectAssocs),
		keks:     newTree[string, *KEK](cmp.Compare[string]),
		deks:     newTree[dekKey, *DEK](compareDEKKeys),
	}
}

func compareUses(a, b use) int {
	return cmp.Or(cmp.Compare(a.subject, b.subject), cmp.Compare(a.version, b.version))
}

// next returns a state that may be changed; s stays as it is.
func (s *state) next() *state {
	n := *s
	n.own = &token{}
	return &n
}

// publish ends the changes; the nodes are shared from here on.
func (s *state) publish() *state {
	s.own = nil
	return s
}

func (s *state) subject(name schema.Subject) *subject {
	sub, _ := s.subjects.get(name)
	return sub
}

// find returns the version with that number, deleted or not.
func (s *subject) find(v schema.Version) *version {
	if s == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.versions, v, func(x *version, v schema.Version) int { return cmp.Compare(x.number, v) })
	if !ok {
		return nil
	}
	return s.versions[i]
}

// latest returns the newest live version; with deleted the newest of all.
func (s *subject) latest(deleted bool) *version {
	if s == nil {
		return nil
	}
	for _, v := range slices.Backward(s.versions) {
		if deleted || !v.deleted {
			return v
		}
	}
	return nil
}

// last returns the highest version number that is taken, 0 if there is none.
func (s *subject) last() schema.Version {
	if s == nil || len(s.versions) == 0 {
		return 0
	}
	return s.versions[len(s.versions)-1].number
}

func (s *subject) live() bool { return s.latest(false) != nil }

// known reports whether the subject has any version, or any live one.
func (s *state) known(name schema.Subject, deleted bool) bool {
	return s.subject(name).latest(deleted) != nil
}

func (s *state) context(c schema.Context) *contextState {
	cs, _ := s.contexts.get(c)
	return cs
}

// entry returns what an ID stands for, nil if it is unknown. It lies in the state
// and is good until that changes.
func (s *state) entry(c schema.Context, id schema.ID) *idEntry {
	cs := s.context(c)
	if cs == nil {
		return nil
	}
	return cs.ids.ref(id)
}

// idOf returns the ID of a content in c, the smallest if an import gave it
// several, and whether there is one.
func (s *state) idOf(c schema.Context, key contentKey) (schema.ID, bool) {
	p := s.contents.ref(key)
	if p == nil {
		return 0, false
	}
	var id schema.ID
	found := false
	for at := range p.places() {
		if at.context == c && (!found || at.id < id) {
			id, found = at.id, true
		}
	}
	return id, found
}

// schemaOf makes the answer for one version.
func (s *subject) schemaOf(v *version) Schema {
	return Schema{
		Content: v.content, Subject: s.name, Version: v.number, ID: v.id,
		Timestamp: v.timestamp, Deleted: v.deleted, Stored: true,
	}
}

// contextNames returns every context that was ever used, the default one
// included, in order.
func (s *state) contextNames() []schema.Context {
	names := []schema.Context{schema.DefaultContext}
	for c, cs := range s.contexts.all() {
		if c != schema.DefaultContext && (cs.declared || cs.ids.len() > 0) {
			names = append(names, c)
		}
	}
	slices.Sort(names)
	return names
}

// inContext yields the subjects of one context whose name begins with prefix,
// in order.
func (s *state) inContext(c schema.Context, prefix string) func(func(*subject) bool) {
	return func(yield func(*subject) bool) {
		start := schema.Qualify(c, prefix)
		for name, sub := range s.subjects.from(start) {
			if !strings.HasPrefix(string(name), string(start)) {
				return
			}
			if c == schema.DefaultContext && name.Context() != schema.DefaultContext {
				continue
			}
			if !yield(sub) {
				return
			}
		}
	}
}

// Prefixes of subject filters.
const allContexts = ":*:"

// matching yields the subjects that a subjectPrefix selects, in order.
func (s *state) matching(prefix string) func(func(*subject) bool) {
	if rest, ok := strings.CutPrefix(prefix, allContexts); ok {
		return func(yield func(*subject) bool) {
			for name, sub := range s.subjects.all() {
				if rest != "" && !strings.HasPrefix(name.Name(), rest) {
					continue
				}
				if !yield(sub) {
					return
				}
			}
		}
	}
	c, name := schema.Subject(prefix).Split()
	return s.inContext(c, name)
}
