package main

import (
	"context"
	"runtime/debug"

	"github.com/dovetail-dev/dovetail/registry/journal"
)

// While a journal of up to quickRecords is replayed, garbage may take replayGC
// percent of what is kept: nearly all of what is read is kept, and collecting
// the rest again and again takes a quarter of the time. A longer journal would
// take the memory that way.
const (
	quickRecords = 300_000
	replayGC     = 400
	usualGC      = 100 // that of a process nobody has told otherwise
)

// collectLess makes the garbage collector lazier until the returned function is
// called, which also gives back what that cost.
func collectLess(ctx context.Context, j journal.Journal) (replayed func()) {
	end, err := j.End(ctx)
	if err != nil || end > quickRecords {
		return func() {} // what is wrong the replay finds out
	}
	before := debug.SetGCPercent(replayGC)
	if before != usualGC {
		debug.SetGCPercent(before)
		return func() {}
	}
	return func() {
		debug.SetGCPercent(before)
		if end > quickRecords/100 {
			go debug.FreeOSMemory()
		}
	}
}
