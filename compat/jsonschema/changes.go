package jsonschema

import (
	"slices"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat"
)

// What Changes may find, beside the rules of Differences: keywords that no rule
// looks at.
const (
	KeywordAdded   = "KEYWORD_ADDED"
	KeywordRemoved = "KEYWORD_REMOVED"
	KeywordChanged = "KEYWORD_CHANGED"
)

// Changes implements compat.Schema: what Differences finds either way, and what
// that leaves out: what changed inside a type or branch that does not fit any
// more, and keywords that no rule compares. Paths lead through each of the two
// texts as it is written. A definition that nothing refers to counts too, where
// it stands.
func (s *Schema) Changes(older compat.Schema, opts compat.Options) []compat.Change {
	o, ok := older.(*Schema)
	if !ok {
		return nil
	}
	harm := slices.DeleteFunc(o.changesFrom(s, opts, true), func(c compat.Change) bool { return c.BackwardSafe })
	return compat.Merge(s.changesFrom(o, opts, false), harm)
}

// changesFrom returns what changed from a writer, with its path in s as Path and
// in the writer as Older. With reversed the writer is the newer one, for details.
func (s *Schema) changesFrom(writer *Schema, opts compat.Options, reversed bool) []compat.Change {
	c := comparison{lenient: opts.Policy == compat.PolicyLenient, whole: true, pairs: map[pair]*verdict{}}
	root := pair{writer.root, s.root}
	c.solve(root)
	if c.exhausted() {
		return []compat.Change{{Rule: TooLarge, Path: "#/"}}
	}
	r := report{comparison: &c, active: map[pair]bool{}, reversed: reversed, rested: map[[2]*Value]bool{}, visited: map[*Value]bool{}}
	r.walk(root)
	r.definitions()
	list := make([]compat.Change, len(r.found))
	for i, f := range r.found {
		list[i] = compat.Change{Rule: f.Rule, Path: f.Path, Older: f.older, Detail: f.Detail, BackwardSafe: f.Compatible}
	}
	return list
}

// Annotations, and the rule of each.
var annotations = map[string]string{
	"id": IDChanged, "$id": IDChanged, "title": TitleChanged, "description": DescriptionChanged, "default": DefaultChanged,
}

// shapeOfKeyword names the keywords that are compared where both sides admit the
// shape; compared, those that always are.
var (
	shapeOfKeyword = func() map[string]shape {
		m := map[string]shape{}
		for _, s := range sniffed {
			for _, k := range s.keywords {
				m[k] = s.shape
			}
		}
		for _, k := range []string{"format", "contains", "patternProperties", "propertyNames"} {
			delete(m, k)
		}
		return m
	}()
	compared = map[string]bool{"enum": true, "const": true, "type": true, "not": true, allOf: true, anyOf: true, oneOf: true,
		"$ref": true, "$dynamicRef": true, "$recursiveRef": true}
)

// admits reports whether the keyword type of v, if it has one, lets a value of a
// shape pass.
func (v *Value) admits(s shape) bool {
	t := v.Get("type")
	switch {
	case t == nil:
		return true
	case t.Kind == String:
		return shapeOfType[t.Text] == s
	}
	return slices.ContainsFunc(t.Items, func(name *Value) bool { return name.Kind == String && shapeOfType[name.Text] == s })
}

// compareRest notes the annotations and the keywords that no rule compares.
func compareRest(l listener, w, r *Value) {
	if w == r || !l.spend((len(w.Members)+len(r.Members))/4) {
		return
	}
	keyword := func(name string) {
		was, is := w.Get(name), r.Get(name)
		if s, ok := shapeOfKeyword[name]; compared[name] || ok && w.admits(s) && r.admits(s) || Equal(was, is) {
			return
		}
		switch rule := annotations[name]; {
		case rule != "":
			l.note(rule, was, is, name)
		case name == "definitions" || name == "$defs":
			l.later(was, is, name)
		default:
			noteChanges(l, was, is, name)
		}
	}
	for _, m := range w.Members {
		keyword(m.Name)
	}
	for _, m := range r.Members {
		if w.Get(m.Name) == nil {
			keyword(m.Name)
		}
	}
}

// noteChanges notes where two values differ, as far inside as both have something.
func noteChanges(l listener, was, is *Value, path ...string) {
	if was == is || !l.spend(1) {
		return
	}
	step := func(name string) []string { return append(slices.Clip(path), name) }
	switch {
	case was == nil:
		l.note(KeywordAdded, nil, is, path...)
	case is == nil:
		l.note(KeywordRemoved, was, nil, path...)
	case was.Kind == Object && is.Kind == Object:
		for _, m := range was.Members {
			noteChanges(l, m.Value, is.Get(m.Name), step(m.Name)...)
		}
		for _, m := range is.Members {
			if was.Get(m.Name) == nil {
				noteChanges(l, nil, m.Value, step(m.Name)...)
			}
		}
	case was.Kind == Array && is.Kind == Array && len(was.Items) == len(is.Items):
		for i := range was.Items {
			noteChanges(l, was.Items[i], is.Items[i], step(strconv.Itoa(i))...)
		}
	case !Equal(was, is):
		l.note(KeywordChanged, was, is, path...)
	}
}

// lookInside goes on where one of two types became a combination that does not
// take the other: into the branch that it comes closest to.
func lookInside(l listener, w, r *node) {
	switch {
	case w.shape == shapeCombined && r.shape != shapeCombined:
		if i := closest(r, w.combined.branches, nil); i >= 0 {
			l.inside(pair{w.combined.branches[i], r}, spot{w.combined, i}, spot{})
		}
	case w.shape != shapeCombined && r.shape == shapeCombined:
		if j := closest(w, r.combined.branches, nil); j >= 0 {
			l.inside(pair{w, r.combined.branches[j]}, spot{}, spot{r.combined, j})
		}
	}
}

// lookInsideBranches goes into the branches that fit no other: each with the one
// that it comes closest to.
func lookInsideBranches(l listener, w, r *combinedRules, partner []int) {
	taken := make([]bool, len(r.branches))
	for _, j := range partner {
		if j >= 0 {
			taken[j] = true
		}
	}
	for i, j := range partner {
		if j >= 0 || !l.spend(len(taken)/16+1) {
			continue
		}
		if i < len(taken) && !taken[i] && alike(w.branches[i], r.branches[i]) {
			j = i
		} else if j = closest(w.branches[i], r.branches, taken); j < 0 {
			continue
		}
		taken[j] = true
		l.inside(pair{w.branches[i], r.branches[j]}, spot{w, i}, spot{r, j})
	}
}

func alike(a, b *node) bool {
	return a.shape == b.shape && a.shape != shapeAny && a.shape != shapeNever
}

// closest returns the first of the branches that are not taken that is of the
// shape of n, preferably with its title; -1 if there is none.
func closest(n *node, branches []*node, taken []bool) int {
	best := -1
	title, _ := n.at.str("title")
	for i, b := range branches {
		if taken != nil && taken[i] || !alike(n, b) {
			continue
		}
		if t, _ := b.at.str("title"); t == title && title != "" {
			return i
		}
		if best < 0 {
			best = i
		}
	}
	return best
}
