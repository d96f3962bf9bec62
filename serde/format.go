package serde

import "github.com/dovetail-dev/dovetail/compat/schema"

// Format plugs a schema format into serializers and deserializers of T. The
// format packages implement it; their constructors hide it. T may be a Go type
// that stands for one schema, or one that can hold values of many (any, a
// message interface).
//
// All methods are safe for concurrent use. Compiling may be slow: it happens
// once per schema.
type Format[T any] interface {
	// Type names the format.
	Type() schema.Type

	// Local returns the schema that v has by itself, or nil if only the
	// registry can tell. It is called for every value: it must not allocate,
	// and values of one schema yield one pointer.
	Local(v T) *Local

	// Reader returns the schema that decoded values have, or nil if each value
	// comes out as its writer wrote it.
	Reader() *Local

	// Encoder compiles the program that writes T as schema writer. local is
	// what Local returned for the values it will get.
	Encoder(writer *Schema, local *Local) (Encoder[T], error)

	// Decoder compiles the program that reads what was written with schema
	// writer into T as schema reader. A nil reader stands for the writer.
	Decoder(writer *Schema, reader *Local) (Decoder[T], error)
}

// Encoder writes payloads of one schema.
type Encoder[T any] interface {
	// Indexes returns the message indexes in their encoded form, which stand
	// between frame and payload. Formats other than Protobuf return nil.
	Indexes() []byte

	// Append appends the payload of v to dst. On error dst is unchanged up to
	// its length.
	Append(dst []byte, v T) ([]byte, error)
}

// PointerEncoder is what an Encoder has if it would rather not have its values
// copied; see Serializer.AppendPointer.
type PointerEncoder[T any] interface {
	// AppendPointer is Append for *v, which it neither keeps nor changes.
	AppendPointer(dst []byte, v *T) ([]byte, error)
}

// Uniform is what a Format has if Local is the same for every value, which
// saves asking for each.
type Uniform interface {
	// Uniform returns what Local returns, and whether that is so.
	Uniform() (*Local, bool)
}

// Decoder reads payloads of one schema.
type Decoder[T any] interface {
	// Decode reads payload, all of it, into v; trailing bytes are an error.
	// indexes are the encoded message indexes, nil but for Protobuf. Neither
	// slice is kept.
	Decode(indexes, payload []byte, v *T) error
}

// Local is a schema that the application has, not the registry. It is
// immutable, and its address is its identity.
type Local struct {
	// Name is the record name that subject-name strategies use; may be empty.
	Name string

	schema.Definition

	// Dependencies are the texts that Definition.Text refers to, each before
	// whatever uses it.
	Dependencies []Dependency

	// References are local schemas that are to be registered before this one,
	// each under the subject that bears its name, when Definition.References
	// does not name registered versions already.
	References []LocalReference
}

// LocalReference is a reference to a schema that may not be registered yet.
type LocalReference struct {
	Name    string         // as the text refers to it
	Subject schema.Subject // empty: the name
	Schema  *Local
}

// Checker is what a Format has if it can compare schemas; see WithStrict.
type Checker interface {
	// Check returns nil if reader can read what writer wrote, and otherwise an
	// error that says what stands against it.
	Check(reader, writer *Schema) error
}

// Transcoders is what a Format has if its payloads can be turned into JSON and
// back, which migration rules need.
type Transcoders interface {
	Transcoder(s *Schema) (Transcoder, error)
}

// Transcoder converts payloads of one schema from and to JSON.
type Transcoder interface {
	// AppendJSON appends the JSON form of payload to dst.
	AppendJSON(dst, indexes, payload []byte) ([]byte, error)
	// AppendPayload appends the payload that json stands for to dst.
	AppendPayload(dst, indexes, json []byte) ([]byte, error)
}
