package commitlog

import (
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/dovetail-dev/dovetail/broker/record"
)

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
	sealed, err := out.finish()
	if err != nil {
		return err
	}
	// What the segment is going to be is known before it can take its place.
	k.l.seals.add(group[0].base, sealed)
	if err := k.l.writeSeals(); err != nil {
		return err
	}
	if err := out.offer(); err != nil {
		return err
	}
	k.result.BytesAfter += out.pos
	k.result.Segments += len(group)
	k.result.SegmentsLeft++
	err = k.l.replaceSegments(group, out, time.UnixMilli(k.now))
	if err == nil {
		k.l.seals.set(group[0].base, sealed)
	}
	return err
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
