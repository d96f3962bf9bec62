package avro

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// What Changes may find, beside the rules of Differences.
const (
	NameChanged        = "NAME_CHANGED"
	NamespaceChanged   = "NAMESPACE_CHANGED"
	AliasesChanged     = "ALIASES_CHANGED"
	DocChanged         = "DOC_CHANGED"
	PropertyChanged    = "PROPERTY_CHANGED" // an attribute that the specification does not reserve, or a logical type's
	TypeChanged        = "TYPE_CHANGED"
	SizeChanged        = "SIZE_CHANGED"
	SymbolsAdded       = "SYMBOLS_ADDED"
	SymbolsRemoved     = "SYMBOLS_REMOVED"
	SymbolsReordered   = "SYMBOLS_REORDERED"
	EnumDefaultChanged = "ENUM_DEFAULT_CHANGED"
	BranchAdded        = "UNION_BRANCH_ADDED"
	BranchRemoved      = "UNION_BRANCH_REMOVED"
	BranchesReordered  = "UNION_BRANCHES_REORDERED"
	FieldAdded         = "FIELD_ADDED"
	FieldRemoved       = "FIELD_REMOVED"
	FieldRenamed       = "FIELD_RENAMED" // an alias of the newer field is the name of the older
	FieldMoved         = "FIELD_MOVED"   // in the order of the fields that both have
	DefaultAdded       = "FIELD_DEFAULT_ADDED"
	DefaultRemoved     = "FIELD_DEFAULT_REMOVED"
	DefaultChanged     = "FIELD_DEFAULT_CHANGED"
	OrderChanged       = "FIELD_ORDER_CHANGED"
)

// Changes implements compat.Schema. What keeps one of the two from reading the
// other is told of the change that it comes from; where none does, by the rule
// of Differences. Of two types that are met more than once the changes are told
// where they are met first.
func (s *Schema) Changes(older compat.Schema, _ compat.Options) []compat.Change {
	o, ok := older.(*Schema)
	if !ok {
		return nil
	}
	d := changes{met: map[nodePair]bool{}}
	d.types(s.root, o.root, "", "")
	list := make([]compat.Change, len(d.found))
	for i, f := range d.found {
		list[i] = f.Change
		switch f.Rule {
		case FieldRemoved, BranchRemoved:
			list[i].Gone = true
		case FieldAdded, BranchAdded:
			list[i].Older = around(f.older)
		default:
			list[i].Older = f.older
		}
	}
	for _, h := range append(s.Differences(o, compat.Options{}), d.backward...) {
		if !d.blame(list, h.Path, func(f *change) string { return f.Path }, harmlessBackward, func(c *compat.Change) { c.BackwardSafe = false }) {
			list = append(list, compat.Change{Rule: h.Rule, Path: h.Path, Detail: h.Detail, ForwardSafe: true})
		}
	}
	for _, h := range append(o.Differences(s, compat.Options{}), d.forward...) {
		if !d.blame(list, h.Path, func(f *change) string { return f.older }, harmlessForward, func(c *compat.Change) { c.ForwardSafe = false }) {
			list = append(list, compat.Change{Rule: h.Rule, Path: o.Counterpart(s, h.Path), Detail: h.Detail, BackwardSafe: true})
		}
	}
	return list
}

// change is a Change with its path in the older schema.
type change struct {
	compat.Change
	older string
}

// changes walks two schemas side by side.
type changes struct {
	found             []change
	met               map[nodePair]bool
	count             int
	backward, forward []compat.Incompatibility // inside branches of unions, where Differences does not look
	branches          map[string]bool          // paths of Differences that those explain
}

// What never keeps the newer schema from reading what the older one wrote, and
// the other way round.
var (
	harmlessBackward = []string{BranchAdded, SymbolsAdded, FieldRemoved}
	harmlessForward  = []string{BranchRemoved, SymbolsRemoved, FieldAdded}
)

// blame marks the changes that a difference at a path comes from; false if there
// is none.
func (d *changes) blame(list []compat.Change, path string, at func(*change) string, harmless []string, mark func(*compat.Change)) bool {
	blamed := d.branches[path]
	for i := range d.found {
		f := &d.found[i]
		if slices.Contains(harmless, f.Rule) {
			continue
		}
		place := at(f)
		inside := f.Rule == TypeChanged && strings.HasPrefix(path, strings.TrimSuffix(place, "/")+"/")
		if place == path && harms(f.Rule) || inside {
			mark(&list[i])
			blamed = true
		}
	}
	return blamed
}

// harms says whether a change can be why a schema does not read another.
func harms(rule string) bool {
	switch rule {
	case NameChanged, TypeChanged, SizeChanged, SymbolsAdded, SymbolsRemoved, BranchAdded, BranchRemoved, FieldAdded, FieldRemoved, FieldRenamed:
		return true
	}
	return false
}

func (d *changes) add(rule, path, older, detail string) {
	if len(d.found) < maxFindings {
		d.found = append(d.found, change{compat.Change{Rule: rule, Path: rooted(path), Detail: detail, BackwardSafe: true, ForwardSafe: true}, rooted(older)})
	}
}

// around returns the path of the record or union that a field or branch is of.
func around(path string) string {
	path = path[:strings.LastIndexByte(path, '/')]
	return rooted(strings.TrimSuffix(path, "/fields"))
}

// rooted is a path as Differences writes it.
func rooted(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

func became(older, newer string) string {
	return strconv.Quote(shorten(older)) + " became " + strconv.Quote(shorten(newer))
}

func shorten(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "..."
	}
	return text
}

// types compares two types; the paths are theirs, without a slash at the end.
func (d *changes) types(n, o *Node, path, older string) {
	if d.count++; d.count > maxComparisons || n == o {
		return
	}
	if n.Kind != o.Kind {
		d.add(TypeChanged, path, older, upper(o)+" became "+upper(n))
		return
	}
	if n.Name != "" {
		pair := nodePair{n, o}
		if d.met[pair] {
			return
		}
		d.met[pair] = true
	}
	d.named(n, o, path, older)
	d.props(n.Props, o.Props, path, older)
	switch n.Kind {
	case Array:
		d.types(n.Items, o.Items, path+"/items", older+"/items")
	case Map:
		d.types(n.Items, o.Items, path+"/values", older+"/values")
	case Union:
		d.union(n, o, path, older)
	case Record:
		d.fields(n, o, path, older)
	case Fixed:
		if n.Size != o.Size {
			d.add(SizeChanged, path+"/size", older+"/size", strconv.Itoa(o.Size)+" became "+strconv.Itoa(n.Size))
		}
	case Enum:
		d.symbols(n, o, path, older)
	}
}

func (d *changes) named(n, o *Node, path, older string) {
	if n.Name != o.Name {
		d.add(NameChanged, path+"/name", older+"/name", became(o.Name, n.Name))
	}
	if n.Namespace != o.Namespace {
		d.add(NamespaceChanged, path, older, became(o.Namespace, n.Namespace))
	}
	if !sameSet(n.Aliases, o.Aliases) {
		d.add(AliasesChanged, path, older, became(strings.Join(o.Aliases, ", "), strings.Join(n.Aliases, ", ")))
	}
	if n.Doc != o.Doc || n.HasDoc != o.HasDoc {
		d.add(DocChanged, path, older, became(o.Doc, n.Doc))
	}
}

func (d *changes) props(n, o []Prop, path, older string) {
	was := make(map[string][]byte, len(o))
	for _, p := range o {
		was[p.Key] = p.Value
	}
	for _, p := range n {
		value, there := was[p.Key]
		delete(was, p.Key)
		switch {
		case !there:
			d.add(PropertyChanged, path, older, p.Key+" added: "+shorten(string(p.Value)))
		case !bytes.Equal(value, p.Value):
			d.add(PropertyChanged, path, older, p.Key+": "+shorten(string(value))+" became "+shorten(string(p.Value)))
		}
	}
	for _, p := range o {
		if _, gone := was[p.Key]; gone {
			d.add(PropertyChanged, path, older, p.Key+" removed")
		}
	}
}

func (d *changes) symbols(n, o *Node, path, older string) {
	path, older = path+"/symbols", older+"/symbols"
	added, removed := missingSymbols(o, n), missingSymbols(n, o)
	if len(added) > 0 {
		d.add(SymbolsAdded, path, older, shorten(strings.Join(added, ", ")))
	}
	if len(removed) > 0 {
		d.add(SymbolsRemoved, path, older, shorten(strings.Join(removed, ", ")))
	}
	if len(added)+len(removed) == 0 && !slices.Equal(n.Symbols, o.Symbols) {
		d.add(SymbolsReordered, path, older, "")
	}
	if is, was := orNothing(n.EnumDefault), orNothing(o.EnumDefault); is != was {
		d.add(EnumDefaultChanged, strings.TrimSuffix(path, "/symbols"), strings.TrimSuffix(older, "/symbols"), became(was, is))
	}
}

func orNothing(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (d *changes) union(n, o *Node, path, older string) {
	was := make(map[string]int, len(o.Branches))
	for i, branch := range o.Branches {
		was[branch.FullName()] = i
	}
	last, reordered := -1, false
	for i, branch := range n.Branches {
		k, there := was[branch.FullName()]
		if !there {
			d.add(BranchAdded, path+"/"+strconv.Itoa(i), older+"/"+strconv.Itoa(i), branch.FullName())
			continue
		}
		delete(was, branch.FullName())
		reordered, last = reordered || k < last, k
		inside, outside := path+"/"+strconv.Itoa(i), older+"/"+strconv.Itoa(k)
		d.types(branch, o.Branches[k], inside, outside)
		// Differences says of a branch only that it does not fit.
		d.backward = d.insideBranch(d.backward, branch, o.Branches[k], inside, path+"/"+strconv.Itoa(k))
		d.forward = d.insideBranch(d.forward, o.Branches[k], branch, outside, older+"/"+strconv.Itoa(i))
	}
	for i, branch := range o.Branches {
		if _, gone := was[branch.FullName()]; gone {
			d.add(BranchRemoved, path+"/"+strconv.Itoa(i), older+"/"+strconv.Itoa(i), branch.FullName())
		}
	}
	if reordered {
		d.add(BranchesReordered, path, older, "")
	}
}

// insideBranch adds what keeps a branch from reading the one of the same name;
// reported is where Differences says that there is something.
func (d *changes) insideBranch(list []compat.Incompatibility, reader, writer *Node, path, reported string) []compat.Incompatibility {
	c := comparison{count: d.count}
	for _, f := range c.compare(reader, writer, nil).found {
		h := f.report()
		h.Path = path + strings.TrimSuffix(h.Path, "/")
		list = append(list, h)
		if d.branches == nil {
			d.branches = map[string]bool{}
		}
		d.branches[reported] = true
	}
	d.count = c.count
	return list
}

func (d *changes) fields(n, o *Node, path, older string) {
	names := fieldNames{writer: o}
	kept := map[*Field]bool{}
	last := -1
	for _, f := range n.Fields {
		at := path + "/fields/" + strconv.Itoa(f.Index)
		from, _ := names.source(f)
		if from == nil {
			d.add(FieldAdded, at, older+"/fields/"+strconv.Itoa(f.Index), f.Name)
			continue
		}
		kept[from] = true
		was := older + "/fields/" + strconv.Itoa(from.Index)
		if from.Name != f.Name {
			d.add(FieldRenamed, at, was, became(from.Name, f.Name))
		}
		if from.Index < last {
			d.add(FieldMoved, at, was, f.Name)
		}
		last = max(last, from.Index)
		d.attributes(f, from, at, was)
		d.types(f.Type, from.Type, at+"/type", was+"/type")
	}
	for _, f := range o.Fields {
		if !kept[f] {
			place := "/fields/" + strconv.Itoa(f.Index)
			d.add(FieldRemoved, path+place, older+place, f.Name)
		}
	}
}

func (d *changes) attributes(n, o *Field, path, older string) {
	switch {
	case n.Default != nil && o.Default == nil:
		d.add(DefaultAdded, path, older, shorten(string(n.Default)))
	case n.Default == nil && o.Default != nil:
		d.add(DefaultRemoved, path, older, shorten(string(o.Default)))
	case !bytes.Equal(n.Default, o.Default):
		d.add(DefaultChanged, path, older, shorten(string(o.Default))+" became "+shorten(string(n.Default)))
	}
	if n.Doc != o.Doc || n.HasDoc != o.HasDoc {
		d.add(DocChanged, path, older, became(o.Doc, n.Doc))
	}
	if !sameSet(n.Aliases, o.Aliases) {
		d.add(AliasesChanged, path, older, became(strings.Join(o.Aliases, ", "), strings.Join(n.Aliases, ", ")))
	}
	if is, was := orAscending(n.Order), orAscending(o.Order); is != was {
		d.add(OrderChanged, path, older, became(was, is))
	}
	d.props(n.Props, o.Props, path, older)
}

func orAscending(order string) string {
	if order == "" {
		return "ascending"
	}
	return order
}

func sameSet(a, b []string) bool {
	if slices.Equal(a, b) {
		return true
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
