package avro

import (
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// Position returns the place in the text that a path names: of a difference
// that this schema reported as the reader, or of a syntax error. A path that
// goes through the name of a type goes on in its definition. Where the text has
// no such place, as for a type of a dependency or a branch that only the
// writer's union has, it is the innermost place that is there. It is false for
// what is not a path into this schema.
func (s *Schema) Position(path string) (compat.Position, bool) {
	if !strings.HasPrefix(path, "/") {
		return compat.Position{}, false
	}
	p := parser{names: make(map[string]*Node), where: make(map[*Node]uint32)}
	var root *Node
	if err := p.parseDependencies(s.src.Dependencies); err != nil {
		return compat.Position{}, false
	}
	clear(p.where) // tokens of other texts
	if err := p.parseText(s.src.Text, &root); err != nil {
		return compat.Position{}, false
	}
	l := locator{parser: &p, tok: 0, inside: root}
	if path != "/" {
		for name := range strings.SplitSeq(path[1:], "/") {
			if !l.step(strings.NewReplacer("~1", "/", "~0", "~").Replace(name)) {
				return compat.Position{}, false
			}
		}
	}
	return p.position(l.tok), true
}

// locator goes down a path, in the graph and on the tape at the same time.
type locator struct {
	*parser
	tok    uint32 // the place so far
	inside *Node  // the type at that place; nil inside one
	fields bool   // the place is the list of fields of record
	record *Node
	field  *Field // the place is this field
	lost   bool   // the text has no place for the rest of the path
}

// step goes to an attribute or an element; false if there cannot be one.
func (l *locator) step(name string) bool {
	switch {
	case l.inside != nil:
		return l.intoType(name)
	case l.fields:
		i, err := strconv.Atoi(name)
		if err != nil || i < 0 || i >= len(l.record.Fields) {
			return false
		}
		l.field, l.fields = l.record.Fields[i], false
		l.element(i)
		return true
	case l.field != nil:
		if name != "type" {
			return l.attribute(name)
		}
		l.inside, l.field = l.field.Type, nil
		l.attribute("type")
		return true
	}
	return false
}

func (l *locator) intoType(name string) bool {
	n := l.inside
	if i, err := strconv.Atoi(name); err == nil {
		if n.Kind == Union && i >= 0 && i < len(n.Branches) {
			l.inside = n.Branches[i]
			l.element(i)
		}
		return i >= 0 // else a branch of the writer's union
	}
	if _, written := l.where[n]; !written && n.Kind <= String {
		return false // a bare name has nothing inside
	}
	l.enterDefinition()
	switch {
	case n.Kind == Record && name == "fields":
		l.inside, l.record, l.fields = nil, n, true
		l.attribute(name)
		return true
	case n.Kind == Array && name == "items", n.Kind == Map && name == "values":
		l.inside = n.Items
		l.attribute(name)
		return true
	}
	l.inside = nil
	return l.attribute(name) || l.lost
}

// enterDefinition moves from the use of a named type to its definition.
func (l *locator) enterDefinition() {
	if l.lost {
		return
	}
	if at, ok := l.where[l.inside]; ok {
		l.tok = at
		return
	}
	l.lost = true
}

// attribute moves to the attribute of the object at the place.
func (l *locator) attribute(name string) bool {
	if l.lost || l.toks[l.tok].kind != tokObject {
		return false
	}
	found := uint32(0)
	for k := l.tok + 1; k < l.toks[l.tok].next; k = l.toks[k+1].next {
		if l.str(k) == name {
			found = k + 1 // the last one counts
		}
	}
	if found == 0 {
		return false
	}
	l.tok = found
	return true
}

// element moves to the element of the array at the place.
func (l *locator) element(i int) {
	if l.lost || l.toks[l.tok].kind != tokArray {
		return
	}
	tok := l.tok + 1
	for range i {
		tok = l.toks[tok].next
	}
	l.tok = tok
}
