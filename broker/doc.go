// Package broker speaks the Kafka protocol over partitions of package
// commitlog, on one machine.
//
// What it promises:
//
//   - An answer with acks=all means that the records are on the disk. The high
//     watermark is the durable offset, so a consumer never sees what a power
//     cut could take back.
//   - Stored batches are the bytes that the producer sent, save for base offset
//     and leader epoch, and are served untouched.
//   - Memory is bounded whatever clients do: frames are length-bounded and paid
//     for out of one budget, connections are counted, answers are made one at a
//     time per connection. Who sends too much is slowed down, not stored.
//   - Bad input closes one connection, with one log line, or is answered with
//     the error that Kafka's clients act upon.
//
// What it leaves to others: the bytes of a partition (commitlog), the rules of
// groups and transactions (group, txn), what share groups deliver (share), what topics exist and how they are
// configured (topics), and whether a payload fits its schema (a [Validator]
// that the caller plugs in).
//
// # Connections
//
// One accept loop per listener; per connection one reader and one writer:
//
//	       ┌────────┐ frame  ┌──────────┐ reply (in order) ┌────────┐
//	TCP ──▶│ reader │───────▶│ dispatch │─────────────────▶│ writer │──▶ TCP
//	       └────────┘        └──────────┘  bounded queue   └────────┘
//
// The reader decodes a request and runs its handler. A handler that is done
// gives an answer; one that has to wait (for the disk, for records, for the
// members of a group) gives a function that the writer runs when its turn
// comes. So effects happen in the order of the requests, answers leave in the
// order of the requests, and waiting overlaps with reading.
//
// # Requests
//
// Every API has a file of its own, api_NN_name.go, which opens with the versions
// that are served, what each of them added, and what is left out on purpose. The
// table of all of them is in dispatch.go; what ApiVersions tells clients is made
// from that table.
//
// Answers are built through kmsg's New functions only: Go's zero values are
// wrong defaults on the wire.
package broker
