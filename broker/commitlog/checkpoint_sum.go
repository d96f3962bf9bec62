package commitlog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

// Kafka's checkpoints have no checksum: a digit that has changed is as good as the one
// that was written. Beside each stands a file of ours with the CRC-32C, in hexadecimal,
// of every content that the checkpoint may have: of one, or of two while it is being
// replaced. A checkpoint without such a file was written by Kafka and is believed.
const sumSuffix = ".crc32c"

var errNotOurs = errors.New("not what was written: its checksum is another")

// readSums returns the checksums beside a checkpoint; nil if there are none that can be
// read, since only the two files together prove something.
func readSums(fsys vfs.FS, path string) ([]uint32, error) {
	p, err := vfs.ReadFile(fsys, path+sumSuffix, 1<<10)
	var access *fs.PathError
	if errors.As(err, &access) && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	return parseSums(p), nil
}

func parseSums(p []byte) (sums []uint32) {
	for _, field := range strings.Fields(string(p)) {
		sum, err := strconv.ParseUint(field, 16, 32)
		if err != nil || len(field) != 8 {
			return nil
		}
		sums = append(sums, uint32(sum))
	}
	return sums
}

func formatSums(sums []uint32) []byte {
	var p []byte
	for _, sum := range sums {
		p = fmt.Appendf(p, "%08x\n", sum)
	}
	return p
}

// checkSum compares a checkpoint's content with the checksums beside it.
func checkSum(fsys vfs.FS, path string, content []byte) error {
	sums, err := readSums(fsys, path)
	if err != nil || len(sums) == 0 || slices.Contains(sums, crc32.Checksum(content, castagnoli)) {
		return err
	}
	return errNotOurs
}

// writeSummed durably replaces a file and the checksums beside it. They know the content
// before as well, until it is gone.
func writeSummed(fsys vfs.FS, path string, content []byte) error {
	sums, err := readSums(fsys, path)
	if err != nil {
		return err
	}
	next := []uint32{crc32.Checksum(content, castagnoli)}
	before, err := vfs.ReadFile(fsys, path, maxCheckpointBytes)
	if is := crc32.Checksum(before, castagnoli); err == nil && is != next[0] && (len(sums) == 0 || slices.Contains(sums, is)) {
		next = append(next, is)
	}
	if !slices.Equal(sums, next) {
		if err := writeFile(fsys, path+sumSuffix, formatSums(next)); err != nil {
			return err
		}
	}
	return writeFile(fsys, path, content)
}
