// Package protobuf is the Protobuf format of serde: generated and dynamic
// messages, message indexes, JSON, and a walk that validates without decoding.
//
//	record   frame │ message indexes │ payload
//	                 [1,0] → 04 02 00  binary Protobuf
//
// # Types
//
// A serializer or deserializer of a generated type (*pb.Order) handles that
// message; one of proto.Message handles any. Decoded into proto.Message, a
// record comes out as its writer's message, read by hyperpb and therefore
// read-only, or by dynamicpb where hyperpb does not run or is not to be trusted.
// *dynamicpb.Message is for messages that can be changed.
//
// # Schemas
//
// What a generated message is registered with is the source text of its file,
// printed from its descriptor. Imported files are registered first, each under
// the subject that bears its import path; well-known files need no reference.
//
// # Walk
//
// A Walker says whether bytes are a message of a descriptor, several times as
// fast as the fastest decoder and without allocating. It is stricter than
// decoders are: a known field with another wire type is an error where a decoder would
// keep it as unknown, and each part of a message that was cut in two must have
// the required fields itself.
//
// Everything here is safe for concurrent use, except that a message is the
// caller's own.
package protobuf
