package commitlog

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Compaction replaces segments in steps, each of which a crash may interrupt:
//
//  1. write <base>.{log,index,timeindex,txnindex}.cleaned and sync them
//  2. rename the indexes to .swap, sync the folder, rename the log to .swap, sync
//     the folder: from here on the replacement will happen
//  3. rename the files of all segments it covers to .deleted
//  4. rename the .swap indexes to their final names, then the log
//  5. sync the folder, remove what is .deleted after file.delete.delay.ms
//
// A .log.swap says that all of its indexes are there, as .swap or already in place.
var swapOrder = []string{indexSuffix, timeSuffix, txnSuffix, logSuffix}

// finishSwaps does steps 3 to 5 for every .log.swap found at opening, and removes
// what did not get as far. It returns the names that are there then.
func (l *Log) finishSwaps(names []string) ([]string, error) {
	found := false
	for _, name := range names {
		base, ok := parseName(name, logSuffix+swapSuffix)
		if !ok {
			continue
		}
		found = true
		end, err := l.swapEnd(name)
		if err != nil {
			return nil, err
		}
		if err := l.swapIn(names, base, end); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if strings.HasSuffix(name, swapSuffix) && !found {
			found = true
		}
	}
	if !found {
		return names, nil
	}
	names, err := l.fsys.List(l.dir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, swapSuffix) || strings.HasSuffix(name, deletedSuffix) {
			if err := l.fsys.Remove(filepath.Join(l.dir, name)); err != nil {
				return nil, err
			}
		}
	}
	if err := l.fsys.SyncDir(l.dir); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return strings.HasSuffix(name, swapSuffix) || strings.HasSuffix(name, deletedSuffix)
	}), nil
}

// swapEnd is the offset after the last batch of a .log.swap file.
func (l *Log) swapEnd(name string) (int64, error) {
	f, err := l.fsys.OpenFile(filepath.Join(l.dir, name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	base, _ := parseName(name, logSuffix+swapSuffix)
	end := base
	s := newSegment(l.fsys, l.dir, base)
	s.file.Store(&f)
	pos, err := s.scan(0, size, true, func(b record.Batch, _ int64) error {
		end = b.NextOffset()
		return nil
	})
	if err != nil {
		return 0, &DamageError{Dir: l.dir, File: name, SegmentOffset: base, Pos: pos, Offset: end, DurableOffset: end, Cause: err}
	}
	return end, nil
}

// swapIn does steps 3 and 4 for the replacement of the segments from base to end.
func (l *Log) swapIn(names []string, base, end int64) error {
	replaced := func(suffix string) bool {
		return suffix == logSuffix || slices.Contains(names, fileName(base, suffix+swapSuffix))
	}
	for _, suffix := range swapOrder {
		for _, name := range names {
			offset, ok := parseName(name, suffix)
			if !ok || offset < base || offset >= max(end, base+1) || offset == base && !replaced(suffix) {
				continue
			}
			path := filepath.Join(l.dir, name)
			if err := l.fsys.Rename(path, path+deletedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	// The names of what was replaced are gone before the log takes its place, so
	// that a crash never shows both.
	if err := l.fsys.SyncDir(l.dir); err != nil {
		return err
	}
	for _, suffix := range swapOrder {
		if !replaced(suffix) {
			continue
		}
		path := filepath.Join(l.dir, fileName(base, suffix))
		if err := l.fsys.Rename(path+swapSuffix, path); err != nil {
			return err
		}
		if suffix == txnSuffix {
			if err := l.fsys.SyncDir(l.dir); err != nil {
				return err
			}
		}
	}
	return l.fsys.SyncDir(l.dir)
}
