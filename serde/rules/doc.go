// Package rules runs the data contracts that come with schemas: it is the
// serde.RuleEngine for serializers and deserializers (serde.WithRules).
//
//	write   value ─ domain rules ─▶ value ─ encode ─▶ payload ─ encoding rules ─▶ payload
//	read    payload ─ encoding rules ─▶ payload ─ migration rules ─▶ payload ─ decode ─▶ value ─ domain rules ─▶ value
//
// Rules run in the order of their list while writing and upgrading, in reverse
// order while reading and downgrading. Of several transformations of one type
// (CEL_FIELD, ENCRYPT), mode and set of tags the first of the list runs alone, as
// it does for other clients.
//
// # Types
//
//	CEL              a condition on, or a transformation of, a whole value, called message
//	CEL_FIELD        the same for each primitive field: value, fullName, name, typeName, tags, message
//	ENCRYPT          strings and bytes of tagged fields; strings become base64
//	ENCRYPT_PAYLOAD  whole payloads, as an encoding rule
//	JSONATA          a migration: an expression over the JSON form of a payload, whose result is the new one
//	any other        whatever Options.Executors has for it
//
// Unsigned Protobuf fields are uint for CEL_FIELD; with the parameter
// cel.unsigned.field.type of "int" they are int, as they are by default for
// clients in Java. Regular expressions are those of RE2, whatever cel.regex.engine
// says.
//
// What stands before the first ';' of a CEL expression is its guard: if it is
// false, the rule is skipped. Beside the standard functions and CEL's string
// functions there are isEmail, isHostname, isIpv4, isIpv6, isUri, isUriRef and
// isUuid of strings, the variable now, and
//
//	decimal(v), decimal(bytes, scale)          of a number, a text, a confluent.type.Decimal
//	+ - * / % < <= > >= == string double       of decimals
//	decimals.add sub mul div mod               exact, but div rounds to 38 digits, half up
//	decimals.eq lt le gt ge sign greatest least
//	decimals.neg abs sqrt floor ceil
//	decimals.round(d), (d, scale), trunc       half up, toward zero
//	timestamp(n, precision)                    precision 0, 3, 6 or 9: seconds to nanos since 1970
//	timestamp.of(v), timestamp.of(n, unit)     seconds, millis, micros or nanos
//	variant(v), variants.parseJson(text)       of a confluent.type.Variant, of JSON; also tryParseJson
//	variants.type(v), isNull(v), toJson(v)
//	variants.as(v, type), tryAs(v, type)       string, int, double, boolean, decimal, timestamp, bytes
//	variants.field(v, name), elem(v, i), index(v, i), path(v, "$.a[0]"), each with (…, type) and (…, type, nullOnError)
//
// Avro decimals are decimals for CEL, with the scale of the schema. What is not
// there in a variant is null, and null goes through all functions of variants.
// Expressions are bounded in length,
// depth and cost. A migration rule is of type JSONATA, or of type CEL with the
// JSON form of the payload as message. JSONata expressions are bounded in time
// (parameter jsonata.timeout.ms, 60000), depth (jsonata.max.depth, 1000) and
// memory, and have regular expressions without lookaround and back-references.
//
// # Inline rules
//
// Schema texts may hold conditions of their own: the attribute confluent:rules of
// Avro records and fields and of JSON schemas, the rules of the options
// confluent.message_meta and confluent.field_meta of Protobuf, each a list of
//
//	{"name": "adult", "doc": "only for adults", "expr": "this.age >= 18"}
//
// where this is the value and now the time. The result is true, or the empty
// string; another string says what is wrong. A null is not checked, nor what is
// absent. Options.Inline says whether they are checked before or after the domain
// rules of writing; an InlineError lists all that do not hold. They are no part of
// the rule set, and readers do not check them.
//
// # Values
//
// Avro values are generic (map[string]any and so on) or structs with avro tags,
// JSON ones generic or structs with json tags, Protobuf ones messages. A value is
// never changed in place: the parameter preserve.source.fields, by which other
// clients are asked to copy a value before they change its fields, is always kept. The tags of a field are those in the schema text
// (confluent:tags, or the confluent.field_meta option) and those that the
// schema's metadata has for its path.
//
// # Ciphertexts
//
// A ciphertext is what Tink's raw primitives make of it. A rule with
// encrypt.dek.expiry.days puts the version of its DEK in front:
//
//	AES-GCM   nonce (12 bytes) │ ciphertext │ tag (16 bytes)
//	AES-SIV   synthetic IV (16 bytes) │ ciphertext
//	rotated   00 │ DEK version (int32, big-endian) │ one of these
//
// # Actions
//
// When a rule fails its onFailure action runs: ERROR (the default) makes the
// record fail, NONE goes on with what there was before the rule, DLQ hands the
// value to Options.DeadLetters (clients/deadletter is one) and makes the record
// fail. onSuccess works the same and is NONE by default. A record whose header
// __rule.name (serde.WithOrigin) names a rule was refused by it before, and is not
// given to it again, unless the rule encrypts.
//
// The engine and its programs are safe for concurrent use. Programs block only
// for keys that are not cached yet, for a KMS, and for dead letters.
package rules
