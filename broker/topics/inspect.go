package topics

import (
	"encoding/json"
	"path/filepath"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Inspect returns the topics that dir holds, by name, and how many bytes at the end
// of the metadata log are no whole entry. It changes nothing, and the directory may be
// read-only. Without a metadata log the error satisfies errors.Is(err,
// fs.ErrNotExist); damage is a [*DamageError]. A nil fsys is the operating system's.
func Inspect(fsys vfs.FS, dir string) (found []*Topic, torn int64, err error) {
	if fsys == nil {
		fsys = vfs.OS
	}
	path := filepath.Join(dir, journalName)
	src, err := vfs.ReadFile(fsys, path, maxJournalBytes)
	if err != nil {
		return nil, 0, err
	}
	facts := map[string]map[string]json.RawMessage{}
	_, end, err := replay(path, src, func(changes []change) error { return applyAll(facts, changes) })
	if err != nil {
		return nil, 0, err
	}
	st, err := newState(facts)
	if err != nil {
		return nil, 0, err
	}
	for _, name := range st.names {
		found = append(found, st.byName[name])
	}
	return found, int64(len(src)) - end, nil
}
