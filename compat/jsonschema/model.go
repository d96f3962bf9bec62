package jsonschema

import "regexp"

// shape is what kind of schema a node is. Two nodes of different shapes have
// nothing in common.
type shape uint8

const (
	shapeAny shape = iota // {} or true
	shapeNever
	shapeBoolean
	shapeNull
	shapeString
	shapeNumber
	shapeArray
	shapeObject
	shapeEnum
	shapeConst
	shapeCombined
	shapeNot
	shapeConditional
	shapeMeta // a published meta-schema, by name
)

// node is one schema of the model.
type node struct {
	shape shape
	at    *Value // where it was written

	// Annotations.
	id, title, description string
	fallback               *Value // its default; nil for none
	connectBytes           bool

	strings  *stringRules
	numbers  *numberRules
	array    *arrayRules
	object   *objectRules
	values   []*Value            // of an enum, each once
	byHash   map[uint64][]*Value // the same
	constant *Value
	combined *combinedRules
	negated  *node
	meta     string
}

type stringRules struct {
	maxLength, minLength *Decimal
	pattern              *string
}

type numberRules struct {
	integer                            bool
	maximum, minimum                   *Decimal
	exclusiveMaximum, exclusiveMinimum *Decimal
	multipleOf                         *Decimal
}

// content says what is allowed beyond what a schema names: additional or
// unevaluated properties or items.
type content struct {
	state  contentState
	schema *node // if state is contentSchema
}

type contentState uint8

const (
	contentAbsent contentState = iota
	contentAllowed
	contentForbidden
	contentSchema
)

// free reports whether anything is allowed.
func (c content) free() bool { return c.state == contentAbsent || c.state == contentAllowed }

type arrayRules struct {
	each                     *node // of all items; nil for none
	tuple                    []*node
	isTuple                  bool
	additional, unevaluated  content
	maxItems, minItems       *Decimal
	maxContains, minContains *Decimal
	unique                   bool
}

type objectRules struct {
	properties                   []property
	byName                       map[string]*node
	required                     map[string]bool
	patterns                     []patternRule
	additional, unevaluated      content
	maxProperties, minProperties *Decimal
	needNames                    []dependency // property → names that must be there too
	needSchemas                  []property   // property → schema of the whole object
}

type property struct {
	name   string
	schema *node
}

type dependency struct {
	name  string
	names []string
}

type patternRule struct {
	match  *regexp.Regexp // nil if it cannot be told what the pattern matches
	schema *node
}

// The criteria of combined schemas.
const (
	allOf = "allOf"
	anyOf = "anyOf"
	oneOf = "oneOf"
)

type combinedRules struct {
	criterion string
	branches  []*node // each once
	made      bool    // of the parts of one schema, not written as a combination
}

// Keywords by the shape that they make a schema without a type have.
var (
	stringKeywords = []string{"minLength", "maxLength", "pattern", "format"}
	numberKeywords = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
	arrayKeywords  = []string{"items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains",
		"prefixItems", "unevaluatedItems", "minContains", "maxContains"}
	objectKeywords = []string{"properties", "required", "minProperties", "maxProperties", "dependencies",
		"patternProperties", "additionalProperties", "propertyNames",
		"dependentRequired", "dependentSchemas", "unevaluatedProperties"}
	combiningKeywords = []string{allOf, anyOf, oneOf}
	otherKeywords     = []string{"enum", "const", "not", "type", "if", "then", "else"}
)

var sniffed = []struct {
	shape    shape
	keywords []string
}{
	{shapeArray, arrayKeywords},
	{shapeString, stringKeywords},
	{shapeNumber, numberKeywords},
	{shapeObject, objectKeywords},
}

func hasAny(v *Value, keywords []string) bool {
	for _, k := range keywords {
		if v.Get(k) != nil {
			return true
		}
	}
	return false
}

// hasParts reports whether v says anything beside references and annotations.
func hasParts(v *Value) bool {
	for _, s := range sniffed {
		if hasAny(v, s.keywords) {
			return true
		}
	}
	return hasAny(v, combiningKeywords) || hasAny(v, otherKeywords)
}

// buildModel makes the node of root, and of all that it leads to.
func buildModel(l *linker, root *Value) *node {
	b := builder{linker: l, nodes: map[*Value]*node{}}
	n := b.node(root)
	for len(b.queue) > 0 {
		next := b.queue[len(b.queue)-1]
		b.queue = b.queue[:len(b.queue)-1]
		b.fill(next)
	}
	return n
}

// builder makes nodes, which it fills later, so that they may be cyclic.
type builder struct {
	*linker
	nodes map[*Value]*node
	queue []*node
}

// node returns the node of v, which is filled before buildModel returns.
func (b *builder) node(v *Value) *node {
	v = b.follow(v)
	if n := b.nodes[v]; n != nil {
		return n
	}
	n := &node{at: v}
	b.nodes[v] = n
	b.queue = append(b.queue, n)
	return n
}

func (b *builder) fill(n *node) {
	v := n.at
	switch v.Kind {
	case True:
		return
	case False:
		n.shape = shapeNever
		return
	}
	d := b.dialect(v)
	if parts := b.parts(v, d); len(parts) == 1 && b.nodes[parts[0].at] == n {
		*n = *parts[0]
	} else if len(parts) > 0 {
		n.shape, n.combined = shapeCombined, &combinedRules{criterion: allOf, branches: parts, made: true}
	}
	n.at = v
	n.id, _ = v.str(d.idKeyword())
	n.title, _ = v.str("title")
	n.description, _ = v.str("description")
	n.fallback = v.Get("default")
	connect, _ := v.str("connect.type")
	n.connectBytes = connect == "bytes"
}

// parts returns one node for each shape that the keywords of v have.
func (b *builder) parts(v *Value, d Dialect) []*node {
	var parts []*node
	add := func(n *node) {
		n.at = v
		parts = append(parts, n)
	}
	if meta := b.meta[v]; meta != "" {
		add(&node{shape: shapeMeta, meta: meta})
		if d.refAlone() {
			return parts
		}
	}
	if target := b.refs[v]; target != nil {
		parts = append(parts, b.node(target))
	}
	if target := b.dynamic[v]; target != nil {
		parts = append(parts, b.node(target))
	}
	if e := v.Get("enum"); e != nil && e.Kind == Array {
		add(enumNode(e))
	}
	for _, criterion := range combiningKeywords {
		if list := v.Get(criterion); list != nil && list.Kind == Array {
			add(&node{shape: shapeCombined, combined: &combinedRules{criterion: criterion, branches: b.branches(list.Items)}})
		}
	}
	if not := v.Get("not"); not != nil && not.isSchema() {
		add(&node{shape: shapeNot, negated: b.node(not)})
	}
	if c := v.Get("const"); c != nil && d >= Draft6 {
		add(&node{shape: shapeConst, constant: c})
	}
	if t := v.Get("type"); t == nil {
		for _, s := range sniffed {
			if hasAny(v, s.keywords) {
				add(b.typed(v, d, s.shape, false))
			}
		}
	} else if n := b.types(v, d, t); n != nil {
		add(n)
	}
	if d >= Draft7 && v.Get("if") != nil {
		add(&node{shape: shapeConditional})
	}
	return parts
}

func enumNode(e *Value) *node {
	n := &node{shape: shapeEnum, byHash: make(map[uint64][]*Value, len(e.Items))}
	for _, item := range e.Items {
		if !n.has(item) {
			n.byHash[item.hash()] = append(n.byHash[item.hash()], item)
			n.values = append(n.values, item)
		}
	}
	return n
}

// has reports whether v is among the values of an enum.
func (n *node) has(v *Value) bool {
	for _, other := range n.byHash[v.hash()] {
		if Equal(v, other) {
			return true
		}
	}
	return false
}

// branches returns the nodes of a list, equal ones once.
func (b *builder) branches(items []*Value) []*node {
	var out []*node
	seen := make(map[*node]bool, len(items))
	equal := make(map[uint64][]*Value, len(items))
next:
	for _, item := range items {
		if !item.isSchema() {
			continue
		}
		n := b.node(item)
		if seen[n] {
			continue
		}
		seen[n] = true
		for _, other := range equal[n.at.hash()] {
			if b.scope[other] == b.scope[n.at] && Equal(other, n.at) {
				continue next
			}
		}
		equal[n.at.hash()] = append(equal[n.at.hash()], n.at)
		out = append(out, n)
	}
	return out
}

var shapeOfType = map[string]shape{
	"boolean": shapeBoolean, "null": shapeNull, "string": shapeString, "number": shapeNumber,
	"integer": shapeNumber, "array": shapeArray, "object": shapeObject,
}

// types returns the node of the keyword type; nil if it says nothing.
func (b *builder) types(v *Value, d Dialect, t *Value) *node {
	single := func(name *Value) *node {
		if shape, ok := shapeOfType[name.Text]; ok && name.Kind == String {
			n := b.typed(v, d, shape, name.Text == "integer")
			n.at = v
			return n
		}
		return nil
	}
	if t.Kind != Array {
		return single(t)
	}
	n := &node{shape: shapeCombined, combined: &combinedRules{criterion: anyOf, made: true}}
	seen := map[string]bool{}
	for _, name := range t.Items {
		if branch := single(name); branch != nil && !seen[name.Text] {
			seen[name.Text] = true
			n.combined.branches = append(n.combined.branches, branch)
		}
	}
	return n
}

func (b *builder) typed(v *Value, d Dialect, s shape, integer bool) *node {
	n := &node{shape: s}
	switch s {
	case shapeString:
		n.strings = &stringRules{maxLength: number(v, "maxLength"), minLength: number(v, "minLength")}
		if p, ok := v.str("pattern"); ok {
			n.strings.pattern = &p
		}
	case shapeNumber:
		n.numbers = numberNode(v, d)
		n.numbers.integer = integer
	case shapeArray:
		n.array = b.arrayRules(v, d)
	case shapeObject:
		n.object = b.objectRules(v, d)
	}
	return n
}

func number(v *Value, keyword string) *Decimal {
	m := v.Get(keyword)
	if m == nil || m.Kind != Number {
		return nil
	}
	d := ParseDecimal(m.Text)
	return &d
}

func numberNode(v *Value, d Dialect) *numberRules {
	n := &numberRules{
		maximum: number(v, "maximum"), minimum: number(v, "minimum"),
		exclusiveMaximum: number(v, "exclusiveMaximum"), exclusiveMinimum: number(v, "exclusiveMinimum"),
		multipleOf: number(v, "multipleOf"),
	}
	if d == Draft4 { // there it is said of the bound beside it
		n.exclusiveMaximum, n.exclusiveMinimum = nil, nil
		if e := v.Get("exclusiveMaximum"); e != nil && e.Kind == True {
			n.exclusiveMaximum = n.maximum
		}
		if e := v.Get("exclusiveMinimum"); e != nil && e.Kind == True {
			n.exclusiveMinimum = n.minimum
		}
	}
	return n
}

func (b *builder) content(v *Value, keyword string) content {
	m := v.Get(keyword)
	switch {
	case m == nil || !m.isSchema():
		return content{}
	case m.Kind == False:
		return content{state: contentForbidden}
	case m.Kind == True || len(m.Members) == 0:
		return content{state: contentAllowed}
	}
	return content{contentSchema, b.node(m)}
}

func (b *builder) arrayRules(v *Value, d Dialect) *arrayRules {
	r := &arrayRules{maxItems: number(v, "maxItems"), minItems: number(v, "minItems")}
	if u := v.Get("uniqueItems"); u != nil {
		r.unique = u.Kind == True
	}
	if d >= Draft2019 {
		r.maxContains, r.minContains = number(v, "maxContains"), number(v, "minContains")
		r.unevaluated = b.content(v, "unevaluatedItems")
	}
	each, tuple, rest := v.Get("items"), v.Get("items"), "additionalItems"
	if d >= Draft2020 {
		tuple, rest = v.Get("prefixItems"), "items"
	}
	if tuple != nil && tuple.Kind == Array {
		r.isTuple = true
		for _, item := range tuple.Items {
			if item.isSchema() {
				r.tuple = append(r.tuple, b.node(item))
			}
		}
		r.additional = b.content(v, rest)
	} else if each != nil && each.isSchema() {
		r.each = b.node(each)
	}
	return r
}

func (b *builder) objectRules(v *Value, d Dialect) *objectRules {
	r := &objectRules{
		maxProperties: number(v, "maxProperties"), minProperties: number(v, "minProperties"),
		additional: b.content(v, "additionalProperties"),
		properties: b.properties(v, "properties"),
		required:   map[string]bool{},
	}
	r.byName = make(map[string]*node, len(r.properties))
	for _, p := range r.properties {
		r.byName[p.name] = p.schema
	}
	if list := v.Get("required"); list != nil {
		for _, name := range list.Items {
			if name.Kind == String {
				r.required[name.Text] = true
			}
		}
	}
	for _, p := range b.properties(v, "patternProperties") {
		match, err := CompilePattern(p.name)
		if err != nil {
			match = nil
		}
		r.patterns = append(r.patterns, patternRule{match, p.schema})
	}
	// The later drafts have two keywords for what was one, and still know that.
	r.needSchemas = b.properties(v, "dependencies")
	r.needNames = dependencies(v.Get("dependencies"))
	if d >= Draft2019 {
		r.unevaluated = b.content(v, "unevaluatedProperties")
		r.needSchemas = append(r.needSchemas, b.properties(v, "dependentSchemas")...)
		r.needNames = append(r.needNames, dependencies(v.Get("dependentRequired"))...)
	}
	return r
}

func (b *builder) properties(v *Value, keyword string) []property {
	m := v.Get(keyword)
	if m == nil {
		return nil
	}
	var out []property
	for _, p := range m.Members {
		if p.Value.isSchema() {
			out = append(out, property{p.Name, b.node(p.Value)})
		}
	}
	return out
}

func dependencies(v *Value) []dependency {
	if v == nil {
		return nil
	}
	var out []dependency
	for _, m := range v.Members {
		if m.Value.Kind != Array {
			continue
		}
		d := dependency{name: m.Name}
		for _, name := range m.Value.Items {
			if name.Kind == String {
				d.names = append(d.names, name.Text)
			}
		}
		out = append(out, d)
	}
	return out
}
