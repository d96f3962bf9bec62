package avro

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/avro"
)

// Bounds that hold whatever the schema or the options say.
const (
	// maxZeroItems is the most values without bytes (null, fixed of size 0,
	// records of such) that the arrays of one datum may hold.
	maxZeroItems = 1 << 16
	// maxZeroFields is the most values without bytes that one record may
	// hold when every named type in it is written out.
	maxZeroFields = 1 << 12
	// maxDepth is how deep a recursive type may nest in one datum.
	maxDepth = 1000
	// maxScale bounds the scale of a decimal: a power of ten of that many
	// digits is made to decode one.
	maxScale = avro.MaxDecimalPrecision
	// maxSize is the size that no value reaches.
	maxSize = 1 << 40
)

// planKind is what there is to read, in the terms of the writer; the last two
// are decisions.
type planKind uint8

const (
	pNull planKind = iota
	pBoolean
	pInt
	pLong
	pFloat
	pDouble
	pBytes
	pString
	pRecord
	pEnum
	pArray
	pMap
	pUnion // the writer's union: an index selects one of branches
	pFixed
	pBranch // the writer's value becomes branch index of the reader's union
	pRefuse // well-formed data of the writer that the reader has no place for
)

// plan tells how a value of the writer w becomes a value of the reader r. With
// w == r it is the identity, which also serves encoding, the walk and JSON.
// Plans of recursive schemas are cyclic. They are immutable once made.
type plan struct {
	kind  planKind
	w, r  *avro.Node
	label string // describe(w)

	item     *plan   // pArray and pMap: of an item; pBranch: of the value
	branches []*plan // pUnion, by the writer's index
	index    int     // pBranch: the reader's index
	symbols  []int   // pEnum: from the writer's to the reader's; -1 for none
	reason   string  // pRefuse

	steps    []step    // pRecord, in the writer's order
	defaults []missing // pRecord: fields that only the reader has

	minBytes  int  // least size of a value of w
	zeros     int  // values without bytes inside a value without bytes
	recursive bool // w is a record that can contain itself

	// quoted is for JSON: the reader's symbols of a pEnum; what stands in
	// front of the value of a pBranch.
	quoted [][]byte

	un *unionTable // identity plan of a union: how to find a branch
}

// step reads one field of the writer. More than one field of the reader may
// take it, when aliases say so; then each reads the same bytes.
type step struct {
	from *avro.Field
	to   *avro.Field // nil: the reader does not have it
	plan *plan       // from.Type → to.Type; for a dropped field the identity
	// again says that the bytes are those of the step before.
	again bool
	// shared says that the step after reads the same bytes.
	shared bool

	key []byte // the name as a JSON key with its colon
	// encoded is the default of the field in an identity plan, for values
	// that lack it; nil if there is none, defaultErr if it is no valid value.
	encoded    []byte
	defaultErr error
}

// missing is a field that only the reader has.
type missing struct {
	to      *avro.Field
	plan    *plan  // identity of to.Type
	encoded []byte // the default value
	key     []byte // the name as a JSON key with its colon
}

// pair is a writer and a reader.
type pair struct{ w, r *avro.Node }

type planner struct {
	plans  map[pair]*plan
	errs   map[pair]*ResolveError
	shapes map[*avro.Node]*shape
	nodes  int
}

func newPlanner() *planner {
	return &planner{plans: map[pair]*plan{}, errs: map[pair]*ResolveError{}, shapes: map[*avro.Node]*shape{}}
}

// identity returns the plan of p's writer as its own reader, which is p if it is
// one: a walk follows no other. The errors are those of newPlan.
func (p *planner) identity(of *plan) (*plan, error) {
	if of.w == of.r {
		return of, nil
	}
	if err := p.measure(of.w); err != nil {
		return nil, err
	}
	return p.plan(of.w, of.w, "")
}

// newPlan makes the plan for two roots. Errors are *ResolveError or, when a
// schema breaks a bound, *TypeError.
func newPlan(w, r *avro.Node) (*plan, error) {
	p := newPlanner()
	if err := p.measure(w); err != nil {
		return nil, err
	}
	if w != r {
		if err := p.measure(r); err != nil {
			return nil, err
		}
	}
	return p.plan(w, r, "")
}

// shape is what is known of a node before data is seen.
type shape struct {
	minBytes  int
	zeros     int
	recursive bool
	done      bool
}

// measure fills p.shapes for everything that n reaches.
func (p *planner) measure(n *avro.Node) error {
	if _, seen := p.shapes[n]; seen {
		return nil
	}
	s := &shape{}
	switch n.Kind {
	case avro.Record, avro.Array, avro.Map, avro.Union:
		// Until it is measured, since it may be met inside of itself. Then there
		// is a union, array or map on the way round, which has bytes.
		s.minBytes = 1
	}
	p.shapes[n] = s
	sub := func(of *avro.Node) (*shape, error) {
		if err := p.measure(of); err != nil {
			return nil, err
		}
		return p.shapes[of], nil
	}
	switch n.Kind {
	case avro.Null:
		s.zeros = 1
	case avro.Boolean, avro.Int, avro.Long, avro.Bytes, avro.String, avro.Enum:
		s.minBytes = 1
	case avro.Float:
		s.minBytes = 4
	case avro.Double:
		s.minBytes = 8
	case avro.Fixed:
		if n.Size < 0 || n.Size > maxSize {
			return &TypeError{Schema: "fixed " + n.FullName(), Reason: fmt.Sprintf("size %d is out of bounds", n.Size)}
		}
		s.minBytes = n.Size
		if n.Size == 0 {
			s.zeros = 1
		}
	case avro.Array, avro.Map:
		s.minBytes = 1
		if _, err := sub(n.Items); err != nil {
			return err
		}
	case avro.Union:
		least := maxSize
		for _, b := range n.Branches {
			bs, err := sub(b)
			if err != nil {
				return err
			}
			least = min(least, bs.minBytes)
		}
		s.minBytes = min(1+least, maxSize)
	case avro.Record:
		least, zeros := 0, 0
		for _, f := range n.Fields {
			fs, err := sub(f.Type)
			if err != nil {
				return err
			}
			least = min(least+fs.minBytes, maxSize)
			zeros += fs.zeros
			if zeros > maxZeroFields {
				return &TypeError{Schema: "record " + n.FullName(), Reason: fmt.Sprintf("more than %d values without any bytes", maxZeroFields)}
			}
		}
		if s.minBytes = least; least == 0 {
			s.zeros = max(zeros, 1)
		} else {
			s.zeros = zeros
		}
		s.recursive = reaches(n, n, map[*avro.Node]bool{})
	}
	s.done = true
	return nil
}

// reaches tells whether target occurs below n.
func reaches(n, target *avro.Node, seen map[*avro.Node]bool) bool {
	var below []*avro.Node
	switch n.Kind {
	case avro.Record:
		for _, f := range n.Fields {
			below = append(below, f.Type)
		}
	case avro.Array, avro.Map:
		below = append(below, n.Items)
	case avro.Union:
		below = n.Branches
	}
	for _, b := range below {
		if b == target {
			return true
		}
		if !seen[b] {
			seen[b] = true
			if reaches(b, target, seen) {
				return true
			}
		}
	}
	return false
}

// plan returns the plan for w and r. In a cycle it returns the plan that is
// still being made.
func (p *planner) plan(w, r *avro.Node, path string) (*plan, error) {
	key := pair{w, r}
	if known, ok := p.plans[key]; ok {
		return known, nil
	}
	if err, ok := p.errs[key]; ok {
		return nil, err
	}
	p.nodes++
	if p.nodes > 1<<20 {
		return nil, &ResolveError{Path: path, Reason: "the schemas are too large to resolve"}
	}
	s := p.shapes[w]
	made := &plan{w: w, r: r, label: describe(w), minBytes: s.minBytes, zeros: s.zeros, recursive: s.recursive}
	p.plans[key] = made
	if err := p.fill(made, path); err != nil {
		// Plans that were made in the meantime may hold this one.
		made.kind, made.reason = pRefuse, err.Reason
		delete(p.plans, key)
		p.errs[key] = err
		return nil, err
	}
	return made, nil
}

func (p *planner) fill(made *plan, path string) *ResolveError {
	w, r := made.w, made.r
	switch {
	case w.Kind == avro.Union:
		return p.fillUnion(made, path)
	case r.Kind == avro.Union:
		return p.fillBranch(made, path)
	}
	if w.Kind == r.Kind {
		made.kind = planKind(w.Kind)
		switch w.Kind {
		case avro.Array, avro.Map:
			item, err := p.plan(w.Items, r.Items, path+itemPath(w.Kind))
			if err != nil {
				return err.(*ResolveError)
			}
			made.item = item
		case avro.Fixed:
			if w != r && (!sameName(w, r) || w.Size != r.Size) {
				return &ResolveError{path, fmt.Sprintf("the writer's fixed %s of %d bytes is not the reader's %s of %d", w.FullName(), w.Size, r.FullName(), r.Size)}
			}
		case avro.Enum:
			if w != r && !sameName(w, r) {
				return &ResolveError{path, fmt.Sprintf("the writer's enum %s is not the reader's %s", w.FullName(), r.FullName())}
			}
			made.symbols = mapSymbols(w, r)
		case avro.Record:
			if w != r && !sameName(w, r) {
				return &ResolveError{path, fmt.Sprintf("the writer's record %s is not the reader's %s", w.FullName(), r.FullName())}
			}
			return p.fillRecord(made, path)
		}
		return nil
	}
	if promotes(w.Kind, r.Kind) {
		made.kind = planKind(w.Kind)
		return nil
	}
	return &ResolveError{path, fmt.Sprintf("the writer's %s cannot be read as %s", describe(w), describe(r))}
}

// fillUnion: the writer has a union. A branch that the reader has no place for
// is an error only when it occurs, unless none has a place.
func (p *planner) fillUnion(made *plan, path string) *ResolveError {
	made.kind = pUnion
	made.branches = make([]*plan, len(made.w.Branches))
	if made.w == made.r {
		made.un = newUnionTable(made.w)
		for i, b := range made.w.Branches {
			item, err := p.plan(b, b, path)
			if err != nil {
				return err.(*ResolveError)
			}
			made.branches[i] = &plan{kind: pBranch, w: b, r: made.r, item: item, index: i, minBytes: item.minBytes, zeros: item.zeros}
		}
		return nil
	}
	var last *ResolveError
	fits := false
	for i, b := range made.w.Branches {
		branch, err := p.plan(b, made.r, path)
		if err != nil {
			last = err.(*ResolveError)
			s := p.shapes[b]
			branch = &plan{kind: pRefuse, w: b, r: made.r, reason: last.Reason, minBytes: s.minBytes, zeros: s.zeros}
		} else {
			fits = true
		}
		made.branches[i] = branch
	}
	if !fits && last != nil {
		return last
	}
	return nil
}

// fillBranch: only the reader has a union. The branch of the same type and
// name wins, else the first that matches.
func (p *planner) fillBranch(made *plan, path string) *ResolveError {
	made.kind = pBranch
	w := made.w
	try := func(accept func(b *avro.Node) bool) bool {
		for i, b := range made.r.Branches {
			if !accept(b) {
				continue
			}
			item, err := p.plan(w, b, path)
			if err == nil {
				made.item, made.index = item, i
				return true
			}
		}
		return false
	}
	exact := func(b *avro.Node) bool { return b.Kind == w.Kind && (!named(w) || b.FullName() == w.FullName()) }
	sameKind := func(b *avro.Node) bool { return b.Kind == w.Kind }
	other := func(b *avro.Node) bool { return b.Kind != w.Kind }
	if try(exact) || try(sameKind) || try(other) {
		return nil
	}
	names := make([]string, len(made.r.Branches))
	for i, b := range made.r.Branches {
		names[i] = b.FullName()
	}
	return &ResolveError{path, fmt.Sprintf("the writer's %s fits no branch of the reader's union [%s]", describe(w), strings.Join(names, ", "))}
}

func (p *planner) fillRecord(made *plan, path string) *ResolveError {
	w, r := made.w, made.r
	takers := make([][]*avro.Field, len(w.Fields))
	for _, to := range r.Fields {
		from := findField(w, to)
		if from < 0 {
			continue
		}
		takers[from] = append(takers[from], to)
	}
	taken := make(map[*avro.Field]bool, len(r.Fields))
	for i, from := range w.Fields {
		if len(takers[i]) == 0 {
			same, err := p.plan(from.Type, from.Type, path+"."+from.Name)
			if err != nil {
				return err.(*ResolveError)
			}
			made.steps = append(made.steps, step{from: from, plan: same})
			continue
		}
		for k, to := range takers[i] {
			sub, err := p.plan(from.Type, to.Type, path+"."+to.Name)
			if err != nil {
				return err.(*ResolveError)
			}
			taken[to] = true
			made.steps = append(made.steps, step{from: from, to: to, plan: sub, again: k > 0, shared: k+1 < len(takers[i])})
		}
	}
	for _, to := range r.Fields {
		if taken[to] {
			continue
		}
		at := path + "." + to.Name
		if to.Default == nil {
			return &ResolveError{at, "the writer does not have the field and the reader gives it no default"}
		}
		same, err := p.plan(to.Type, to.Type, at)
		if err != nil {
			return err.(*ResolveError)
		}
		// The bytes come later: the plan of the field may still be in the making.
		made.defaults = append(made.defaults, missing{to: to, plan: same})
	}
	return nil
}

// findField returns the index of the writer's field that the reader's field
// takes: of the same name, else of one of its aliases; -1 for none.
func findField(w *avro.Node, to *avro.Field) int {
	for i, f := range w.Fields {
		if f.Name == to.Name {
			return i
		}
	}
	for i, f := range w.Fields {
		if slices.Contains(to.Aliases, f.Name) {
			return i
		}
	}
	return -1
}

// maxAllDefaults bounds the defaults of one schema in encoded form.
const maxAllDefaults = 16 << 20

// fillDefaults encodes the defaults of everything that root reaches.
func fillDefaults(root *plan) error {
	total := 0
	return visit(root, func(p *plan) error {
		if total > maxAllDefaults {
			return &TypeError{Schema: describe(root.r), Reason: fmt.Sprintf("default values of more than %d bytes", maxAllDefaults)}
		}
		switch p.kind {
		case pEnum:
			for _, s := range p.r.Symbols {
				p.quoted = append(p.quoted, appendQuoted(nil, s))
			}
		case pBranch:
			p.quoted = [][]byte{append(appendQuoted([]byte{'{'}, p.item.r.FullName()), ':')}
		}
		for i := range p.steps {
			s := &p.steps[i]
			name := s.from.Name
			if s.to != nil {
				name = s.to.Name
			}
			s.key = append(appendQuoted(nil, name), ':')
			if p.w == p.r && s.from.Default != nil {
				s.encoded, s.defaultErr = encodeDefault(s.plan, s.from.Default)
				total += len(s.encoded)
			}
		}
		for i := range p.defaults {
			m := &p.defaults[i]
			encoded, err := encodeDefault(m.plan, m.to.Default)
			if err != nil {
				return &TypeError{Path: p.r.FullName() + "." + m.to.Name, Schema: describe(m.to.Type), Reason: "default value: " + err.Error()}
			}
			m.encoded = encoded
			m.key = append(appendQuoted(nil, m.to.Name), ':')
			total += len(encoded)
		}
		return nil
	})
}

// visit calls do once for each plan that root reaches.
func visit(root *plan, do func(*plan) error) error {
	seen := map[*plan]bool{}
	stack := []*plan{root}
	for len(stack) > 0 {
		p := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if p == nil || seen[p] {
			continue
		}
		seen[p] = true
		if err := do(p); err != nil {
			return err
		}
		stack = append(stack, p.item)
		stack = append(stack, p.branches...)
		for i := range p.steps {
			stack = append(stack, p.steps[i].plan)
		}
		for i := range p.defaults {
			stack = append(stack, p.defaults[i].plan)
		}
	}
	return nil
}

func mapSymbols(w, r *avro.Node) []int {
	out := make([]int, len(w.Symbols))
	byName := make(map[string]int, len(r.Symbols))
	for i, s := range r.Symbols {
		byName[s] = i
	}
	for i, s := range w.Symbols {
		out[i] = -1
		if k, ok := byName[s]; ok {
			out[i] = k
		} else if r.EnumDefault != nil {
			if k, ok := byName[*r.EnumDefault]; ok {
				out[i] = k
			}
		}
	}
	return out
}

// promotes tells whether data of kind w may be read as kind r.
func promotes(w, r avro.Kind) bool {
	switch w {
	case avro.Int:
		return r == avro.Long || r == avro.Float || r == avro.Double
	case avro.Long:
		return r == avro.Float || r == avro.Double
	case avro.Float:
		return r == avro.Double
	case avro.String:
		return r == avro.Bytes
	case avro.Bytes:
		return r == avro.String
	}
	return false
}

// sameName: the unqualified names are equal, or an alias of the reader is the
// name of the writer.
func sameName(w, r *avro.Node) bool {
	if w.Name == r.Name {
		return true
	}
	full := w.FullName()
	for _, a := range r.Aliases {
		if a == full || a == w.Name {
			return true
		}
	}
	return false
}

func named(n *avro.Node) bool {
	return n.Kind == avro.Record || n.Kind == avro.Enum || n.Kind == avro.Fixed
}

func describe(n *avro.Node) string {
	switch {
	case named(n):
		return n.Kind.String() + " " + n.FullName()
	case n.Logical != "":
		return n.Kind.String() + " (" + string(n.Logical) + ")"
	}
	return n.Kind.String()
}

func itemPath(k avro.Kind) string {
	if k == avro.Map {
		return "{}"
	}
	return "[]"
}

// unionTable finds the branch of a value that is to be written.
type unionTable struct {
	node  *avro.Node
	names []string // names[i] is how branch i is called in generic values
	null  int      // index of the null branch, -1 for none
}

func newUnionTable(n *avro.Node) *unionTable {
	t := &unionTable{node: n, null: -1, names: make([]string, len(n.Branches))}
	for i, b := range n.Branches {
		t.names[i] = branchName(b)
		if b.Kind == avro.Null {
			t.null = i
		}
	}
	return t
}

// branchName is the key of a union branch in generic values: the full name of
// a named type, else the type, with its logical type behind a dot.
func branchName(n *avro.Node) string {
	if named(n) || n.Logical == "" {
		return n.FullName()
	}
	return n.Kind.String() + "." + string(n.Logical)
}

// byName returns the branch that a generic value calls name, or -1.
func (t *unionTable) byName(name string) int {
	for i, n := range t.names {
		if n == name {
			return i
		}
	}
	for i, b := range t.node.Branches {
		if b.FullName() == name {
			return i
		}
	}
	if named := strings.LastIndexByte(name, '.'); named < 0 {
		for i, b := range t.node.Branches {
			if b.Name == name && b.Name != "" {
				return i
			}
		}
	}
	return -1
}
