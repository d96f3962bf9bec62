package avro

import (
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// cache is a map that is read without a lock. New entries wait in a second map
// under a lock until they were missed often enough to make a new copy worth it.
// Past most entries it starts anew, so that an application which parses a
// schema for every message does not grow for ever.
type cache[K comparable, V any] struct {
	settled atomic.Pointer[map[K]V]
	mu      sync.Mutex
	recent  map[K]V
	misses  int
}

const mostCached = 4096

func (c *cache[K, V]) get(key K) (V, bool) {
	if m := c.settled.Load(); m != nil {
		if v, ok := (*m)[key]; ok {
			return v, true
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.recent[key]
	if ok {
		if c.misses++; c.misses > len(c.recent) {
			c.settle()
		}
	}
	return v, ok
}

// settle merges recent into a new copy of settled.
func (c *cache[K, V]) settle() {
	var known map[K]V
	if m := c.settled.Load(); m != nil && len(*m) < mostCached {
		known = *m
	}
	next := make(map[K]V, len(known)+len(c.recent))
	maps.Copy(next, known)
	maps.Copy(next, c.recent)
	c.settled.Store(&next)
	c.recent, c.misses = nil, 0
}

func (c *cache[K, V]) put(key K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent == nil || len(c.recent) >= mostCached {
		c.recent = map[K]V{}
	}
	c.recent[key] = v
}

// typeKey is a plan and a Go type.
type typeKey struct {
	plan *plan
	typ  reflect.Type
}

// rootKey is a schema (or two) and a Go type, by the word that an interface
// has for it: three pointers, so that the hash is cheap.
type rootKey struct {
	w, r *avro.Node
	typ  unsafe.Pointer
}

type planned struct {
	plan *plan
	walk *walkProg // if writer and reader are one
	err  error
}

type encoded struct {
	prog *encProg
	err  error
}

type decoded struct {
	prog *decProg
	err  error
}

// engine holds compiled programs for one set of options.
type engine struct {
	settings
	plans cache[pair, planned]
	// Programs by schema, for the way in, and by plan, for values whose type
	// is known only when they are met.
	roots   cache[rootKey, encoded]
	targets cache[rootKey, decoded]
	encs    cache[typeKey, encoded]
	decs    cache[typeKey, decoded]
}

// standard serves the package-level functions.
var standard = &engine{}

// plan returns the compiled plan of writer and reader.
func (g *engine) plan(w, r *avro.Node) planned {
	key := pair{w, r}
	if known, ok := g.plans.get(key); ok {
		return known
	}
	var made planned
	made.plan, made.err = newPlan(w, r)
	if made.err == nil {
		made.err = fillDefaults(made.plan)
	}
	if made.err == nil && w == r {
		made.walk = compileWalk(made.plan)
	}
	g.plans.put(key, made)
	return made
}

// encProg returns the program that writes values of typ.
func (g *engine) encProg(n *avro.Node, typ reflect.Type) (*encProg, error) {
	key := rootKey{w: n, typ: typeWord(typ)}
	if known, ok := g.roots.get(key); ok {
		return known.prog, known.err
	}
	p := g.plan(n, n)
	if p.err != nil {
		return nil, p.err
	}
	made := g.encFor(p.plan, typ)
	if m := g.methods(n, n, typ); m != nil && made.err == nil {
		made.prog = &encProg{methods: m}
	}
	g.roots.put(key, made)
	return made.prog, made.err
}

func (g *engine) encFor(p *plan, typ reflect.Type) encoded {
	key := typeKey{p, typ}
	if known, ok := g.encs.get(key); ok {
		return known
	}
	var made encoded
	made.prog, made.err = compileEncode(g, p, typ)
	g.encs.put(key, made)
	return made
}

// decProg returns the program that reads data of w into values of typ as r.
func (g *engine) decProg(w, r *avro.Node, typ reflect.Type) (*decProg, error) {
	key := rootKey{w, r, typeWord(typ)}
	if known, ok := g.targets.get(key); ok {
		return known.prog, known.err
	}
	p := g.plan(w, r)
	if p.err != nil {
		return nil, p.err
	}
	made := g.decFor(p.plan, typ)
	if m := g.methods(w, r, typ); m != nil && made.err == nil {
		made.prog = &decProg{methods: m}
	}
	g.targets.put(key, made)
	return made.prog, made.err
}

func (g *engine) decFor(p *plan, typ reflect.Type) decoded {
	key := typeKey{p, typ}
	if known, ok := g.decs.get(key); ok {
		return known
	}
	var made decoded
	made.prog, made.err = compileDecode(g, p, typ)
	g.decs.put(key, made)
	return made
}
