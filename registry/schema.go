package registry

import (
	"strings"
	"unicode/utf8"

	"github.com/dovetail-dev/dovetail/compat"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// Content is one definition: text, references, metadata and rules. Equal
// definitions are one Content in all subjects and contexts. The text is kept
// the way answers need it, as a JSON string.
//
// Texts of one subject are much alike, so that of a later version is kept as what
// it has between the beginning and the end of an earlier one:
//
//	base   "{\"type\":\"record\", … {\"name\":\"id\",\"type\":\"int\"}]}"
//	       └─────────── prefix ───────────┘                └ suffix ┘
//	text                        + quoted +
type Content struct {
	fingerprint    schema.Fingerprint
	format         format
	quoted         string   // the text, or what is not base's
	base           *Content // whole itself; nil if quoted is the text
	prefix, suffix uint32   // bytes of base's quoted
	extra          *extra   // nil for a bare text
}

type extra struct {
	references []schema.Reference
	metadata   *schema.Metadata
	ruleSet    *schema.RuleSet
}

// format is a schema.Type in one byte: there is one per version.
type format uint8

const (
	avroFormat format = iota
	jsonFormat
	protobufFormat
	unknownFormat
)

func formatOf(t schema.Type) format {
	switch t.OrDefault() {
	case schema.Avro:
		return avroFormat
	case schema.JSON:
		return jsonFormat
	case schema.Protobuf:
		return protobufFormat
	}
	return unknownFormat
}

func (f format) schemaType() schema.Type {
	return [...]schema.Type{schema.Avro, schema.JSON, schema.Protobuf, "UNKNOWN"}[f]
}

// newContent makes the content of a definition; quoted is its text as a JSON
// string, empty if nobody has it yet.
func newContent(d schema.Definition, f schema.Fingerprint, quoted string) *Content {
	c := contentOf(d, f, quoted)
	return &c
}

func contentOf(d schema.Definition, f schema.Fingerprint, quoted string) Content {
	if quoted == "" {
		quoted = string(journal.AppendQuoted(make([]byte, 0, len(d.Text)+len(d.Text)/4+2), d.Text))
	}
	c := Content{fingerprint: f, format: formatOf(d.Type), quoted: quoted}
	if len(d.References) > 0 || d.Metadata != nil || d.RuleSet != nil {
		c.extra = &extra{d.References, d.Metadata, d.RuleSet}
	}
	return c
}

func (c *Content) key() contentKey { return contentKey{c.fingerprint, c.format} }

// plain reports whether a record brings the content back as it is: a bare text
// in which nothing had to be replaced to make it UTF-8. What may stand beside a
// text the journal brings into an order of its own.
func (c *Content) plain() bool {
	return c.extra == nil && !strings.ContainsRune(c.quoted, utf8.RuneError)
}

// GUID returns the definition's GUID.
func (c *Content) GUID() schema.GUID { return c.fingerprint.GUID() }

// Fingerprint returns the definition's identity.
func (c *Content) Fingerprint() schema.Fingerprint { return c.fingerprint }

// Type returns the format.
func (c *Content) Type() schema.Type { return c.format.schemaType() }

// Text returns the canonical text.
func (c *Content) Text() string { return journal.Unquote(c.QuotedText()) }

// QuotedText returns the canonical text as a JSON string, quotation marks
// included.
func (c *Content) QuotedText() string {
	if c.base == nil {
		return c.quoted
	}
	return c.base.quoted[:c.prefix] + c.quoted + c.base.quoted[len(c.base.quoted)-int(c.suffix):]
}

// AppendQuotedText appends QuotedText.
func (c *Content) AppendQuotedText(dst []byte) []byte {
	if c.base == nil {
		return append(dst, c.quoted...)
	}
	dst = append(dst, c.base.quoted[:c.prefix]...)
	dst = append(dst, c.quoted...)
	return append(dst, c.base.quoted[len(c.base.quoted)-int(c.suffix):]...)
}

// quotedBytes is the length of QuotedText.
func (c *Content) quotedBytes() int { return int(c.prefix) + len(c.quoted) + int(c.suffix) }

// hasQuoted reports whether QuotedText is s.
func (c *Content) hasQuoted(s string) bool {
	if c.base == nil || len(s) != c.quotedBytes() {
		return c.quoted == s
	}
	mid, end := int(c.prefix), len(s)-int(c.suffix)
	return s[:mid] == c.base.quoted[:mid] && s[mid:end] == c.quoted && s[end:] == c.base.quoted[len(c.base.quoted)-int(c.suffix):]
}

// leastShared is how much of a text must be another's to be worth the detour.
const leastShared = 64

// kept returns c for keeping: holding on to no foreign bytes, and as a difference
// to what earlier, which may be nil, is one to or is itself.
func (c *Content) kept(earlier *Content) Content {
	k := *c
	base := earlier
	if base != nil && base.base != nil {
		base = base.base
	}
	if base != nil && k.base == nil {
		prefix, suffix := shared(k.quoted, base.quoted)
		if n := prefix + suffix; n >= leastShared && n >= len(k.quoted)/2 {
			k.base, k.prefix, k.suffix = base, uint32(prefix), uint32(suffix)
			k.quoted = k.quoted[prefix : len(k.quoted)-suffix]
		}
	}
	k.quoted = strings.Clone(k.quoted)
	return k
}

// shared returns how much a and b have in common at the beginning, and at the end
// of what is left.
func shared(a, b string) (prefix, suffix int) {
	const stride = 32
	most := min(len(a), len(b))
	for prefix+stride <= most && a[prefix:prefix+stride] == b[prefix:prefix+stride] {
		prefix += stride
	}
	for prefix < most && a[prefix] == b[prefix] {
		prefix++
	}
	most -= prefix
	a, b = a[prefix:], b[prefix:]
	for suffix+stride <= most && a[len(a)-suffix-stride:len(a)-suffix] == b[len(b)-suffix-stride:len(b)-suffix] {
		suffix += stride
	}
	for suffix < most && a[len(a)-1-suffix] == b[len(b)-1-suffix] {
		suffix++
	}
	return prefix, suffix
}

// References returns the references in the order of the definition.
func (c *Content) References() []schema.Reference {
	if c.extra == nil {
		return nil
	}
	return c.extra.references
}

// Metadata returns the metadata; nil and empty differ.
func (c *Content) Metadata() *schema.Metadata {
	if c.extra == nil {
		return nil
	}
	return c.extra.metadata
}

// RuleSet returns the rule set; nil and empty differ.
func (c *Content) RuleSet() *schema.RuleSet {
	if c.extra == nil {
		return nil
	}
	return c.extra.ruleSet
}

// Definition returns all of it as one value.
func (c *Content) Definition() schema.Definition {
	return schema.Definition{Type: c.Type(), Text: c.Text(), References: c.References(), Metadata: c.Metadata(), RuleSet: c.RuleSet()}
}

// Schema is a definition under an ID and, unless it was asked for by GUID or is
// nobody's, as a version of a subject.
type Schema struct {
	*Content
	Subject   schema.Subject // canonical; only the context if Version is 0
	Version   schema.Version
	ID        schema.ID
	Timestamp int64 // when it was registered, milliseconds since the epoch
	Deleted   bool  // soft-deleted
	// Stored says that Timestamp and Deleted are to be shown: the answer comes
	// from a stored record.
	Stored bool
}

// RegisterRequest is a schema that somebody wants registered, looked up or
// checked.
type RegisterRequest struct {
	Definition   schema.Definition
	Version      schema.Version // 0 none, -1 the next one and record it
	ID           *schema.ID     // nil or -1 none
	TagsToAdd    []EntityTags
	TagsToRemove []EntityTags
	// PropagateTags copies the inline tags of the latest version.
	PropagateTags bool

	Normalize bool
	Force     bool // skip the compatibility check
}

// EntityTags are tags of one record or field of a schema.
type EntityTags struct {
	Path string // dotted path of the entity
	Type string // sr_record or sr_field
	Tags []string
}

// LookupOptions widen a lookup.
type LookupOptions struct {
	Normalize bool
	Deleted   bool // soft-deleted versions count
}

// Verdict is the outcome of a compatibility check.
type Verdict struct {
	Compatible bool
	Level      compat.Level
	Findings   []compat.Finding
	Messages   []string // the reference server's wording, trailers included
	// Registered holds, per version named in Findings, when it was registered
	// in milliseconds since the epoch.
	Registered map[schema.Version]int64
}
