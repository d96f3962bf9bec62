package commitlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	Gaps           []Gap // offsets that are missing between segments, or before the first
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
	l.mark = state.checkpoint
	if names, err = l.finishSwaps(names); err != nil {
		return err
	}
	if err := l.checkTopicID(names); err != nil {
		return err
	}
	if err := l.loadSegments(names, state.start(known, l.options)); err != nil {
		return err
	}
	gaps := &gapFinder{names: names, cleaned: state.cleanedOffset, compact: l.options.Config.Compact}
	if gaps.givenUp, err = readGivenUp(l.fsys, l.dir); err != nil {
		l.logger.Warn("what repairs gave up is unreadable and is taken for missing", "dir", l.dir, "file", givenUpFile, "error", err)
	}
	l.holes = gaps.givenUp
	for _, s := range l.segments {
		s.dense = err == nil && state.isDense(known, l.options, s.base, s == l.active())
	}
	gaps.start(l.segments[0].base, state, known)
	l.openSeals()
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
	if err := l.replay(names, durable, gaps); err != nil {
		return err
	}
	l.recovery.Gaps = gaps.found
	l.holes = slices.Concat(l.holes, gaps.found)
	l.warnOfGaps()
	l.start = min(max(l.segments[0].base, state.start(known, l.options)), l.end)
	l.cleaned = min(state.cleanedOffset, l.end)
	l.durable, l.hw = l.end, l.end
	l.firstOpen = l.producers.firstOpen()
	if err := l.checkEpochs(); err != nil {
		return err
	}
	if err := l.trimEpochs(); err != nil {
		return err
	}
	return l.settle(names, durable)
}

// prepareDir makes the folder, removes what was left half done, and lists the rest.
func (l *Log) prepareDir() ([]string, error) {
	if err := vfs.MakeFolder(l.fsys, l.dir); err != nil {
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
		return fmt.Errorf("%w; if the folder is this topic's, remove the file, and it is written anew", err)
	}
	return l.options.compareTopicID(found)
}

// compareTopicID says what it means if the folder is another topic's.
func (o *Options) compareTopicID(found [16]byte) error {
	if id := o.TopicID; found != id && id != ([16]byte{}) {
		return fmt.Errorf("the folder belongs to topic ID %x, not %x: either metadata.log was lost or replaced, and the topic made anew: stop, and restore metadata.log from a copy; or a topic of this name was deleted before: move the folder away, if nobody needs its records; or only %s has changed, and its records are this topic's: remove the file, and it is written anew", found, id, partitionFile)
	}
	return nil
}

// loadSegments finds the segments, or makes the first one, which begins at start.
func (l *Log) loadSegments(names []string, start int64) error {
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
	// The folder may be what a start left that could not sync its name.
	if err := l.fsys.SyncDir(filepath.Dir(l.dir)); err != nil {
		return err
	}
	s := newSegment(l.fsys, l.dir, start)
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

// settle makes durable what recovery found: from here on the log end is the durable
// offset.
func (l *Log) settle(names []string, durable int64) error {
	s := l.active()
	f, err := s.open()
	if err != nil {
		return err
	}
	if err := l.rewriteUnsynced(s, durable); err != nil {
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
	if err := l.writeSeals(); err != nil { // a full disk may have no room
		l.logger.Warn("what is known of sealed segments could not be written; the next checkpoint tries again", "dir", l.dir, "file", sealsFile, "error", err)
	}
	return l.writeState(true)
}

// openSeals reads what is known of the sealed segments.
func (l *Log) openSeals() {
	of, err := readSeals(l.fsys, l.dir)
	if err != nil {
		l.logger.Warn("what is known of sealed segments is unreadable: their indexes are compared with their batches", "dir", l.dir, "file", sealsFile, "error", err)
	}
	l.seals.of, l.seals.dirty = of, err != nil
	for base := range of {
		// What a start cut off may have begun here; it is not sealed yet.
		if base >= l.active().base {
			delete(of, base)
			l.seals.dirty = true
		}
	}
}

// rewriteUnsynced writes what the active segment holds from the durable offset on
// once more, as it is. A process whose fsync failed leaves bytes that every reader
// still sees, that are not on the disk, and that a later fsync passes over because
// nothing has changed them since.
func (l *Log) rewriteUnsynced(s *segment, durable int64) error {
	if l.options.CleanShutdown || durable >= l.end {
		return nil
	}
	pos, err := s.offsets.lookup(durable)
	if err != nil {
		return err
	}
	size := s.sizeBytes.Load()
	pos, err = s.scan(pos, size, true, func(b record.Batch, _ int64) error {
		if b.LastOffset() >= durable {
			return errStop
		}
		return nil
	})
	if err != nil && err != errStop {
		return err
	}
	f, err := s.open()
	if err != nil {
		return err
	}
	buf := make([]byte, min(scanBufferBytes, size-pos))
	for pos < size {
		p := buf[:min(int64(len(buf)), size-pos)]
		if _, err := f.ReadAt(p, pos); err != nil && err != io.EOF {
			return err
		}
		if _, err := f.WriteAt(p, pos); err != nil {
			return err
		}
		pos += int64(len(p))
	}
	return nil
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
