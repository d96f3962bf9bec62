package jsonschema

import "strconv"

func compareArrays(l listener, w, r *arrayRules) {
	if !l.spend((len(w.tuple) + len(r.tuple)) / 4) {
		return
	}
	switch {
	case w.each != nil && r.each != nil:
		l.both(pair{w.each, r.each}, "items")
	case w.each != nil:
		l.add(SchemaRemoved, "items")
	case r.each != nil:
		l.add(SchemaAdded, "items")
	}
	for i := range max(len(w.tuple), len(r.tuple)) {
		switch {
		case i >= len(r.tuple):
			itemRemoved(l, i, w.tuple[i], r)
		case i >= len(w.tuple):
			itemAdded(l, i, r.tuple[i], w)
		default:
			l.both(pair{w.tuple[i], r.tuple[i]}, "items", strconv.Itoa(i))
		}
	}
	compareContent(l, "additionalItems", w.additional, r.additional, contentRules("ADDITIONAL_ITEMS"))
	compareContent(l, "unevaluatedItems", w.unevaluated, r.unevaluated, contentRules("UNEVALUATED_ITEMS"))
	compareBound(l, "maxItems", w.maxItems, r.maxItems, maxItemsRules)
	compareBound(l, "minItems", w.minItems, r.minItems, minItemsRules)
	compareBound(l, "maxContains", w.maxContains, r.maxContains, maxContainsRules)
	compareBound(l, "minContains", w.minContains, r.minContains, minContainsRules)
	if w.unique != r.unique {
		if r.unique {
			l.add(UniqueItemsAdded, "uniqueItems")
		} else {
			l.add(UniqueItemsRemoved, "uniqueItems")
		}
	}
}

// open reports whether an array may hold anything beyond its tuple.
func (a *arrayRules) open() bool { return a.additional.free() && a.unevaluated.free() }

// cover returns the schema of items beyond the tuple; nil if the content model
// is not partially open.
func (a *arrayRules) cover() *node {
	switch {
	case a.additional.state == contentSchema:
		return a.additional.schema
	case a.additional.state == contentAbsent && a.unevaluated.state == contentSchema:
		return a.unevaluated.schema
	}
	return nil
}

func itemAdded(l listener, i int, item *node, w *arrayRules) {
	add := func(rule string) { l.add(rule, "items", strconv.Itoa(i)) }
	cover := w.cover()
	switch {
	case w.open() && item.shape == shapeAny:
		add(EmptyItemAddedToOpen)
	case w.open():
		add(ItemAddedToOpen)
	case cover != nil && l.fits(pair{cover, item}):
		add(ItemAddedIsCovered)
	case cover != nil:
		add(ItemAddedNotCovered)
	default:
		add(ItemAddedToClosed)
	}
}

func itemRemoved(l listener, i int, item *node, r *arrayRules) {
	add := func(rule string) { l.add(rule, "items", strconv.Itoa(i)) }
	cover := r.cover()
	switch {
	case r.open():
		add(ItemRemovedFromOpen)
	case cover != nil && l.fits(pair{item, cover}):
		add(ItemRemovedIsCovered)
	case cover != nil:
		add(ItemRemovedNotCovered)
	case item.shape == shapeNever:
		add(FalseItemRemovedFromClosed)
	default:
		add(ItemRemovedFromClosed)
	}
}
