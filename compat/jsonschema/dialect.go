package jsonschema

import "strings"

// Dialect is a version of the JSON Schema specification.
type Dialect uint8

// The dialects that are understood. A schema that names none, or one that
// nobody has heard of, is read as Draft7.
const (
	Draft4 Dialect = iota
	Draft6
	Draft7
	Draft2019 // 2019-09
	Draft2020 // 2020-12
)

var dialectURIs = [...]string{
	Draft4:    "http://json-schema.org/draft-04/schema",
	Draft6:    "http://json-schema.org/draft-06/schema",
	Draft7:    "http://json-schema.org/draft-07/schema",
	Draft2019: "https://json-schema.org/draft/2019-09/schema",
	Draft2020: "https://json-schema.org/draft/2020-12/schema",
}

// URI returns the identifier of the dialect's meta-schema, without a fragment.
func (d Dialect) URI() string { return dialectURIs[d] }

// dialectOf returns the dialect that the $schema of v names, otherwise inherit.
func dialectOf(v *Value, inherit Dialect) Dialect {
	uri, ok := v.str("$schema")
	if !ok {
		return inherit
	}
	for d, known := range dialectURIs {
		if bareURI(uri) == bareURI(known) {
			return Dialect(d)
		}
	}
	return inherit
}

// bareURI leaves out what does not tell two spellings of a meta-schema's URI
// apart.
func bareURI(uri string) string {
	uri = strings.TrimSuffix(uri, "#")
	if rest, ok := strings.CutPrefix(uri, "http://"); ok {
		return rest
	}
	return strings.TrimPrefix(uri, "https://")
}

// isMetaSchema reports whether uri names something that the specification
// publishes and that everyone has.
func isMetaSchema(uri string) bool {
	bare := bareURI(uri)
	for _, known := range dialectURIs {
		if bare == bareURI(known) {
			return true
		}
	}
	return strings.HasPrefix(bare, "json-schema.org/draft/2019-09/meta/") ||
		strings.HasPrefix(bare, "json-schema.org/draft/2020-12/meta/")
}

// idKeyword returns the keyword of an identifier.
func (d Dialect) idKeyword() string {
	if d == Draft4 {
		return "id"
	}
	return "$id"
}

// refAlone reports whether a $ref makes everything beside it void.
func (d Dialect) refAlone() bool { return d <= Draft7 }

// keyword says where a keyword has schemas in it, and since when it means
// something.
type keyword struct {
	name  string
	since Dialect
	until Dialect
	in    holder
}

// holder is the shape of the value of a keyword that holds schemas.
type holder uint8

const (
	holdsOne       holder = iota // a schema
	holdsList                    // an array of schemas
	holdsOneOrList               // one schema, or an array of them
	holdsMap                     // an object of schemas
	holdsOwn                     // like holdsMap, but what is there counts only if a $ref leads to it
)

// applicators are the keywords with schemas in them.
var applicators = []keyword{
	{"properties", Draft4, Draft2020, holdsMap},
	{"patternProperties", Draft4, Draft2020, holdsMap},
	{"additionalProperties", Draft4, Draft2020, holdsOne},
	{"items", Draft4, Draft2020, holdsOneOrList},
	{"additionalItems", Draft4, Draft2019, holdsOne},
	{"allOf", Draft4, Draft2020, holdsList},
	{"anyOf", Draft4, Draft2020, holdsList},
	{"oneOf", Draft4, Draft2020, holdsList},
	{"not", Draft4, Draft2020, holdsOne},
	{"dependencies", Draft4, Draft2020, holdsMap},
	{"contains", Draft6, Draft2020, holdsOne},
	{"propertyNames", Draft6, Draft2020, holdsOne},
	{"if", Draft7, Draft2020, holdsOne},
	{"then", Draft7, Draft2020, holdsOne},
	{"else", Draft7, Draft2020, holdsOne},
	{"dependentSchemas", Draft2019, Draft2020, holdsMap},
	{"unevaluatedProperties", Draft2019, Draft2020, holdsOne},
	{"unevaluatedItems", Draft2019, Draft2020, holdsOne},
	{"contentSchema", Draft2019, Draft2020, holdsOne},
	{"prefixItems", Draft2020, Draft2020, holdsList},
	{"definitions", Draft4, Draft2020, holdsOwn},
	{"$defs", Draft4, Draft2020, holdsOwn},
}

// subschemas calls f with every schema right inside v. With own it includes
// those under $defs and definitions.
func (d Dialect) subschemas(v *Value, own bool, f func(*Value)) {
	if v.Kind != Object {
		return
	}
	for i := range applicators {
		k := &applicators[i]
		if d < k.since || d > k.until || k.in == holdsOwn && !own {
			continue
		}
		m := v.Get(k.name)
		if m == nil {
			continue
		}
		if (k.in == holdsOne || k.in == holdsOneOrList) && m.isSchema() {
			f(m)
		}
		if k.in == holdsList || k.in == holdsOneOrList {
			for _, item := range m.Items {
				if item.isSchema() {
					f(item)
				}
			}
		}
		if k.in == holdsMap || k.in == holdsOwn {
			for _, member := range m.Members {
				if member.Value.isSchema() {
					f(member.Value)
				}
			}
		}
	}
}
