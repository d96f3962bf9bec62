package consumer

import (
	"cmp"
	"slices"
	"time"
)

// Snapshot is where a consumer stands.
type Snapshot struct {
	Partitions []PartitionSnapshot // by topic, then partition
	LagRecords int64               // sum over partitions
	// Skew is the busiest partition's share of the records handled, divided by
	// an even share: 1 is even, the number of partitions is all in one.
	Skew float64
	// HotKeys are the keys with the most records fetched, most first. Counts
	// are estimates from every eighth record.
	HotKeys []HotKey
	Running int // handlers at work
}

// PartitionSnapshot is where one partition stands.
type PartitionSnapshot struct {
	Topic         string
	Partition     int32
	Committed     int64 // by this member; -1 for nothing yet
	Position      int64 // offset that may be committed; -1 for nothing yet
	HighWatermark int64 // as of the last fetch; 0 before it
	LagRecords    int64 // from Position to HighWatermark; 0 before anything is handled
	Buffered      int   // fetched and not handled
	Running       int
	Paused        bool
	Handled       int64
	LastTimestamp time.Time // of the record handled last
}

// HotKey is a key with many records.
type HotKey struct {
	Key   string // its first 64 bytes
	Count int64
}

// snapshot returns where everything stands.
func (s *scheduler) snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Snapshot{Running: s.running, HotKeys: s.keys.top(10)}
	var all, most int64
	for _, p := range s.parts {
		ps := PartitionSnapshot{
			Topic: p.topic, Partition: p.partition, Committed: p.committed, Position: p.tracker.next, HighWatermark: p.highWatermark,
			Buffered: p.tracker.open(), Running: p.running, Paused: p.wantPaused, Handled: p.handled, LastTimestamp: p.last,
		}
		switch {
		case ps.Position >= 0:
			ps.LagRecords = max(0, p.highWatermark-ps.Position)
		case p.tracker.open() > 0:
			ps.LagRecords = max(0, p.highWatermark-p.tracker.taken[p.tracker.head].offset)
		}
		out.LagRecords += ps.LagRecords
		all += p.handled
		most = max(most, p.handled)
		out.Partitions = append(out.Partitions, ps)
	}
	if all > 0 {
		out.Skew = float64(most) * float64(len(s.parts)) / float64(all)
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionSnapshot) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}

// heavyHitters counts the most frequent keys in bounded memory: a new key takes
// the place, and the count, of the rarest one (Metwally, Agrawal and El Abbadi,
// "Space-Saving", 2005).
type heavyHitters struct {
	counts map[string]int64
	seen   uint64
}

const (
	trackedKeys = 64
	keyPrefix   = 64 // bytes
	sampling    = 8  // one of so many records is counted, as so many
)

func (h *heavyHitters) add(key []byte) {
	if h.seen++; key == nil || h.seen%sampling != 1 {
		return
	}
	key = key[:min(len(key), keyPrefix)]
	if n, ok := h.counts[string(key)]; ok {
		h.counts[string(key)] = n + sampling
		return
	}
	if h.counts == nil {
		h.counts = make(map[string]int64, trackedKeys)
	}
	var rarest string
	var least int64
	if len(h.counts) >= trackedKeys {
		first := true
		for k, n := range h.counts {
			if first || n < least {
				rarest, least, first = k, n, false
			}
		}
		delete(h.counts, rarest)
	}
	h.counts[string(key)] = least + sampling
}

func (h *heavyHitters) top(n int) []HotKey {
	all := make([]HotKey, 0, len(h.counts))
	for k, c := range h.counts {
		all = append(all, HotKey{k, c})
	}
	slices.SortFunc(all, func(a, b HotKey) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key)) })
	return all[:min(n, len(all))]
}
