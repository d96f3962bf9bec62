package protobuf

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dovetail-dev/dovetail/compat"
)

// Rules: what Differences may find. The names are the error types of the
// reference server.
const (
	PackageChanged                 = "PACKAGE_CHANGED"
	MessageAdded                   = "MESSAGE_ADDED"
	MessageRemoved                 = "MESSAGE_REMOVED"
	MessageMoved                   = "MESSAGE_MOVED"
	EnumAdded                      = "ENUM_ADDED"
	EnumRemoved                    = "ENUM_REMOVED"
	EnumConstAdded                 = "ENUM_CONST_ADDED"
	EnumConstChanged               = "ENUM_CONST_CHANGED"
	EnumConstRemoved               = "ENUM_CONST_REMOVED"
	FieldAdded                     = "FIELD_ADDED"
	FieldRemoved                   = "FIELD_REMOVED"
	FieldNameChanged               = "FIELD_NAME_CHANGED"
	FieldKindChanged               = "FIELD_KIND_CHANGED"
	FieldScalarKindChanged         = "FIELD_SCALAR_KIND_CHANGED"
	FieldNamedTypeChanged          = "FIELD_NAMED_TYPE_CHANGED"
	FieldNumericLabelChanged       = "FIELD_NUMERIC_LABEL_CHANGED"
	FieldStringOrBytesLabelChanged = "FIELD_STRING_OR_BYTES_LABEL_CHANGED"
	RequiredFieldAdded             = "REQUIRED_FIELD_ADDED"
	RequiredFieldRemoved           = "REQUIRED_FIELD_REMOVED"
	OneofAdded                     = "ONEOF_ADDED"
	OneofRemoved                   = "ONEOF_REMOVED"
	OneofFieldAdded                = "ONEOF_FIELD_ADDED"
	OneofFieldRemoved              = "ONEOF_FIELD_REMOVED"
	OneofFieldMovedToTopLevel      = "ONEOF_FIELD_MOVED_TO_TOP_LEVEL"
	MultipleFieldsMovedToOneof     = "MULTIPLE_FIELDS_MOVED_TO_ONEOF"
	FieldMovedToExistingOneof      = "FIELD_MOVED_TO_EXISTING_ONEOF"
)

// sentences holds the wording of every rule that breaks; all others are
// harmless. %[1]s is the path, %[2]s the reader's role, %[3]s the writer's.
var sentences = map[string]string{
	PackageChanged:             "The package at '%[1]s' in the %[2]s schema does not match the package in the %[3]s schema",
	MessageRemoved:             "The %[2]s schema is missing a MESSAGE type at path '%[1]s' in the %[3]s schema",
	FieldKindChanged:           "The type of a field at path '%[1]s' in the %[2]s schema does not match the %[3]s schema",
	FieldScalarKindChanged:     "The kind of a SCALAR field at path '%[1]s' in the %[2]s schema does not match its kind in the %[3]s schema",
	FieldNamedTypeChanged:      "The type of a MESSAGE field at path '%[1]s' in the %[2]s schema does not match its type in the %[3]s schema",
	FieldNumericLabelChanged:   "The label for a NUMERIC field at path '%[1]s' in the %[2]s schema does not match its label in the %[3]s schema",
	RequiredFieldAdded:         "A required field  at path '%[1]s' in the %[2]s schema is missing in the %[3]s schema",
	RequiredFieldRemoved:       "The %[2]s schema is missing a required field at path: '%[1]s' in the %[3]s schema",
	OneofFieldRemoved:          "The %[2]s schema is missing a oneof field at path '%[1]s' in the %[3]s schema",
	MultipleFieldsMovedToOneof: "Multiple fields in the oneof at path '%[1]s' in the %[2]s schema are outside a oneof in the %[3]s schema",
	FieldMovedToExistingOneof:  "A field in the oneof at path '%[1]s' in the %[2]s schema is outside an existing oneof in the %[3]s schema",
}

// Describe returns a difference in the reference server's words. Harmless
// differences have a name and no sentence there.
func (s *Schema) Describe(d compat.Incompatibility, roles compat.Roles) string {
	sentence := ""
	if format, ok := sentences[d.Rule]; ok {
		sentence = fmt.Sprintf(format, d.Path, roles.Reader, roles.Writer)
	}
	return fmt.Sprintf(`{errorType:"%s", description:"%s"}`, d.Rule, sentence)
}

// Differences returns everything that changed from the writer to this file as
// the reader, harmless changes marked as compatible. Messages and enums are
// matched by name within their parent, fields by number over the whole message.
// The syntax, options, reserved ranges, defaults, JSON names, services and
// extensions are not compared, nor are labels of message fields; imported files
// only through the fields that use them. A pair of message types is reported
// once, where it is met first.
func (s *Schema) Differences(writer compat.Schema, _ compat.Options) []compat.Incompatibility {
	w, ok := writer.(*Schema)
	if !ok {
		return []compat.Incompatibility{{Rule: compat.RuleTypeChanged}}
	}
	c := &comparison{reader: s.file, writer: w.file, done: map[messagePair]bool{}}
	if s.file.Package() != w.file.Package() {
		c.add(PackageChanged)
	}
	c.types(w.file, s.file)
	return c.found
}

// comparison walks two files side by side. The path is where it stands.
type comparison struct {
	reader, writer protoreflect.FileDescriptor
	path           []string
	found          []compat.Incompatibility
	breaks         int                  // findings that are not harmless
	done           map[messagePair]bool // pairs that were compared; true if they break
}

type messagePair struct {
	writer, reader protoreflect.FullName
}

func (c *comparison) add(rule string) {
	_, harmful := sentences[rule]
	if harmful {
		c.breaks++
	}
	c.found = append(c.found, compat.Incompatibility{Rule: rule, Path: "#/" + strings.Join(c.path, "/"), Compatible: !harmful})
}

// at runs f with more elements on the path.
func (c *comparison) at(f func(), elements ...string) {
	before := len(c.path)
	c.path = append(c.path, elements...)
	f()
	c.path = c.path[:before]
}

func (c *comparison) addAt(rule string, elements ...string) {
	c.at(func() { c.add(rule) }, elements...)
}

// types compares the messages and enums of one scope: of a file or a message.
func (c *comparison) types(writer, reader scope) {
	was, is := messageList(writer), messageList(reader)
	for _, name := range union(was.names, is.names) {
		old, wasThere := was.at[name]
		now, isThere := is.at[name]
		switch {
		case !isThere && !was.list[old].IsMapEntry():
			c.addAt(MessageRemoved, name)
		case !wasThere && !is.list[now].IsMapEntry():
			c.addAt(MessageAdded, name)
		case wasThere && isThere:
			c.at(func() {
				c.message(was.list[old], is.list[now])
				if old != now {
					c.add(MessageMoved)
				}
			}, name)
		}
	}
	c.enums(writer.Enums(), reader.Enums())
}

// listed is a list of messages with the index of each name.
type listed struct {
	list  []protoreflect.MessageDescriptor
	names []string
	at    map[string]int
}

// messageList leaves out map entries: in a source they do not exist, in a
// descriptor they do, and neither may make a difference.
func messageList(s scope) listed {
	l := listed{at: map[string]int{}}
	for i := range s.Messages().Len() {
		m := s.Messages().Get(i)
		if m.IsMapEntry() {
			continue
		}
		l.at[string(m.Name())] = len(l.list)
		l.list = append(l.list, m)
		l.names = append(l.names, string(m.Name()))
	}
	return l
}

// union returns the names of both lists, those of the first in their order
// and then those that only the second has.
func union(a, b []string) []string {
	seen := make(map[string]bool, len(a)+len(b))
	out := make([]string, 0, len(a)+len(b))
	for _, list := range [][]string{a, b} {
		for _, name := range list {
			if !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out
}
