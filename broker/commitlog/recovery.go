package commitlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Recovery says what opening a log found and did.
type Recovery struct {
	ScannedBytes   int64 // of batches whose checksum was verified
	TruncatedBytes int64 // cut off behind the last whole batch
	// Truncated means that offsets which somebody may have read with a policy
	// other than SyncEach are gone: begin a new leader epoch.
	Truncated      bool
	RebuiltIndexes int
	Cause          error // why the log was truncated
}

// Open opens the log in a folder, or makes a new one.
//
// Opening checks what may have been written in part: everything from the newest
// producer snapshot on, which is where the last checkpoint was. An unfinished batch
// at the end is cut off. Damage below the durable offset is a [*DamageError]; the
// files are then as they were.
func Open(o Options) (*Log, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	o.setDefaults()
	l := &Log{
		options: o, fsys: o.FS, dir: o.Dir, logger: o.Logger,
		producers: newProducerTable(), start: 0, firstOpen: -1, snapped: -1, epoch: o.LeaderEpoch,
		lastFlush: o.Now(), deleted: map[string]deletedFile{},
	}
	if o.TailBytes > 0 {
		l.tail.limit = max(o.TailBytes/tailChunkBytes, 1)
	}
	l.config.Store(&o.Config)
	if err := l.recover(); err != nil {
		l.closeFiles()
		var damage *DamageError
		if errors.As(err, &damage) {
			return nil, err
		}
		return nil, fmt.Errorf("open log %s: %w", o.Dir, err)
	}
	l.committer = o.Committer
	if l.committer == nil {
		l.ownCommitter = NewGroupCommitter(CommitterOptions{Parallel: 1})
		l.committer = l.ownCommitter
	}
	return l, nil
}

func (l *Log) recover() error {
	names, err := l.prepareDir()
	if err != nil {
		return err
	}
	state, known, err := l.openState()
	if err != nil {
		return err
	}
	if names, err = l.finishSwaps(names); err != nil {
		return err
	}
	if err := l.checkTopicID(names); err != nil {
		return err
	}
	if err := l.loadSegments(names); err != nil {
		return err
	}
	if err := l.removeOrphans(names); err != nil {
		return err
	}
	durable := max(l.options.RecoveryPoint, state.durableOffset)
	if known || l.options.CleanShutdown {
		durable = max(durable, l.active().base) // a segment is synced before the next is made
	}
	if err := l.loadEpochs(names); err != nil {
		return err
	}
	if err := l.replay(names, durable); err != nil {
		return err
	}
	l.start = min(max(l.segments[0].base, state.startOffset, l.options.LogStartOffset), l.end)
	l.cleaned = min(state.cleanedOffset, l.end)
	l.durable, l.hw = l.end, l.end
	l.firstOpen = l.producers.firstOpen()
	if err := l.trimEpochs(); err != nil {
		return err
	}
	return l.settle(names)
}

// prepareDir makes the folder, removes what was left half done, and lists the rest.
func (l *Log) prepareDir() ([]string, error) {
	if _, err := l.fsys.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
		if err := l.fsys.MkdirAll(l.dir); err != nil {
			return nil, err
		}
		if err := l.fsys.SyncDir(filepath.Dir(l.dir)); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	names, err := l.fsys.List(l.dir)
	if err != nil {
		return nil, err
	}
	kept := names[:0]
	for _, name := range names {
		if strings.HasSuffix(name, deletedSuffix) || strings.HasSuffix(name, cleanedSuffix) || strings.HasSuffix(name, tmpSuffix) {
			if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, name)
	}
	return kept, nil
}

func (l *Log) openState() (logState, bool, error) {
	path := filepath.Join(l.dir, stateFile)
	f, err := l.fsys.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = l.fsys.Create(path)
	}
	if err != nil {
		return logState{}, false, err
	}
	l.stateFile = f
	size, err := f.Size()
	if err != nil {
		return logState{}, false, err
	}
	p := make([]byte, min(size, 2*stateSlotBytes))
	if len(p) > 0 {
		if _, err := f.ReadAt(p, 0); err != nil {
			return logState{}, false, err
		}
	}
	state, ok := parseLogState(p)
	return state, ok, nil
}

func (l *Log) checkTopicID(names []string) error {
	id := l.options.TopicID
	if id == ([16]byte{}) {
		return nil
	}
	if !slices.Contains(names, partitionFile) {
		return writeFile(l.fsys, filepath.Join(l.dir, partitionFile), formatPartitionMetadata(id))
	}
	found, err := ReadTopicID(l.fsys, l.dir)
	if err != nil {
		return err
	}
	if found != id {
		return fmt.Errorf("the folder belongs to topic ID %x, not %x: another topic of the same name was here before", found, id)
	}
	return nil
}

// loadSegments finds the segments, or makes the first one.
func (l *Log) loadSegments(names []string) error {
	for _, name := range names {
		base, ok := parseName(name, logSuffix)
		if !ok {
			continue
		}
		s := newSegment(l.fsys, l.dir, base)
		info, err := l.fsys.Stat(s.path(logSuffix))
		if err != nil {
			return err
		}
		s.sizeBytes.Store(info.SizeBytes)
		l.segments = append(l.segments, s)
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return int(min(max(a.base-b.base, -1), 1)) })
	if len(l.segments) > 0 {
		return nil
	}
	s := newSegment(l.fsys, l.dir, l.options.LogStartOffset)
	if err := s.create(); err != nil {
		return err
	}
	l.segments = []*segment{s}
	return l.fsys.SyncDir(l.dir)
}

// removeOrphans removes indexes whose log is gone: what a crash leaves of retention.
func (l *Log) removeOrphans(names []string) error {
	for _, name := range names {
		for _, suffix := range []string{indexSuffix, timeSuffix, txnSuffix} {
			base, ok := parseName(name, suffix)
			if !ok || slices.ContainsFunc(l.segments, func(s *segment) bool { return s.base == base }) {
				continue
			}
			if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextBase is the offset at which the segment after i begins.
func (l *Log) nextBase(i int) int64 {
	if i+1 < len(l.segments) {
		return l.segments[i+1].base
	}
	return math.MaxInt64
}

// replay restores producer state and log end: it starts from the newest good
// snapshot at or below the durable offset, and verifies every batch behind it.
func (l *Log) replay(names []string, durable int64) error {
	trusted := durable
	if l.options.CleanShutdown {
		trusted = math.MaxInt64
	}
	from := l.loadSnapshot(names, trusted)
	l.end = l.segments[0].base
	for i := 0; i < len(l.segments); i++ {
		s := l.segments[i]
		last := i == len(l.segments)-1
		if !last && l.nextBase(i) <= from {
			if err := l.checkSealed(s, l.nextBase(i), names); err != nil {
				return err
			}
			l.end = l.nextBase(i)
			continue
		}
		l.end = max(l.end, s.base)
		cut, err := l.recoverSegment(s, from, durable, names)
		if err != nil {
			return err
		}
		if cut && !last {
			// What comes later was never promised: the end is here.
			for _, later := range l.segments[i+1:] {
				l.recovery.TruncatedBytes += later.sizeBytes.Load()
				if err := l.removeSegmentFiles(later); err != nil {
					return err
				}
			}
			l.segments = l.segments[:i+1]
		}
	}
	if l.end < from {
		// Only a snapshot above the durable offset can be ahead of the log. It
		// says nothing about the log that is here.
		l.producers = newProducerTable()
		l.options.CleanShutdown = false
		end := l.end
		from = l.loadSnapshot(names, end)
		return l.replayProducers(from)
	}
	return nil
}

// replayProducers brings the producers from a snapshot's offset to the log end.
func (l *Log) replayProducers(from int64) error {
	for _, s := range l.segments {
		_, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
			if b.LastOffset() < from {
				return nil
			}
			_, _, err := l.producers.replay(b)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loadSnapshot loads the newest usable snapshot of at most maxOffset and returns its
// offset; without one, the producers are empty and the log is replayed from its
// start.
func (l *Log) loadSnapshot(names []string, maxOffset int64) int64 {
	first := l.segments[0].base
	for _, name := range slices.Backward(names) {
		offset, ok := parseName(name, snapshotSuffix)
		if !ok || offset > maxOffset || offset < first {
			continue
		}
		table, err := readSnapshot(l.fsys, filepath.Join(l.dir, name))
		if err != nil {
			l.logger.Warn("producer snapshot is unusable", "dir", l.dir, "file", name, "error", err)
			continue
		}
		l.producers, l.snapped = table, offset
		return offset
	}
	return first
}

// checkSealed looks at a sealed segment from outside: its indexes must be there and
// end in the segment. Missing or wrong ones are made anew.
func (l *Log) checkSealed(s *segment, next int64, names []string) error {
	ok := slices.Contains(names, fileName(s.base, indexSuffix)) && slices.Contains(names, fileName(s.base, timeSuffix))
	if ok {
		ok = s.indexesEndIn(next) == nil
		if err := s.closeFiles(); err != nil {
			return err
		}
	}
	if ok {
		return nil
	}
	return l.rebuildIndexes(s)
}

// indexesEndIn checks the ends of the indexes of a sealed segment, without reading
// all of them.
func (s *segment) indexesEndIn(next int64) error {
	errUnsound := errors.New("unsound")
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if whole, err := x.isWhole(); err != nil || !whole {
			return errors.Join(err, errUnsound)
		}
	}
	var first [txnEntryBytes]byte
	offset, pos, found, err := s.offsets.lastPoint()
	if err != nil || found && (offset < s.base || offset >= next || pos >= s.sizeBytes.Load()) {
		return errors.Join(err, errUnsound)
	}
	if n, err := s.offsets.firstEntry(first[:]); err != nil || n > 1 && s.base+int64(binary.BigEndian.Uint32(first[:])) >= offset {
		return errors.Join(err, errUnsound)
	}
	timestamp, offset, found, err := s.times.lastPoint()
	if err != nil || found && (offset < s.base || offset >= next) {
		return errors.Join(err, errUnsound)
	}
	if n, err := s.times.firstEntry(first[:]); err != nil || n > 1 && int64(binary.BigEndian.Uint64(first[:])) >= timestamp {
		return errors.Join(err, errUnsound)
	}
	return s.txns.check(s.base, next)
}

// rebuildIndexes makes all indexes of a sealed segment anew from its headers. Aborted
// transactions need the producers as they were at its start.
func (l *Log) rebuildIndexes(s *segment) error {
	l.recovery.RebuiltIndexes++
	l.logger.Warn("rebuilding indexes", "dir", l.dir, "segment", s.base)
	table := l.producersAt(s.base)
	if err := s.resetIndexes(); err != nil {
		return err
	}
	interval := l.options.Config.IndexIntervalBytes
	pos, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, pos int64) error {
		s.noteBatchHeader(b, pos, interval)
		aborted, ok, err := table.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	if err != nil {
		var fault *record.Error
		if errors.As(err, &fault) {
			return l.damage(s, pos, s.maxNext, math.MaxInt64, err)
		}
		return err
	}
	if err := s.flushIndexes(true); err != nil {
		return err
	}
	if err := s.syncIndexes(); err != nil {
		return err
	}
	return l.fsys.SyncDir(l.dir)
}

// producersAt returns the producers as of the start of a segment: from its snapshot,
// or by reading everything before it.
func (l *Log) producersAt(base int64) *producerTable {
	if t, err := readSnapshot(l.fsys, filepath.Join(l.dir, fileName(base, snapshotSuffix))); err == nil {
		return t
	}
	t := newProducerTable()
	for _, s := range l.segments {
		if s.base >= base {
			break
		}
		_, err := s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
			_, _, err := t.replay(b)
			return err
		})
		if err != nil { // its own check reports it
			break
		}
	}
	return t
}

func (s *segment) resetIndexes() error {
	s.sinceIndex, s.firstTimestamp, s.maxTimestamp, s.maxTimestampOffset = 0, record.NoTimestamp, record.NoTimestamp, s.base
	for _, x := range []*index{s.offsets.index, s.times.index, s.txns.index} {
		if err := x.truncate(0); err != nil {
			return err
		}
	}
	return nil
}

// recoverSegment verifies the batches of a segment from an offset on and sets the
// log end. cut means that bytes were cut off.
func (l *Log) recoverSegment(s *segment, from, durable int64, names []string) (cut bool, err error) {
	size := s.sizeBytes.Load()
	pos, err := l.resumeIndexes(s, from, names)
	if err != nil {
		return false, err
	}
	interval := l.options.Config.IndexIntervalBytes
	next := s.base
	if pos > 0 {
		next = l.offsetAt(s, pos)
	}
	trust := l.options.CleanShutdown
	pos, scanErr := s.scan(pos, size, trust, func(b record.Batch, pos int64) error {
		if err := l.checkStored(b, next, trust || b.LastOffset() < from); err != nil {
			return err
		}
		next = b.NextOffset()
		s.noteBatchHeader(b, pos, interval)
		if b.LastOffset() < from {
			return nil
		}
		l.recovery.ScannedBytes += int64(len(b))
		if n := len(l.epochs); n == 0 || l.epochs[n-1].epoch < b.LeaderEpoch() {
			l.epochs = append(l.epochs, epochStart{b.LeaderEpoch(), b.BaseOffset()})
		}
		aborted, ok, err := l.producers.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	l.end = max(next, s.base)
	if l.end < from && scanErr == nil {
		scanErr = &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: fmt.Sprintf("the segment ends at offset %d, a snapshot says %d", l.end, from)}
	}
	if scanErr == nil && l.end < durable && s == l.active() {
		scanErr = &record.Error{Cause: record.ErrTruncated, Record: -1, Detail: fmt.Sprintf("the log ends at offset %d", l.end)}
	}
	if scanErr == nil {
		return false, nil
	}
	var fault *record.Error
	if !errors.As(scanErr, &fault) {
		return false, scanErr
	}
	if l.end < durable {
		return false, l.damage(s, pos, l.end, durable, scanErr)
	}
	l.recovery.TruncatedBytes += size - pos
	l.recovery.Truncated, l.recovery.Cause = true, scanErr
	l.logger.Warn("cutting off what was not finished", "dir", l.dir, "file", filepath.Base(s.path(logSuffix)), "position", pos, "bytes", size-pos, "offset", l.end, "cause", scanErr)
	f, err := s.open()
	if err != nil {
		return false, err
	}
	if err := f.Truncate(pos); err != nil {
		return false, err
	}
	s.sizeBytes.Store(pos)
	return true, nil
}

func (l *Log) damage(s *segment, pos, offset, durable int64, cause error) *DamageError {
	return &DamageError{Dir: l.dir, File: filepath.Base(s.path(logSuffix)), SegmentOffset: s.base, Pos: pos, Offset: offset, DurableOffset: durable, Cause: cause}
}

// checkStored checks a batch of the log against what stands before it.
func (l *Log) checkStored(b record.Batch, next int64, headerOnly bool) error {
	if b.BaseOffset() < next {
		return &record.Error{Cause: record.ErrLength, Record: -1, Detail: fmt.Sprintf("base offset %d where at least %d must stand", b.BaseOffset(), next)}
	}
	if b.LastOffsetDelta() < 0 {
		return &record.Error{Cause: record.ErrLength, Record: -1, Detail: fmt.Sprintf("last offset delta %d", b.LastOffsetDelta())}
	}
	if headerOnly {
		return nil
	}
	if err := b.CheckHeader(); err != nil {
		return err
	}
	return b.CheckCRC()
}

// offsetAt returns the offset from which batches at pos count: that of the batch
// there.
func (l *Log) offsetAt(s *segment, pos int64) int64 {
	offset := s.base
	_, _ = s.scan(pos, min(pos+record.HeaderBytes, s.sizeBytes.Load()), true, func(b record.Batch, _ int64) error {
		offset = b.BaseOffset()
		return nil
	})
	return offset
}

// resumeIndexes keeps the entries of a segment's indexes below an offset, if they
// are sound, and returns the position from which to scan on.
func (l *Log) resumeIndexes(s *segment, from int64, names []string) (int64, error) {
	pos, err := l.soundIndexes(s, from, names)
	if err == nil {
		return pos, nil
	}
	l.logger.Warn("rebuilding indexes", "dir", l.dir, "segment", s.base, "cause", err)
	l.recovery.RebuiltIndexes++
	if err := s.resetIndexes(); err != nil {
		return 0, err
	}
	// Aborted transactions of the part that is not replayed come from here.
	table := l.producersAt(s.base)
	_, err = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		if b.LastOffset() >= from {
			return errStop
		}
		aborted, ok, err := table.replay(b)
		if ok {
			return s.txns.add(aborted)
		}
		return err
	})
	var fault *record.Error
	if err != nil && err != errStop && !errors.As(err, &fault) {
		return 0, err
	}
	return 0, nil
}

var errStop = errors.New("stop")

func (l *Log) soundIndexes(s *segment, from int64, names []string) (int64, error) {
	if from <= s.base {
		return 0, s.resetIndexes()
	}
	for _, suffix := range []string{indexSuffix, timeSuffix} {
		if !slices.Contains(names, fileName(s.base, suffix)) && s.sizeBytes.Load() > int64(2*l.options.Config.IndexIntervalBytes) {
			return 0, fmt.Errorf("no file %s", fileName(s.base, suffix))
		}
	}
	if whole, err := s.txns.isWhole(); err != nil || !whole {
		return 0, errors.Join(err, fmt.Errorf("%s ends in the middle of a transaction", fileName(s.base, txnSuffix)))
	}
	if _, err := s.offsets.cut(from); err != nil {
		return 0, err
	}
	if err := s.times.cut(from); err != nil {
		return 0, err
	}
	if err := s.txns.cut(from); err != nil {
		return 0, err
	}
	if err := errors.Join(s.offsets.check(s.sizeBytes.Load(), from), s.times.check(from), s.txns.check(s.base, from)); err != nil {
		return 0, err
	}
	timestamp, timeOffset, ok, err := s.times.lastPoint()
	if err != nil {
		return 0, err
	}
	if ok {
		s.maxTimestamp, s.maxTimestampOffset = timestamp, timeOffset
	}
	offset, pos, found, err := s.offsets.lastPoint()
	if err != nil || !found {
		return 0, err
	}
	good := false
	_, _ = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		good = b.LastOffset() == offset
		return errStop
	})
	if !good {
		return 0, fmt.Errorf("the last entry of %s points to byte %d, where offset %d does not stand", fileName(s.base, indexSuffix), pos, offset)
	}
	_, _ = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		s.firstTimestamp = b.MaxTimestamp()
		return errStop
	})
	return pos, nil
}

// noteBatchHeader is noteBatch for a batch whose size stands in its header only.
func (s *segment) noteBatchHeader(b record.Batch, pos int64, interval int) {
	s.noteBatch(b, pos, interval)
	s.sinceIndex += int(b.LengthField()) + 12 - len(b)
	s.maxNext = b.NextOffset()
}

func (l *Log) loadEpochs(names []string) error {
	if !slices.Contains(names, epochFile) {
		return nil
	}
	p, err := vfs.ReadFile(l.fsys, filepath.Join(l.dir, epochFile), maxCheckpointBytes)
	if err != nil {
		return err
	}
	epochs, err := parseEpochs(p)
	if err != nil {
		l.logger.Warn("leader epochs are unreadable and are collected from the log", "dir", l.dir, "file", epochFile, "error", err)
		for _, s := range l.segments {
			_, _ = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
				if n := len(epochs); n == 0 || epochs[n-1].epoch < b.LeaderEpoch() {
					epochs = append(epochs, epochStart{b.LeaderEpoch(), b.BaseOffset()})
				}
				return nil
			})
		}
		l.recovery.RebuiltIndexes++
	}
	l.epochs = epochs
	return nil
}

// trimEpochs drops epochs beyond the log end and raises the log's epoch to the
// newest one.
func (l *Log) trimEpochs() error {
	n := len(l.epochs)
	for n > 0 && l.epochs[n-1].startOffset >= l.end && l.end > l.start {
		n--
	}
	l.epochs = l.epochs[:n]
	if n > 0 {
		l.epoch = max(l.epoch, l.epochs[n-1].epoch)
		return writeFile(l.fsys, filepath.Join(l.dir, epochFile), formatEpochs(l.epochs))
	}
	return nil
}

// settle makes durable what recovery found: from here on the log end is the durable
// offset.
func (l *Log) settle(names []string) error {
	s := l.active()
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := l.fsys.SyncDir(l.dir); err != nil {
		return err
	}
	if l.snapped != l.end {
		l.appended = true
	}
	l.removeSnapshotsBeyond(names)
	return l.writeState(true)
}

// removeSnapshotsBeyond removes snapshots of offsets that no longer exist.
func (l *Log) removeSnapshotsBeyond(names []string) {
	for _, name := range names {
		if offset, ok := parseName(name, snapshotSuffix); ok && offset > l.end {
			l.fsys.Remove(filepath.Join(l.dir, name)) // ignored by the next opening too
		}
	}
}

func (l *Log) removeSegmentFiles(s *segment) error {
	if err := s.closeFiles(); err != nil {
		return err
	}
	for _, suffix := range []string{logSuffix, indexSuffix, timeSuffix, txnSuffix, snapshotSuffix} {
		if err := l.fsys.Remove(s.path(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (l *Log) closeFiles() error {
	var err error
	for _, s := range l.segments {
		if e := s.closeFiles(); err == nil {
			err = e
		}
	}
	l.stateMu.Lock()
	defer l.stateMu.Unlock()
	if l.stateFile != nil {
		if e := l.stateFile.Close(); err == nil {
			err = e
		}
		l.stateFile = nil
	}
	return err
}
