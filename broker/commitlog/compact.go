package commitlog

import (
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Compacted says what a round of compaction did.
type Compacted struct {
	Ran          bool  // false: there was not enough to do
	BytesBefore  int64 // of the segments that were read
	BytesAfter   int64
	Dropped      int64 // records
	CleanedTo    int64 // everything below was considered
	DirtyRatio   float64
	Segments     int // that were replaced
	SegmentsLeft int // that replaced them
}

// errClosing ends a compaction because the log is being closed.
var errClosing = errors.New("the log is being closed")

// compaction is one round.
type compaction struct {
	l       *Log
	config  *Config
	now     int64
	hasher  keyHasher
	latest  map[keyHash]int64 // offset of the newest record of a key
	mapEnd  int64             // latest knows everything below, nothing above
	aborted []AbortedTxn      // by the offset of the marker
	lasts   map[int64]lastOfProducer
	txns    *txnTracker // of the second pass
	result  Compacted
}

// lastOfProducer is where a producer's last batch stands: it stays, empty if need be,
// so that the producer's sequence survives a replay of the log.
type lastOfProducer struct {
	offset int64 // −1: none, then the last marker of the epoch stays
	epoch  int16
}

// Compact runs one round of compaction if the topic has cleanup.policy compact and
// enough of the log is dirty or too old: of each key only the newest record stays.
//
// Offsets do not change. The active segment, records younger than
// min.compaction.lag.ms and everything from the last stable offset on are left
// alone. Records of aborted transactions go. Tombstones and the markers of
// transactions without records stay for delete.retention.ms after the round that
// first met them, which it stamps into their batch (KIP-534).
func (l *Log) Compact(now time.Time) (Compacted, error) {
	l.mmu.Lock()
	defer l.mmu.Unlock()
	c := l.config.Load()
	if !c.Compact {
		return Compacted{}, nil
	}
	if err := l.Err(); err != nil {
		return Compacted{}, err
	}
	segments, err := l.cleanable(c, now)
	if err != nil || len(segments) == 0 {
		return Compacted{}, err
	}
	defer func() {
		for _, s := range segments {
			s.release()
		}
	}()
	k := &compaction{l: l, config: c, now: now.UnixMilli(), hasher: keyHasher{maphash.MakeSeed(), maphash.MakeSeed()}, latest: map[keyHash]int64{}, lasts: map[int64]lastOfProducer{}}
	if worth, err := k.worthIt(segments); err != nil || !worth {
		return k.result, err
	}
	if err := k.run(segments); err != nil {
		return k.result, l.compactionFault(err)
	}
	l.logger.Info("compaction", "topic", l.options.Topic, "partition", l.options.Partition, "bytes_before", k.result.BytesBefore, "bytes_after", k.result.BytesAfter, "records_dropped", k.result.Dropped, "cleaned_to", k.result.CleanedTo)
	return k.result, nil
}

func (l *Log) compactionFault(err error) error {
	var known *Error
	var damage *DamageError
	if errors.Is(err, errClosing) || errors.As(err, &known) || errors.As(err, &damage) {
		return err
	}
	return storage("compaction", err)
}

// cleanable returns the sealed segments, with a reference each, that this round may
// look at.
func (l *Log) cleanable(c *Config, now time.Time) ([]*segment, error) {
	l.mu.RLock()
	segments, stable := l.segments, l.lastStable()
	for _, s := range segments {
		s.acquire()
	}
	l.mu.RUnlock()
	n := 0
	var err error
	for n < len(segments)-1 && segments[n+1].base <= stable {
		if c.MinCompactionLag > 0 {
			var largest int64
			if largest, err = segments[n].largestTimestamp(false); err != nil || largest > now.Add(-c.MinCompactionLag).UnixMilli() {
				break
			}
		}
		n++
	}
	if err != nil {
		n = 0
	}
	for _, s := range segments[n:] {
		s.release()
	}
	return segments[:n:n], err
}

// worthIt compares the dirty part with the whole.
func (k *compaction) worthIt(segments []*segment) (bool, error) {
	k.l.mu.RLock()
	cleaned := max(k.l.cleaned, k.l.start)
	k.l.mu.RUnlock()
	var dirty, total int64
	overdue := false
	for i, s := range segments {
		size := s.sizeBytes.Load()
		total += size
		next := k.nextBase(segments, i)
		if next <= cleaned {
			continue
		}
		dirty += size
		if k.config.MaxCompactionLag < forever && size > 0 {
			first := int64(record.NoTimestamp)
			_, err := s.scan(0, size, true, func(b record.Batch, _ int64) error {
				first = b.MaxTimestamp()
				return errStop
			})
			if err != errStop {
				return false, err
			}
			overdue = overdue || first >= 0 && k.now-first > k.config.MaxCompactionLag.Milliseconds()
		}
	}
	if total == 0 || dirty == 0 {
		return false, nil
	}
	k.result.DirtyRatio = float64(dirty) / float64(total)
	return overdue || k.result.DirtyRatio >= k.config.MinDirtyRatio, nil
}

// nextBase is where the segment after segments[i] begins.
func (k *compaction) nextBase(segments []*segment, i int) int64 {
	if i+1 < len(segments) {
		return segments[i+1].base
	}
	k.l.mu.RLock()
	defer k.l.mu.RUnlock()
	at := slices.Index(k.l.segments, segments[i])
	return k.l.segments[at+1].base
}

func (k *compaction) run(segments []*segment) error {
	end := k.nextBase(segments, len(segments)-1)
	k.l.amu.Lock()
	for id, p := range k.l.producers.producers {
		last := lastOfProducer{offset: -1, epoch: p.epoch}
		if m, ok := p.last(); ok {
			last.offset = m.lastOffset
		}
		k.lasts[id] = last
	}
	k.l.amu.Unlock()
	// The marker of a transaction may stand behind what this round looks at.
	var err error
	if k.aborted, err = k.l.AbortedTransactions(segments[0].base, end); err != nil {
		return err
	}
	if err := k.buildMap(segments, end); err != nil {
		return err
	}
	k.txns = newTxnTracker(k.aborted)
	for len(segments) > 0 {
		if segments[0].base >= k.mapEnd {
			break
		}
		n := k.group(segments)
		if err := k.replaceGroup(segments[:n], k.nextBase(segments, n-1)); err != nil {
			return err
		}
		segments = segments[n:]
	}
	k.result.Ran, k.result.CleanedTo = true, k.mapEnd
	k.l.mu.Lock()
	k.l.cleaned = max(k.l.cleaned, k.mapEnd)
	k.l.mu.Unlock()
	return k.l.writeState(true)
}
