package jsonschema

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// ownBase is the base URI of a schema without an absolute identifier.
const ownBase = "schema:///root"

// resource is a schema with a URI: a text, or a part of one with an identifier
// of its own.
type resource struct {
	uri     string
	base    *url.URL
	root    *Value
	dialect Dialect
	anchors map[string]*Value
}

// linker finds what references lead to. Nothing is ever fetched.
type linker struct {
	resources map[string]*resource // by URI without fragment; the first one wins
	names     map[string]*resource // dependencies by the name that they were given
	scope     map[*Value]*resource // the resource that a schema is in
	root      *resource
	refs      map[*Value]*Value // schema with a $ref → target
	dynamic   map[*Value]*Value // schema with a $dynamicRef or $recursiveRef → where it leads by itself
	order     []*Value          // schemas with a reference, as they were met
	meta      map[*Value]string // schema whose $ref leads to a published meta-schema
	nodes     int
}

// link registers the texts and resolves every reference that can be reached
// from the root.
func link(root *document, deps []*document) (*linker, error) {
	l := &linker{
		resources: map[string]*resource{},
		names:     map[string]*resource{},
		scope:     map[*Value]*resource{},
		refs:      map[*Value]*Value{},
		dynamic:   map[*Value]*Value{},
		meta:      map[*Value]string{},
	}
	base, _ := url.Parse(ownBase)
	dialect := dialectOf(root.root, Draft7)
	var err error
	if l.root, err = l.register(root.root, base, dialect); err != nil {
		return nil, err
	}
	for _, d := range deps {
		at, ok := join(l.root.base, d.name)
		if !ok {
			at, _ = url.Parse("schema:///" + url.PathEscape(d.name))
		}
		at.Fragment = ""
		r, err := l.register(d.root, at, dialectOf(d.root, dialect))
		if err != nil {
			return nil, err
		}
		if _, taken := l.names[d.name]; !taken {
			l.names[d.name] = r
		}
	}
	return l, l.reach(root.root)
}

// join resolves a reference against a base.
func join(base *url.URL, ref string) (*url.URL, bool) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, false
	}
	return base.ResolveReference(u), true
}

func withoutFragment(u *url.URL) string {
	c := *u
	c.Fragment, c.RawFragment = "", ""
	return c.String()
}

// register makes a text known under base and under its own identifier.
func (l *linker) register(v *Value, base *url.URL, dialect Dialect) (*resource, error) {
	outer := &resource{uri: withoutFragment(base), base: base, root: v, dialect: dialect, anchors: map[string]*Value{}}
	if err := l.walk(v, outer); err != nil {
		return nil, err
	}
	r := l.scope[v]
	l.add(outer.uri, r)
	return r, nil
}

func (l *linker) add(uri string, r *resource) {
	if _, taken := l.resources[uri]; !taken {
		l.resources[uri] = r
	}
}

// walk notes identifiers and anchors of v and all schemas inside it.
func (l *linker) walk(v *Value, in *resource) error {
	if _, done := l.scope[v]; done {
		return nil
	}
	r := in
	_, isRef := v.str("$ref")
	if id, ok := v.str(in.dialect.idKeyword()); ok && !(isRef && in.dialect.refAlone()) {
		var err error
		if r, err = l.identify(v, in, id); err != nil {
			return err
		}
	}
	l.scope[v] = r
	if v == in.root && r == in {
		l.add(in.uri, in)
	}
	if r.dialect >= Draft2019 {
		for _, keyword := range [...]string{"$anchor", "$dynamicAnchor"} {
			if name, ok := v.str(keyword); ok {
				r.anchor(name, v)
			}
		}
	}
	var err error
	r.dialect.subschemas(v, true, func(sub *Value) {
		if err == nil {
			err = l.walk(sub, r)
		}
	})
	return err
}

func (r *resource) anchor(name string, v *Value) {
	if _, taken := r.anchors[name]; !taken {
		r.anchors[name] = v
	}
}

// identify handles the identifier of a schema: a URI makes it a resource, a
// fragment in the earlier drafts an anchor.
func (l *linker) identify(v *Value, in *resource, id string) (*resource, error) {
	if fragment, ok := strings.CutPrefix(id, "#"); ok {
		if in.dialect <= Draft7 && fragment != "" {
			in.anchor(fragment, v)
		}
		return in, nil
	}
	base, ok := join(in.base, id)
	if !ok {
		return nil, v.doc.fail(int(v.pos), v.pointer(), "the identifier "+strconv.Quote(id)+" is not a URI")
	}
	r := &resource{uri: withoutFragment(base), base: base, root: v, dialect: dialectOf(v, in.dialect), anchors: map[string]*Value{}}
	if base.Fragment != "" && in.dialect <= Draft7 {
		r.anchor(base.Fragment, v)
	}
	if len(l.resources) >= MaxResources {
		return nil, v.doc.fail(int(v.pos), v.pointer(), "more than "+strconv.Itoa(MaxResources)+" schemas with an identifier; split the schema")
	}
	l.add(r.uri, r)
	return r, nil
}

// reach follows everything that counts from v on.
func (l *linker) reach(v *Value) error {
	seen := map[*Value]bool{v: true}
	queue := []*Value{v}
	push := func(v *Value) {
		if !seen[v] {
			seen[v] = true
			queue = append(queue, v)
		}
	}
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if l.nodes++; l.nodes > maxNodes {
			return v.doc.fail(int(v.pos), v.pointer(), "more than "+strconv.Itoa(maxNodes)+" schemas; split them")
		}
		targets, alone, err := l.references(v)
		if err != nil {
			return err
		}
		for _, target := range targets {
			push(target)
		}
		if !alone {
			l.dialect(v).subschemas(v, false, push)
		}
	}
	return l.noLoops()
}

// dialect returns the dialect in which v is written.
func (l *linker) dialect(v *Value) Dialect { return l.scope[v].dialect }

// references resolves what v itself refers to. alone means that nothing else
// in v counts.
func (l *linker) references(v *Value) (targets []*Value, alone bool, err error) {
	d := l.dialect(v)
	if ref, ok := v.str("$ref"); ok {
		target, meta, err := l.find(v, "$ref", ref)
		if err != nil {
			return nil, false, err
		}
		if meta != "" {
			l.meta[v] = meta
		} else {
			l.refs[v] = target
			l.order = append(l.order, v)
			targets = append(targets, target)
		}
		alone = d.refAlone()
	}
	keyword := ""
	switch d {
	case Draft2019:
		keyword = "$recursiveRef"
	case Draft2020:
		keyword = "$dynamicRef"
	}
	if ref, ok := v.str(keyword); ok && keyword != "" {
		target, meta, err := l.find(v, keyword, ref)
		if err != nil {
			return nil, false, err
		}
		if meta == "" {
			l.dynamic[v] = target
			l.order = append(l.order, v)
			targets = append(targets, target)
		}
	}
	return targets, alone, nil
}

// find returns the schema that ref, a keyword of v, leads to, or the URI of a
// published meta-schema.
func (l *linker) find(v *Value, keyword, ref string) (target *Value, meta string, err error) {
	in := l.scope[v]
	uri, fragment, _ := strings.Cut(ref, "#")
	if whole, ok := l.names[ref]; ok && fragment != "" {
		return whole.root, "", nil
	}
	r, known := in, true
	if uri != "" {
		r, known = l.lookup(in, uri)
	}
	if !known {
		if isMetaSchema(uri) {
			return nil, bareURI(uri) + "#" + fragment, nil
		}
		return nil, "", unresolved(v, keyword, ref, "there is no reference of this name; add one named "+strconv.Quote(uri)+
			" with the subject and version that hold it, or move the schema into $defs. References are never fetched")
	}
	decoded, err := url.PathUnescape(fragment)
	if err != nil {
		return nil, "", unresolved(v, keyword, ref, "its fragment is not percent-encoded as a URI wants it")
	}
	switch {
	case decoded == "":
		return r.root, "", nil
	case decoded[0] != '/':
		if at, ok := r.anchors[decoded]; ok {
			return at, "", nil
		}
		return nil, "", unresolved(v, keyword, ref, "the schema that it names has no anchor "+strconv.Quote(decoded))
	}
	target, err = l.pointer(r, decoded)
	if err != nil {
		return nil, "", err
	}
	if target == nil {
		return nil, "", unresolved(v, keyword, ref, "the schema that it names has no schema at "+decoded)
	}
	return target, "", nil
}

func (l *linker) lookup(in *resource, uri string) (*resource, bool) {
	if u, ok := join(in.base, uri); ok {
		if r, ok := l.resources[withoutFragment(u)]; ok {
			return r, true
		}
	}
	if r, ok := l.names[uri]; ok {
		return r, true
	}
	r, ok := l.resources[uri]
	return r, ok
}

func unresolved(v *Value, keyword, ref, why string) error {
	at := v.Get(keyword)
	return v.doc.fail(int(at.pos), v.pointer()+"/"+keyword, keyword+" "+strconv.Quote(ref)+" leads nowhere: "+why)
}

var pointerUnescape = strings.NewReplacer("~1", "/", "~0", "~")

// pointer follows a JSON pointer from the root of r. It returns nil if there is
// no schema at its end.
func (l *linker) pointer(r *resource, pointer string) (*Value, error) {
	v := r.root
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if v.Kind == Array {
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil || i >= uint64(len(v.Items)) {
				return nil, nil
			}
			v = v.Items[i]
		} else if v = v.Get(pointerUnescape.Replace(token)); v == nil {
			return nil, nil
		}
		if in, ok := l.scope[v]; ok {
			r = in
		}
	}
	if !v.isSchema() {
		return nil, nil
	}
	return v, l.walk(v, r) // where no keyword has led yet
}

// onlyRef returns what v leads to if v is a reference and nothing else that
// counts, otherwise nil.
func (l *linker) onlyRef(v *Value) *Value {
	ref, dynamic := l.refs[v], l.dynamic[v]
	switch {
	case ref != nil && l.dialect(v).refAlone():
		return ref
	case ref != nil && dynamic != nil, l.meta[v] != "", ref == nil && dynamic == nil, hasParts(v):
		return nil
	case ref != nil:
		return ref
	}
	return dynamic
}

// noLoops refuses references that only lead back to themselves.
func (l *linker) noLoops() error {
	good := map[*Value]bool{}
	for _, v := range l.order {
		var trail []*Value
		for at := v; at != nil && !good[at]; at = l.onlyRef(at) {
			trail = append(trail, at)
			if len(trail) > maxRefHops {
				return v.doc.fail(int(v.pos), v.pointer()+"/$ref", "this $ref leads back to itself, or through more than "+
					strconv.Itoa(maxRefHops)+" others, without ever meeting a schema")
			}
		}
		for _, at := range trail {
			good[at] = true
		}
	}
	return nil
}

// follow returns the schema that v stands for.
func (l *linker) follow(v *Value) *Value {
	for {
		next := l.onlyRef(v)
		if next == nil {
			return v
		}
		v = next
	}
}

// pointer returns the JSON pointer of v in its text, for messages: it searches.
func (v *Value) pointer() string {
	if p, ok := v.doc.root.pathTo(v); ok {
		return "#" + p
	}
	return "#"
}

func (v *Value) pathTo(target *Value) (string, bool) {
	if v == target {
		return "", true
	}
	if target.pos < v.pos {
		return "", false
	}
	for i, item := range v.Items {
		if i+1 < len(v.Items) && v.Items[i+1].pos <= target.pos {
			continue
		}
		if p, ok := item.pathTo(target); ok {
			return "/" + strconv.Itoa(i) + p, true
		}
	}
	for _, m := range v.Members {
		if p, ok := m.Value.pathTo(target); ok {
			return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(m.Name) + p, true
		}
	}
	return "", false
}

// dependencyDocuments parses the texts that may be referred to.
func dependencyDocuments(deps []compat.Dependency, left *int) ([]*document, error) {
	docs := make([]*document, 0, len(deps))
	seen := make(map[string]bool, len(deps))
	for _, dep := range deps {
		if seen[dep.Name] {
			continue // the first one wins
		}
		seen[dep.Name] = true
		doc, err := parseJSON(dep.Name, dep.Text, left)
		if err != nil {
			return nil, err
		}
		if !doc.root.isSchema() {
			return nil, doc.fail(int(doc.root.pos), "", "a schema is an object, true or false")
		}
		docs = append(docs, doc)
	}
	return docs, nil
}
