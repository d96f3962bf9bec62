// Package topics knows which topics exist, how many partitions they have and
// how they are configured, and keeps that on the disk, together with the other
// small facts of a broker: access control lists, users, quotas, configurations
// of the broker itself.
//
// # On the disk
//
// One append log of changes, read from its start when a broker starts and
// written anew when most of it is history:
//
//	file    magic (8) · entry · entry · …
//	entry   ┌────────────┬───────────────────┬────────────────────┬─────────┐
//	        │ length (4) │ CRC of length (4) │ CRC of payload (4) │ payload │
//	        └────────────┴───────────────────┴────────────────────┴─────────┘
//
// Numbers are big-endian, checksums CRC-32C. A payload is a JSON list of
// changes {"kind", "key", "value"}; without a value the fact is gone. All changes
// of an entry happen or none. An entry is on the disk before its change is seen
// by anyone, so only the last one can be torn: what follows the last whole
// entry is set aside in a file of its own and cut off. Damage with whole
// entries behind it is an error that names file and position; nothing is cut.
//
// # Topics
//
// A topic's ID is random and new for every creation, so that a client notices
// when a topic was deleted and created again. The replication factor that was
// asked for is remembered, though there is one replica: it is what a move to a
// cluster needs to know. Only one node exists, so changes are decided and
// written under one lock; readers see an immutable snapshot and take none.
//
// # Configurations
//
// A configuration is kept as it was given and checked when it is given. See
// [Definitions] for what there is; [Resolve] makes typed values of it.
package topics
