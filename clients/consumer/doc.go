// Package consumer reads typed records of Kafka topics as a member of a group:
// serde for the bytes, franz-go for the wire. It works the same against Dovetail
// and Apache Kafka.
//
//	broker ─ fetch ─▶ partition buffers ─▶ lanes, one per key ─▶ workers ─ Handler
//	            ▲  pause, resume │                                  │
//	            └────────────────┘        contiguous offsets ◀──────┘
//	                                             │
//	                                   commit, sync or async ─▶ broker
//
// # Order and parallelism
//
// Run keeps WithWorkers handlers busy, however few partitions there are. Records
// with one key of one partition are handled one after the other, in order;
// different keys run side by side (OrderByKey, the default). OrderByPartition
// keeps the order of whole partitions, Unordered keeps none. Retries keep the
// order too: what follows in the same lane waits, the worker does not.
//
// # Commits
//
// A record is committed after it was handled, never before: delivery is at least
// once. Because handlers finish in any order, a partition's committed offset is
// that of its first record that is not handled yet; everything before it is done.
//
//	CommitAsync   (default) every WithCommitInterval the newest offsets are
//	              committed while handlers go on. One commit at a time, so a
//	              newer offset is never overtaken; an error is reported to the
//	              observer and the log, and the offsets are tried again.
//	CommitSync    a worker whose record moves the committed offset waits until
//	              the broker has it before it takes another record. With one
//	              worker, at most one record is ever repeated. An error that is
//	              not about a rebalance ends Run.
//	CommitManual  Commit, CommitAsync and CommitRecords alone.
//
// In the first two, whatever was handled is committed synchronously when a
// partition is given up and when the consumer shuts down.
//
// # Back-pressure
//
// At most WithMaxBuffered records of a partition wait (one poll's more, at
// worst); its fetching is paused beyond that and resumed when half is gone.
//
// # Errors
//
// A handler that returns an error sees the record again, WithRetry says how often
// and when; Permanent(err) says that it is no use. After that the record goes to
// the topic of WithDeadLetter with the reason in its headers; without such a
// topic WithOnFailure decides between ending Run (the default) and skipping. A
// record that cannot be decoded takes the same way without retries. While the
// registry is unavailable, records wait for it.
//
// # Rebalances and shutdown
//
// Before a partition is given up, and when the context of Run ends, handlers
// that run get WithDrainTimeout to finish, then their context ends. Records that
// did not start are left to the next owner, except those that lie before others
// which are handled already: they are handled too, so that an orderly handover
// repeats nothing. A handler whose context has ended must return: its record will
// be handled elsewhere. A Processor finishes its batch in the same way when the
// context of its Run ends; a rebalance aborts the batch instead.
//
// # Repeats
//
// At least once means that handlers see some records twice, after a crash or a
// rebalance. Package dedup remembers what was handled; Processor consumes,
// processes and produces in Kafka transactions, where repeats leave no trace.
package consumer
