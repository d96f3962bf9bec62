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
//	version(4)=1 │ CRC-32C of what follows(4) │ durable offset(8) │
//	log start offset(8) │ cleaned offset(8)
//
// It is written in place and in turn to two slots of one sector each, after every
// group commit, and synced at checkpoints: what a crash leaves is old at worst,
// and an old durable offset is still true.
type logState struct {
	durableOffset, startOffset, cleanedOffset int64
}

const (
	stateVersion   = 1
	stateBytes     = 32
	stateSlotBytes = 512
)

func (s logState) append(dst []byte) []byte {
	be := binary.BigEndian
	start := len(dst)
	dst = be.AppendUint32(dst, stateVersion)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint64(dst, uint64(s.durableOffset))
	dst = be.AppendUint64(dst, uint64(s.startOffset))
	dst = be.AppendUint64(dst, uint64(s.cleanedOffset))
	be.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// parseLogState returns the newest of the slots; ok is false if none is whole.
func parseLogState(p []byte) (s logState, ok bool) {
	be := binary.BigEndian
	for at := 0; at+stateBytes <= len(p) && at <= stateSlotBytes; at += stateSlotBytes {
		slot := p[at : at+stateBytes]
		if be.Uint32(slot) != stateVersion || be.Uint32(slot[4:]) != crc32.Checksum(slot[8:], castagnoli) {
			continue
		}
		found := logState{int64(be.Uint64(slot[8:])), int64(be.Uint64(slot[16:])), int64(be.Uint64(slot[24:]))}
		if found.durableOffset < 0 || found.startOffset < 0 || found.cleanedOffset < 0 {
			continue
		}
		s.durableOffset = max(s.durableOffset, found.durableOffset)
		s.startOffset = max(s.startOffset, found.startOffset)
		s.cleanedOffset = max(s.cleanedOffset, found.cleanedOffset)
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
	state, ok := parseLogState(p)
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
	s := logState{durableOffset: l.durable, startOffset: l.start, cleanedOffset: l.cleaned}
	l.mu.RUnlock()
	var p [stateBytes]byte
	s.append(p[:0])
	l.stateSlot ^= 1
	if _, err := l.stateFile.WriteAt(p[:], l.stateSlot*stateSlotBytes); err != nil {
		return err
	}
	if sync {
		return l.stateFile.Sync()
	}
	return nil
}
