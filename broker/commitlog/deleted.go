package commitlog

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// Files of segments that retention or compaction took out of the log are renamed to
// .deleted, so that a crash never leaves half of a segment under its name, and stay
// for file.delete.delay.ms. Opening a log removes what an earlier one left.

// deletedFile is a file that is to go.
type deletedFile struct {
	since time.Time
	delay time.Duration
}

// discard renames the files of a segment; those without delay are removed, too. Open
// readers keep them.
func (l *Log) discard(s *segment, snapshot bool, now time.Time) error {
	suffixes := []string{logSuffix, indexSuffix, timeSuffix, txnSuffix}
	if snapshot {
		suffixes = append(suffixes, snapshotSuffix)
	}
	for _, suffix := range suffixes {
		path := s.path(suffix)
		if err := l.fsys.Rename(path, path+deletedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return l.setAside(s, suffixes, now)
}

// setAside notes the .deleted files of a segment for their removal after the delay
// that is configured now, or removes them if there is none.
func (l *Log) setAside(s *segment, suffixes []string, now time.Time) error {
	delay := l.config.Load().DeleteDelay
	l.dmu.Lock()
	for _, suffix := range suffixes {
		name := fileName(s.base, suffix) + deletedSuffix
		if _, err := l.fsys.Stat(filepath.Join(l.dir, name)); err == nil {
			// A later file of the same name has taken the place of the earlier one.
			l.deleted[name] = deletedFile{since: now, delay: delay}
		}
	}
	l.dmu.Unlock()
	_, err := l.RemoveDeleted(now)
	return err
}

// RemoveDeleted removes the files of segments that left the log file.delete.delay.ms
// ago or earlier, and returns how many. What cannot be removed is tried again by the
// next call. It does not wait for maintenance that is under way.
func (l *Log) RemoveDeleted(now time.Time) (int, error) {
	l.dmu.Lock()
	defer l.dmu.Unlock()
	removed := 0
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(l.deleted)) {
		if l.closing.Load() { // the folder may soon be another log's
			break
		}
		f := l.deleted[name]
		if now.Sub(f.since) < f.delay {
			continue
		}
		if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
			continue
		}
		delete(l.deleted, name)
		removed++
	}
	if len(errs) > 0 {
		return removed, storage("remove files of deleted segments", errors.Join(errs...))
	}
	return removed, nil
}
