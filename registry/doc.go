// Package registry is the schema registry as a state machine over an ordered
// log: subjects, versions, IDs, references, compatibility levels, modes,
// contexts and associations, with the semantics of Confluent's registry.
//
//	Register, Delete, SetConfig …                  GET-like calls
//	       │                                             │
//	       ▼                                             ▼
//	┌── turn (one at a time, batched) ──┐  in flight   ┌──────────┐
//	│ catch up ─▶ decide ─▶ journal ────│─▶ ▷ ─▶ ▷ ──▶ │ snapshot │
//	│      ▲        apply     │ ErrMoved│   durable    └──────────┘
//	│      └──────────────────┘         │   in order    swapped by pointer
//	└───────────────────────────────────┘
//
// Decide looks at a state and returns records; it changes nothing. Apply turns
// records into the next state and is the same code while serving and at start.
// Operations that wait for their turn together are decided one after the other
// on top of each other's outcome and appended in one go, so that a durable
// journal syncs once for all of them. If the journal can (journal.Starter), the
// next batch is decided on what the last one leads to while that is being synced.
// Nothing is answered or shown before it is durable, and what was decided on an
// append that failed fails with it.
//
// What it promises: an operation that returned is in the journal; a state is
// what the journal's records up to an offset make of it, whatever the journal
// has compacted away; an ID never stands for two definitions of one context;
// a schema is parsed with the references that it names and nothing else.
//
// What it leaves to others: transport, authentication, and what a format means
// (compat). It does no I/O but the journal's.
//
// All methods of a Registry may be called concurrently. Whatever they return is
// shared and immutable.
package registry
