// Package serde turns typed values into framed record bytes and back, with
// schemas from a registry.
//
// It knows subjects, schema IDs, framing and caching; it knows no format. The
// packages serde/avro, serde/protobuf and serde/jsonschema implement Format and
// have the constructors that applications call. It knows no transport either:
// it declares the Registry that it needs, clients/srclient is one over HTTP.
//
//	Serializer[T]     value ─ subject ─ schema ID ─ rules ─ Encoder ─ frame ─▶ bytes
//	Deserializer[T]   bytes ─ frame ─ schema by ID ─ rules ─ Decoder ─▶ value
//
// # When the registry is asked
//
// Once per topic and local schema when writing, once per schema ID when
// reading. What was learned is kept for as long as the serializer lives (bounded
// by WithCacheSize), except "latest", which WithLatestTTL may age. A warm
// serializer or deserializer makes no call, takes no lock and allocates
// nothing of its own. Of several goroutines that miss at once, one asks and the
// others wait for its answer or for their own context, whichever comes first.
//
// # When the registry is down
//
// Everything learned before goes on working; a "latest" that has aged is used
// on and asked for again after WithRetryAfter. What was not learned before
// returns an error that is ErrUnavailable. An answer that settles the matter
// (unknown ID, incompatible schema) is remembered for WithNegativeTTL, so that a
// flood of bad records is not a flood of requests.
//
// # Errors
//
// Every error is an *Error that names the operation, the topic, and the subject
// or schema as far as known, and wraps the cause: a *frame.Error when bytes are
// not framed, ErrNotFound for an unknown ID or subject, ErrRejected when the
// registry refuses a schema, ErrUnavailable, ErrTooLarge, a context error, a
// rule's error or the format's own (which covers truncated payloads and trailing
// bytes: a payload must be used up).
//
// Serializer and Deserializer are safe for concurrent use.
package serde
