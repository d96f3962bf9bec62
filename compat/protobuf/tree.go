package protobuf

import (
	"github.com/dovetail-dev/dovetail/compat"
)

// fileTree is a file as it is printed: declarations in the order of the layout,
// with type names spelled as the text is to spell them.
type fileTree struct {
	syntax   string // "proto2", "proto3" or empty for a file that does not say
	edition  string // "2023" or empty
	pkg      string
	imports  [importKinds][]string
	options  []option
	messages []*message
	enums    []*enum
	extends  []*extend
	services []*service
}

// The kinds of import, in the order in which they are printed.
const (
	importPlain = iota
	importPublic
	importWeak
	importKinds
)

// option is an option with its value as text; a value may have several lines.
type option struct {
	name   string // as written: java_package, (my.option).part
	value  string
	custom bool // an extension of the options message
}

type message struct {
	name       string
	reserved   [][]rangeOrName // one list per statement
	options    []option
	fields     []*field
	oneofs     []*oneof
	groups     []*field
	extensions []extensionRange
	messages   []*message
	enums      []*enum
	extends    []*extend
}

// rangeOrName is one entry of a reserved statement.
type rangeOrName struct {
	isName     bool
	name       string
	bare       bool  // name is written without quotes, as editions have it
	start, end int64 // both inclusive, of a range
}

type extensionRange struct {
	ranges  []rangeOrName
	options []option
}

type field struct {
	label   string // "optional", "required", "repeated" or empty
	typ     string // as written; "map<K, V>" for maps; "group"
	name    string
	number  int64
	options []option // default and json_name stand last
	body    *message // of a group
}

type oneof struct {
	name    string
	options []option
	fields  []*field
	groups  []*field
}

type enum struct {
	name     string
	reserved [][]rangeOrName
	options  []option
	values   []enumValue
}

type enumValue struct {
	name    string
	number  int64
	options []option
}

type extend struct {
	name   string
	fields []*field
	groups []*field
}

type service struct {
	name    string
	options []option
	rpcs    []rpc
}

type rpc struct {
	name                             string
	request, response                string
	requestStreaming, responseStream bool
	options                          []option
}

// checkNames holds a source to the bounds on full names and on nesting, before
// anything is built that repeats them.
func (f *fileTree) checkNames(path string) error {
	b := &nameBudget{path: path}
	if err := b.name("package", f.pkg); err != nil {
		return err
	}
	prefix := len(f.pkg) + 1
	for _, svc := range f.services {
		for _, r := range svc.rpcs {
			if err := b.declare(prefix+len(svc.name), r.name, r.request, r.response); err != nil {
				return err
			}
		}
	}
	return b.trees(prefix, 1, f.messages, f.enums, f.extends)
}

func (b *nameBudget) trees(prefix, depth int, messages []*message, enums []*enum, extends []*extend) error {
	if depth > maxMessageDepth+1 {
		return fault(b.path, compat.Position{}, "messages are nested more than %d deep", maxMessageDepth)
	}
	for _, e := range enums {
		if err := b.declare(prefix, e.name); err != nil {
			return err
		}
		for _, v := range e.values {
			if err := b.declare(prefix, v.name); err != nil {
				return err
			}
		}
	}
	for _, x := range extends {
		if err := b.treeFields(prefix, depth, x.fields, x.groups); err != nil {
			return err
		}
	}
	for _, m := range messages {
		if err := b.treeMessage(prefix, depth, m); err != nil {
			return err
		}
	}
	return nil
}

func (b *nameBudget) treeMessage(prefix, depth int, m *message) error {
	if err := b.declare(prefix, m.name); err != nil {
		return err
	}
	inner := prefix + len(m.name) + 1
	if err := b.treeFields(inner, depth, m.fields, m.groups); err != nil {
		return err
	}
	for _, o := range m.oneofs {
		if err := b.declare(inner, o.name); err != nil {
			return err
		}
		if err := b.treeFields(inner, depth, o.fields, o.groups); err != nil {
			return err
		}
	}
	return b.trees(inner, depth+1, m.messages, m.enums, m.extends)
}

func (b *nameBudget) treeFields(prefix, depth int, fields, groups []*field) error {
	for _, f := range fields {
		if err := b.declare(prefix, f.name, f.typ); err != nil {
			return err
		}
	}
	for _, g := range groups {
		if err := b.declare(prefix, g.name); err != nil {
			return err
		}
		if err := b.treeMessage(prefix, depth, g.body); err != nil {
			return err
		}
	}
	return nil
}
