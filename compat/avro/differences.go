package avro

import (
	"slices"
	"strconv"

	"github.com/dovetail-dev/dovetail/compat"
)

// The rules, by the names that the reference server gives them.
const (
	RuleName         = "NAME_MISMATCH"
	RuleFixedSize    = "FIXED_SIZE_MISMATCH"
	RuleEnumSymbols  = "MISSING_ENUM_SYMBOLS"
	RuleFieldDefault = "READER_FIELD_MISSING_DEFAULT_VALUE"
	RuleType         = "TYPE_MISMATCH"
	RuleUnionBranch  = "MISSING_UNION_BRANCH"
	// RuleFieldAmbiguous is ours, for what is an exception in Java: aliases make
	// two fields of the writer fit one of the reader.
	RuleFieldAmbiguous = "READER_FIELD_AMBIGUOUS"
	// RuleTooLarge is ours: the two schemas take too long to compare, so they
	// are not called compatible.
	RuleTooLarge = "COMPARISON_TOO_LARGE"
)

// Bounds of a comparison. Unions of many records and records that are used
// many times can make the work far larger than the texts.
const (
	maxComparisons = 1_000_000 // pairs of types; eight fields or symbols count as one more
	maxFindings    = 10_000
	maxRecursion   = 10_000 // pairs inside each other
	largeUnion     = 32     // branches
)

// Differences returns everything that keeps s, as the reader, from reading
// what the writer wrote, in the order and with the paths of Avro for Java
// 1.12. Only short names count; documentation, order, attributes, logical
// types and the values of defaults are not looked at. A path is the JSON
// pointer of the place in the reader, from the root or, below a union, from
// the branch; "/" is the root itself.
func (s *Schema) Differences(writer compat.Schema, _ compat.Options) []compat.Incompatibility {
	w, ok := writer.(*Schema)
	if !ok {
		return []compat.Incompatibility{{
			Rule: RuleType, Path: "/",
			Detail: "the writer is a schema of type " + string(writer.Type()),
		}}
	}
	var c comparison
	found := c.compare(s.root, w.root, nil).found
	if len(found) == 0 && !c.tooLarge {
		return nil
	}
	list := make([]compat.Incompatibility, 0, len(found)+1)
	for i := range found {
		list = append(list, found[i].report())
	}
	if c.tooLarge {
		list = append(list, compat.Incompatibility{
			Rule: RuleTooLarge, Path: "/",
			Detail: "more than " + strconv.Itoa(maxComparisons) + " pairs of types, or more than " + strconv.Itoa(maxRecursion) + " inside each other",
		})
	}
	return list
}

// comparison holds what one call of Differences knows. Nothing of it outlives
// the call: a verdict depends on which pairs are in progress.
type comparison struct {
	pairs    map[nodePair]*verdict // named types only; a pair without a verdict is in progress
	count    int
	depth    int
	tooLarge bool
}

type nodePair struct{ reader, writer *Node }

// verdict is the outcome for a pair. A pair that is met again has the paths of
// its first place.
type verdict struct{ found []finding }

var compatible = &verdict{}

// compare returns the verdict on a pair at a place of the reader.
func (c *comparison) compare(r, w *Node, at *step) *verdict {
	if r.Kind == w.Kind && r.Kind <= String {
		return compatible
	}
	if c.count++; c.count > maxComparisons || c.depth > maxRecursion {
		c.tooLarge = true
		return compatible
	}
	if r.Name == "" || r.Kind != w.Kind {
		return c.resolve(r, w, at)
	}
	pair := nodePair{r, w}
	if known, met := c.pairs[pair]; met {
		if known == nil { // in progress: nothing against it so far
			return compatible
		}
		return known
	}
	if c.pairs == nil {
		c.pairs = make(map[nodePair]*verdict)
	}
	c.pairs[pair] = nil
	v := c.resolve(r, w, at)
	c.pairs[pair] = v
	return v
}

func (c *comparison) resolve(r, w *Node, at *step) *verdict {
	c.depth++
	c.count += (len(r.Fields) + len(w.Fields) + len(r.Symbols) + len(w.Symbols)) / 8
	var found []finding
	switch {
	case r.Kind == w.Kind:
		found = c.sameKind(r, w, at)
	case w.Kind == Union:
		for i, branch := range w.Branches {
			found = merge(found, c.compare(r, branch, at.branch(i)))
		}
	case r.Kind == Union:
		if !c.reads(r, w) {
			found = append(found, finding{rule: RuleUnionBranch, at: at, reader: r, writer: w})
		}
	case !promotes(w.Kind, r.Kind):
		found = append(found, finding{rule: RuleType, at: at, reader: r, writer: w})
	}
	c.depth--
	if len(found) == 0 {
		return compatible
	}
	return &verdict{found}
}

func merge(found []finding, v *verdict) []finding {
	return append(found, v.found[:min(len(v.found), maxFindings-min(maxFindings, len(found)))]...)
}

func (c *comparison) sameKind(r, w *Node, at *step) (found []finding) {
	switch r.Kind {
	case Array, Map:
		return c.compare(r.Items, w.Items, at.items(r.Kind)).found
	case Fixed:
		found = matchNames(found, r, w, at)
		if r.Size != w.Size {
			found = append(found, finding{rule: RuleFixedSize, at: at, reader: r, writer: w})
		}
	case Enum:
		found = matchNames(found, r, w, at)
		if r.EnumDefault == nil && missingSymbols(r, w) != nil {
			found = append(found, finding{rule: RuleEnumSymbols, at: at, reader: r, writer: w})
		}
	case Record:
		found = c.fields(matchNames(found, r, w, at), r, w, at)
	case Union:
		for i, branch := range w.Branches {
			if len(c.compare(r, branch, nil).found) > 0 {
				found = append(found, finding{rule: RuleUnionBranch, at: at.branch(i), reader: r, writer: branch})
			}
		}
	}
	return found
}

// reads reports whether a branch of the union r reads w, which is none. It
// looks into records of another name too, because what it finds is remembered,
// with paths from the branch, for when the two types meet again. In a large
// union that is too much work, and it passes over them.
func (c *comparison) reads(r, w *Node) bool {
	for _, branch := range r.Branches {
		if len(r.Branches) > largeUnion && branch.Kind == Record && w.Kind == Record && !sameName(branch, w) {
			if _, met := c.pairs[nodePair{branch, w}]; !met {
				c.count++
				continue
			}
		}
		if len(c.compare(branch, w, nil).found) == 0 {
			return true
		}
	}
	return false
}

// promotes reports whether a reader of kind r takes what a writer of kind w
// wrote.
func promotes(w, r Kind) bool {
	switch r {
	case Long:
		return w == Int
	case Float:
		return w == Int || w == Long
	case Double:
		return w == Int || w == Long || w == Float
	case Bytes:
		return w == String
	case String:
		return w == Bytes
	}
	return false
}

// sameName compares short names, and the reader's aliases with the writer's
// full name. As in Java, an alias without namespace never fits for a reader
// with one.
func sameName(r, w *Node) bool {
	return r.Name == w.Name ||
		len(r.Aliases) > 0 && slices.Contains(r.Aliases, w.FullName()) && (r.Namespace == "" || w.Namespace != "")
}

func matchNames(found []finding, r, w *Node, at *step) []finding {
	if sameName(r, w) {
		return found
	}
	return append(found, finding{rule: RuleName, at: at, reader: r, writer: w})
}

// missingSymbols returns the writer's symbols that the reader lacks, sorted.
func missingSymbols(r, w *Node) (missing []string) {
	if slices.Equal(r.Symbols, w.Symbols) {
		return nil
	}
	known := make(map[string]struct{}, len(r.Symbols))
	for _, s := range r.Symbols {
		known[s] = struct{}{}
	}
	for _, s := range w.Symbols {
		if _, ok := known[s]; !ok {
			missing = append(missing, s)
		}
	}
	slices.SortFunc(missing, compareUTF16)
	return missing
}

// fields looks for a writer's field or a default for each field of the reader.
func (c *comparison) fields(found []finding, r, w *Node, at *step) []finding {
	names := fieldNames{writer: w}
	for i, f := range r.Fields {
		from, second := names.source(f)
		switch {
		case second != nil:
			found = append(found, finding{rule: RuleFieldAmbiguous, at: at, field: f, writer: w})
		case from != nil:
			if f.Type.Kind != from.Type.Kind || f.Type.Kind > String {
				found = merge(found, c.compare(f.Type, from.Type, at.field(i)))
			}
		case f.Default != nil:
		case f.Type.Kind == Enum && f.Type.EnumDefault != nil:
			// Java compares the enum with the writer's record here: a default
			// symbol does not replace a default value.
			found = merge(found, c.compare(f.Type, w, at.field(i)))
		default:
			found = append(found, finding{rule: RuleFieldDefault, at: at, field: f, writer: w})
		}
		if len(found) > maxFindings {
			return found[:maxFindings]
		}
	}
	return found
}

// fieldNames finds fields of a writer.
type fieldNames struct {
	writer *Node
	index  map[string]*Field
}

// source returns the field that fills f, by its name or one of its aliases,
// and a second one if there is more than one.
func (n *fieldNames) source(f *Field) (from, second *Field) {
	from = n.find(f.Name, f.Index)
	for _, alias := range f.Aliases {
		other := n.find(alias, f.Index)
		switch {
		case other == nil:
		case from == nil:
			from = other
		default:
			return from, other
		}
	}
	return from, nil
}

// find returns the field called name; guess is where it most likely is.
func (n *fieldNames) find(name string, guess int) *Field {
	fields := n.writer.Fields
	if guess < len(fields) && fields[guess].Name == name {
		return fields[guess]
	}
	if len(fields) < 8 {
		for _, f := range fields {
			if f.Name == name {
				return f
			}
		}
		return nil
	}
	if n.index == nil {
		n.index = make(map[string]*Field, len(fields))
		for _, f := range fields {
			n.index[f.Name] = f
		}
	}
	return n.index[name]
}
