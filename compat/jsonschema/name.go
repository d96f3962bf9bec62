package jsonschema

import (
	"fmt"
	"strconv"
	"strings"
)

var shapeNames = [...]string{
	shapeAny: "anything", shapeNever: "nothing", shapeBoolean: "boolean", shapeNull: "null", shapeString: "string", shapeNumber: "number",
	shapeArray: "array", shapeObject: "object", shapeEnum: "enum", shapeConst: "const", shapeNot: "not", shapeConditional: "if",
}

// short says in a word or two what a node is.
func (n *node) short() string {
	name := ""
	switch n.shape {
	case shapeCombined:
		name = n.combined.criterion
		if n.combined.made {
			if t := n.at.Get("type"); t != nil && t.Kind == Array {
				name = string(shorten(t.appendJSON(nil, false)))
			}
		}
	case shapeNumber:
		if name = "number"; n.numbers.integer {
			name = "integer"
		}
	case shapeConst:
		name = "const " + string(shorten(n.constant.appendJSON(nil, false)))
	case shapeMeta:
		name = n.meta
	default:
		name = shapeNames[n.shape]
	}
	if title, ok := n.at.str("title"); ok {
		name += " " + strconv.Quote(string(shorten([]byte(title))))
	}
	return name
}

// branchNames lists branches of a combination by their place and kind.
func (c *combinedRules) branchNames(which []int) string {
	const few = 5
	names := make([]string, 0, few+1)
	for n, i := range which {
		if n == few {
			names = append(names, fmt.Sprintf("%d more", len(which)-few))
			break
		}
		if c.made {
			names = append(names, c.branches[i].short())
		} else {
			names = append(names, fmt.Sprintf("%s/%d (%s)", c.criterion, i, c.branches[i].short()))
		}
	}
	return strings.Join(names, ", ")
}

// became puts two values of a place into words; nil for none.
func became(was, is *Value) string {
	text := func(v *Value) string { return string(shorten(v.appendJSON(nil, false))) }
	switch {
	case was == nil && is == nil:
		return ""
	case was == nil:
		return text(is)
	case is == nil:
		return text(was)
	}
	return text(was) + " became " + text(is)
}
