package topics

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	journalName  = "metadata.log"
	journalMagic = "DVTLMD\x00\x01"
	entryHeader  = 12
	// maxEntryBytes bounds an entry, written or read.
	maxEntryBytes = 16 << 20
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
// last of them ends. What follows that point is torn; if a whole entry comes
// after it, the file is damaged instead.
func replay(file string, src []byte, apply func([]change) error) (end int64, err error) {
	if len(src) < len(journalMagic) {
		return 0, nil
	}
	if string(src[:len(journalMagic)]) != journalMagic {
		return 0, &DamageError{file, 0, "it does not begin as this version writes it"}
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
			return 0, &DamageError{file, int64(pos), err.Error()}
		}
		pos += size
	}
	for later := pos + 1; later+entryHeader <= len(src); later++ {
		if _, _, err := readEntry(src[later:]); !errors.Is(err, errTorn) {
			return 0, &DamageError{file, int64(pos), fmt.Sprintf("an entry's checksum is wrong, and whole entries follow from byte %d on", later)}
		}
	}
	return int64(pos), nil
}

// journal is the open file.
type journal struct {
	dir    string
	file   *os.File
	bytes  int64 // of whole entries, and the magic
	failed error // after a failed write or sync nothing is written any more
}

// openJournal opens or creates the journal in dir and replays it.
func openJournal(dir string, now time.Time, apply func([]change) error) (j *journal, torn int64, err error) {
	path := filepath.Join(dir, journalName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	src, err := io.ReadAll(file)
	if err != nil {
		return nil, 0, err
	}
	end, err := replay(path, src, apply)
	if err != nil {
		return nil, 0, err
	}
	j = &journal{dir: dir, file: file, bytes: end}
	if torn = int64(len(src)) - end; torn > 0 && end > 0 {
		aside := fmt.Sprintf("%s.torn-%s", path, now.UTC().Format("20060102T150405.000"))
		if err := writeFile(aside, src[end:]); err != nil {
			return nil, 0, err
		}
	}
	if torn > 0 {
		if err := file.Truncate(end); err != nil {
			return nil, 0, err
		}
	}
	if end == 0 {
		if _, err := file.WriteAt([]byte(journalMagic), 0); err != nil {
			return nil, 0, err
		}
		j.bytes = int64(len(journalMagic))
	}
	if err := file.Sync(); err != nil {
		return nil, 0, err
	}
	return j, torn, syncDir(dir)
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
	if err := writeFile(path+".new", next); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o644)
	if err != nil {
		j.failed = err
		return err
	}
	_ = j.file.Close()
	j.file, j.bytes = file, int64(len(next))
	if err := syncDir(j.dir); err != nil {
		j.failed = err
		return err
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// writeFile writes a file and syncs it.
func writeFile(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
