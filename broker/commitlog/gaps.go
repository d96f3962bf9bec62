package commitlog

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/record"
)

// Gap is a range of offsets that no segment of a log holds, though neither retention
// nor compaction removed them: somebody or something removed the files, or emptied
// them. The log is served with the hole; whoever opens it tells of it.
type Gap struct {
	FirstOffset int64
	EndOffset   int64 // exclusive
}

func (g Gap) fault() string {
	return fmt.Sprintf("offsets %d to %d are missing: the segment that held them is gone", g.FirstOffset, g.EndOffset-1)
}

// gapFinder finds the gaps of one log, whose segments it is shown from the first on.
type gapFinder struct {
	names   []string // of the files in the folder, in order
	cleaned int64    // below it compaction may have left anything out
	compact bool     // compaction may have left out anything at all
	givenUp []Gap    // by repairs
	found   []Gap
}

// start notes where the log begins; state is what it remembers of that, if known.
func (g *gapFinder) start(first int64, state logState, known bool) {
	if known && state.startOffset < first {
		g.note(Gap{state.startOffset, first})
	}
}

// between notes that the segment at base holds offsets below end, and that the next
// one begins at next. Where compaction may have been at work only the indexes of a
// removed segment tell of it.
func (g *gapFinder) between(base, end, next int64) {
	if !g.compact && next > g.cleaned {
		if end < next {
			g.note(Gap{end, next})
		}
		return
	}
	if orphan, ok := g.orphan(base, next); ok {
		g.note(Gap{max(orphan, end), next})
	}
}

// resized reports whether a sealed segment is not of a size that it was sealed with,
// and notes as missing what it may have held. next is the base offset of the one
// after it.
func (g *gapFinder) resized(s *segment, next int64, was []segmentSeal) bool {
	size := s.sizeBytes.Load()
	if !otherSize(size, was) {
		return false
	}
	end, ok := s.lastEnd()
	if !ok {
		end = s.base
	}
	g.lost(s.base, end, next, size, was)
	return true
}

// inspectSize is resized for a segment whose end is known.
func (g *gapFinder) inspectSize(o Options, base, end, next int64, was []segmentSeal) error {
	info, err := o.FS.Stat(filepath.Join(o.Dir, fileName(base, logSuffix)))
	if err == nil && otherSize(info.SizeBytes, was) {
		g.lost(base, end, next, info.SizeBytes, was)
	}
	return err
}

func otherSize(size int64, was []segmentSeal) bool {
	return len(was) > 0 && !slices.ContainsFunc(was, func(w segmentSeal) bool { return w.logBytes == size })
}

// lost notes what is missing of a segment that holds offsets below end: what is behind
// them, or all of it if it has grown, for then it is another one.
func (g *gapFinder) lost(base, end, next, size int64, was []segmentSeal) {
	first := end
	if !slices.ContainsFunc(was, func(w segmentSeal) bool { return w.logBytes > size }) {
		first = base
	}
	if first < next && !slices.ContainsFunc(g.found, func(known Gap) bool { return known.EndOffset == next }) {
		g.note(Gap{first, next})
	}
}

// needsEnd reports whether between looks at the end of a segment before next.
func (g *gapFinder) needsEnd(base, next int64) bool {
	_, orphan := g.orphan(base, next)
	return orphan || !g.compact && next > g.cleaned
}

// note adds a gap, unless a repair has made it.
func (g *gapFinder) note(gap Gap) {
	if !covered(gap, g.givenUp) {
		g.found = append(g.found, gap)
	}
}

// orphan returns the first offset between two segments at which an index stands
// without a log.
func (g *gapFinder) orphan(base, next int64) (int64, bool) {
	from, _ := slices.BinarySearch(g.names, fileName(base+1, ""))
	for _, name := range g.names[from:] {
		if name >= fileName(next, "") {
			break
		}
		for _, suffix := range []string{indexSuffix, timeSuffix, txnSuffix} {
			if offset, ok := parseName(name, suffix); ok {
				return offset, true
			}
		}
	}
	return 0, false
}

// lastEnd is the offset after the last batch of a sealed segment, by the last entry
// of its index and the headers behind it. ok is false if those cannot be read.
func (s *segment) lastEnd() (end int64, ok bool) {
	_, pos, _, err := s.offsets.lastPoint()
	if err != nil {
		return 0, false
	}
	end = s.base
	_, err = s.scan(pos, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		end = b.NextOffset()
		return nil
	})
	return end, err == nil
}

// warnOfGaps says once per opening which offsets are missing.
func (l *Log) warnOfGaps() {
	const most = 10
	for i, g := range l.recovery.Gaps {
		if i == most {
			l.logger.Warn("more offsets of the log are missing", "dir", l.dir, "gaps", len(l.recovery.Gaps)-most)
			return
		}
		l.logger.Warn("offsets are missing: a segment that held them is gone; the rest of the log is served", "topic", l.options.Topic, "partition", l.options.Partition,
			"dir", filepath.Clean(l.dir), "first_offset", g.FirstOffset, "last_offset", g.EndOffset-1, "remedy", "stop, and restore the partition's folder from a copy, if these records are needed")
	}
}
