package protobuf

import (
	"cmp"
	"slices"
	"strings"
)

// sortMessage puts the lists of a message in the order of the normal form.
// Nested messages keep their order, because message indexes count them.
func (r *descriptorReader) sortMessage(m *message) {
	sortFields(m.fields)
	sortFields(m.groups)
	for _, o := range m.oneofs {
		sortFields(o.fields)
		sortFields(o.groups)
	}
	slices.SortStableFunc(m.oneofs, func(a, b *oneof) int { return cmp.Compare(a.first(), b.first()) })
	slices.SortStableFunc(m.extensions, func(a, b extensionRange) int {
		return cmp.Compare(a.ranges[0].start, b.ranges[0].start)
	})
	sortReserved(m.reserved)
}

// first is the smallest field number of a sorted oneof.
func (o *oneof) first() int64 {
	switch {
	case len(o.fields) == 0:
		return o.groups[0].number
	case len(o.groups) == 0:
		return o.fields[0].number
	}
	return min(o.fields[0].number, o.groups[0].number)
}

// sortValues orders enum constants by number and name. Where the language wants
// a zero first (open enums), it stays before negative numbers.
func sortValues(list []enumValue, open bool) {
	zeroFirst := open && len(list) > 0 && list[0].number == 0
	slices.SortStableFunc(list, func(a, b enumValue) int {
		if zeroFirst && (a.number == 0) != (b.number == 0) {
			if a.number == 0 {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.number, b.number), strings.Compare(a.name, b.name))
	})
}

func sortFields(list []*field) {
	slices.SortStableFunc(list, func(a, b *field) int { return cmp.Compare(a.number, b.number) })
}

// sortOptions orders by name; repeated options keep their order.
func sortOptions(list []option) {
	slices.SortStableFunc(list, func(a, b option) int { return strings.Compare(a.name, b.name) })
}

// sortReserved orders statements of one range or name each: ranges by start,
// then names.
func sortReserved(list [][]rangeOrName) {
	slices.SortStableFunc(list, func(a, b []rangeOrName) int {
		x, y := a[0], b[0]
		if x.isName != y.isName {
			if x.isName {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(x.start, y.start), strings.Compare(x.name, y.name))
	})
}
