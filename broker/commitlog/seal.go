package commitlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// segmentSeal is what is remembered of a sealed segment: an index that was emptied, cut or
// changed may look sound, and what it hides nobody would miss. The file
// sealed-segments holds them in the form of Kafka's checkpoints, a line
//
//	base offset │ bytes of .log │ .index │ .timeindex │ .txnindex │ CRC-32C
//
// each; the checksum is over the last entries of .index and .timeindex and all of
// .txnindex. A segment without one was sealed after the last checkpoint, or by
// somebody else: its indexes are compared with its batches once. Two for one segment
// are what it is and what compaction was about to make of it.
type segmentSeal struct {
	logBytes, offsetBytes, timeBytes, txnBytes int64
	crc                                        uint32
}

// sealOf reads the ends of the indexes of a sealed segment.
func (s *segment) sealOf() (found segmentSeal, err error) {
	found = segmentSeal{logBytes: s.sizeBytes.Load(), offsetBytes: s.offsets.sizeBytes(), timeBytes: s.times.sizeBytes(), txnBytes: s.txns.sizeBytes()}
	for _, x := range []*index{s.offsets.index, s.times.index} {
		var p [txnEntryBytes]byte
		ok, err := x.lastEntry(p[:])
		if err != nil {
			return found, err
		}
		if ok {
			found.crc = crc32.Update(found.crc, castagnoli, p[:x.width])
		}
	}
	err = s.txns.each(func(_ int, p []byte) error {
		found.crc = crc32.Update(found.crc, castagnoli, p)
		return nil
	})
	return found, err
}

// checksum is over all entries.
func (x txnIndex) checksum() (bytes, crc uint32, err error) {
	err = x.each(func(_ int, p []byte) error {
		bytes += uint32(len(p))
		crc = crc32.Update(crc, castagnoli, p)
		return nil
	})
	return bytes, crc, err
}

func formatSeals(all map[int64][]segmentSeal) []byte {
	var lines []byte
	count := 0
	for _, base := range sortedKeys(all) {
		for _, s := range all[base] {
			lines = fmt.Appendf(lines, "%d %d %d %d %d %08x\n", base, s.logBytes, s.offsetBytes, s.timeBytes, s.txnBytes, s.crc)
			count++
		}
	}
	return append(fmt.Appendf(nil, "0\n%d\n", count), lines...)
}

func parseSeals(p []byte) (map[int64][]segmentSeal, error) {
	all := map[int64][]segmentSeal{}
	err := parseLines(p, 6, func(fields []string) error {
		var n [5]int64
		for i := range n {
			v, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil || v < 0 {
				return fmt.Errorf("a sealed segment with %.20q", fields[i])
			}
			n[i] = v
		}
		crc, err := strconv.ParseUint(fields[5], 16, 32)
		if err != nil {
			return fmt.Errorf("a sealed segment with checksum %.20q", fields[5])
		}
		all[n[0]] = append(all[n[0]], segmentSeal{n[1], n[2], n[3], n[4], uint32(crc)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func sortedKeys[V any](m map[int64]V) []int64 {
	keys := make([]int64, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readSeals reads the file in a partition's folder. One that is missing or damaged
// says nothing, which err explains if it is damaged.
func readSeals(fsys vfs.FS, dir string) (map[int64][]segmentSeal, error) {
	p, err := vfs.ReadFile(fsys, filepath.Join(dir, sealsFile), maxCheckpointBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return map[int64][]segmentSeal{}, nil
	}
	if err != nil {
		return map[int64][]segmentSeal{}, err
	}
	all, err := parseSeals(p)
	if err != nil {
		return map[int64][]segmentSeal{}, fmt.Errorf("%s: %w", sealsFile, err)
	}
	return all, nil
}

// seals are those of a log's segments. Its lock is held while the file is written.
type seals struct {
	mu    sync.Mutex
	of    map[int64][]segmentSeal // by base offset
	dirty bool                    // not written yet
}

func (a *seals) set(base int64, s ...segmentSeal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[base], a.dirty = s, true
}

func (a *seals) add(base int64, s segmentSeal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.of[base], a.dirty = append(slices.Clip(a.of[base]), s), true
}

// get returns the seals of a segment; none means that nothing is known of it.
func (a *seals) get(base int64) []segmentSeal {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of[base]
}

// writeSeals writes those of the segments that are there durably, if there are new
// ones. It takes mu.
func (l *Log) writeSeals() error {
	l.mu.RLock()
	segments := l.segments
	l.mu.RUnlock()
	active := segments[len(segments)-1].base
	a := &l.seals
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.dirty {
		return nil
	}
	kept := make(map[int64][]segmentSeal, len(segments))
	for base, of := range a.of {
		// One that is not below the active segment was sealed just now.
		if base >= active || segments[segmentOf(segments, base)].base == base {
			kept[base] = of
		}
	}
	if err := writeFile(l.fsys, filepath.Join(l.dir, sealsFile), formatSeals(kept)); err != nil {
		return err
	}
	a.of, a.dirty = kept, false
	return nil
}

// indexesFit reports whether the time index and the aborted transactions of a sealed
// segment are what its batches give. It reads their headers.
func (l *Log) indexesFit(s *segment) (bool, error) {
	largest, aborts, err := s.summarize()
	if err != nil {
		return false, err
	}
	timestamp, _, ok, err := s.times.lastPoint()
	if err != nil || ok != (largest >= 0) || ok && timestamp != largest {
		return false, err
	}
	if !aborts {
		return s.txns.sizeBytes() == 0, nil
	}
	var want, have []AbortedTxn
	table := l.producersAt(s.base)
	_, err = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		aborted, ok, err := table.replay(b)
		if ok {
			want = append(want, aborted)
		}
		return err
	})
	if err == nil {
		err = s.txns.each(func(_ int, p []byte) error {
			t, err := parseAbortedTxn(p)
			have = append(have, t)
			return err
		})
	}
	return err == nil && slices.Equal(want, have), err
}

// summarize returns the largest timestamp of a record, or −1, and whether there are
// markers of aborted transactions. It reads the headers of all batches.
func (s *segment) summarize() (largest int64, aborts bool, err error) {
	largest = record.NoTimestamp
	_, err = s.scan(0, s.sizeBytes.Load(), true, func(b record.Batch, _ int64) error {
		if b.Count() > 0 {
			largest = max(largest, b.MaxTimestamp())
		}
		aborts = aborts || isAbortMarker(b)
		return nil
	})
	return largest, aborts, err
}
