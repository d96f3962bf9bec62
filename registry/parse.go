package registry

import (
	"container/list"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
)

// parsed is a text in a format's hands, with what is asked of it again and
// again.
type parsed struct {
	schema    compat.Schema
	canonical string
	bare      schema.Fingerprint // of the canonical text with nothing beside it

	normal         sync.Once
	normalized     string
	bareNormalized schema.Fingerprint
}

func newParsed(s compat.Schema) *parsed {
	p := &parsed{schema: s, canonical: s.Canonical()}
	p.bare = schema.Definition{Text: p.canonical}.Fingerprint()
	return p
}

// text returns the text to store, and the fingerprint it has on its own.
func (p *parsed) text(normalize bool) (string, schema.Fingerprint) {
	if !normalize {
		return p.canonical, p.bare
	}
	p.normal.Do(func() {
		p.normalized = p.schema.Normalized()
		p.bareNormalized = schema.Definition{Text: p.normalized}.Fingerprint()
	})
	return p.normalized, p.bareNormalized
}

// parseKey is everything that the outcome of parsing depends on. A schema is
// never taken for that of another subject or context unless it means the same
// there.
type parseKey struct {
	typ          schema.Type
	strict       bool
	text         string
	content      *Content // whose text it is, instead of text
	dependencies string   // names and fingerprints, in order
}

// parseCache keeps the most recently used parsed schemas within a bound.
type parseCache struct {
	mu    sync.Mutex
	bound int // bytes of text, as weigh estimates them
	used  int
	byKey map[parseKey]*list.Element
	order *list.List // of *parseItem, most recently used first
}

type parseItem struct {
	key    parseKey
	parsed *parsed
}

func newParseCache(bound int) *parseCache {
	return &parseCache{bound: bound, byKey: map[parseKey]*list.Element{}, order: list.New()}
}

// weigh estimates what a parsed text costs.
func (k parseKey) weigh() int {
	bytes := len(k.text) + len(k.dependencies)
	if k.content != nil {
		bytes += k.content.quotedBytes()
	}
	return 1024 + 8*bytes
}

func (c *parseCache) get(k parseKey) *parsed {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[k]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*parseItem).parsed
}

func (c *parseCache) put(k parseKey, p *parsed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[k]; ok || k.weigh() > c.bound {
		return
	}
	c.byKey[k] = c.order.PushFront(&parseItem{k, p})
	c.used += k.weigh()
	for c.used > c.bound {
		e := c.order.Back()
		old := c.order.Remove(e).(*parseItem).key
		delete(c.byKey, old)
		c.used -= old.weigh()
	}
}

// parse reads a text that somebody sent.
func (r *Registry) parse(typ schema.Type, text string, deps dependencies, strict bool) (*parsed, error) {
	key := parseKey{typ: typ, strict: strict, text: text, dependencies: deps.key}
	return r.parseOnce(key, func() string { return text }, deps)
}

// parseStored reads the text of a version, in which the references mean what
// they mean in context c.
func (r *Registry) parseStored(st *state, c schema.Context, content *Content) (*parsed, error) {
	deps, err := r.resolve(st, c, content.References(), storedReferences)
	if err != nil {
		return nil, err
	}
	key := parseKey{typ: content.Type(), content: content, dependencies: deps.key}
	return r.parseOnce(key, content.Text, deps)
}

func (r *Registry) parseOnce(key parseKey, text func() string, deps dependencies) (*parsed, error) {
	strict := key
	strict.strict = true // what passes strictly is the same schema
	if p := r.parsed.get(strict); p != nil {
		return p, nil
	}
	if p := r.parsed.get(key); !key.strict && p != nil {
		return p, nil
	}
	if !key.typ.Known() {
		return nil, fmt.Errorf("schema type %q is not one of AVRO, JSON and PROTOBUF", key.typ)
	}
	s, err := r.opts.Parse(compat.Source{Type: key.typ, Text: text(), Dependencies: deps.list(), Strict: key.strict})
	if err != nil {
		return nil, err
	}
	p := newParsed(s)
	key.text = strings.Clone(key.text)
	r.parsed.put(key, p)
	return p, nil
}

// dependencies are the schemas that a text refers to, transitively, each
// before whatever uses it.
type dependencies struct {
	names    []string
	contents []*Content
	key      string
}

func (d dependencies) list() []compat.Dependency {
	if len(d.names) == 0 {
		return nil
	}
	out := make([]compat.Dependency, len(d.names))
	for i, c := range d.contents {
		out[i] = compat.Dependency{Name: d.names[i], Text: c.Text()}
	}
	return out
}

// Which versions a reference may name.
const (
	newReferences    = false // live ones
	storedReferences = true  // soft-deleted ones too
)

// Bounds of what one schema may pull in.
const (
	maxReferenceDepth = 100
	maxDependencies   = 10000
)

// resolve finds what refs name, read in context c.
func (r *Registry) resolve(st *state, c schema.Context, refs []schema.Reference, deleted bool) (dependencies, error) {
	var d dependencies
	if len(refs) == 0 {
		return d, nil
	}
	seen := map[string]use{}
	if err := r.resolveInto(st, c, refs, deleted, 0, &d, seen); err != nil {
		return dependencies{}, err
	}
	var key strings.Builder
	for i, content := range d.contents {
		key.WriteString(strconv.Itoa(len(d.names[i])))
		key.WriteByte(':')
		key.WriteString(d.names[i])
		key.Write(content.fingerprint[:])
	}
	d.key = key.String()
	return d, nil
}

func (r *Registry) resolveInto(st *state, c schema.Context, refs []schema.Reference, deleted bool, depth int, d *dependencies, seen map[string]use) error {
	if depth > maxReferenceDepth {
		return fmt.Errorf("references are nested more than %d deep", maxReferenceDepth)
	}
	for _, ref := range refs {
		name := ref.Subject.In(c)
		sub := st.subject(name)
		v := sub.find(ref.Version)
		if ref.Version == schema.Latest {
			v = sub.latest(deleted)
		}
		if v == nil || v.deleted && !deleted {
			return fmt.Errorf("no schema found for reference %q: subject %q has no version %d; register it first", ref.Name, ref.Subject, ref.Version)
		}
		at := use{name, v.number}
		if old, ok := seen[ref.Name]; ok {
			if r.opts.StrictReferenceVersions && old != at {
				return fmt.Errorf("reference %q is reached at two versions: subject %q version %d and subject %q version %d",
					ref.Name, old.subject, old.version, at.subject, at.version)
			}
			continue
		}
		if len(seen) >= maxDependencies {
			return fmt.Errorf("more than %d schemas are referred to", maxDependencies)
		}
		seen[ref.Name] = at
		if err := r.resolveInto(st, name.Context(), v.content.References(), storedReferences, depth+1, d, seen); err != nil {
			return err
		}
		d.names = append(d.names, ref.Name)
		d.contents = append(d.contents, v.content)
	}
	return nil
}

// prepared is a definition in the form in which it would be stored.
type prepared struct {
	definition  schema.Definition
	fingerprint schema.Fingerprint
	parsed      *parsed
}

func (p *prepared) key() contentKey { return contentKey{p.fingerprint, formatOf(p.definition.Type)} }

// with returns p with other metadata and rules.
func (p *prepared) with(m *schema.Metadata, rules *schema.RuleSet) *prepared {
	q := *p
	q.definition.Metadata, q.definition.RuleSet = m, rules
	q.fingerprint = q.definition.Fingerprint()
	return &q
}

// prepare parses a request's definition and brings it into the form in which
// it is stored.
func (r *Registry) prepare(st *state, name schema.Subject, d schema.Definition, normalize, strict bool, deleted bool) (*prepared, error) {
	c := name.Context()
	d.Type = d.Type.OrDefault()
	if !fits(d.Type, d.Text) {
		return nil, errTooLarge(strconv.Itoa(len(d.Text)) + " bytes of schema, the most as a record is " + strconv.Itoa(maxValueBytes))
	}
	if len(d.References) > 0 {
		refs, err := pinReferences(st, c, d.References, normalize)
		if err != nil {
			return nil, errInvalidSchema(show(name, d), err)
		}
		d.References = refs
	}
	deps, err := r.resolve(st, c, d.References, deleted)
	if err != nil {
		return nil, errInvalidSchema(show(name, d), err)
	}
	p, err := r.parse(d.Type, d.Text, deps, strict)
	if err != nil {
		return nil, errInvalidSchema(show(name, d), err)
	}
	out := &prepared{definition: d, parsed: p}
	out.definition.Text, out.fingerprint = p.text(normalize)
	if len(d.References) > 0 || d.Metadata != nil || d.RuleSet != nil {
		out.fingerprint = out.definition.Fingerprint()
	}
	return out, nil
}

// pinReferences replaces "latest" by numbers and checks that nothing is
// missing.
func pinReferences(st *state, c schema.Context, refs []schema.Reference, normalize bool) ([]schema.Reference, error) {
	refs = slices.Clone(refs)
	for i, ref := range refs {
		switch {
		case ref.Name == "":
			return nil, fmt.Errorf("reference %d has no name", i)
		case ref.Subject == "":
			return nil, fmt.Errorf("reference %q has no subject", ref.Name)
		case ref.Version == 0:
			return nil, fmt.Errorf("reference %q has no version", ref.Name)
		case ref.Version == schema.Latest:
			if v := st.subject(ref.Subject.In(c)).latest(false); v != nil {
				refs[i].Version = v.number
			}
		case ref.Version < 0:
			return nil, fmt.Errorf("reference %q: %d is no version", ref.Name, ref.Version)
		}
	}
	if normalize {
		slices.SortStableFunc(refs, func(a, b schema.Reference) int {
			return compareUses(use{a.Subject, a.Version}, use{b.Subject, b.Version})
		})
		refs = slices.Compact(refs)
	}
	return refs, nil
}

// bearable cuts what a client sent to a length that an answer may repeat.
func bearable(text string) string {
	const most = 1024
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// show describes a definition in an error message, cut to a bearable length.
func show(name schema.Subject, d schema.Definition) string {
	var refs []string
	for _, r := range d.References {
		refs = append(refs, fmt.Sprintf("{name='%s', subject='%s', version=%d}", bearable(r.Name), bearable(string(r.Subject)), r.Version))
		if len(refs) == 10 && len(d.References) > 10 {
			refs = append(refs, "...")
			break
		}
	}
	return fmt.Sprintf("{subject=%s,schemaType=%s,references=[%s],schema=%s}", bearable(string(name)), bearable(string(d.Type.OrDefault())), strings.Join(refs, ", "), bearable(d.Text))
}
