package jsonschema

// compare tells l what changed from the writer to the reader.
func compare(l listener, p pair) {
	w, r := p.writer, p.reader
	if l.all() {
		l.rest(p)
	}
	switch {
	case w.shape != shapeCombined && r.shape == shapeCombined:
		if intoCombined(l, w, r.combined) {
			return
		}
	case w.shape == shapeCombined && r.shape != shapeCombined:
		if outOfCombined(l, w.combined, r) {
			return
		}
	}
	if w.shape != r.shape {
		switch {
		case !comparable(p):
			l.add(TypeChanged)
			if l.all() {
				lookInside(l, w, r)
			}
		case l.all():
			l.add(TypeExtended)
		}
		return
	}
	if !l.all() {
		compareAnnotations(l, w, r)
	}
	switch w.shape {
	case shapeString:
		compareStrings(l, w.strings, r.strings)
	case shapeNumber:
		compareNumbers(l, w.numbers, r.numbers)
	case shapeArray:
		compareArrays(l, w.array, r.array)
	case shapeObject:
		compareObjects(l, w.object, r.object)
	case shapeEnum:
		compareEnums(l, w, r)
	case shapeConst:
		if !Equal(w.constant, r.constant) {
			l.add(EnumArrayChanged, "const")
		}
	case shapeCombined:
		compareCombined(l, w.combined, r.combined)
	case shapeNot:
		compareNegations(l, w.negated, r.negated)
	case shapeMeta:
		if w.meta != r.meta {
			l.add(TypeChanged)
		}
	}
}

// intoCombined handles a plain schema that became a combination. It reports
// whether that was all.
func intoCombined(l listener, w *node, r *combinedRules) bool {
	if len(r.branches) == 1 {
		l.branch(pair{w, r.branches[0]}, spot{}, spot{r, 0})
		return true
	}
	if r.criterion == allOf {
		return false
	}
	for j, branch := range r.branches {
		if p := (pair{w, branch}); l.fits(p) {
			l.branch(p, spot{}, spot{r, j})
			l.add(SumTypeExtended)
			return true
		}
	}
	return false
}

// outOfCombined handles a combination that became a plain schema.
func outOfCombined(l listener, w *combinedRules, r *node) bool {
	if len(w.branches) == 1 {
		l.branch(pair{w.branches[0], r}, spot{w, 0}, spot{})
		return true
	}
	if w.criterion != allOf {
		return false
	}
	for i, branch := range w.branches {
		if p := (pair{branch, r}); l.fits(p) {
			l.branch(p, spot{w, i}, spot{})
			l.add(ProductTypeNarrowed)
			return true
		}
	}
	return false
}

func compareAnnotations(l listener, w, r *node) {
	if w.id != r.id {
		l.add(IDChanged, "id")
	}
	if w.title != r.title {
		l.add(TitleChanged, "title")
	}
	if w.description != r.description {
		l.add(DescriptionChanged, "description")
	}
	if !Equal(w.fallback, r.fallback) {
		l.add(DefaultChanged, "default")
	}
}

// bound names the four rules of a limit, in the order added, removed,
// increased, decreased.
type bound [4]string

// boundRules returns the rules of a limit by the first part of their names.
func boundRules(name string) bound {
	return bound{name + "_ADDED", name + "_REMOVED", name + "_INCREASED", name + "_DECREASED"}
}

var (
	maxLengthRules        = boundRules("MAX_LENGTH")
	minLengthRules        = boundRules("MIN_LENGTH")
	maximumRules          = boundRules("MAXIMUM")
	minimumRules          = boundRules("MINIMUM")
	exclusiveMaximumRules = boundRules("EXCLUSIVE_MAXIMUM")
	exclusiveMinimumRules = boundRules("EXCLUSIVE_MINIMUM")
	maxPropertiesRules    = boundRules("MAX_PROPERTIES")
	minPropertiesRules    = boundRules("MIN_PROPERTIES")
	maxItemsRules         = boundRules("MAX_ITEMS")
	minItemsRules         = boundRules("MIN_ITEMS")
	maxContainsRules      = boundRules("MAX_CONTAINS")
	minContainsRules      = boundRules("MIN_CONTAINS")
)

// compareBound compares a limit, nil for none.
func compareBound(l listener, keyword string, w, r *Decimal, rules bound) {
	switch {
	case w == nil && r == nil:
	case w == nil:
		l.add(rules[0], keyword)
	case r == nil:
		l.add(rules[1], keyword)
	case r.Cmp(*w) > 0:
		l.add(rules[2], keyword)
	case r.Cmp(*w) < 0:
		l.add(rules[3], keyword)
	}
}

func compareStrings(l listener, w, r *stringRules) {
	compareBound(l, "maxLength", w.maxLength, r.maxLength, maxLengthRules)
	compareBound(l, "minLength", w.minLength, r.minLength, minLengthRules)
	switch {
	case w.pattern == nil && r.pattern == nil:
	case w.pattern == nil:
		l.add(PatternAdded, "pattern")
	case r.pattern == nil:
		l.add(PatternRemoved, "pattern")
	case *w.pattern != *r.pattern:
		l.add(PatternChanged, "pattern")
	}
}

func compareNumbers(l listener, w, r *numberRules) {
	if w.integer != r.integer {
		if w.integer {
			l.add(TypeExtended)
		} else {
			l.add(TypeNarrowed)
		}
	}
	compareBound(l, "maximum", w.maximum, r.maximum, maximumRules)
	compareBound(l, "minimum", w.minimum, r.minimum, minimumRules)
	compareBound(l, "exclusiveMaximum", w.exclusiveMaximum, r.exclusiveMaximum, exclusiveMaximumRules)
	compareBound(l, "exclusiveMinimum", w.exclusiveMinimum, r.exclusiveMinimum, exclusiveMinimumRules)
	compareMultiples(l, w.multipleOf, r.multipleOf)
}

func compareMultiples(l listener, w, r *Decimal) {
	rule := ""
	switch {
	case w == nil && r == nil:
		return
	case w == nil:
		rule = MultipleOfAdded
	case r == nil:
		rule = MultipleOfRemoved
	case w.Cmp(*r) == 0:
		return
	case r.Sign() > 0 && w.Sign() > 0 && r.Cmp(*w) < 0 && w.MultipleOf(*r):
		rule = MultipleOfReduced
	case r.Sign() > 0 && w.Sign() > 0 && r.Cmp(*w) > 0 && r.MultipleOf(*w):
		rule = MultipleOfExpanded
	default:
		rule = MultipleOfChanged
	}
	l.spend(50) // arithmetic
	l.add(rule, "multipleOf")
}

func compareEnums(l listener, w, r *node) {
	if !l.spend((len(w.values) + len(r.values)) / 16) {
		return
	}
	shared := 0
	for _, v := range r.values {
		if w.has(v) {
			shared++
		}
	}
	switch {
	case shared == len(w.values) && shared == len(r.values):
	case shared == len(w.values):
		l.add(EnumArrayExtended, "enum")
	case shared == len(r.values):
		l.add(EnumArrayNarrowed, "enum")
	default:
		l.add(EnumArrayChanged, "enum")
	}
}

// compareNegations compares the other way round: what the reader must not match
// must be among what the writer did not.
func compareNegations(l listener, w, r *node) {
	switch {
	case !l.fits(pair{r, w}):
		l.add(NotTypeExtended, "not")
	case !Equal(w.at, r.at):
		l.add(NotTypeNarrowed, "not")
	}
	if words, ok := l.(*report); ok && words.whole {
		noteChanges(l, w.at, r.at, "not")
	}
}
