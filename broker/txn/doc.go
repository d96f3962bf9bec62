// Package txn is the transaction coordinator as a pure state machine: producer
// IDs and epochs, and which partitions each open transaction has written to,
// for the transactional IDs of one partition of `__transaction_state`.
//
// It has no socket, no clock, no goroutine and no lock. Whoever owns a
// [Coordinator] calls it from one goroutine at a time, passes the current time
// in, and carries out the [Effects]: append the records as one batch, wait until
// they are durable, then send the answers and write the markers. When all
// markers of a transaction are durable it calls [Coordinator.Completed].
//
//	             add partition, add group, transactional write
//	  ┌──────────────────────────────────────────────────────┐
//	  │                                                      ▼
//	Empty ◀─ InitProducerId ─ CompleteCommit / CompleteAbort  Ongoing
//	                               ▲                         │ EndTxn, timeout,
//	            all markers durable │                         ▼ InitProducerId
//	                               └──── PrepareCommit / PrepareAbort
//
// What it promises:
//
//   - The outcome is durable before the first marker is written: a transaction
//     found in a Prepare state at start is finished the same way.
//   - A transaction that is open when a process dies is open when it comes back,
//     and any process that knows its producer ID and epoch may go on with it.
//   - While a transaction is being finished, everything but asking again gets
//     CONCURRENT_TRANSACTIONS, so nothing of the next one mixes with it.
//   - A transaction has an epoch of its own (KIP-890): for clients that end it
//     by EndTxn 5, the markers carry the next epoch, so a request that was late
//     meets a fence. An older client's epoch grows when it is fenced, by
//     InitProducerId or by a timeout. Epochs of a producer ID never go back.
//
// What it leaves to others: writing markers, the producer state in partitions,
// and that offsets committed in a transaction count with its marker.
//
// Records have the layout of Kafka's TransactionLogKey 0 and
// TransactionLogValue 1.
package txn
