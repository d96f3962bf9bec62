package commitlog

import (
	"hash/crc32"
	"path/filepath"
	"slices"
)

// Checkpoint makes everything appended so far durable, indexes and producer state
// included, so that the next opening need not look at it. The committer calls it.
func (l *Log) Checkpoint() error {
	l.cmu.Lock()
	defer l.cmu.Unlock()
	err := l.checkpoint()
	if err != nil && KafkaCode(err) == CodeStorage {
		l.logger.Error("checkpoint", "topic", l.options.Topic, "partition", l.options.Partition, "dir", l.dir, "error", err)
	}
	return err
}

// checkpoint requires cmu. Only the copying of what is in memory holds amu.
func (l *Log) checkpoint() error {
	l.amu.Lock()
	if err := l.usable(); err != nil {
		l.amu.Unlock()
		return err
	}
	if !l.appended {
		l.amu.Unlock()
		return nil
	}
	s, end := l.active(), l.end
	if err := s.flushIndexes(false); err != nil {
		l.amu.Unlock()
		return storage("write indexes", err)
	}
	mark := checkpointMark{offset: end, timeBytes: uint32(s.times.sizeBytes())}
	var err error
	if mark.txnBytes, mark.txnCRC, err = s.txns.checksum(); err != nil {
		l.amu.Unlock()
		return storage("read "+filepath.Base(s.path(txnSuffix)), err)
	}
	s.acquire()
	snapshot := l.producers.appendSnapshot(nil)
	l.appended = false
	l.sinceCheckpt = 0
	l.amu.Unlock()
	defer s.release()

	if err := l.Flush(); err != nil {
		return err
	}
	if err := s.syncIndexes(); err != nil {
		return l.fail("fsync indexes", err)
	}
	mark.snapshotCRC = crc32.Checksum(snapshot, castagnoli)
	l.mu.Lock()
	l.mark = mark
	l.mu.Unlock()
	err = l.writeState(true)
	if err == nil {
		err = l.writeSnapshot(end, snapshot)
	}
	if err == nil {
		err = l.writeSeals()
	}
	if err != nil {
		l.amu.Lock()
		l.appended = true
		l.amu.Unlock()
		return storage("checkpoint", err)
	}
	l.dropSnapshot(end)
	return nil
}

// writeSnapshot writes what is known of producers at an offset. A checkpoint, which
// does not hold amu, and a roll may write the same one at the same time.
func (l *Log) writeSnapshot(offset int64, content []byte) error {
	l.smu.Lock()
	defer l.smu.Unlock()
	return writeFile(l.fsys, filepath.Join(l.dir, fileName(offset, snapshotSuffix)), content)
}

// dropSnapshot removes the snapshot before the new one, unless a segment begins
// there. It requires cmu.
func (l *Log) dropSnapshot(newest int64) {
	old := l.snapped
	l.snapped = newest
	if old < 0 || old == newest {
		return
	}
	l.mu.RLock()
	kept := slices.ContainsFunc(l.segments, func(s *segment) bool { return s.base == old })
	l.mu.RUnlock()
	if !kept {
		l.fsys.Remove(filepath.Join(l.dir, fileName(old, snapshotSuffix))) // else the next opening skips it
	}
}

// Close makes everything durable and closes the log. Readers that are under way
// finish; whoever waits gets an error whose cause is [ErrClosed], unless what they
// wait for is durable. A log that is offline is closed as it is.
func (l *Log) Close() error {
	l.closing.Store(true)
	l.mmu.Lock()
	defer l.mmu.Unlock()
	l.cmu.Lock()
	defer l.cmu.Unlock()
	l.mu.RLock()
	closed, failed := l.closed, l.failed
	l.mu.RUnlock()
	if closed {
		return nil
	}
	l.committer.Forget(l)
	var err error
	if failed == nil {
		err = l.checkpoint()
	}

	l.amu.Lock()
	l.mu.Lock()
	l.closed = true
	segments, waiters := l.segments, l.waiters
	l.waiters = nil
	l.tail.reset()
	l.mu.Unlock()
	// The largest timestamp of the active segment, as Kafka leaves it.
	if s := segments[len(segments)-1]; err == nil && failed == nil {
		if err = s.flushIndexes(s.sizeBytes.Load() > 0); err == nil {
			err = s.syncIndexes()
		}
		if err == nil {
			err = l.fsys.SyncDir(l.dir)
		}
	}
	l.amu.Unlock()
	for _, w := range waiters {
		w.done <- &Error{Code: CodeStorage, Message: "wait", Cause: ErrClosed}
	}
	l.committer.Forget(l)
	for _, s := range segments {
		s.release()
	}
	l.stateMu.Lock()
	if l.stateFile != nil {
		if e := l.stateFile.Close(); err == nil {
			err = e
		}
		l.stateFile = nil
	}
	l.stateMu.Unlock()
	if l.ownCommitter != nil {
		l.ownCommitter.Close()
	}
	l.advanced()
	return err
}
