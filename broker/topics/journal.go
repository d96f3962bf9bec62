package topics

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

const (
	journalName  = "metadata.log"
	journalMagic = "DVTLMD\x00\x01"
	entryHeader  = 12
	// maxEntryBytes bounds an entry, written or read.
	maxEntryBytes = 16 << 20
	// maxJournalBytes bounds a file that is read.
	maxJournalBytes = 4 << 30
	// newSuffix marks a journal that is about to replace the one without it.
	newSuffix = ".new"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// change is one fact that is from now on, or, without a value, is no more.
type change struct {
	Kind  string          `json:"kind"`
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value,omitempty"`
}

// DamageError says that a file of the data directory is not what was written.
// Nothing has been changed: restore the file, or cut it at Pos and lose what
// follows.
type DamageError struct {
	File  string
	Pos   int64 // of the damaged entry
	Cause string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("%s is damaged at byte %d: %s; restore the file from a copy, or cut it there and lose the changes behind", e.File, e.Pos, e.Cause)
}

// appendEntry appends changes as an entry.
func appendEntry(dst []byte, changes []change) ([]byte, error) {
	payload, err := json.Marshal(changes)
	if err != nil {
		return dst, err
	}
	if len(payload) > maxEntryBytes {
		return dst, fmt.Errorf("change of %d bytes: the limit is %d", len(payload), maxEntryBytes)
	}
	var head [entryHeader]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(payload)))
	binary.BigEndian.PutUint32(head[4:], crc32.Checksum(head[:4], castagnoli))
	binary.BigEndian.PutUint32(head[8:], crc32.Checksum(payload, castagnoli))
	return append(append(dst, head[:]...), payload...), nil
}

var errTorn = errors.New("no whole entry")

// readEntry reads the entry at the start of src and returns how long it is.
func readEntry(src []byte) (changes []change, size int, err error) {
	if len(src) < entryHeader {
		return nil, 0, errTorn
	}
	n := binary.BigEndian.Uint32(src)
	if crc32.Checksum(src[:4], castagnoli) != binary.BigEndian.Uint32(src[4:]) || n > maxEntryBytes || int(n) > len(src)-entryHeader {
		return nil, 0, errTorn
	}
	payload := src[entryHeader : entryHeader+int(n)]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(src[8:]) {
		return nil, 0, errTorn
	}
	if err := json.Unmarshal(payload, &changes); err != nil {
		return nil, 0, fmt.Errorf("entry with a right checksum and a wrong payload: %w", err)
	}
	return changes, entryHeader + int(n), nil
}

// replay calls apply for every whole entry of a journal and returns where the
// last of them begins and ends. What follows that point is torn; if a whole entry
// comes after it, the file is damaged instead.
func replay(file string, src []byte, apply func([]change) error) (last, end int64, err error) {
	if len(src) < len(journalMagic) {
		return 0, 0, nil
	}
	if string(src[:len(journalMagic)]) != journalMagic {
		return 0, 0, &DamageError{file, 0, "it does not begin as this version writes it"}
	}
	pos := len(journalMagic)
	for pos < len(src) {
		changes, size, err := readEntry(src[pos:])
		if errors.Is(err, errTorn) {
			break
		}
		if err == nil {
			err = apply(changes)
		}
		if err != nil {
			return 0, 0, &DamageError{file, int64(pos), err.Error()}
		}
		if pos > len(journalMagic) { // the first is written with the magic
			last = int64(pos)
		}
		pos += size
	}
	for later := pos + 1; later+entryHeader <= len(src); later++ {
		if _, _, err := readEntry(src[later:]); !errors.Is(err, errTorn) {
			return 0, 0, &DamageError{file, int64(pos), fmt.Sprintf("an entry's checksum is wrong, and whole entries follow from byte %d on", later)}
		}
	}
	return last, int64(pos), nil
}

// journal is the open file.
type journal struct {
	fsys   vfs.FS
	dir    string
	file   vfs.File
	bytes  int64 // of whole entries, and the magic
	failed error // after a failed write or sync nothing is written any more
}

// openJournal opens or creates the journal in dir and replays it.
func openJournal(fsys vfs.FS, dir string, now time.Time, apply func([]change) error) (j *journal, torn int64, err error) {
	path := filepath.Join(dir, journalName)
	if err := fsys.Remove(path + newSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	file, err := fsys.OpenFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = fsys.Create(path)
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	src, err := readWhole(file)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	last, end, err := replay(path, src, apply)
	if err != nil {
		return nil, 0, err
	}
	if torn = int64(len(src)) - end; torn > 0 {
		if end > 0 {
			aside := fmt.Sprintf("%s.torn-%s", path, now.UTC().Format("20060102T150405.000"))
			if err := writeFile(fsys, aside, src[end:]); err != nil {
				return nil, 0, fmt.Errorf("%s is torn at byte %d, and what follows cannot be kept in a file of its own: %w; start again when that is possible", path, end, err)
			}
		}
		if err := file.Truncate(end); err != nil {
			return nil, 0, fmt.Errorf("%s: cut off what is torn: %w", path, err)
		}
	}
	// A process whose sync failed leaves bytes that are read and are not on the disk,
	// and no later sync takes there what nothing has changed since: the last entry is
	// written again.
	again := src[last:end]
	if end == 0 {
		again = []byte(journalMagic)
		end = int64(len(again))
	}
	if _, err := file.WriteAt(again, last); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	if err := file.Sync(); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return &journal{fsys: fsys, dir: dir, file: file, bytes: end}, torn, fsys.SyncDir(dir)
}

func readWhole(file vfs.File) ([]byte, error) {
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size > maxJournalBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are written", size, int64(maxJournalBytes))
	}
	src := make([]byte, size)
	if n, err := file.ReadAt(src, 0); err != nil && !(err == io.EOF && n == len(src)) {
		return nil, err
	}
	return src, nil
}

// append writes changes and returns when they are on the disk.
func (j *journal) append(changes []change) error {
	if j.failed != nil {
		return j.failed
	}
	entry, err := appendEntry(nil, changes)
	if err != nil {
		return err
	}
	if _, err := j.file.WriteAt(entry, j.bytes); err != nil {
		// Nothing of it is acknowledged, so it must not come back at a restart.
		if cut := j.file.Truncate(j.bytes); cut != nil {
			j.failed = fmt.Errorf("metadata log: write failed and could not be undone: %w", err)
		}
		return fmt.Errorf("metadata log: %w", err)
	}
	if err := j.file.Sync(); err != nil {
		// Whether it is on the disk cannot be known, and asking again would lie.
		j.failed = fmt.Errorf("metadata log: sync failed, restart the broker: %w", err)
		return j.failed
	}
	j.bytes += int64(len(entry))
	return nil
}

// rewrite replaces the journal by one that holds changes only.
func (j *journal) rewrite(changes []change) error {
	if j.failed != nil {
		return j.failed
	}
	next := []byte(journalMagic)
	var err error
	for len(changes) > 0 {
		n := min(len(changes), 100)
		if next, err = appendEntry(next, changes[:n]); err != nil {
			return err
		}
		changes = changes[n:]
	}
	path := filepath.Join(j.dir, journalName)
	if err := writeFile(j.fsys, path+newSuffix, next); err != nil {
		return err
	}
	if err := j.fsys.Rename(path+newSuffix, path); err != nil {
		return err
	}
	file, err := j.fsys.OpenFile(path)
	if err != nil {
		j.failed = err
		return err
	}
	_ = j.file.Close()
	j.file, j.bytes = file, int64(len(next))
	if err := j.fsys.SyncDir(j.dir); err != nil {
		j.failed = err
		return err
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// writeFile writes a file and syncs it.
func writeFile(fsys vfs.FS, path string, data []byte) error {
	file, err := fsys.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(data, 0)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
