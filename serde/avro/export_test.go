package avro

// Accepts tells whether the explaining walk of cursor.check, which follows the
// schema value by value, takes data for one value of s.
func Accepts(s *Schema, data []byte, text bool) bool {
	p := standard.plan(s.Root(), s.Root())
	c := cursor{buf: data}
	return p.err == nil && c.check(p.plan, 0, text) == len(data)
}

// ValidText and CountHigh are what the walk is made of.
var (
	ValidText = validText
	CountHigh = countHigh
)

// CountedText is how many bytes above 127 the first walk over data, a value of s,
// finds in its text.
func CountedText(s *Schema, data []byte) int {
	p := standard.plan(s.Root(), s.Root()).walk
	w := walker{buf: data, progs: p.all, text: textCounted}
	w.all(p, 0)
	return w.high + countHigh(data[w.from:])
}
