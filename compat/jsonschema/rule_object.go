package jsonschema

func compareObjects(l listener, w, r *objectRules) {
	if !l.spend((len(w.properties) + len(r.properties)) / 4) {
		return
	}
	compareProperties(l, w, r)
	compareContent(l, "additionalProperties", w.additional, r.additional, contentRules("ADDITIONAL_PROPERTIES"))
	compareContent(l, "unevaluatedProperties", w.unevaluated, r.unevaluated, contentRules("UNEVALUATED_PROPERTIES"))
	compareDependencies(l, w, r)
	compareBound(l, "maxProperties", w.maxProperties, r.maxProperties, maxPropertiesRules)
	compareBound(l, "minProperties", w.minProperties, r.minProperties, minPropertiesRules)
}

func compareProperties(l listener, w, r *objectRules) {
	for _, p := range w.properties {
		now := r.byName[p.name]
		if now == nil {
			propertyRemoved(l, p, r)
			continue
		}
		l.both(pair{p.schema, now}, "properties", p.name)
		compareRequired(l, p.name, w, r)
	}
	for _, p := range r.properties {
		if w.byName[p.name] == nil {
			propertyAdded(l, p, w, r)
		}
	}
}

// compareRequired compares whether a property that both sides name is
// required.
func compareRequired(l listener, name string, w, r *objectRules) {
	switch {
	case w.required[name] == r.required[name]:
	case w.required[name]:
		l.add(RequiredAttributeRemoved, "required", name)
	case r.byName[name].fallback != nil:
		l.add(RequiredAttributeWithDefaultAdded, "required", name)
	default:
		l.add(RequiredAttributeAdded, "required", name)
	}
}

// open reports whether an object may hold anything beside its properties.
func (o *objectRules) open() bool {
	return len(o.patterns) == 0 && o.additional.free() && o.unevaluated.free()
}

// cover returns the schema of a property that is not named; nil if the content
// model is not partially open for it. What a pattern that cannot be matched here
// matches is not known: it is taken to match.
func (o *objectRules) cover(name string) *node {
	for _, p := range o.patterns {
		if p.match == nil || p.match.MatchString(name) {
			return p.schema
		}
	}
	switch {
	case o.additional.state == contentSchema:
		return o.additional.schema
	case o.additional.state == contentAbsent && o.unevaluated.state == contentSchema:
		return o.unevaluated.schema
	}
	return nil
}

func propertyAdded(l listener, p property, w, r *objectRules) {
	required, fallback := r.required[p.name], p.schema.fallback != nil
	add := func(rule string) { l.add(rule, "properties", p.name) }
	if w.open() {
		switch {
		case required && fallback:
			add(RequiredPropertyWithDefaultAddedToOpen)
		case required:
			add(RequiredPropertyAddedToOpen)
		case p.schema.shape == shapeAny:
			add(EmptyPropertyAddedToOpen)
		default:
			add(OptionalPropertyAddedToOpen)
		}
		return
	}
	if cover := w.cover(p.name); cover != nil {
		if l.fits(pair{cover, p.schema}) {
			add(PropertyAddedIsCovered)
		} else {
			add(PropertyAddedNotCovered)
		}
	}
	switch {
	case required && fallback:
		add(RequiredPropertyWithDefaultAddedToUnopen)
	case required:
		add(RequiredPropertyAddedToUnopen)
	default:
		add(OptionalPropertyAddedToUnopen)
	}
}

func propertyRemoved(l listener, p property, r *objectRules) {
	add := func(rule string) { l.add(rule, "properties", p.name) }
	if r.open() {
		add(PropertyRemovedFromOpen)
		return
	}
	cover := r.cover(p.name)
	switch {
	case cover != nil && l.fits(pair{p.schema, cover}):
		add(PropertyRemovedIsCovered)
	case cover != nil:
		add(PropertyRemovedNotCovered)
	case p.schema.shape == shapeNever:
		add(FalsePropertyRemovedFromClosed)
	default:
		add(PropertyRemovedFromClosed)
	}
}

// contentRuleNames are the rules of a content model, in the order added,
// removed, extended, narrowed.
type contentRuleNames [4]string

func contentRules(name string) contentRuleNames {
	return contentRuleNames{name + "_ADDED", name + "_REMOVED", name + "_EXTENDED", name + "_NARROWED"}
}

// compareContent compares what is allowed beyond what is named.
func compareContent(l listener, keyword string, w, r content, rules contentRuleNames) {
	switch closed, closes := w.state == contentForbidden, r.state == contentForbidden; {
	case closed && closes:
	case closed:
		l.add(rules[0], keyword)
	case closes:
		l.add(rules[1], keyword)
	case w.schema != nil && r.schema != nil:
		l.both(pair{w.schema, r.schema}, keyword)
	case w.schema != nil:
		l.add(rules[2], keyword)
	case r.schema != nil:
		l.add(rules[3], keyword)
	}
}

func compareDependencies(l listener, w, r *objectRules) {
	if len(w.needNames)+len(r.needNames)+len(w.needSchemas)+len(r.needSchemas) == 0 {
		return
	}
	now := make(map[string][]string, len(r.needNames))
	for _, d := range r.needNames {
		now[d.name] = d.names
	}
	was := make(map[string]bool, len(w.needNames))
	for _, d := range w.needNames {
		was[d.name] = true
		names, ok := now[d.name]
		if !ok {
			l.add(DependencyArrayRemoved, "dependencies", d.name)
			continue
		}
		if rule := compareNeeds(d.names, names); rule != "" {
			l.add(rule, "dependencies", d.name)
		}
	}
	for _, d := range r.needNames {
		if !was[d.name] {
			l.add(DependencyArrayAdded, "dependencies", d.name)
		}
	}
	schemas := make(map[string]*node, len(r.needSchemas))
	for _, d := range r.needSchemas {
		schemas[d.name] = d.schema
	}
	before := make(map[string]bool, len(w.needSchemas))
	for _, d := range w.needSchemas {
		before[d.name] = true
		if n := schemas[d.name]; n != nil {
			l.both(pair{d.schema, n}, "dependencies", d.name)
		} else {
			l.add(DependencySchemaRemoved, "dependencies", d.name)
		}
	}
	for _, d := range r.needSchemas {
		if !before[d.name] {
			l.add(DependencySchemaAdded, "dependencies", d.name)
		}
	}
}

// compareNeeds returns the rule of two lists of names, empty if they are the
// same set.
func compareNeeds(w, r []string) string {
	was, is := setOf(w), setOf(r)
	shared := 0
	for name := range was {
		if is[name] {
			shared++
		}
	}
	switch {
	case shared == len(was) && shared == len(is):
		return ""
	case shared == len(was):
		return DependencyArrayExtended
	case shared == len(is):
		return DependencyArrayNarrowed
	}
	return DependencyArrayChanged
}

func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}
