package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// The file given-up-offsets, in the form of Kafka's checkpoints, holds a line "first
// end" (exclusive) for each range of offsets that a repair gave up: what is missing
// there is known, and anything else that is missing is not.

func formatGivenUp(ranges []Gap) []byte {
	p := fmt.Appendf(nil, "0\n%d\n", len(ranges))
	for _, r := range ranges {
		p = fmt.Appendf(p, "%d %d\n", r.FirstOffset, r.EndOffset)
	}
	return p
}

func parseGivenUp(p []byte) (ranges []Gap, err error) {
	err = parseLines(p, 2, func(fields []string) error {
		first, err1 := strconv.ParseInt(fields[0], 10, 64)
		end, err2 := strconv.ParseInt(fields[1], 10, 64)
		if err1 != nil || err2 != nil || first < 0 || end < first {
			return fmt.Errorf("offsets %.20q to %.20q", fields[0], fields[1])
		}
		ranges = append(ranges, Gap{first, end})
		return nil
	})
	return ranges, err
}

// readGivenUp reads the file in a partition's folder; a missing one is empty.
func readGivenUp(fsys vfs.FS, dir string) ([]Gap, error) {
	p, err := vfs.ReadFile(fsys, filepath.Join(dir, givenUpFile), maxCheckpointBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ranges, err := parseGivenUp(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", givenUpFile, err)
	}
	return ranges, nil
}

// giveUp notes a range durably. What an unreadable file said is not known any more.
func giveUp(o Options, r Gap) error {
	ranges, err := readGivenUp(o.FS, o.Dir)
	if err != nil {
		o.Logger.Warn("what was given up before is unreadable", "dir", o.Dir, "file", givenUpFile, "error", err)
	}
	if r.EndOffset <= r.FirstOffset {
		return nil
	}
	return writeFile(o.FS, filepath.Join(o.Dir, givenUpFile), formatGivenUp(append(ranges, r)))
}

// covered reports whether all of a gap lies in the ranges.
func covered(g Gap, ranges []Gap) bool {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b Gap) int { return int(min(max(a.FirstOffset-b.FirstOffset, -1), 1)) })
	for _, r := range ranges {
		if r.FirstOffset > g.FirstOffset {
			break
		}
		g.FirstOffset = max(g.FirstOffset, r.EndOffset)
	}
	return g.FirstOffset >= g.EndOffset
}
