package commitlog

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Suffixes of the files in a partition's folder, as Kafka names them.
const (
	logSuffix      = ".log"
	indexSuffix    = ".index"
	timeSuffix     = ".timeindex"
	txnSuffix      = ".txnindex"
	snapshotSuffix = ".snapshot"
	deletedSuffix  = ".deleted" // about to be removed
	cleanedSuffix  = ".cleaned" // compaction's output, unfinished
	swapSuffix     = ".swap"    // compaction's output, finished: to replace what it covers
	tmpSuffix      = ".tmp"     // about to replace the file without it

	epochFile     = "leader-epoch-checkpoint"
	partitionFile = "partition.metadata"
	stateFile     = "log-state"
	sealsFile     = "sealed-segments"
	givenUpFile   = "given-up-offsets"
)

func fileName(offset int64, suffix string) string { return fmt.Sprintf("%020d%s", offset, suffix) }

// parseName returns the offset in a name that ends with suffix.
func parseName(name, suffix string) (int64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	return offset, err == nil && offset >= 0
}

// syncError is a failed fsync of a file or a folder: what is on the disk is unknown,
// and asking again would not tell.
type syncError struct{ error }

func (e syncError) Unwrap() error { return e.error }

func synced(err error) error {
	if err != nil {
		return syncError{err}
	}
	return nil
}

// writeFile replaces a file durably: a reader finds the old or the new content, also
// after a crash.
func writeFile(fsys vfs.FS, path string, content []byte) error {
	f, err := fsys.Create(path + tmpSuffix)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, 0)
	if err == nil {
		err = synced(f.Sync())
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = fsys.Rename(path+tmpSuffix, path)
	}
	if err == nil {
		err = synced(fsys.SyncDir(filepath.Dir(path)))
	}
	return err
}
