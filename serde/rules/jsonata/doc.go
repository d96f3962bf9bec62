// Package jsonata evaluates JSONata expressions on JSON documents.
//
//	document (JSON) ─▶ values of a JavaScript runtime ─ expression ─▶ document (JSON)
//
// The evaluator is the official one, jsonata-js 2.2.2 (jsonata.min.js, MIT, see
// jsonata.LICENSE), in goja, an interpreter of JavaScript in Go. Its text is as
// published; load.go lists what is replaced in it when it is loaded: evaluation
// is made synchronous, and what allocates asks for permission first.
//
// # What is guaranteed
//
//   - An evaluation sees its document, its expression, and nothing else: no
//     files, no network, no host objects, nothing of an earlier evaluation.
//   - It ends: after Limits.Timeout, or when its context is done, at the next
//     step of the interpreter. Regular expressions run in linear time, so those
//     with lookaround or back-references are refused.
//   - Its memory is bounded: by Limits.Bytes, an estimate of everything that is
//     made while evaluating, and by Limits.Depth.
//   - Members keep their order. Integers beyond ±2⁵³ pass through unharmed, as
//     BigInt; arithmetic with them is an error.
//
// Nothing is loaded before the first evaluation; then it is about 2 MB, and 1 MB
// more for each evaluation that runs beside another, at most one for each CPU.
// An Evaluator is safe for concurrent use.
package jsonata
