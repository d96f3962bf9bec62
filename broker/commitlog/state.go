package commitlog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"path/filepath"
)

// logState is what the log itself remembers between two openings:
//
//	version(4)=2 │ CRC-32C of the folder's name and of what follows(4) │
//	durable offset(8) │ log start offset(8) │ cleaned offset(8) │
//	checkpoint offset(8) │ CRC-32C of the producer snapshot(4) │
//	bytes of the active .timeindex(4) │ of its .txnindex(4) │ CRC-32C of the latter(4)
//
// It is written in place and in turn to two slots of one sector each, after every
// group commit, and synced at checkpoints: what a crash leaves is old at worst,
// and an old durable offset is still true. Version 1 ended with the cleaned offset,
// and its checksum did not know the folder. The state of another partition's folder
// is none of this one.
type logState struct {
	durableOffset, startOffset, cleanedOffset int64
	checkpoint                                checkpointMark
}

// start is the log start offset: that of the state, which has a checksum, if there is
// one. The data directory's checkpoint has the say in a folder that Kafka has made, or
// whose state is lost; were the larger one taken, a changed digit would hide records.
func (s logState) start(known bool, o Options) int64 {
	if known {
		return s.startOffset
	}
	return o.LogStartOffset
}

// checkpointMark is what a checkpoint left in other files at its offset. The zero
// value says nothing.
type checkpointMark struct {
	offset      int64 // in the snapshot's name
	snapshotCRC uint32
	timeBytes   uint32 // of the .timeindex of the segment that was active
	txnBytes    uint32 // of its .txnindex
	txnCRC      uint32
}

const (
	stateVersion    = 2
	stateBytes      = 56
	oldStateVersion = 1
	oldStateBytes   = 32
	stateSlotBytes  = 512
)

// append appends the state of the partition whose folder is dir.
func (s logState) append(dst []byte, dir string) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint32(dst, stateVersion)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint64(dst, uint64(s.durableOffset))
	dst = be.AppendUint64(dst, uint64(s.startOffset))
	dst = be.AppendUint64(dst, uint64(s.cleanedOffset))
	dst = be.AppendUint64(dst, uint64(s.checkpoint.offset))
	dst = be.AppendUint32(dst, s.checkpoint.snapshotCRC)
	dst = be.AppendUint32(dst, s.checkpoint.timeBytes)
	dst = be.AppendUint32(dst, s.checkpoint.txnBytes)
	dst = be.AppendUint32(dst, s.checkpoint.txnCRC)
	be.PutUint32(dst[start+4:], stateCRC(dst[start+8:], dir))
	return dst
}

func stateCRC(p []byte, dir string) uint32 {
	return crc32.Update(crc32.Checksum([]byte(filepath.Base(dir)), castagnoli), castagnoli, p)
}

// parseStateSlot returns what one slot says, if it is whole and of this folder.
func parseStateSlot(p []byte, dir string) (s logState, ok bool) {
	be := binary.BigEndian
	if len(p) < oldStateBytes {
		return s, false
	}
	switch version := be.Uint32(p); {
	case version == oldStateVersion && be.Uint32(p[4:]) == crc32.Checksum(p[8:oldStateBytes], castagnoli):
	case version == stateVersion && len(p) >= stateBytes && be.Uint32(p[4:]) == stateCRC(p[8:stateBytes], dir):
		s.checkpoint = checkpointMark{int64(be.Uint64(p[32:])), be.Uint32(p[40:]), be.Uint32(p[44:]), be.Uint32(p[48:]), be.Uint32(p[52:])}
	default:
		return s, false
	}
	s.durableOffset, s.startOffset, s.cleanedOffset = int64(be.Uint64(p[8:])), int64(be.Uint64(p[16:])), int64(be.Uint64(p[24:]))
	return s, s.durableOffset >= 0 && s.startOffset >= 0 && s.cleanedOffset >= 0 && s.checkpoint.offset >= 0
}

// parseLogState returns the newest of what the slots say; ok is false if none is
// whole and of this folder.
func parseLogState(p []byte, dir string) (s logState, ok bool) {
	for at := 0; at < len(p) && at <= stateSlotBytes; at += stateSlotBytes {
		found, whole := parseStateSlot(p[at:min(at+stateSlotBytes, len(p))], dir)
		if !whole {
			continue
		}
		s.durableOffset = max(s.durableOffset, found.durableOffset)
		s.startOffset = max(s.startOffset, found.startOffset)
		s.cleanedOffset = max(s.cleanedOffset, found.cleanedOffset)
		if found.checkpoint.offset >= s.checkpoint.offset {
			s.checkpoint = found.checkpoint
		}
		ok = true
	}
	return s, ok
}

func (l *Log) openState() (logState, bool, error) {
	path := filepath.Join(l.dir, stateFile)
	f, err := l.fsys.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = l.fsys.Create(path)
	}
	if err != nil {
		return logState{}, false, err
	}
	l.stateFile = f
	size, err := f.Size()
	if err != nil {
		return logState{}, false, err
	}
	p := make([]byte, min(size, 2*stateSlotBytes))
	if len(p) > 0 {
		if _, err := f.ReadAt(p, 0); err != nil {
			return logState{}, false, err
		}
	}
	state, ok := parseLogState(p, l.dir)
	return state, ok, nil
}

// writeState records durable, start and cleaned offset; sync makes it durable. A
// failure without sync is of no consequence: the file then says less than is true.
func (l *Log) writeState(sync bool) error {
	l.stateMu.Lock()
	defer l.stateMu.Unlock()
	if l.stateFile == nil {
		return nil
	}
	l.mu.RLock()
	s := logState{durableOffset: l.durable, startOffset: l.start, cleanedOffset: l.cleaned, checkpoint: l.mark}
	l.mu.RUnlock()
	var p [stateBytes]byte
	s.append(p[:0], l.dir)
	if !sync {
		return l.writeStateSlot(p[:])
	}
	// In both: a later write that goes wrong spoils one of them.
	for range 2 {
		if err := l.writeStateSlot(p[:]); err != nil {
			return err
		}
		if err := l.stateFile.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) writeStateSlot(p []byte) error {
	l.stateSlot ^= 1
	_, err := l.stateFile.WriteAt(p, l.stateSlot*stateSlotBytes)
	return err
}
