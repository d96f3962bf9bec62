package compat

import "strings"

// Change is one difference between two versions of a schema, harmful or not.
type Change struct {
	Rule string
	Path string // in the newer schema; in the older one for what is gone
	// Older is the path in the older schema, or of what is around it there; empty
	// if that is Path too.
	Older  string
	Gone   bool   // the newer schema has nothing of the kind
	Detail string // for people; may be empty
	// BackwardSafe: the levels do not count it as what keeps the newer schema
	// from reading what the older one wrote. ForwardSafe: the other way round.
	BackwardSafe, ForwardSafe bool
}

// OlderPath returns the path in the older schema.
func (c Change) OlderPath() string {
	if c.Older != "" {
		return c.Older
	}
	return c.Path
}

// Merge makes one list of what a newer schema finds in an older one as its
// writer (changes, whose ForwardSafe counts for nothing), and what keeps the
// older from reading the newer (harm, put as the older schema's view: its Path is
// the older one's). A harm is told of the change at its place; where there is
// none it becomes a change of its own.
func Merge(changes, harm []Change) []Change {
	at := map[string][]int{} // by path in the older schema
	for i := range changes {
		changes[i].ForwardSafe = true
		place := changes[i].OlderPath()
		at[place] = append(at[place], i)
	}
	for _, h := range harm {
		if i := cause(changes, at[h.Path], h.Rule); i >= 0 {
			changes[i].ForwardSafe = false
			continue
		}
		path, older := h.OlderPath(), h.Path // seen from the older schema, the newer one is its older
		if path == older {
			older = ""
		}
		changes = append(changes, Change{Rule: h.Rule, Path: path, Older: older, Detail: h.Detail, BackwardSafe: true})
	}
	return changes
}

// cause returns which of the changes at a place a rule of the other direction
// tells of: its opposite, or itself, or the last one; -1 if there is none.
func cause(changes []Change, candidates []int, rule string) int {
	best := -1
	for _, i := range candidates {
		switch r := changes[i].Rule; {
		case r == opposite(rule):
			return i
		case best < 0 || r == rule || changes[best].Rule != rule:
			best = i
		}
	}
	return best
}

var opposites = strings.NewReplacer("ADDED", "REMOVED", "REMOVED", "ADDED", "INCREASED", "DECREASED", "DECREASED", "INCREASED",
	"EXTENDED", "NARROWED", "NARROWED", "EXTENDED")

// opposite returns the rule of the same change seen from the other side.
func opposite(rule string) string { return opposites.Replace(rule) }

// Counterparter is what a Schema has whose paths mean something else in another
// schema, because they count.
type Counterparter interface {
	// Counterpart returns the path in the writer of what a path of a difference
	// leads to in this schema, the reader; where the writer has no such thing, of
	// the innermost place around it that it has.
	Counterpart(writer Schema, path string) string
}
