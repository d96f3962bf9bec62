package commitlog

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// Finding is something that [Inspect] has to say about a file of a log.
type Finding struct {
	File   string `json:"file"`   // name in the log's folder
	Pos    int64  `json:"pos"`    // in bytes; −1 if it is about the whole file
	Offset int64  `json:"offset"` // of the record from which on it matters, or −1
	Fault  string `json:"fault"`
	// Remedy says what happens or is to be done about it.
	Remedy string `json:"remedy"`
	// Harmless findings need nobody: opening the log mends them and loses nothing
	// that was confirmed.
	Harmless bool `json:"harmless"`
	// Damage is what Repair takes; nil if there is nothing to repair.
	Damage *DamageError `json:"-"`
}

const (
	remedyRepair  = "restore the partition's folder from a copy, or give the damaged part up with dovetail log repair"
	remedyRebuild = "none needed: it is made anew when the log is opened"
	remedyCut     = "none needed: it was never confirmed and is cut off when the log is opened"
)

// Inspect reads all files of a log that is not open and says what is wrong with
// them. It changes nothing. A folder that is missing is an empty one. In each segment it stops at the first fault. Of o it uses
// FS, Dir, TopicID, RecoveryPoint, LogStartOffset, Config.Compact and Config.MaxUncompressedBytes. The error is for files that
// cannot be read at all.
func Inspect(o Options) ([]Finding, error) {
	o.setDefaults()
	names, err := o.FS.List(o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var found []Finding
	durable, state, stateKnown := o.RecoveryPoint, logState{}, false
	if slices.Contains(names, stateFile) {
		p, err := vfs.ReadFile(o.FS, filepath.Join(o.Dir, stateFile), 1<<16)
		if err != nil {
			return nil, err
		}
		if state, stateKnown = parseLogState(p, o.Dir); stateKnown {
			durable = max(durable, state.durableOffset)
		} else {
			found = append(found, Finding{File: stateFile, Pos: -1, Offset: -1, Fault: "neither copy of the state is whole", Remedy: remedyRebuild, Harmless: true})
		}
	}
	var bases []int64
	for _, name := range names {
		if base, ok := parseName(name, logSuffix); ok {
			bases = append(bases, base)
		}
		f, err := inspectSmall(o, name)
		if err != nil {
			return nil, err
		}
		found = append(found, f...)
	}
	slices.Sort(bases)
	gaps := &gapFinder{names: names, cleaned: state.cleanedOffset, compact: o.Config.Compact}
	var unknown error
	gaps.givenUp, unknown = readGivenUp(o.FS, o.Dir) // inspectSmall reports it
	if len(bases) > 0 {
		gaps.start(bases[0], state, stateKnown)
	} else if start := state.start(stateKnown, o); durable > start {
		name, cause := fileName(start, logSuffix), fmt.Errorf("all segments are gone, with offsets %d to %d", start, durable-1)
		found = append(found, Finding{File: name, Pos: -1, Offset: start, Fault: cause.Error(), Remedy: remedyRepair,
			Damage: &DamageError{Dir: o.Dir, File: name, SegmentOffset: start, Offset: start, DurableOffset: durable, Cause: cause}})
	}
	sealed, _ := readSeals(o.FS, o.Dir) // inspectSmall reports it
	for i, base := range bases {
		next := int64(-1)
		if i+1 < len(bases) {
			next = bases[i+1]
		}
		if next < 0 && stateKnown {
			durable = max(durable, base) // a segment is synced before the next is made
		}
		order := batchOrder{next: base, end: next, dense: unknown == nil && state.isDense(stateKnown, o, base, next < 0), holes: gaps.givenUp}
		if next < 0 {
			order.end = math.MaxInt64
		}
		end, f, err := inspectSegment(o, base, next, durable, order, sealed[base])
		if err != nil {
			return nil, err
		}
		found = append(found, f...)
		if next >= 0 && !slices.ContainsFunc(f, func(f Finding) bool { return !f.Harmless }) {
			gaps.between(base, end, next)
			if err := gaps.inspectSize(o, base, end, next, sealed[base]); err != nil {
				return nil, err
			}
		}
	}
	for _, g := range gaps.found {
		found = append(found, Finding{File: fileName(g.FirstOffset, logSuffix), Pos: -1, Offset: g.FirstOffset, Fault: g.fault(),
			Remedy: "restore the partition's folder from a copy, if these records are needed; the rest of the log is served as it is"})
	}
	return found, nil
}

// inspectSmall looks at the files beside the segments.
func inspectSmall(o Options, name string) ([]Finding, error) {
	f := Finding{File: name, Pos: -1, Offset: -1, Remedy: remedyRebuild, Harmless: true}
	_, isSnapshot := parseName(name, snapshotSuffix)
	var err error
	switch {
	case isSnapshot:
		_, err = readSnapshot(o.FS, filepath.Join(o.Dir, name))
	case name == epochFile:
		var p []byte
		if p, err = vfs.ReadFile(o.FS, filepath.Join(o.Dir, name), maxCheckpointBytes); err != nil {
			return nil, err
		}
		_, err = parseEpochs(p)
	case name == givenUpFile:
		_, err = readGivenUp(o.FS, o.Dir)
		f.Remedy, f.Harmless = "restore it from a copy, or leave it: what repairs gave up is reported as missing, and is no more missing than before", true
	case name == sealsFile:
		_, err = readSeals(o.FS, o.Dir)
	case name == partitionFile:
		var id [16]byte
		if id, err = ReadTopicID(o.FS, o.Dir); err == nil {
			err = o.compareTopicID(id)
		}
		f.Remedy, f.Harmless = "restore it from a copy, or remove it if the folder is this topic's: it is written anew", false
	}
	if err == nil {
		return nil, nil
	}
	f.Fault = err.Error()
	return []Finding{f}, nil
}

// inspectSegment reads every record of a segment and the ends of its indexes. next is
// the base offset of the segment after it, or −1; end the offset after the last batch
// that is whole.
func inspectSegment(o Options, base, next, durable int64, order batchOrder, sealed []segmentSeal) (end int64, _ []Finding, _ error) {
	s := newSegment(o.FS, o.Dir, base)
	defer s.closeFiles()
	info, err := o.FS.Stat(s.path(logSuffix))
	if err != nil {
		return end, nil, err
	}
	s.sizeBytes.Store(info.SizeBytes)
	name := fileName(base, logSuffix)
	end = base
	var content error // of a batch that is whole
	aborts := false
	pos, scanErr := s.scan(0, info.SizeBytes, false, func(b record.Batch, pos int64) error {
		if err := b.CheckHeader(); err != nil {
			return err
		}
		if err := b.CheckCRC(); err != nil {
			return err
		}
		if err := order.take(b); err != nil {
			return err
		}
		if _, content = b.CheckRecords(false, o.Config.MaxUncompressedBytes); content != nil {
			return errStop
		}
		end = b.NextOffset()
		aborts = aborts || isAbortMarker(b)
		return nil
	})
	f := Finding{File: name, Pos: pos, Offset: end}
	var fault *record.Error
	switch {
	case content != nil:
		f.Fault = fmt.Sprintf("a batch whose checksum is right, with records that are not: %v", content)
		f.Remedy = "restore the partition's folder from a copy: the batch was written like this, or changed with its checksum"
		return end, []Finding{f}, nil
	case scanErr != nil && !errors.As(scanErr, &fault):
		return end, nil, scanErr
	case scanErr == nil && next < 0 && end < durable:
		scanErr = fmt.Errorf("the log ends at offset %d, below the durable offset %d", end, durable)
	}
	if scanErr != nil {
		f.Fault, f.Remedy = scanErr.Error(), remedyRepair
		if next < 0 && end >= durable {
			f.Remedy, f.Harmless = remedyCut, true
			return end, []Finding{f}, nil
		}
		f.Damage = &DamageError{Dir: o.Dir, File: name, SegmentOffset: base, Pos: pos, Offset: end, DurableOffset: durable, Misplaced: isMisplaced(scanErr), Cause: scanErr}
		return end, []Finding{f}, nil
	}
	if _, err := o.FS.Stat(s.path(txnSuffix)); aborts && errors.Is(err, fs.ErrNotExist) {
		return end, []Finding{{File: fileName(base, txnSuffix), Pos: -1, Offset: base, Fault: "the index of aborted transactions is missing, and the segment has markers of some", Remedy: remedyRebuild, Harmless: true}}, nil
	}
	if next >= 0 {
		err := s.indexesEndIn(next)
		if err == nil && len(sealed) > 0 {
			var is segmentSeal
			if is, err = s.sealOf(); err == nil && !slices.Contains(sealed, is) {
				err = errors.New("not those that were sealed")
			}
		}
		if err != nil {
			return end, []Finding{{File: fileName(base, indexSuffix), Pos: -1, Offset: base, Fault: "the indexes of this segment are missing or do not fit it", Remedy: remedyRebuild, Harmless: true}}, nil
		}
	}
	return end, nil, nil
}
