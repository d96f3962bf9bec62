// Package group is the consumer-group coordinator as a pure state machine:
// membership, assignments and committed offsets of every group that lives in
// one partition of `__consumer_offsets`, for the classic protocol (JoinGroup,
// SyncGroup) and for KIP-848 (ConsumerGroupHeartbeat), with migration between
// the two while members run.
//
// It has no socket, no clock, no goroutine and no lock. Whoever owns a
// [Coordinator] calls it from one goroutine at a time, passes the current time
// in, and carries out what comes back:
//
//	  request, now                     records          append as one batch to the
//	───────────────▶ Coordinator ──▶ Effects ──┬──────▶ partition, wait until durable
//	  Tick(now) when                           │answers
//	  NextTimer() is due                       └──────▶ then send them
//
// What a caller promises:
//
//   - the records of one Effects are appended as one batch, in the order in
//     which the Effects came, and its answers are sent only once that batch and
//     all before it are durable. State has moved on by then: if an append
//     fails, the Coordinator no longer tells the truth. Throw it away, answer
//     every waiter with a retriable code, and replay the partition into a new one;
//   - at start, every record of the partition goes through [Coordinator.Replay]
//     in order (control markers through [Coordinator.ReplayMarker]), then
//     [Coordinator.Loaded] starts the timers.
//
// State moves along one path: an operation decides, writes typed records, and
// the same code that replays them at start applies them. The exception is the
// classic protocol between two generations: joins and syncs in flight live in
// memory only, as in Kafka, and the record of a finished generation is a copy
// of the group. Members that were in the middle of a rebalance when a process
// died learn so by UNKNOWN_MEMBER_ID or by their next heartbeat and join again.
//
// A classic group:
//
//	          join                 all joined or timeout          leader's sync
//	Empty ───────────▶ PreparingRebalance ───────▶ CompletingRebalance ───────▶ Stable
//	  ▲                  ▲       │  nobody left          │ join, leave, timeout    │
//	  │                  │       ▼                       │                         │
//	  └──────────────────┼─── Empty                      │                         │
//	                     └───────────────────────────────┴─────────────────────────┘
//
// A KIP-848 group has three epochs. The group epoch grows when members or
// subscribed topics change; the assignment epoch follows when the assignor has
// run for it; each member's epoch follows when the member has given up what it
// must and got what is free. A partition goes to its next owner only after its
// last owner said that it let go (or its time is up), so no partition has two
// owners.
//
//	Empty ─▶ Assigning (assignment epoch < group epoch) ─▶ Reconciling (a member behind) ─▶ Stable
//
// Records have Kafka's own layouts (key versions 1–8 and 16), so that tools
// that read `__consumer_offsets` of a Kafka cluster read ours, and the other
// way round.
//
// Every table has a bound (see [Options]); a decoder of foreign bytes checks a
// length before it believes it.
package group
