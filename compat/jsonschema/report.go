package jsonschema

import (
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// found is a difference with its path in the writer.
type found struct {
	compat.Incompatibility
	older string
}

// report is the listener that puts the decided pairs' differences into words.
type report struct {
	*comparison
	found  []found
	path   []string
	active map[pair]bool // pairs around the current place
	steps  int

	// If the comparison is whole:
	older    []string // path in the writer
	at       pair
	reversed bool // the reader is the older one
	rested   map[[2]*Value]bool
	visited  map[*Value]bool
	defs     []definitions
}

// definitions are two sets of schemas at a place.
type definitions struct {
	was, is     *Value
	path, older []string
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
	around := r.at
	r.at = p
	if r.whole {
		r.visited[p.writer.at], r.visited[p.reader.at] = true, true
	}
	compare(r, p)
	r.at = around
	delete(r.active, p)
}

func (r *report) add(rule string, path ...string) { r.addWith(nil, rule, path...) }

func (r *report) addWith(detail func() string, rule string, path ...string) {
	if len(r.found) >= maxFindings {
		return
	}
	f := found{Incompatibility: compat.Incompatibility{Rule: rule, Path: joined(r.path, path), Compatible: r.compatible(rule)}}
	if detail != nil {
		f.Detail = detail()
	}
	if r.whole {
		f.older = joined(r.older, path)
		if f.Detail == "" {
			f.Detail = r.detail(path)
		}
	}
	r.found = append(r.found, f)
}

func joined(path, more []string) string {
	full := "#/" + strings.Join(path, "/")
	if len(more) > 0 {
		if len(path) > 0 {
			full += "/"
		}
		full += strings.Join(more, "/")
	}
	return full
}

// detail says what a keyword, or the type itself, was and is.
func (r *report) detail(path []string) string {
	w, n := r.at.writer, r.at.reader
	if r.reversed {
		w, n = n, w
	}
	switch len(path) {
	case 0:
		return w.short() + " became " + n.short()
	case 1:
		return became(w.at.Get(path[0]), n.at.Get(path[0]))
	}
	return ""
}

// rest tells it once of a place: the parts of a schema are nodes at one.
func (r *report) rest(p pair) {
	at := [2]*Value{p.writer.at, p.reader.at}
	if !r.rested[at] {
		r.rested[at] = true
		compareRest(r, at[0], at[1])
	}
}

func (r *report) note(rule string, was, is *Value, path ...string) {
	if r.reversed {
		was, is = is, was
	}
	r.addWith(func() string { return became(was, is) }, rule, path...)
}

func (r *report) later(was, is *Value, path ...string) {
	r.defs = append(r.defs, definitions{was, is, append(slices.Clone(r.path), path...), append(slices.Clone(r.older), path...)})
}

// definitions reports what differs in definitions that were not met otherwise.
func (r *report) definitions() {
	for _, d := range r.defs {
		r.path, r.older = d.path, d.older
		for _, m := range members(d.was) {
			if is := get(d.is, m.Name); is == nil || !r.visited[m.Value] || !r.visited[is] {
				noteChanges(r, m.Value, is, m.Name)
			}
		}
		for _, m := range members(d.is) {
			if get(d.was, m.Name) == nil {
				noteChanges(r, nil, m.Value, m.Name)
			}
		}
	}
}

func members(v *Value) []Member {
	if v == nil {
		return nil
	}
	return v.Members
}

func get(v *Value, name string) *Value {
	if v == nil {
		return nil
	}
	return v.Get(name)
}

func (r *report) both(p pair, path ...string) { r.enter(p, path, path) }

func (r *report) branch(p pair, w, n spot) {
	if r.whole {
		r.enter(p, w.steps(), n.steps())
		return
	}
	if w.in == nil || n.in == nil { // the reference server counts the branches of the writer
		r.enter(p, nil, nil)
		return
	}
	w.in = &combinedRules{criterion: w.in.criterion}
	r.enter(p, nil, w.steps())
}

func (r *report) inside(p pair, w, n spot) { r.enter(p, w.steps(), n.steps()) }

// enter walks a pair at a path below the current one, in the writer and in the
// reader.
func (r *report) enter(p pair, older, path []string) {
	was, is := len(r.older), len(r.path)
	r.older, r.path = append(r.older, older...), append(r.path, path...)
	r.walk(p)
	r.older, r.path = r.older[:was], r.path[:is]
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
