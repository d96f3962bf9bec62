package jsonschema

import (
	"errors"
	"fmt"
	"math"
	"regexp"

	"github.com/dovetail-dev/dovetail/compat/jsonschema"
)

// compiler makes the programs of a schema.
type compiler struct {
	schema       *jsonschema.Schema
	programs     map[*jsonschema.Value]*program
	queue        []queued
	needsLibrary bool
	err          error
}

type queued struct {
	v *jsonschema.Value
	p *program
}

func (c *compiler) compile() (*program, error) {
	root := c.program(c.schema.Root())
	for len(c.queue) > 0 && c.err == nil && !c.needsLibrary {
		next := c.queue[len(c.queue)-1]
		c.queue = c.queue[:len(c.queue)-1]
		c.fill(next.p, next.v)
	}
	if c.err == nil && !c.needsLibrary {
		c.err = c.noLoops()
	}
	return root, c.err
}

// beside are keywords that say nothing about a value.
var beside = map[string]bool{
	"$ref": true, "$id": true, "$schema": true, "$anchor": true, "$dynamicAnchor": true, "$defs": true, "definitions": true, "$comment": true,
	"title": true, "description": true, "default": true, "examples": true, "deprecated": true, "readOnly": true, "writeOnly": true,
}

// follow returns the schema that v stands for if it is a $ref and nothing else.
func (c *compiler) follow(v *jsonschema.Value) *jsonschema.Value {
	for {
		target := c.schema.Reference(v)
		if target == nil {
			return v
		}
		if c.schema.Dialect(v) > jsonschema.Draft7 {
			for _, m := range v.Members {
				if !beside[m.Name] {
					return v
				}
			}
		}
		v = target
	}
}

// program returns the program of a schema, which is filled later.
func (c *compiler) program(v *jsonschema.Value) *program {
	if v != nil {
		v = c.follow(v)
	}
	if v == nil || v.Kind == jsonschema.True || v.Kind == jsonschema.Object && len(v.Members) == 0 {
		return nil
	}
	if p, ok := c.programs[v]; ok {
		return p
	}
	p := &program{types: anyType}
	c.programs[v] = p
	c.queue = append(c.queue, queued{v, p})
	return p
}

func schemaAt(v *jsonschema.Value, keyword string) *jsonschema.Value {
	if m := v.Get(keyword); m != nil && isSchema(m) {
		return m
	}
	return nil
}

func isSchema(v *jsonschema.Value) bool {
	return v.Kind == jsonschema.Object || v.Kind == jsonschema.True || v.Kind == jsonschema.False
}

func (c *compiler) list(v *jsonschema.Value, keyword string) ([]*program, bool) {
	m := v.Get(keyword)
	if m == nil || m.Kind != jsonschema.Array {
		return nil, false
	}
	out := make([]*program, 0, len(m.Items))
	for _, item := range m.Items {
		if isSchema(item) {
			out = append(out, c.program(item))
		}
	}
	return out, true
}

// fill compiles v into p.
func (c *compiler) fill(p *program, v *jsonschema.Value) {
	if v.Kind == jsonschema.False {
		p.never = true
		return
	}
	d := c.schema.Dialect(v)
	var more combination
	if target := c.schema.Reference(v); target != nil {
		more.all = append(more.all, c.program(target))
	}
	if c.schema.MetaSchema(v) {
		c.needsLibrary = true
		return
	}
	if d >= jsonschema.Draft2019 {
		for _, keyword := range [...]string{"unevaluatedItems", "unevaluatedProperties", "$recursiveRef", "$dynamicRef", "$vocabulary"} {
			if v.Get(keyword) != nil {
				c.needsLibrary = true
				return
			}
		}
	}
	c.types(p, v)
	if e := v.Get("enum"); e != nil && e.Kind == jsonschema.Array {
		p.enum = newValueSet(e.Items)
	}
	if e := v.Get("const"); e != nil && d >= jsonschema.Draft6 {
		p.constant = newValueSet([]*jsonschema.Value{e})
	}
	p.strings = c.stringRules(v)
	p.numbers = numberRulesOf(v, d)
	p.array = c.arrayRules(v, d)
	p.object = c.objectRules(v, d)

	all, _ := c.list(v, "allOf")
	more.all = append(more.all, all...)
	more.any, more.hasAny = c.list(v, "anyOf")
	more.one, more.hasOne = c.list(v, "oneOf")
	if not := schemaAt(v, "not"); not != nil {
		more.not, more.hasNot = c.program(not), true
	}
	if condition := schemaAt(v, "if"); condition != nil && d >= jsonschema.Draft7 {
		more.hasIf, more.condition = true, c.program(condition)
		more.then, more.otherwise = c.program(schemaAt(v, "then")), c.program(schemaAt(v, "else"))
	}
	c.combine(p, &more)
}

// combine gives p the sub-schemas of m, if there are any.
func (c *compiler) combine(p *program, m *combination) {
	kept := m.all[:0]
	for _, q := range m.all {
		if q != nil {
			kept = append(kept, q)
		}
	}
	m.all = kept
	if len(m.all) > 0 || m.hasAny || m.hasOne || m.hasNot || m.hasIf {
		p.more = m
	}
	p.bare = p.more != nil && p.types == anyType && p.enum == nil && p.constant == nil &&
		p.strings == nil && p.numbers == nil && p.array == nil && p.object == nil
}

func (c *compiler) types(p *program, v *jsonschema.Value) {
	t := v.Get("type")
	if t == nil {
		return
	}
	names := []*jsonschema.Value{t}
	if t.Kind == jsonschema.Array {
		names = t.Items
	}
	p.types = 0
	for _, name := range names {
		for _, known := range typeNames {
			if name.Kind == jsonschema.String && name.Text == known.name {
				p.types |= known.set
			}
		}
	}
}

func newValueSet(values []*jsonschema.Value) *valueSet {
	s := &valueSet{strings: map[string]struct{}{}}
	for _, v := range values {
		switch v.Kind {
		case jsonschema.Null:
			s.simple |= typeNull
		case jsonschema.True:
			s.yes = true
		case jsonschema.False:
			s.no = true
		case jsonschema.Number:
			s.numbers = append(s.numbers, parseNumber([]byte(v.Text)))
		case jsonschema.String:
			s.strings[v.Text] = struct{}{}
		default:
			s.others = append(s.others, v)
		}
	}
	return s
}

// count returns the keyword as a count, otherwise fallback.
func count(v *jsonschema.Value, keyword string, fallback int) int {
	m := v.Get(keyword)
	if m == nil || m.Kind != jsonschema.Number {
		return fallback
	}
	d := jsonschema.ParseDecimal(m.Text)
	if !d.Integer() {
		return fallback
	}
	return int(min(d.Int64(), math.MaxInt))
}

func (c *compiler) pattern(source string) *regexp.Regexp {
	re, err := jsonschema.CompilePattern(source)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("jsonschema: payloads cannot be validated: %w", err)
	}
	return re
}

func (c *compiler) stringRules(v *jsonschema.Value) *stringRules {
	r := &stringRules{min: count(v, "minLength", 0), max: count(v, "maxLength", -1)}
	if p := v.Get("pattern"); p != nil && p.Kind == jsonschema.String {
		r.pattern, r.source = c.pattern(p.Text), p.Text
	}
	if r.min <= 0 && r.max < 0 && r.pattern == nil {
		return nil
	}
	return r
}

func numberRulesOf(v *jsonschema.Value, d jsonschema.Dialect) *numberRules {
	r := &numberRules{}
	for _, k := range [...]struct {
		keyword, exclusive string
		upper              bool
	}{{"maximum", "exclusiveMaximum", true}, {"minimum", "exclusiveMinimum", false}} {
		exclusive := v.Get(k.exclusive)
		void := exclusive != nil && exclusive.Kind == jsonschema.True && d == jsonschema.Draft4
		if m := v.Get(k.keyword); m != nil && m.Kind == jsonschema.Number {
			r.limits = append(r.limits, limit{parseNumber([]byte(m.Text)), k.upper, void})
		}
		if exclusive != nil && exclusive.Kind == jsonschema.Number && d >= jsonschema.Draft6 {
			r.limits = append(r.limits, limit{parseNumber([]byte(exclusive.Text)), k.upper, true})
		}
	}
	if m := v.Get("multipleOf"); m != nil && m.Kind == jsonschema.Number && jsonschema.ParseDecimal(m.Text).Sign() > 0 {
		n := parseNumber([]byte(m.Text))
		r.multipleOf = &n
	}
	if len(r.limits) == 0 && r.multipleOf == nil {
		return nil
	}
	return r
}

func (c *compiler) arrayRules(v *jsonschema.Value, d jsonschema.Dialect) *arrayRules {
	r := &arrayRules{min: count(v, "minItems", 0), max: count(v, "maxItems", -1), minContain: 1, maxContain: -1}
	tuple, rest := "items", "additionalItems"
	if d >= jsonschema.Draft2020 {
		tuple, rest = "prefixItems", "items"
	}
	if t := v.Get(tuple); t != nil && t.Kind == jsonschema.Array {
		r.tuple, _ = c.list(v, tuple)
		r.rest = c.program(schemaAt(v, rest))
	} else {
		r.rest = c.program(schemaAt(v, "items"))
	}
	if u := v.Get("uniqueItems"); u != nil {
		r.unique = u.Kind == jsonschema.True
	}
	if contains := schemaAt(v, "contains"); contains != nil && d >= jsonschema.Draft6 {
		r.contains, r.hasContain = c.program(contains), true
		if d >= jsonschema.Draft2019 {
			r.minContain, r.maxContain = count(v, "minContains", 1), count(v, "maxContains", -1)
		}
	}
	if r.tuple == nil && r.rest == nil && r.min <= 0 && r.max < 0 && !r.unique && !r.hasContain {
		return nil
	}
	return r
}

// nameTable gathers the members that a schema mentions.
type nameTable struct {
	rules *objectRules
	at    map[string]int
	bits  int
}

func (t *nameTable) entry(name string) *nameRule {
	i, ok := t.at[name]
	if !ok {
		i = len(t.rules.names)
		t.at[name] = i
		t.rules.names = append(t.rules.names, nameRule{name: name, bit: -1})
	}
	return &t.rules.names[i]
}

// bit returns the bit of a member that somebody asks for.
func (t *nameTable) bit(name string) int {
	e := t.entry(name)
	if e.bit < 0 {
		e.bit = t.bits
		t.bits++
	}
	return e.bit
}

func (c *compiler) objectRules(v *jsonschema.Value, d jsonschema.Dialect) *objectRules {
	r := &objectRules{min: count(v, "minProperties", 0), max: count(v, "maxProperties", -1)}
	t := &nameTable{rules: r, at: map[string]int{}}
	if m := v.Get("properties"); m != nil {
		for _, p := range m.Members {
			if isSchema(p.Value) {
				e := t.entry(p.Name)
				e.property, e.program = true, c.program(p.Value)
			}
		}
	}
	if m := v.Get("patternProperties"); m != nil {
		for _, p := range m.Members {
			if isSchema(p.Value) {
				r.patterns = append(r.patterns, patternRule{c.pattern(p.Name), c.program(p.Value)})
			}
		}
	}
	r.extra = c.program(schemaAt(v, "additionalProperties"))
	if names := schemaAt(v, "propertyNames"); names != nil && d >= jsonschema.Draft6 {
		r.nameRules, r.hasNames = c.program(names), true
	}
	c.needs(t, v.Get("dependencies"))
	if d >= jsonschema.Draft2019 {
		c.needs(t, v.Get("dependentRequired"))
		c.needs(t, v.Get("dependentSchemas"))
	}
	required := stringsOf(v.Get("required"))
	for _, name := range required {
		t.bit(name)
	}
	if len(r.names) == 0 && len(r.patterns) == 0 && r.extra == nil && r.min <= 0 && r.max < 0 && !r.hasNames {
		return nil
	}
	if t.bits > 0 {
		r.required = make([]uint64, (t.bits+63)/64)
	}
	for _, name := range required {
		bit := t.bit(name)
		r.required[bit/64] |= 1 << (bit % 64)
	}
	if len(r.names) > 6 {
		r.index = t.at
	}
	return r
}

func stringsOf(v *jsonschema.Value) []string {
	if v == nil {
		return nil
	}
	var out []string
	for _, item := range v.Items {
		if item.Kind == jsonschema.String {
			out = append(out, item.Text)
		}
	}
	return out
}

func (c *compiler) needs(t *nameTable, v *jsonschema.Value) {
	if v == nil {
		return
	}
	for _, m := range v.Members {
		need := needRule{name: m.Name, bit: t.bit(m.Name)}
		switch {
		case m.Value.Kind == jsonschema.Array:
			for _, name := range stringsOf(m.Value) {
				need.names = append(need.names, t.bit(name))
			}
		case isSchema(m.Value):
			need.program = c.program(m.Value)
		}
		t.rules.needs = append(t.rules.needs, need)
	}
}

var errLoop = errors.New("jsonschema: payloads cannot be validated: the schema applies itself to the same value without end, " +
	"through $ref, allOf, anyOf, oneOf, not or if")

// noLoops refuses programs that would call themselves on the same value.
func (c *compiler) noLoops() error {
	const (
		open   = 1
		closed = 2
	)
	type frame struct {
		p    *program
		next []*program
	}
	state := map[*program]uint8{}
	for _, start := range c.programs {
		if state[start] != 0 {
			continue
		}
		state[start] = open
		stack := []frame{{start, inPlace(start)}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.next) == 0 {
				state[top.p] = closed
				stack = stack[:len(stack)-1]
				continue
			}
			p := top.next[0]
			top.next = top.next[1:]
			switch {
			case p == nil || state[p] == closed:
			case state[p] == open:
				return errLoop
			default:
				state[p] = open
				stack = append(stack, frame{p, inPlace(p)})
			}
		}
	}
	return nil
}

// inPlace returns the programs that p may call on its own value.
func inPlace(p *program) []*program {
	var out []*program
	if m := p.more; m != nil {
		out = append(out, m.all...)
		out = append(out, m.any...)
		out = append(out, m.one...)
		out = append(out, m.not, m.condition, m.then, m.otherwise)
	}
	if p.object != nil {
		for _, need := range p.object.needs {
			out = append(out, need.program)
		}
	}
	return out
}
