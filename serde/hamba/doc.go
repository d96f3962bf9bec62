// Package hamba is Avro for serializers and deserializers of applications that
// already use github.com/hamba/avro/v2: its struct tags, its union types, its
// registered names and converters stay as they are.
//
// That library is archived and has three open advisories: six bytes can end a
// process, and a payload that was cut short decodes without an error. So its
// decoder never sees a byte that serde/avro has not proven first, and its schema
// parser never sees a text that compat/avro has not accepted:
//
//	payload ──▶ serde/avro.Validate ──refused──▶ error with path and position
//	                   │ whole
//	     writer = reader?  ──no──▶ serde/avro resolves ──▶ payload as the reader
//	                   │ yes                                   would have written it
//	                   ▼                                        │
//	            hamba decodes ◀─────────────────────────────────┘
//
// Its schema resolution is not used at all: it does not return for a record
// that contains itself. A record of another version is decoded and encoded
// once more by serde/avro, so it costs more than one of the reader's own
// version; applications to which that matters decode with serde/avro.
//
// What hamba encodes is proven in the same way before it leaves. A panic of the
// library is an error of the call.
//
// It leaves framing, subjects and the registry to serde. Everything here is
// safe for concurrent use, as far as the application's own converters are.
package hamba
