package avro

import (
	"slices"
	"strconv"
	"strings"

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
	maxComparisons = 1_000_000 // pairs of types
	maxFindings    = 10_000
	maxRecursion   = 10_000 // pairs inside each other
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
	c := comparison{pairs: make(map[nodePair]*verdict)}
	found := c.compare(s.root, w.root, nil).found
	if c.tooLarge {
		found = append(found, compat.Incompatibility{
			Rule: RuleTooLarge, Path: "/",
			Detail: "more than " + strconv.Itoa(maxComparisons) + " pairs of types, or more than " + strconv.Itoa(maxRecursion) + " inside each other",
		})
	}
	return found
}

// comparison holds what one call of Differences knows.
type comparison struct {
	pairs    map[nodePair]*verdict // named types only; a pair without a verdict is in progress
	count    int
	depth    int
	tooLarge bool
}

type nodePair struct{ reader, writer *Node }

// verdict is the outcome for a pair. A pair that is met again has the paths of
// its first place.
type verdict struct{ found []compat.Incompatibility }

var compatible = &verdict{}

// step is one element of a path, linked to those before it.
type step struct {
	parent *step
	name   string
	index  int // used where name is empty
}

func (s *step) at(name string) *step { return &step{parent: s, name: name} }
func (s *step) nth(i int) *step      { return &step{parent: s, index: i} }

func (s *step) String() string {
	if s == nil {
		return "/"
	}
	var steps []string
	for ; s != nil; s = s.parent {
		if s.name == "" {
			steps = append(steps, strconv.Itoa(s.index))
		} else {
			steps = append(steps, s.name)
		}
	}
	slices.Reverse(steps)
	return "/" + strings.Join(steps, "/")
}

func mismatch(rule string, at *step, detail string) compat.Incompatibility {
	return compat.Incompatibility{Rule: rule, Path: at.String(), Detail: detail}
}

// compare returns the verdict on a pair at a place of the reader.
func (c *comparison) compare(r, w *Node, at *step) *verdict {
	if c.count++; c.count > maxComparisons || c.depth > maxRecursion {
		c.tooLarge = true
		return compatible
	}
	if r.Name == "" || w.Name == "" || r.Kind != w.Kind {
		if r.Kind == w.Kind && r.Kind <= String {
			return compatible
		}
		return c.resolve(r, w, at)
	}
	pair := nodePair{r, w}
	if known, met := c.pairs[pair]; met {
		if known == nil { // in progress: nothing against it so far
			return compatible
		}
		return known
	}
	c.pairs[pair] = nil
	v := c.resolve(r, w, at)
	c.pairs[pair] = v
	return v
}

func (c *comparison) resolve(r, w *Node, at *step) *verdict {
	c.depth++
	defer func() { c.depth-- }()
	var found []compat.Incompatibility
	switch {
	case r.Kind == w.Kind:
		found = c.sameKind(r, w, at)
	case w.Kind == Union:
		for i, branch := range w.Branches {
			found = c.merge(found, c.compare(r, branch, at.nth(i)))
		}
	case r.Kind == Union:
		found = c.intoUnion(r, w, at)
	case !promotes(w.Kind, r.Kind):
		found = append(found, mismatch(RuleType, at,
			"reader type: "+upper(r)+" not compatible with writer type: "+upper(w)))
	}
	if len(found) == 0 {
		return compatible
	}
	return &verdict{found}
}

func (c *comparison) merge(found []compat.Incompatibility, v *verdict) []compat.Incompatibility {
	return append(found, v.found[:min(len(v.found), maxFindings-min(maxFindings, len(found)))]...)
}

func (c *comparison) sameKind(r, w *Node, at *step) (found []compat.Incompatibility) {
	switch r.Kind {
	case Array:
		return c.compare(r.Items, w.Items, at.at("items")).found
	case Map:
		return c.compare(r.Items, w.Items, at.at("values")).found
	case Fixed:
		found = checkNames(r, w, at)
		if r.Size != w.Size {
			found = append(found, mismatch(RuleFixedSize, at.at("size"),
				"expected: "+strconv.Itoa(w.Size)+", found: "+strconv.Itoa(r.Size)))
		}
	case Enum:
		found = append(checkNames(r, w, at), checkSymbols(r, w, at)...)
	case Record:
		found = c.fields(r, w, at, checkNames(r, w, at))
	case Union:
		for i, branch := range w.Branches {
			if len(c.compare(r, branch, nil).found) > 0 {
				found = append(found, mismatch(RuleUnionBranch, at.nth(i), lacking(branch)))
			}
		}
	}
	return found
}

// intoUnion asks for one branch that reads what w, no union, wrote.
func (c *comparison) intoUnion(r, w *Node, at *step) []compat.Incompatibility {
	for _, branch := range r.Branches {
		if len(c.compare(branch, w, nil).found) == 0 {
			return nil
		}
	}
	return []compat.Incompatibility{mismatch(RuleUnionBranch, at, lacking(w))}
}

func lacking(w *Node) string { return "reader union lacking writer type: " + upper(w) }

func upper(n *Node) string { return strings.ToUpper(n.Kind.String()) }

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

// checkNames compares short names, and the reader's aliases with the writer's
// full name. As in Java, an alias without namespace never fits for a reader
// with one.
func checkNames(r, w *Node, at *step) []compat.Incompatibility {
	if r.Name == w.Name {
		return nil
	}
	full := w.FullName()
	if slices.Contains(r.Aliases, full) && (r.Namespace == "" || w.Namespace != "") {
		return nil
	}
	return []compat.Incompatibility{mismatch(RuleName, at.at("name"), "expected: "+full)}
}

// checkSymbols looks for symbols that the reader lacks. A default takes their
// place.
func checkSymbols(r, w *Node, at *step) []compat.Incompatibility {
	if r.EnumDefault != nil {
		return nil
	}
	known := make(map[string]struct{}, len(r.Symbols))
	for _, s := range r.Symbols {
		known[s] = struct{}{}
	}
	var missing []string
	for _, s := range w.Symbols {
		if _, ok := known[s]; !ok {
			missing = append(missing, s)
		}
	}
	if missing == nil {
		return nil
	}
	slices.SortFunc(missing, compareUTF16)
	return []compat.Incompatibility{mismatch(RuleEnumSymbols, at.at("symbols"), "["+strings.Join(missing, ", ")+"]")}
}

// fields looks for a writer's field or a default for each field of the reader.
func (c *comparison) fields(r, w *Node, at *step, found []compat.Incompatibility) []compat.Incompatibility {
	at = at.at("fields")
	index := fieldIndex(w, len(r.Fields))
	for i, f := range r.Fields {
		place := at.nth(i)
		from, ambiguous := writerField(f, w, i, index)
		switch {
		case ambiguous != "":
			found = append(found, mismatch(RuleFieldAmbiguous, place, ambiguous))
		case from != nil:
			found = c.merge(found, c.compare(f.Type, from.Type, place.at("type")))
		case f.Default != nil:
		case f.Type.Kind == Enum && f.Type.EnumDefault != nil:
			// Java compares the enum with the writer's record here, so a default
			// symbol does not replace a default value.
			found = c.merge(found, c.compare(f.Type, w, place.at("type")))
		default:
			found = append(found, mismatch(RuleFieldDefault, place, f.Name))
		}
		if len(found) > maxFindings {
			return found[:maxFindings]
		}
	}
	return found
}

// fieldIndex returns w's fields by name if looking them up n times one by one
// would be slow.
func fieldIndex(w *Node, n int) map[string]*Field {
	if n < 8 || len(w.Fields) < 8 {
		return nil
	}
	index := make(map[string]*Field, len(w.Fields))
	for _, f := range w.Fields {
		index[f.Name] = f
	}
	return index
}

// writerField returns the field of w that fills f, by name and by f's
// aliases, or says why there is more than one. i is where it most likely is.
func writerField(f *Field, w *Node, i int, index map[string]*Field) (from *Field, ambiguous string) {
	find := func(name string) *Field {
		switch {
		case i < len(w.Fields) && w.Fields[i].Name == name:
			return w.Fields[i]
		case index != nil:
			return index[name]
		}
		for _, wf := range w.Fields {
			if wf.Name == name {
				return wf
			}
		}
		return nil
	}
	from = find(f.Name)
	for _, alias := range f.Aliases {
		other := find(alias)
		switch {
		case other == nil:
		case from == nil:
			from = other
		default:
			return nil, f.Name + " fits both " + from.Name + " and " + other.Name
		}
	}
	return from, ""
}
