// Package share is the delivery state of share groups (KIP-932) as a pure state
// machine: for every partition that a share group reads, which records were
// given to whom, how often, and what became of them.
//
// Where a consumer group has one committed offset per partition, a share
// partition has a window. Everything before its start offset is done;
// everything from its end on was never touched; in between, each record has a
// state of its own:
//
//	                 acquire                accept
//	     Available ──────────▶ Acquired ──────────▶ Acknowledged
//	         ▲                  │  │ ▲
//	         │ release, lock    │  │ └─ renew: a new lock duration
//	         │ timeout, session │  │
//	         └──────────────────┘  │ reject, gap, or released for the last time
//	                               └──────────▶ Archived
//
//	done │ Acknowledged  Acquired  Available  Archived  Acquired │ never touched
//	     ^ start offset                                          ^ end offset
//
// The start offset moves over Acknowledged and Archived records. The window is
// kept as runs of offsets that have the same state, and has a bound; a record
// that was delivered as often as the delivery limit says and still is not
// acknowledged is archived.
//
// A [Coordinator] holds the share partitions whose state lives in one partition
// of `__share_group_state`. It has no socket, no clock, no goroutine and no
// lock, and is used as package group's coordinator is: one goroutine calls it
// and passes the time in; the records of what comes back are appended as one
// batch in order, and what an operation says is told to clients only once they
// are durable. At start every record goes through [Coordinator.Replay].
//
// That a record is acquired is kept in memory only, as in Kafka: after a restart
// it is available again, and was not delivered once more. Everything else is
// stored: a snapshot of a share partition, and updates that say what changed
// since. An update is laid over the state that it finds, so the order counts
// and the topic must not be compacted; what lies before the last snapshots may
// be cut off.
//
// Records have the layouts of Kafka 4.1 (key versions 0 and 1).
package share
