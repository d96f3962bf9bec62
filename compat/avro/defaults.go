package avro

import (
	"strconv"
	"strings"
)

// Default values are checked as the reference implementation checks those of
// a new schema: a default fits any branch of a union, integers are written
// without fraction or exponent, and of bytes, fixed and enums only the form is
// looked at. Fields that the default of a record leaves out take their own
// default.

// defaultChecker checks the fields of one schema.
type defaultChecker struct {
	sizes map[*Field]int // values in a field's default; checking while it is being counted
}

const checking = -1

// checkDefaults checks every default value of the text.
func (p *parser) checkDefaults() *fault {
	c := defaultChecker{sizes: make(map[*Field]int, len(p.fields))}
	for _, d := range p.fields {
		if size, reason := c.field(d.field); reason != "" {
			return faultf(d.tok, "the default of the field %q %s", d.field.Name, reason)
		} else if size > maxDefaultSize {
			return faultf(d.tok, "the default of the field %q has more than %d values once defaults inside it are filled in", d.field.Name, maxDefaultSize)
		}
	}
	return nil
}

// field returns how many values f's default has, or what is wrong with it.
func (c *defaultChecker) field(f *Field) (size int, reason string) {
	if simple, ok := simpleDefault(f); ok {
		if !simple {
			return 0, notA(f.Type)
		}
		return 1, ""
	}
	if size, known := c.sizes[f]; known {
		if size == checking {
			return 0, "holds itself without end; make the recursion optional, as in [\"null\", …] with the default null"
		}
		return size, ""
	}
	t, err := scan(string(f.Default), nil)
	if err != nil { // what the parser wrote is JSON
		return 0, err.reason
	}
	c.sizes[f] = checking
	size, reason = c.value(f.Type, &t, 0)
	c.sizes[f] = size
	return size, reason
}

// simpleDefault decides the defaults that most fields have.
func simpleDefault(f *Field) (fits, simple bool) {
	first := f.Default[0]
	switch f.Type.Kind {
	case Null:
		return first == 'n', true
	case Boolean:
		return first == 't' || first == 'f', true
	case Bytes, String, Enum, Fixed:
		return first == '"', true
	case Float, Double: // a string is what the parser made of NaN or an infinity
		return first == '"' || first == '-' || '0' <= first && first <= '9', true
	case Union:
		if first == 'n' {
			for _, b := range f.Type.Branches {
				if b.Kind == Null {
					return true, true
				}
			}
			return false, true
		}
	}
	return false, false
}

func notA(n *Node) string {
	switch n.Kind {
	case Union:
		names := make([]string, len(n.Branches))
		for i, b := range n.Branches {
			names[i] = b.FullName()
		}
		return "fits no type of the union [" + strings.Join(names, ", ") + "]"
	case Bytes, Fixed, Enum:
		return "is not of type " + n.FullName() + ", whose defaults are strings"
	case Int, Long:
		return "is not of type " + n.FullName() + ", whose defaults are integers in range, without fraction or exponent"
	case Null, Boolean, Float, Double, String, Record, Array, Map:
	}
	return "is not of type " + n.FullName()
}

// value returns how many values the value at i has as an n.
func (c *defaultChecker) value(n *Node, t *tape, i uint32) (size int, reason string) {
	tok := &t.toks[i]
	fits := false
	switch n.Kind {
	case Null:
		fits = tok.kind == tokNull
	case Boolean:
		fits = tok.kind == tokTrue || tok.kind == tokFalse
	case Int:
		fits = tok.kind == tokInteger && fitsBits(t.text[tok.start:tok.end], 32)
	case Long:
		fits = tok.kind == tokInteger && fitsBits(t.text[tok.start:tok.end], 64)
	case Float, Double:
		fits = tok.kind == tokInteger || tok.kind == tokFloat
	case Bytes, String, Enum, Fixed:
		fits = tok.kind == tokString
	case Array:
		if tok.kind == tokArray {
			return c.elements(n.Items, t, i)
		}
	case Map:
		if tok.kind == tokObject {
			return c.entries(n.Items, t, i)
		}
	case Record:
		if tok.kind == tokObject {
			return c.record(n, t, i)
		}
	case Union:
		return c.branch(n, t, i)
	}
	if !fits {
		return 0, notA(n)
	}
	return 1, ""
}

func fitsBits(s string, bits int) bool {
	_, err := strconv.ParseInt(s, 10, bits)
	return err == nil
}

func (c *defaultChecker) elements(items *Node, t *tape, i uint32) (total int, reason string) {
	total = 1
	for e := i + 1; e < t.toks[i].next; e = t.toks[e].next {
		size, reason := c.value(items, t, e)
		if total += size; reason != "" {
			return 0, reason
		}
	}
	return min(total, maxDefaultSize+1), ""
}

func (c *defaultChecker) entries(values *Node, t *tape, i uint32) (total int, reason string) {
	total = 1
	for k := i + 1; k < t.toks[i].next; k = t.toks[k+1].next {
		size, reason := c.value(values, t, k+1)
		if total += size; reason != "" {
			return 0, reason
		}
	}
	return min(total, maxDefaultSize+1), ""
}

// branch returns the values of the first branch that fits.
func (c *defaultChecker) branch(n *Node, t *tape, i uint32) (size int, reason string) {
	for _, b := range n.Branches {
		if b.Kind == Union {
			continue
		}
		if size, reason := c.value(b, t, i); reason == "" {
			return size, ""
		}
	}
	return 0, notA(n)
}

func (c *defaultChecker) record(n *Node, t *tape, i uint32) (total int, reason string) {
	total = 1
	given := make(map[string]uint32, t.count(i)/2)
	for k := i + 1; k < t.toks[i].next; k = t.toks[k+1].next {
		given[t.str(k)] = k + 1
	}
	for _, f := range n.Fields {
		var size int
		value, ok := given[f.Name]
		switch {
		case ok:
			delete(given, f.Name)
			if size, reason = c.value(f.Type, t, value); reason != "" {
				return 0, "has a field " + strconv.Quote(f.Name) + " that " + reason
			}
		case f.Default == nil:
			return 0, "leaves out the field " + strconv.Quote(f.Name) + ", which has no default"
		default:
			if size, reason = c.field(f); reason != "" {
				return 0, "has a field " + strconv.Quote(f.Name) + " whose default " + reason
			}
		}
		total += size
	}
	for k := i + 1; len(given) > 0 && k < t.toks[i].next; k = t.toks[k+1].next {
		if _, extra := given[t.str(k)]; extra {
			return 0, "has a member " + strconv.Quote(t.str(k)) + " that is no field of " + n.FullName()
		}
	}
	return min(total, maxDefaultSize+1), ""
}
