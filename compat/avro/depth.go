package avro

// depthChecker walks a graph as the printer does. Types that are used before
// their definition are printed where they are first used, which nests deeper
// than the text did; the result must still be a text that can be read.
type depthChecker struct {
	done map[*Node]struct{}
}

// typ reports whether n, printed inside depth containers, nests too deep.
func (d *depthChecker) typ(n *Node, depth int) bool {
	switch n.Kind {
	case Record, Array, Map, Union, Enum, Fixed:
		depth++
	case Null, Boolean, Int, Long, Float, Double, Bytes, String:
	}
	if depth+2 > MaxDepth { // two more for attributes and the list of fields
		return true
	}
	switch n.Kind {
	case Array, Map:
		return d.typ(n.Items, depth)
	case Union:
		for _, b := range n.Branches {
			if d.typ(b, depth) {
				return true
			}
		}
	case Record:
		if _, ok := d.done[n]; ok {
			return false
		}
		d.done[n] = struct{}{}
		for _, f := range n.Fields {
			if d.typ(f.Type, depth+2) {
				return true
			}
		}
	}
	return false
}
