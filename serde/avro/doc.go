// Package avro encodes and decodes Avro data with compiled programs.
//
// A schema (compat/avro) and a Go type are compiled once into a flat list of
// steps, each a field offset and what to do there; running the list is all that
// happens for a value. There is one program for each (schema, Go type) to
// encode, one for each (writer, reader, Go type) to decode, one for each schema
// to validate, and one that turns payloads into JSON. Programs are found by
// pointers in caches that are read without a lock, so parse a schema once and
// keep it. Everything is safe for concurrent use.
//
//	                ┌─ Append ─────────▶ payload
//	schema × type ──┤
//	                └─ Unmarshal ◀────── payload
//	writer × reader × type ── UnmarshalResolved ◀── payload of the writer
//	schema ──── Validate, AppendJSON ◀── payload;  FromJSON ──▶ payload
//
// A payload is bare Avro binary. Framing with a schema ID is serde/frame's;
// single-object encoding (AppendSingle, Singles) and object container files
// (OCFReader, OCFWriter) are here.
//
// # Go types
//
// Struct fields carry the tag avro:"name"; without one the Go name counts.
// Fields of embedded structs count as the outer struct's. A struct field that
// the schema lacks is not written; a schema field that the struct lacks is
// written as its default and skipped when read.
//
//	null              the zero value
//	boolean           bool
//	int               int32, int, any integer kind (checked)
//	long              int64, int, any integer kind (checked)
//	float             float32 (float64 to read)
//	double            float64 (float32 to write)
//	bytes, string     string or []byte; encoding.TextMarshaler for string
//	fixed             [N]byte or []byte
//	enum              string; encoding.TextMarshaler
//	array             []T, [N]T
//	map               map[string]T
//	record            struct or map[string]any
//	union             *T, a slice or a map with nil for null; any
//	decimal           *big.Rat, big.Rat
//	big-decimal       *big.Rat, big.Rat
//	date, timestamps  time.Time, in UTC; a local timestamp is what the clock shows
//	time-millis, -micros  time.Duration
//	uuid              string or [16]byte
//	duration          LogicalDuration
//
// Logical types may also be had as the type underneath, such as int64 for
// timestamp-millis.
//
// Generic values, decoded into an any, are bool, int, int64, float32, float64,
// []byte (also for fixed), string, []any, map[string]any and the types of the
// table for logical types. A union is nil or a map from the branch name
// ("string", "long.timestamp-millis", "com.example.Order") to the value, bare
// with WithBareUnions. A struct field of interface type holds the bare value
// of a primitive branch or of a type registered with Types.
//
// # Evolution
//
// A consumer that was built against one version of a schema reads what
// producers of earlier and later versions wrote:
//
//	v1  {"name":"Order","fields":[{"name":"id","type":"int"}]}
//	v2  {"name":"Order","fields":[{"name":"id","type":"long"},
//	                              {"name":"note","type":"string","default":""}]}
//
// NewResolvingCodec[Order](v1, v2) compiles the reading of old records into the
// new struct: id is promoted while it is read, note is set to its default, and
// a field that only the writer has is walked over. Nothing of that is decided
// again for each record. The rules are the specification's: numbers widen,
// string and bytes are interchangeable, aliases rename types and fields, an
// unknown enum symbol becomes the enum's default, and a union branch that the
// reader lacks is an error only when it occurs. A time or decimal keeps its
// value when the two schemas disagree about its unit or scale.
//
// # Bounds
//
// Nothing is allocated on the word of a length or a count that the bytes behind
// it do not back: at most 65,536 values without any bytes, 1,000 levels of a
// recursive type. An int or long must fit, a boolean is 0 or 1, union and enum
// indexes are checked, a written block size must be right, and a payload must
// end where its value ends. Errors name the byte and the path:
//
//	avro: byte 17, items[3].price: expected double of 8 bytes, found 3 bytes
//
// Decoding does not look into strings unless WithCheckedText is given; Validate
// does unless told otherwise.
package avro
