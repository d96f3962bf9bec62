package jsonschema

import (
	"slices"
	"strings"
)

// compareCombined compares the criteria of two combinations and matches their
// branches one to one.
func compareCombined(l listener, w, r *combinedRules) {
	if w.criterion != r.criterion {
		if !widens(w, r) {
			l.add(CombinedTypeChanged)
			if l.all() {
				lookInsideBranches(l, w, r, slices.Repeat([]int{-1}, len(w.branches)))
			}
			return
		}
		l.add(CombinedTypeExtended)
	}
	partner, matched, ok := match(l, w.branches, r.branches)
	unmatched := func() string { return unmatchedBranches(w, r, partner) }
	switch wide, narrow := len(r.branches), len(w.branches); {
	case wide > narrow && r.criterion == allOf:
		l.addWith(unmatched, ProductTypeExtended)
	case wide > narrow:
		l.addWith(unmatched, SumTypeExtended)
	case wide < narrow && w.criterion == allOf:
		l.addWith(unmatched, ProductTypeNarrowed)
	case wide < narrow:
		l.addWith(unmatched, SumTypeNarrowed)
	}
	if !ok {
		return
	}
	for i, j := range partner {
		if j >= 0 {
			l.branch(pair{w.branches[i], r.branches[j]}, spot{w, i}, spot{r, j})
		}
	}
	if matched < min(len(w.branches), len(r.branches)) {
		l.addWith(unmatched, CombinedSubschemasChanged)
	}
	if l.all() {
		lookInsideBranches(l, w, r, partner)
	}
}

// unmatchedBranches names the branches on either side that have no partner on the
// other.
func unmatchedBranches(w, r *combinedRules, partner []int) string {
	var alone, free []int
	taken := make([]bool, len(r.branches))
	for i, j := range partner {
		if j < 0 {
			alone = append(alone, i)
		} else {
			taken[j] = true
		}
	}
	for j := range taken {
		if !taken[j] && partner != nil {
			free = append(free, j)
		}
	}
	var parts []string
	if len(alone) > 0 {
		parts = append(parts, "no branch of the reader fits the writer's "+w.branchNames(alone))
	}
	if len(free) > 0 {
		parts = append(parts, "only the reader has "+r.branchNames(free))
	}
	return strings.Join(parts, "; ")
}

// widens reports whether a change of the criterion takes nothing away.
func widens(w, r *combinedRules) bool {
	one, other := len(w.branches) == 1, len(r.branches) == 1
	return r.criterion == anyOf || one && other || one && r.criterion == oneOf || other && w.criterion == allOf
}

// match finds the largest one-to-one matching of branches that fit: for each of
// the writer's the index of the reader's, -1 for none. It reports false if the
// budget ran out.
func match(l listener, writers, readers []*node) (partner []int, matched int, ok bool) {
	m := matching{l: l, writers: writers, readers: readers, fits: make([]tristate, len(writers)*len(readers)),
		writerOf: make([]int, len(readers)), readerOf: make([]int, len(writers)), seen: make([]int, len(readers))}
	for i := range m.writerOf {
		m.writerOf[i] = -1
	}
	for i := range m.readerOf {
		m.readerOf[i] = -1
	}
	if !l.spend(len(m.fits) / 16) {
		return nil, 0, false
	}
	for i := range writers { // most often the branches have stayed in order
		if i < len(readers) && m.edge(i, i) {
			m.pair(i, i)
		}
	}
	for i := range writers {
		if m.readerOf[i] < 0 {
			m.round++
			m.augment(i)
		}
	}
	for _, j := range m.readerOf {
		if j >= 0 {
			matched++
		}
	}
	return m.readerOf, matched, l.spend(0)
}

type tristate uint8

const (
	unknown tristate = iota
	yes
	no
)

// matching is Kuhn's algorithm.
type matching struct {
	l                listener
	writers, readers []*node
	fits             []tristate
	readerOf         []int // of each writer, -1 for none
	writerOf         []int // of each reader, -1 for none
	seen             []int // round in which a reader was tried
	round            int
}

func (m *matching) edge(i, j int) bool {
	e := &m.fits[i*len(m.readers)+j]
	if *e == unknown {
		*e = no
		if m.l.fits(pair{m.writers[i], m.readers[j]}) {
			*e = yes
		}
	}
	return *e == yes
}

func (m *matching) pair(i, j int) {
	m.readerOf[i], m.writerOf[j] = j, i
}

// augment finds a partner for writer i, moving others to other partners if it
// must.
func (m *matching) augment(i int) bool {
	if !m.l.spend(len(m.readers)/16 + 1) {
		return false
	}
	for j := range m.readers {
		if m.seen[j] == m.round || !m.edge(i, j) {
			continue
		}
		m.seen[j] = m.round
		if m.writerOf[j] < 0 || m.augment(m.writerOf[j]) {
			m.pair(i, j)
			return true
		}
	}
	return false
}
