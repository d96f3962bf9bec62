// Package service turns JSON documents into framed record bytes and back, with
// the schemas of a registry and the codecs of serde: for curl, for languages
// that have no serde, for consoles and command lines.
//
//	            ┌─ Encode ──▶ 00 | schema ID | [message indexes] | payload
//	document ───┤
//	  (JSON)    └─ Decode ◀── the same, or a payload with its schema header
//
// A Converter does this in the process; Handler serves it over HTTP:
//
//	POST /serde/{subject}/encode    a document in, bytes out
//	POST /serde/{subject}/decode    bytes in, a document out
//	POST /serde/ids/{id}/encode     the same by schema ID
//	POST /serde/ids/{id}/decode
//
// A body of type application/x-ndjson is a batch: each line is a document to
// encode, or a framed value to decode: {"base64":"…"}, or the base64 as a JSON
// string. The answer has a line for each, in their order; blank lines have none:
//
//	{"base64":…,"id":7}   {"value":…,"id":7}   {"error":{"line":3,"message":…,"path":"items[3].price"}}
//
// The line of an error is that of the request, from 1, blank ones included.
//
// Avro documents are in the JSON encoding of the specification, Protobuf ones in
// the JSON mapping of the language, those of a JSON Schema as they are. Schemas are compiled once and kept (bounded);
// a version never changes, so nothing is ever stale but "latest", which is asked
// for anew after a moment. Bodies, lines and batches are bounded.
//
// It declares the Registry that it needs; authentication is the caller's.
// Everything here is safe for concurrent use.
package service
