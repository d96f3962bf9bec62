package protobuf

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat"
)

// What Changes may find, beside the rules of Differences.
const (
	SyntaxChanged         = "SYNTAX_CHANGED"
	ImportAdded           = "IMPORT_ADDED"
	ImportRemoved         = "IMPORT_REMOVED"
	OptionAdded           = "OPTION_ADDED"
	OptionRemoved         = "OPTION_REMOVED"
	OptionChanged         = "OPTION_CHANGED"
	FieldTypeChanged      = "FIELD_TYPE_CHANGED"  // to one that is read from the same bytes
	FieldLabelChanged     = "FIELD_LABEL_CHANGED" // of a message field, or to or from no label
	FieldOneofChanged     = "FIELD_ONEOF_CHANGED"
	FieldDefaultChanged   = "FIELD_DEFAULT_CHANGED"
	FieldJSONNameChanged  = "FIELD_JSON_NAME_CHANGED"
	ReservedAdded         = "RESERVED_ADDED"
	ReservedRemoved       = "RESERVED_REMOVED"
	ExtensionRangeAdded   = "EXTENSION_RANGE_ADDED"
	ExtensionRangeRemoved = "EXTENSION_RANGE_REMOVED"
	ExtensionAdded        = "EXTENSION_ADDED"
	ExtensionRemoved      = "EXTENSION_REMOVED"
	ServiceAdded          = "SERVICE_ADDED"
	ServiceRemoved        = "SERVICE_REMOVED"
	RPCAdded              = "RPC_ADDED"
	RPCRemoved            = "RPC_REMOVED"
	RPCChanged            = "RPC_CHANGED"
)

const maxChanges = 10_000

// Changes implements compat.Schema: what Differences finds either way, and the
// rest of what can be written in a file. What is said of a declaration by an
// option or a reserved statement has the declaration's path. Inside imported files
// only what Differences finds is told.
func (s *Schema) Changes(older compat.Schema, opts compat.Options) []compat.Change {
	o, ok := older.(*Schema)
	if !ok {
		return nil
	}
	var harm []compat.Change
	for _, d := range o.Differences(s, opts) {
		if !d.Compatible {
			harm = append(harm, compat.Change{Rule: d.Rule, Path: d.Path})
		}
	}
	var changes []compat.Change
	for _, d := range s.Differences(o, opts) {
		changes = append(changes, compat.Change{Rule: d.Rule, Path: d.Path, BackwardSafe: d.Compatible})
	}
	w := &changeWalk{list: compat.Merge(changes, harm), at: map[string][]int{}, prefixes: [2]string{packagePrefix(o), packagePrefix(s)}}
	for i, c := range w.list {
		w.at[c.Path] = append(w.at[c.Path], i)
	}
	w.file(normalTree(o.file, o.proto, extensionsOf(o.file)), normalTree(s.file, s.proto, extensionsOf(s.file)))
	return w.list
}

func packagePrefix(s *Schema) string {
	if p := s.file.Package(); p != "" {
		return "." + string(p) + "."
	}
	return "."
}

// changeWalk walks two normal forms side by side.
type changeWalk struct {
	list     []compat.Change
	at       map[string][]int // what Differences found, by path
	prefixes [2]string        // of the names that the older and the newer file declare
}

func (w *changeWalk) add(rule, path, detail string) {
	if len(w.list) < maxChanges {
		w.list = append(w.list, compat.Change{Rule: rule, Path: path, Detail: shortened(detail), BackwardSafe: true, ForwardSafe: true})
	}
}

// say adds words to what was found at a path under one of some rules; false if
// there is no such thing.
func (w *changeWalk) say(path, detail string, rules ...string) bool {
	said := false
	for _, i := range w.at[path] {
		if c := &w.list[i]; slices.Contains(rules, c.Rule) {
			said = true
			if c.Detail == "" {
				c.Detail = shortened(detail)
			}
		}
	}
	return said
}

func shortened(detail string) string {
	detail = strings.Join(strings.Fields(detail), " ")
	if len(detail) > 200 {
		return strings.ToValidUTF8(detail[:200], "") + "..."
	}
	return detail
}

func became(was, is string) string { return orNothing(was) + " became " + orNothing(is) }

func orNothing(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func (w *changeWalk) file(o, n *fileTree) {
	const root = "#/"
	if was, is := o.language(), n.language(); was != is {
		w.add(SyntaxChanged, root, became(was, is))
	}
	w.say(root, became(o.pkg, n.pkg), PackageChanged)
	w.sets(root, o.importLines(), n.importLines(), ImportAdded, ImportRemoved)
	w.options(root, o.options, n.options)
	w.messages(root, o.messages, n.messages)
	w.enums(root, o.enums, n.enums)
	w.extends(root, o.extends, n.extends)
	both(o.services, n.services, func(s *service) string { return s.name }, func(name string, was, is *service) {
		switch path := root + name; {
		case was == nil:
			w.add(ServiceAdded, path, "")
		case is == nil:
			w.add(ServiceRemoved, path, "")
		default:
			w.service(path, was, is)
		}
	})
}

func (f *fileTree) language() string {
	switch {
	case f.edition != "":
		return "edition " + f.edition
	case f.syntax != "":
		return f.syntax
	}
	return "proto2"
}

func (f *fileTree) importLines() []string {
	var lines []string
	for kind, word := range [...]string{importPlain: "", importPublic: "public ", importWeak: "weak "} {
		for _, path := range f.imports[kind] {
			lines = append(lines, word+quote(path))
		}
	}
	return lines
}

// both calls f for each name in either list, with nil for the side that lacks it:
// in the order of the older list, and then of the newer.
func both[T any](older, newer []T, name func(T) string, f func(name string, was, is T)) {
	index := func(list []T) (map[string]T, []string) {
		at, names := make(map[string]T, len(list)), make([]string, 0, len(list))
		for _, x := range list {
			at[name(x)] = x
			names = append(names, name(x))
		}
		return at, names
	}
	was, first := index(older)
	is, second := index(newer)
	for _, n := range union(first, second) {
		f(n, was[n], is[n])
	}
}

// sets compares two lists whose order does not matter.
func (w *changeWalk) sets(path string, older, newer []string, added, removed string) {
	same := func(s string) string { return s }
	both(older, newer, same, func(name, was, is string) {
		switch {
		case was == "":
			w.add(added, path, name)
		case is == "":
			w.add(removed, path, name)
		}
	})
}

func (w *changeWalk) options(path string, older, newer []option) {
	gather := func(list []option) []option { // one for all values of a repeated one
		var out []option
		for _, o := range list {
			if n := len(out) - 1; n >= 0 && out[n].name == o.name {
				out[n].value += ", " + o.value
			} else if o.name != "default" && o.name != "json_name" {
				out = append(out, o)
			}
		}
		return out
	}
	both(gather(older), gather(newer), func(o option) string { return o.name }, func(name string, was, is option) {
		switch {
		case was.name == "":
			w.add(OptionAdded, path, name+" = "+is.value)
		case is.name == "":
			w.add(OptionRemoved, path, name+" = "+was.value)
		case was.value != is.value:
			w.add(OptionChanged, path, name+" = "+became(was.value, is.value))
		}
	})
}

func valueOf(list []option, name string) string {
	for _, o := range list {
		if o.name == name {
			return o.value
		}
	}
	return ""
}

func (w *changeWalk) messages(prefix string, older, newer []*message) {
	both(older, newer, func(m *message) string { return m.name }, func(name string, was, is *message) {
		if was != nil && is != nil {
			w.message(prefix+name, was, is)
		}
	})
}

func (w *changeWalk) message(path string, o, n *message) {
	prefix := path + "/"
	w.options(path, o.options, n.options)
	w.sets(path, reservedLines(o.reserved), reservedLines(n.reserved), ReservedAdded, ReservedRemoved)
	w.sets(path, extensionLines(o.extensions), extensionLines(n.extensions), ExtensionRangeAdded, ExtensionRangeRemoved)
	both(o.oneofs, n.oneofs, func(x *oneof) string { return x.name }, func(name string, was, is *oneof) {
		if was != nil && is != nil {
			w.options(prefix+name, was.options, is.options)
		}
	})
	both(o.placed(), n.placed(), placedField.tag, func(tag string, was, is placedField) {
		switch {
		case was.field == nil:
			w.say(is.path(prefix), is.declaration(), FieldAdded, RequiredFieldAdded, OneofFieldAdded)
		case is.field == nil:
			w.say(was.path(prefix), was.declaration(), FieldRemoved, RequiredFieldRemoved, OneofFieldRemoved)
		default:
			w.field(prefix, was, is)
		}
	})
	w.messages(prefix, o.messages, n.messages)
	w.enums(prefix, o.enums, n.enums)
	w.extends(prefix, o.extends, n.extends)
}

func reservedLines(statements [][]rangeOrName) []string {
	var out []string
	for _, s := range statements {
		for _, r := range s {
			r.bare = false
			out = append(out, joinRanges([]rangeOrName{r}, false))
		}
	}
	return out
}

func extensionLines(list []extensionRange) []string {
	var out []string
	for _, x := range list {
		out = append(out, joinRanges(x.ranges, true)+(&printer{}).inline(x.options))
	}
	return out
}

// placedField is a field with the oneof that it stands in, empty for none.
type placedField struct {
	*field
	oneof string
}

func (f placedField) tag() string { return strconv.FormatInt(f.number, 10) }

func (f placedField) path(prefix string) string {
	if f.oneof != "" {
		prefix += f.oneof + "/"
	}
	return prefix + f.tag()
}

func (f *field) declaration() string {
	if f.label != "" {
		return f.label + " " + f.typ + " " + f.name
	}
	return f.typ + " " + f.name
}

// placed returns all fields of a message.
func (m *message) placed() []placedField {
	var out []placedField
	add := func(oneof string, lists ...[]*field) {
		for _, f := range slices.Concat(lists...) {
			out = append(out, placedField{f, oneof})
		}
	}
	add("", m.fields, m.groups)
	for _, o := range m.oneofs {
		add(o.name, o.fields, o.groups)
	}
	return out
}

func (w *changeWalk) field(prefix string, o, n placedField) {
	path := n.path(prefix)
	if o.name != n.name {
		w.say(path, became(o.name, n.name), FieldNameChanged)
	}
	if was, is := w.local(0, o.typ), w.local(1, n.typ); was != is &&
		!w.say(path, became(o.typ, n.typ), FieldKindChanged, FieldScalarKindChanged, FieldNamedTypeChanged) {
		w.add(FieldTypeChanged, path, became(o.typ, n.typ))
	}
	switch {
	case o.oneof != n.oneof:
		if detail := became(o.oneof, n.oneof); !w.say(prefix+n.tag(), detail, OneofFieldMovedToTopLevel) {
			w.add(FieldOneofChanged, path, detail)
		}
	case o.label != n.label:
		if detail := became(o.label, n.label); !w.say(path, detail, FieldNumericLabelChanged, FieldStringOrBytesLabelChanged, FieldKindChanged) {
			w.add(FieldLabelChanged, path, detail)
		}
	}
	if was, is := valueOf(o.options, "default"), valueOf(n.options, "default"); was != is {
		w.add(FieldDefaultChanged, path, became(was, is))
	}
	if was, is := jsonNameOf(o.field), jsonNameOf(n.field); was != is && (o.name == n.name || valueOf(o.options, "json_name")+valueOf(n.options, "json_name") != "") {
		w.add(FieldJSONNameChanged, path, became(was, is))
	}
	w.options(path, o.options, n.options)
	if o.body != nil && n.body != nil {
		w.message(prefix+n.name, o.body, n.body)
	}
}

// jsonNameOf returns the name of a field in JSON as a string literal.
func jsonNameOf(f *field) string {
	if name := valueOf(f.options, "json_name"); name != "" {
		return name
	}
	return quote(defaultJSONName(f.name))
}

// local is a type without the package of its own file: another package changes all
// of them at once.
func (w *changeWalk) local(side int, typ string) string {
	prefix := w.prefixes[side]
	if rest, ok := strings.CutPrefix(typ, "map<"); ok {
		key, value, _ := strings.Cut(rest, ", ")
		return "map<" + key + ", " + strings.Replace(" "+value, " "+prefix, " ", 1)
	}
	return strings.TrimPrefix(typ, prefix)
}

func (w *changeWalk) enums(prefix string, older, newer []*enum) {
	both(older, newer, func(e *enum) string { return e.name }, func(name string, was, is *enum) {
		if was != nil && is != nil {
			w.enum(prefix+name, was, is)
		}
	})
}

func (w *changeWalk) enum(path string, o, n *enum) {
	w.options(path, o.options, n.options)
	w.sets(path, reservedLines(o.reserved), reservedLines(n.reserved), ReservedAdded, ReservedRemoved)
	names := map[string]*[2][]string{} // that only one side has, by path: a number may have several
	note := func(side int, v enumValue) {
		place := path + "/" + strconv.FormatInt(v.number, 10)
		if names[place] == nil {
			names[place] = &[2][]string{}
		}
		names[place][side] = append(names[place][side], v.name)
	}
	both(o.values, n.values, func(v enumValue) string { return v.name + " " + strconv.FormatInt(v.number, 10) }, func(_ string, was, is enumValue) {
		switch {
		case was.name == "":
			note(1, is)
		case is.name == "":
			note(0, was)
		default:
			w.options(path+"/"+strconv.FormatInt(was.number, 10), was.options, is.options)
		}
	})
	for _, place := range slices.Sorted(maps.Keys(names)) {
		was, is := strings.Join(names[place][0], ", "), strings.Join(names[place][1], ", ")
		rule, detail := EnumConstChanged, became(was, is)
		switch {
		case was == "":
			rule, detail = EnumConstAdded, is
		case is == "":
			rule, detail = EnumConstRemoved, was
		}
		if !w.say(place, detail, EnumConstAdded, EnumConstRemoved, EnumConstChanged) {
			w.add(rule, place, detail) // another name of a number that has one
		}
	}
}

// extendStep is the step of a path for the extensions of a message.
func extendStep(extendee string) string { return "extend " + localName(extendee) }

func (w *changeWalk) extends(prefix string, older, newer []*extend) {
	type extension struct {
		*field
		of string
	}
	flat := func(list []*extend) []extension {
		var out []extension
		for _, x := range list {
			for _, f := range slices.Concat(x.fields, x.groups) {
				out = append(out, extension{f, x.name})
			}
		}
		return out
	}
	key := func(x extension) string { return extendStep(x.of) + "/" + strconv.FormatInt(x.number, 10) }
	both(flat(older), flat(newer), key, func(step string, was, is extension) {
		switch {
		case was.field == nil:
			w.add(ExtensionAdded, prefix+step, is.declaration())
		case is.field == nil:
			w.add(ExtensionRemoved, prefix+step, was.declaration())
		default:
			if was.name != is.name {
				w.add(FieldNameChanged, prefix+step, became(was.name, is.name))
			}
			w.field(prefix+extendStep(is.of)+"/", placedField{was.field, ""}, placedField{is.field, ""})
		}
	})
}

func (w *changeWalk) service(path string, o, n *service) {
	w.options(path, o.options, n.options)
	both(o.rpcs, n.rpcs, func(r rpc) string { return r.name }, func(name string, was, is rpc) {
		place := path + "/" + name
		switch {
		case was.name == "":
			w.add(RPCAdded, place, is.signature())
		case is.name == "":
			w.add(RPCRemoved, place, was.signature())
		default:
			if w.rpcTypes(0, was) != w.rpcTypes(1, is) {
				w.add(RPCChanged, place, became(was.signature(), is.signature()))
			}
			w.options(place, was.options, is.options)
		}
	})
}

func (r rpc) signature() string {
	stream := map[bool]string{true: "stream "}
	return "(" + stream[r.requestStreaming] + r.request + ") returns (" + stream[r.responseStream] + r.response + ")"
}

func (w *changeWalk) rpcTypes(side int, r rpc) string {
	r.request, r.response = w.local(side, r.request), w.local(side, r.response)
	return r.signature()
}
