// Package record reads, checks, patches and builds Kafka record batches of
// format version 2, the only format that is stored.
//
// A [Batch] is a view over the bytes of one batch. Nothing is copied to read a
// field or to walk uncompressed records; keys and values are slices of the
// batch. The bytes are:
//
//	 0        8      12      16  17   21      23        27         35
//	┌────────┬───────┬───────┬───┬────┬───────┬─────────┬──────────┬──────────┐
//	│ base   │ batch │leader │ 2 │crc │attri- │ last    │ base     │ max      │
//	│ offset │ length│epoch  │   │    │butes  │ offset  │ timestamp│ timestamp│
//	│        │       │       │   │    │       │ delta   │          │          │
//	└────────┴───────┴───────┴───┴────┴───────┴─────────┴──────────┴──────────┘
//	 43         51       53         57      61
//	┌──────────┬────────┬──────────┬───────┬─────────────────────────┐
//	│ producer │producer│ base     │ count │ records, perhaps        │
//	│ ID       │epoch   │ sequence │       │ compressed as one block │
//	└──────────┴────────┴──────────┴───────┴─────────────────────────┘
//
//	attributes: bits 0–2 codec, 3 timestamp type, 4 transactional, 5 control,
//	            6 base timestamp is a delete horizon (KIP-534)
//
// The batch length counts what follows it; the CRC-32C covers everything from
// the attributes on, so base offset and leader epoch may be rewritten freely and
// everything else needs [Batch.Reseal].
//
// What it promises: no input makes it panic, loop or allocate beyond a stated
// bound; a batch accepted by [Batch.CheckRecords] can be walked to its end.
// What it leaves to others: which batch may be appended where (commitlog), and
// what keys and values mean.
//
// Values of this package are not safe for concurrent change. Reading one batch
// from several goroutines is safe.
package record
