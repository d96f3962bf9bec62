// Package commitlog is the log of one partition, in the directory and file formats
// of Apache Kafka.
//
//	<topic>-<partition>/
//	  00000000000000000000.log         record batches, see package record
//	  00000000000000000000.index       offset → position, sparse
//	  00000000000000000000.timeindex   timestamp → offset, sparse
//	  00000000000000000000.txnindex    aborted transactions, empty if there are none
//	  00000000000000368769.log         the active segment: only it is appended to
//	  00000000000000368769.snapshot    producer state at that offset
//	  leader-epoch-checkpoint          leader epoch → first offset
//	  partition.metadata               topic ID
//	  log-state                        ours: durable, log start and cleaned offset
//	  sealed-segments                  ours: sizes and sums of the sealed segments
//	  given-up-offsets                 ours: what repairs gave up
//
// The offsets of a log, in order:
//
//	log start ≤ last stable ≤ high watermark = durable ≤ log end
//	│           │             │                          └ next to be assigned
//	│           │             └ below it nothing can be lost: what consumers see
//	│           └ first offset of the oldest open transaction: read_committed
//	└ moved by retention and DeleteRecords
//
// What it promises:
//
//   - what [Log.WaitDurable] returned nil for survives a power cut (policy
//     [SyncEach]); with other policies the high watermark is the log end and it
//     survives a killed process;
//   - stored bytes are served as they are; nothing is re-encoded on the way
//     unless compression.type or the timestamp type demand it;
//   - an idempotent producer's retry gets the offset of its first try, also after
//     a restart;
//   - recovery reads only what was appended since the last checkpoint, truncates
//     only above the durable offset, and reports damage below it as a
//     [*DamageError] instead of cutting it away; [Repair] takes that error;
//   - after a failed fsync the log is offline for appending until it is opened
//     anew: nothing is retried and then acknowledged. After a failed write (disk
//     full) the log goes on with the next one.
//
// What it leaves to others: leadership, quotas, permissions, validation of payloads,
// waiting for data (see [Log.OnAdvance]), calling [Log.Retain], [Log.Compact] and
// [Log.RemoveDeleted] from time to time, and the files of the data directory that are not one
// partition's (see [ReadCheckpoint] and its neighbours).
//
// All methods of [Log] may be called concurrently. Appends of one log are
// serialised; reads never wait for them. The lock order is mmu (maintenance), cmu
// (checkpoints), amu (one change at a
// time), mu (what readers see, held shortly), an index's lock. dmu (files that are to
// go) is taken last and waits for nothing.
package commitlog
