package commitlog

import (
	"errors"
	"hash/maphash"
	"io/fs"
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

// keyHash identifies a key: two independently seeded hashes of 64 bits.
type keyHash [2]uint64

type keyHasher [2]maphash.Seed

func (h keyHasher) hash(key []byte) keyHash {
	return keyHash{maphash.Bytes(h[0], key), maphash.Bytes(h[1], key)}
}

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

// buildMap notes the newest offset of every key in the dirty part.
func (k *compaction) buildMap(segments []*segment, end int64) error {
	k.l.mu.RLock()
	from := max(k.l.cleaned, k.l.start)
	k.l.mu.RUnlock()
	k.mapEnd = end
	txns := newTxnTracker(k.aborted)
	for i, s := range segments {
		if k.nextBase(segments, i) <= from {
			continue
		}
		_, err := s.scan(0, s.sizeBytes.Load(), false, func(b record.Batch, pos int64) error {
			if err := k.checkBatch(s, b, pos); err != nil {
				return err
			}
			drop := txns.dropped(b)
			if b.LastOffset() < from || drop || b.IsControl() {
				return nil
			}
			if len(k.latest)+int(b.Count()) > k.config.CompactionMapKeys && len(k.latest) > 0 {
				k.mapEnd = b.BaseOffset()
				return errStop
			}
			return k.noteKeys(b, from)
		})
		if err == errStop {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *compaction) checkBatch(s *segment, b record.Batch, pos int64) error {
	if k.l.closing.Load() {
		return errClosing
	}
	err := b.CheckHeader()
	if err == nil {
		err = b.CheckCRC()
	}
	if err != nil {
		return k.l.damage(s, pos, b.BaseOffset(), k.l.DurableOffset(), err)
	}
	return nil
}

func (k *compaction) noteKeys(b record.Batch, from int64) error {
	it, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		r := it.Record()
		if offset := b.BaseOffset() + int64(r.OffsetDelta); r.Key != nil && offset >= from {
			k.latest[k.hasher.hash(r.Key)] = offset
		}
	}
	return it.Err()
}

// group is how many of the segments fit in one.
func (k *compaction) group(segments []*segment) int {
	bytes, n := segments[0].sizeBytes.Load(), 1
	indexBytes := segments[0].offsets.sizeBytes()
	for ; n < len(segments) && segments[n].base < k.mapEnd; n++ {
		bytes += segments[n].sizeBytes.Load()
		indexBytes += segments[n].offsets.sizeBytes()
		if bytes > k.config.SegmentBytes || indexBytes > k.config.SegmentIndexBytes || k.nextBase(segments, n)-segments[0].base > 1<<31-1 {
			break
		}
	}
	return n
}

// replaceGroup writes what stays of a group of segments and puts it in their place.
func (k *compaction) replaceGroup(group []*segment, next int64) error {
	out, err := newCleanedSegment(k.l.fsys, k.l.dir, group[0].base, k.config.IndexIntervalBytes)
	if err != nil {
		return err
	}
	defer out.close()
	for _, s := range group {
		k.result.BytesBefore += s.sizeBytes.Load()
		last := s == group[len(group)-1]
		size := s.sizeBytes.Load()
		_, err := s.scan(0, size, false, func(b record.Batch, pos int64) error {
			if err := k.checkBatch(s, b, pos); err != nil {
				return err
			}
			return k.clean(out, b, last && pos+int64(len(b)) == size)
		})
		if err != nil {
			return err
		}
	}
	if err := out.finish(); err != nil {
		return err
	}
	k.result.BytesAfter += out.pos
	k.result.Segments += len(group)
	k.result.SegmentsLeft++
	return k.l.replaceSegments(group, out, time.UnixMilli(k.now))
}

// clean writes what stays of a batch. final says that it is the last of its group,
// of which something always stays: the end of the group must be known.
func (k *compaction) clean(out *cleanedSegment, b record.Batch, final bool) error {
	if b.IsControl() {
		return k.cleanControl(out, b, final)
	}
	drop := k.txns.dropped(b)
	if b.BaseOffset() >= k.mapEnd {
		return out.add(b)
	}
	it, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer it.Close()
	expired := b.HasDeleteHorizon() && k.now >= b.BaseTimestamp()
	kept, tombstones := 0, false
	stays := func(r *record.Record) bool {
		if drop || r.Key == nil {
			return false
		}
		offset := b.BaseOffset() + int64(r.OffsetDelta)
		if offset >= k.mapEnd {
			return true
		}
		if newest, known := k.latest[k.hasher.hash(r.Key)]; known && newest > offset {
			return false
		}
		return r.Value != nil || !expired
	}
	for it.Next() {
		r := it.Record()
		if !stays(r) {
			continue
		}
		kept++
		tombstones = tombstones || r.Value == nil
	}
	if it.Err() != nil {
		return it.Err()
	}
	k.result.Dropped += int64(b.Count()) - int64(kept)
	horizon := k.horizon(b, tombstones)
	if kept == int(b.Count()) && kept > 0 && (horizon == nil || b.HasDeleteHorizon()) {
		return out.add(b)
	}
	if kept == 0 && !final && !k.isLastOfProducer(b) {
		return nil
	}
	builder := record.NewBuilder(k.optionsOf(b, horizon))
	again, err := b.Records(k.config.MaxUncompressedBytes)
	if err != nil {
		return err
	}
	defer again.Close()
	for kept > 0 && again.Next() {
		r := again.Record()
		if stays(r) {
			builder.AddStored(r.OffsetDelta, b.BaseTimestamp()+r.TimestampDelta, r)
		}
	}
	p, err := builder.AppendSpan(nil, b.LastOffsetDelta(), b.MaxTimestamp())
	if err != nil {
		return err
	}
	return out.add(p)
}

// horizon is the delete horizon that the batch must carry, or nil.
func (k *compaction) horizon(b record.Batch, needed bool) *int64 {
	if b.HasDeleteHorizon() {
		h := b.BaseTimestamp()
		return &h
	}
	if !needed {
		return nil
	}
	h := k.now + k.config.DeleteRetention.Milliseconds()
	return &h
}

func (k *compaction) optionsOf(b record.Batch, horizon *int64) record.BatchOptions {
	o := record.BatchOptions{
		Codec: b.Codec(), TimestampType: b.TimestampType(), Transactional: b.IsTransactional(), Control: b.IsControl(),
		BaseOffset: b.BaseOffset(), LeaderEpoch: b.LeaderEpoch(), DeleteHorizon: horizon,
	}
	if b.HasProducerID() {
		o.Producer = &record.Producer{ID: b.ProducerID(), Epoch: b.ProducerEpoch(), BaseSequence: b.BaseSequence()}
	}
	return o
}

func (k *compaction) isLastOfProducer(b record.Batch) bool {
	if !b.HasProducerID() {
		return false
	}
	last, ok := k.lasts[b.ProducerID()]
	if !ok {
		return false
	}
	if last.offset < 0 {
		return b.IsControl() && b.ProducerEpoch() == last.epoch
	}
	return last.offset == b.LastOffset()
}

// cleanControl keeps a marker as long as its transaction has batches here, and then
// until its horizon.
func (k *compaction) cleanControl(out *cleanedSegment, b record.Batch, final bool) error {
	aborted, hasBatches := k.txns.marker(b)
	empty := b.Count() == 0
	discardable := !hasBatches && !empty
	expired := b.HasDeleteHorizon() && k.now >= b.BaseTimestamp()
	if b.BaseOffset() >= k.mapEnd {
		discardable, expired = false, false
	}
	if discardable && expired || empty {
		if !final && !k.isLastOfProducer(b) {
			k.result.Dropped += int64(b.Count())
			return nil
		}
	}
	if aborted != nil {
		if err := out.s.txns.add(*aborted); err != nil {
			return err
		}
	}
	if !discardable || b.HasDeleteHorizon() {
		return out.add(b)
	}
	it, err := b.Records(1 << 20)
	if err != nil {
		return err
	}
	defer it.Close()
	builder := record.NewBuilder(k.optionsOf(b, k.horizon(b, true)))
	for it.Next() {
		builder.AddStored(it.Record().OffsetDelta, b.BaseTimestamp()+it.Record().TimestampDelta, it.Record())
	}
	if it.Err() != nil {
		return it.Err()
	}
	p, err := builder.AppendSpan(nil, b.LastOffsetDelta(), b.MaxTimestamp())
	if err != nil {
		return err
	}
	return out.add(p)
}

// txnTracker follows transactions through batches in the order of their offsets.
type txnTracker struct {
	aborted []AbortedTxn         // not begun yet, by first offset
	open    map[int64]AbortedTxn // that will be aborted, by producer
	seen    map[int64]bool       // producers with batches since their last marker
}

func newTxnTracker(aborted []AbortedTxn) *txnTracker {
	t := &txnTracker{aborted: slices.Clone(aborted), open: map[int64]AbortedTxn{}, seen: map[int64]bool{}}
	slices.SortFunc(t.aborted, func(a, b AbortedTxn) int { return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1)) })
	return t
}

func (t *txnTracker) begin(offset int64) {
	for len(t.aborted) > 0 && t.aborted[0].FirstOffset <= offset {
		t.open[t.aborted[0].ProducerID] = t.aborted[0]
		t.aborted = t.aborted[1:]
	}
}

// dropped reports whether a batch belongs to an aborted transaction. For a control
// batch it only keeps count.
func (t *txnTracker) dropped(b record.Batch) bool {
	t.begin(b.LastOffset())
	if b.IsControl() {
		t.marker(b)
		return false
	}
	if !b.IsTransactional() {
		return false
	}
	if b.Count() > 0 {
		t.seen[b.ProducerID()] = true
	}
	txn, ok := t.open[b.ProducerID()]
	return ok && b.BaseOffset() >= txn.FirstOffset && b.LastOffset() <= txn.LastOffset
}

// marker ends the producer's transaction: the index entry if it was aborted, and
// whether any of its batches was met.
func (t *txnTracker) marker(b record.Batch) (aborted *AbortedTxn, hasBatches bool) {
	t.begin(b.LastOffset())
	id := b.ProducerID()
	hasBatches = t.seen[id]
	delete(t.seen, id)
	if txn, ok := t.open[id]; ok && txn.LastOffset <= b.LastOffset() {
		delete(t.open, id)
		aborted = &txn
	}
	return aborted, hasBatches
}

// replaceSegments puts a finished output in the place of the segments it was made
// from. It requires mmu.
func (l *Log) replaceSegments(group []*segment, out *cleanedSegment, now time.Time) error {
	names, err := l.fsys.List(l.dir)
	if err != nil {
		return err
	}
	s := newSegment(l.fsys, l.dir, group[0].base)
	s.sizeBytes.Store(out.pos)
	end := out.end

	// Readers of the old segments keep the old files, indexes too.
	for _, old := range group {
		if err := old.openAll(); err != nil {
			return err
		}
	}
	l.amu.Lock()
	if err := l.usable(); err != nil {
		l.amu.Unlock()
		return err
	}
	if err := l.swapIn(names, s.base, end); err != nil {
		l.amu.Unlock()
		return l.fail("put compacted segments in place", err)
	}
	l.mu.Lock()
	at := slices.Index(l.segments, group[0])
	l.segments = slices.Concat(l.segments[:at], []*segment{s}, l.segments[at+len(group):])
	l.mu.Unlock()
	l.amu.Unlock()
	newest := l.newestSnapshot()
	for i, old := range group {
		if e := l.discardReplaced(old, i > 0 && old.base != newest, now); err == nil {
			err = e
		}
		old.release()
	}
	return err
}

// discardReplaced sets the .deleted files of a segment aside and removes, if no
// segment begins there any more, its snapshot.
func (l *Log) discardReplaced(s *segment, snapshot bool, now time.Time) error {
	if snapshot {
		if err := l.fsys.Remove(s.path(snapshotSuffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return l.setAside(s, swapOrder, now)
}
