package jsonschema

import (
	"strconv"

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
	list := make([]compat.Incompatibility, len(r.found))
	for i, f := range r.found {
		list[i] = f.Incompatibility
	}
	return list
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
	whole   bool // look at what no rule compares, and inside what does not fit
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
	// branch is both for a pair of which one or both are branches of a combination.
	branch(p pair, w, r spot)
	// fits reports whether a pair fits, without taking over its differences.
	fits(p pair) bool
	// addWith is add with words for what it is about.
	addWith(detail func() string, rule string, path ...string)
	// all reports whether the rest is wanted, for which are the methods below. None
	// of them makes a pair fit or not.
	all() bool
	// rest tells what of the texts of a pair no rule compares.
	rest(p pair)
	// inside goes into a pair, as branch does.
	inside(p pair, w, r spot)
	// note notes a harmless difference of two values, nil for none.
	note(rule string, was, is *Value, path ...string)
	// later notes the differences of two sets of definitions, as far as nothing leads
	// to them.
	later(was, is *Value, path ...string)
	// spend takes n steps off the budget; false if it is used up.
	spend(n int) bool
}

// spot is a branch of a combination; the zero spot is a schema that is none.
type spot struct {
	in *combinedRules
	i  int
}

// steps are the path to a branch in the text, none if it is not written as one.
func (s spot) steps() []string {
	if s.in == nil || s.in.made {
		return nil
	}
	return []string{s.in.criterion, strconv.Itoa(s.i)}
}

func (c *comparison) all() bool { return c.whole }

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

func (d *decision) addWith(_ func() string, rule string, _ ...string) { d.add(rule) }

func (d *decision) branch(p pair, _, _ spot) { d.both(p) }

func (d *decision) inside(p pair, _, _ spot) { d.fits(p) }

func (d *decision) rest(p pair) { compareRest(d, p.writer.at, p.reader.at) }

func (d *decision) note(string, *Value, *Value, ...string) { d.v.dirty = true }

func (d *decision) later(*Value, *Value, ...string) { d.v.dirty = true }

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
