package jsonschema

import (
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// Differences returns everything that changed from the writer to this schema as
// the reader, harmless changes marked as compatible. Sub-schemas under contains,
// patternProperties, propertyNames, if, then and else are not compared, nor are
// formats and encodings.
//
// Whether a pair of schemas fits may depend on itself when they are recursive.
// The answer is the most generous one that is consistent: everything fits until
// something is found that does not.
func (s *Schema) Differences(writer compat.Schema, opts compat.Options) []compat.Incompatibility {
	w, ok := writer.(*Schema)
	if !ok {
		return []compat.Incompatibility{{Rule: compat.RuleTypeChanged}}
	}
	c := comparison{lenient: opts.Policy == compat.PolicyLenient, pairs: map[pair]*verdict{}}
	c.solve(pair{w.root, s.root})
	if c.exhausted() {
		return []compat.Incompatibility{{Rule: TooLarge, Path: "#/"}}
	}
	r := report{comparison: &c, active: map[pair]bool{}}
	r.walk(pair{w.root, s.root})
	return r.found
}

// pair is a writer and a reader of the model.
type pair struct{ writer, reader *node }

// comparison decides which pairs fit, without paths.
//
// Each pair that comes up gets a verdict, good until proven bad. A pair that
// turns bad puts those that relied on it back into the queue, until nothing
// changes any more.
type comparison struct {
	lenient bool
	pairs   map[pair]*verdict
	fresh   []*verdict // not looked at yet
	stale   []*verdict // to be looked at again, once there are no fresh ones
	work    int
}

type verdict struct {
	pair
	bad     bool
	dirty   bool // there is a difference here or further inside, harmful or not
	queued  bool
	parents []*verdict // pairs that relied on this one
}

func (c *comparison) exhausted() bool { return c.work > maxWork }

func (c *comparison) solve(root pair) {
	c.verdict(root)
	for !c.exhausted() {
		var v *verdict
		switch {
		case len(c.fresh) > 0:
			v, c.fresh = c.fresh[len(c.fresh)-1], c.fresh[:len(c.fresh)-1]
		case len(c.stale) > 0:
			v, c.stale = c.stale[len(c.stale)-1], c.stale[:len(c.stale)-1]
		default:
			c.spreadDirt()
			return
		}
		v.queued = false
		before := v.bad
		compare(&decision{c, v}, v.pair)
		if v.bad && !before {
			for _, p := range v.parents {
				if !p.queued {
					p.queued = true
					c.stale = append(c.stale, p)
				}
			}
		}
	}
}

// verdict returns the verdict of a pair, good if it is a new one.
func (c *comparison) verdict(p pair) *verdict {
	v := c.pairs[p]
	if v == nil {
		v = &verdict{pair: p, queued: true}
		c.pairs[p] = v
		c.fresh = append(c.fresh, v)
		c.work++
	}
	return v
}

// spreadDirt marks all pairs that have a difference somewhere inside.
func (c *comparison) spreadDirt() {
	var queue []*verdict
	for _, v := range c.pairs {
		if v.dirty || v.bad {
			v.dirty = true
			queue = append(queue, v)
		}
	}
	for len(queue) > 0 {
		v := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, p := range v.parents {
			if !p.dirty {
				p.dirty = true
				queue = append(queue, p)
			}
		}
	}
}

func (c *comparison) compatible(rule string) bool {
	if _, ok := breaking[rule]; ok {
		return false
	}
	_, ok := lenient[rule]
	return !ok || c.lenient
}

// listener is told what compare sees. Path elements name the place below the
// pair.
type listener interface {
	// add notes a difference.
	add(rule string, path ...string)
	// both goes into a pair whose differences are those of the pair around it.
	both(p pair, path ...string)
	// fits reports whether a pair fits, without taking over its differences.
	fits(p pair) bool
	// spend takes n steps off the budget; false if it is used up.
	spend(n int) bool
}

// decision is the listener that decides one pair.
type decision struct {
	*comparison
	v *verdict
}

func (d *decision) add(rule string, _ ...string) {
	d.work++
	d.v.dirty = true
	if !d.compatible(rule) {
		d.v.bad = true
	}
}

func (d *decision) both(p pair, _ ...string) {
	if !d.fits(p) {
		d.v.bad = true
	}
}

func (d *decision) fits(p pair) bool {
	d.work++
	if clash(p) {
		return false
	}
	child := d.verdict(p)
	if child != d.v {
		if n := len(child.parents); n == 0 || child.parents[n-1] != d.v {
			child.parents = append(child.parents, d.v)
		}
	}
	return !child.bad
}

func (d *decision) spend(n int) bool {
	d.work += n
	return !d.exhausted()
}

// clash reports whether it takes no look inside to see that a pair does not
// fit.
func clash(p pair) bool {
	w, r := p.writer, p.reader
	return w.shape != shapeCombined && r.shape != shapeCombined && !comparable(p)
}

// comparable reports whether there is no need to call the type changed.
func comparable(p pair) bool {
	w, r := p.writer, p.reader
	return w.shape == r.shape || w.shape == shapeNever || r.shape == shapeAny || w.connectBytes && r.connectBytes
}

// report is the listener that puts the decided pairs' differences into words.
type report struct {
	*comparison
	found  []compat.Incompatibility
	path   []string
	active map[pair]bool // pairs around the current place
	steps  int
}

func (r *report) walk(p pair) {
	v := r.pairs[p]
	if v != nil && !v.dirty || r.active[p] || len(r.found) >= maxFindings || r.steps > maxWork {
		return
	}
	r.steps++
	if len(r.path) > maxPath {
		if v != nil && v.bad {
			r.add(TooLarge)
		}
		return
	}
	r.active[p] = true
	compare(r, p)
	delete(r.active, p)
}

func (r *report) add(rule string, path ...string) {
	if len(r.found) >= maxFindings {
		return
	}
	full := "#/" + strings.Join(r.path, "/")
	if len(path) > 0 {
		if len(r.path) > 0 {
			full += "/"
		}
		full += strings.Join(path, "/")
	}
	r.found = append(r.found, compat.Incompatibility{Rule: rule, Path: full, Compatible: r.compatible(rule)})
}

func (r *report) both(p pair, path ...string) {
	before := len(r.path)
	r.path = append(r.path, path...)
	r.walk(p)
	r.path = r.path[:before]
}

func (r *report) fits(p pair) bool {
	if clash(p) {
		return false
	}
	v := r.pairs[p]
	return v == nil || !v.bad
}

func (r *report) spend(n int) bool {
	r.steps += n
	return r.steps <= maxWork
}
