package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// shape knows how values of one schema are walked, shown to CEL and made of
// what CEL returns.
type shape interface {
	// fields returns a copy of v in which visit has replaced the primitive
	// values of fields. visit gets bare Go values and returns such that fit
	// the same place.
	fields(v any, visit visitor) (any, error)
	// show returns v as CEL is to see it: plain values, maps and lists, or a
	// Protobuf message.
	show(v any) (any, error)
	// build returns a value of v's type that holds what CEL returned.
	build(v any, result any) (any, error)
	// hasInline reports whether the schema text has inline rules.
	hasInline() bool
	// inline calls visit for every value in v that has some, nulls excepted.
	inline(v any, visit inlineVisitor) error
}

type visitor func(f *field, leaf any) (any, error)

// field is where a primitive value stands.
type field struct {
	name     string
	fullName string
	typeName string // of the value: STRING, BYTES, INT, LONG, FLOAT, DOUBLE, BOOLEAN or NULL
	tags     []string
	message  func() (any, error) // what contains the field, as CEL is to see it
}

// tagged reports whether a rule with these tags is meant for the field; a rule
// without tags is meant for all.
func (f *field) tagged(tags []string) bool {
	return len(tags) == 0 || slices.ContainsFunc(f.tags, func(t string) bool { return slices.Contains(tags, t) })
}

// maxDepth bounds the nesting of values that are walked.
const maxDepth = 500

var errTooDeep = fmt.Errorf("the value is nested more than %d levels deep", maxDepth)

func newShape(s *serde.Schema) (shape, error) {
	tags := metadataTags(s.Metadata)
	switch t := s.Type.OrDefault(); t {
	case schema.Avro:
		return newAvroShape(s, tags)
	case schema.Protobuf:
		return newProtobufShape(s, tags)
	case schema.JSON:
		return newJSONShape(s, tags)
	default:
		return nil, fmt.Errorf("rules on values of type %s are not supported", t)
	}
}

// pathTags are tags for the fields whose path a glob matches.
type pathTags []struct {
	glob *regexp.Regexp
	tags []string
}

// metadataTags compiles the tags of a schema's metadata.
func metadataTags(m *schema.Metadata) pathTags {
	var out pathTags
	if m == nil {
		return nil
	}
	for glob, tags := range m.Tags {
		out = append(out, struct {
			glob *regexp.Regexp
			tags []string
		}{compileGlob(glob), tags})
	}
	return out
}

// compileGlob turns a path glob into an expression: * is one segment, ** any
// number of characters, ? one character of a segment.
func compileGlob(glob string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for i := 0; i < len(glob); i++ {
		switch {
		case strings.HasPrefix(glob[i:], "**"):
			b.WriteString(`.*`)
			i++
		case glob[i] == '*':
			b.WriteString(`[^.]*`)
		case glob[i] == '?':
			b.WriteString(`[^.]`)
		default:
			end := i + 1
			for end < len(glob) && glob[end] != '*' && glob[end] != '?' {
				end++
			}
			b.WriteString(regexp.QuoteMeta(glob[i:end]))
			i = end - 1
		}
	}
	b.WriteString(`\z`)
	e, err := regexp.Compile(b.String())
	if err != nil { // only invalid UTF-8 can be the cause: no path matches it
		return regexp.MustCompile(`\A\z.`)
	}
	return e
}

// of returns the tags of a path, those in the text first.
func (p pathTags) of(path string, inline []string) []string {
	out := inline
	for _, t := range p {
		if t.glob.MatchString(path) {
			for _, tag := range t.tags {
				if !slices.Contains(out, tag) {
					out = append(out[:len(out):len(out)], tag)
				}
			}
		}
	}
	return out
}
