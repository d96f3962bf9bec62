package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

const damagedSuffix = ".damaged"

// Repaired says what a repair gave up.
type Repaired struct {
	FirstLostOffset int64 // offsets from here …
	EndLostOffset   int64 // … to here (exclusive) are gone; the log's end if nothing follows
	LostBytes       int64
	KeptBytes       int64  // behind the damage
	Copy            string // the damaged file as it was
}

// Repair takes a damaged part out of a log that cannot be opened: the batches before
// it and those behind it that are whole stay, with their offsets. The damaged file
// is kept beside the new one, with the suffix .damaged, and a number if there is one of
// an earlier repair. The log must not be open; o is
// as for [Open]. If the damage is not where the error says, nothing is changed.
//
// Open the log again afterwards: a file damaged in two places is repaired twice.
func Repair(o Options, damage *DamageError) (Repaired, error) {
	o.setDefaults()
	r := Repaired{FirstLostOffset: damage.Offset}
	if o.Dir != damage.Dir || filepath.Base(damage.File) != damage.File {
		return r, fmt.Errorf("repair %s: the damage is in %s/%s", o.Dir, damage.Dir, damage.File)
	}
	if strings.HasSuffix(damage.File, swapSuffix) {
		return r, repairSwap(o, damage)
	}
	path := filepath.Join(o.Dir, damage.File)
	content, err := vfs.ReadFile(o.FS, path, 1<<32)
	gone := errors.Is(err, fs.ErrNotExist)
	if gone {
		err = vfs.MakeFolder(o.FS, o.Dir)
	}
	if err != nil {
		return r, fmt.Errorf("repair: %w", err)
	}
	pos, next, err := checkPrefix(content, damage)
	if err != nil {
		return r, err
	}
	names, err := o.FS.List(o.Dir)
	if err != nil {
		return r, fmt.Errorf("repair: %w", err)
	}
	resume, offset := findBatch(content, pos, next, nextSegment(names, damage.SegmentOffset))
	r.LostBytes, r.KeptBytes, r.EndLostOffset = resume-pos, int64(len(content))-resume, offset
	// Offsets that were given once must not be given again.
	ends := resume == int64(len(content)) && !slices.ContainsFunc(names, func(name string) bool {
		base, ok := parseName(name, logSuffix)
		return ok && base > damage.SegmentOffset
	})
	if ends {
		r.EndLostOffset = max(offset, damage.DurableOffset)
	} else if resume == int64(len(content)) {
		r.EndLostOffset = max(offset, nextSegment(names, damage.SegmentOffset))
	}
	r.Copy = copyName(names, damage.File)
	if err := writeFile(o.FS, filepath.Join(o.Dir, r.Copy), content); err != nil {
		return r, fmt.Errorf("repair: keep a copy: %w", err)
	}
	if err := giveUp(o, Gap{r.FirstLostOffset, r.EndLostOffset}); err != nil {
		return r, fmt.Errorf("repair: %w", err)
	}
	// What was made from the damaged bytes is made anew.
	if err := dropDerived(o, damage.SegmentOffset, damage.Offset); err != nil {
		return r, fmt.Errorf("repair: %w", err)
	}
	whole := append(content[:pos:pos], content[resume:]...)
	if ends && r.EndLostOffset > next {
		if err := writeFile(o.FS, filepath.Join(o.Dir, fileName(r.EndLostOffset, logSuffix)), nil); err != nil {
			return r, fmt.Errorf("repair: %w", err)
		}
	}
	if ends && len(whole) == 0 && r.EndLostOffset > damage.SegmentOffset {
		err = o.FS.Remove(path)
		if gone && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		err = errors.Join(err, o.FS.SyncDir(o.Dir))
	} else {
		err = writeFile(o.FS, path, whole)
	}
	if err != nil {
		return r, fmt.Errorf("repair: %w", err)
	}
	o.Logger.Warn("repaired a damaged log", "dir", o.Dir, "file", damage.File, "position", pos, "lost_bytes", r.LostBytes, "first_lost_offset", r.FirstLostOffset, "end_lost_offset", r.EndLostOffset)
	return r, nil
}

// copyName is the name under which the damaged file is kept.
func copyName(names []string, file string) string {
	name := file + damagedSuffix
	for n := 2; slices.Contains(names, name); n++ {
		name = fmt.Sprintf("%s%s.%d", file, damagedSuffix, n)
	}
	return name
}

// checkPrefix checks that the file is whole up to the damage and not beyond, and
// returns the position and the offset there.
func checkPrefix(content []byte, damage *DamageError) (pos, next int64, err error) {
	next = damage.SegmentOffset
	for pos < int64(len(content)) {
		b, _, err := record.Next(content[pos:])
		if err == nil {
			err = b.CheckHeader()
		}
		if err == nil {
			err = b.CheckCRC()
		}
		if err != nil || b.BaseOffset() < next {
			break
		}
		if pos >= damage.Pos && !damage.atEnd(content) {
			break
		}
		pos += int64(len(b))
		next = b.NextOffset()
	}
	if pos != damage.Pos {
		return 0, 0, fmt.Errorf("repair: %s is whole up to byte %d, the error says %d: open the log again", damage.File, pos, damage.Pos)
	}
	if pos < int64(len(content)) {
		b, _, err := record.Next(content[pos:])
		if err == nil && b.CheckHeader() == nil && b.CheckCRC() == nil && b.BaseOffset() >= next && !(damage.Misplaced && b.BaseOffset() > next) {
			return 0, 0, fmt.Errorf("repair: the batch at byte %d of %s is whole: open the log again", pos, damage.File)
		}
	}
	return pos, next, nil
}

// atEnd reports whether what is damaged is that the file ends too early.
func (e *DamageError) atEnd(content []byte) bool { return e.Pos >= int64(len(content)) }

// nextSegment is the base offset of the segment after the one at base, or 0.
func nextSegment(names []string, base int64) int64 {
	next := int64(0)
	for _, name := range names {
		if at, ok := parseName(name, logSuffix); ok && at > base && (next == 0 || at < next) {
			next = at
		}
	}
	return next
}

// findBatch looks for the next whole batch behind pos and returns its position and
// base offset, or the end of the content. end is where the next segment begins, or 0.
func findBatch(content []byte, pos, next, end int64) (resume, offset int64) {
	for at := pos + 1; at+record.HeaderBytes <= int64(len(content)); at++ {
		if content[at+record.PrefixBytes-1] != record.Magic {
			continue
		}
		b, _, err := record.Next(content[at:])
		if err == nil && b.CheckHeader() == nil && b.BaseOffset() >= next && (end == 0 || b.BaseOffset() < end) && b.CheckCRC() == nil {
			return at, b.BaseOffset()
		}
	}
	return int64(len(content)), next
}

// dropDerived removes a segment's indexes, the snapshots above the damage, and the
// durable offset, which no longer holds.
func dropDerived(o Options, base, offset int64) error {
	names, err := o.FS.List(o.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		drop := name == stateFile
		for _, suffix := range []string{indexSuffix, timeSuffix, txnSuffix} {
			drop = drop || name == fileName(base, suffix)
		}
		if at, ok := parseName(name, snapshotSuffix); ok && at > offset {
			drop = true
		}
		if drop && name == stateFile {
			if err := lowerState(o, offset); err != nil {
				return err
			}
			continue
		}
		if drop {
			if err := o.FS.Remove(filepath.Join(o.Dir, name)); err != nil {
				return err
			}
		}
	}
	return errors.Join(dropSeal(o, base), o.FS.SyncDir(o.Dir))
}

// dropSeal forgets what the segment was when it was sealed.
func dropSeal(o Options, base int64) error {
	all, err := readSeals(o.FS, o.Dir)
	if err != nil || all[base] == nil {
		return nil // what is unreadable says nothing of the others either
	}
	delete(all, base)
	return writeFile(o.FS, filepath.Join(o.Dir, sealsFile), formatSeals(all))
}

// lowerState rewrites the state file with a durable offset that is true.
func lowerState(o Options, durable int64) error {
	path := filepath.Join(o.Dir, stateFile)
	p, err := vfs.ReadFile(o.FS, path, 1<<16)
	if err != nil {
		return err
	}
	s, _ := parseLogState(p, o.Dir)
	s.durableOffset = min(s.durableOffset, durable)
	return writeFile(o.FS, path, s.append(nil, o.Dir))
}

// repairSwap gives a damaged output of compaction up, if what it was made from is
// still there.
func repairSwap(o Options, damage *DamageError) error {
	original := filepath.Join(o.Dir, strings.TrimSuffix(damage.File, swapSuffix))
	if _, err := o.FS.Stat(original); errors.Is(err, fs.ErrNotExist) {
		// The originals are gone: it becomes the log, and is repaired as such.
		if err := o.FS.Rename(original+swapSuffix, original); err != nil {
			return fmt.Errorf("repair: %w", err)
		}
		return o.FS.SyncDir(o.Dir)
	} else if err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if err := o.FS.Remove(original + swapSuffix); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	return o.FS.SyncDir(o.Dir)
}
