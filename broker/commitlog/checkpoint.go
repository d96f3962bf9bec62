package commitlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
)

const maxCheckpointBytes = 64 << 20

// parseLines reads Kafka's checkpoint format: version 0, a count, and as many
// lines of the given number of fields.
func parseLines(p []byte, fields int, f func([]string) error) error {
	lines := strings.Split(strings.TrimSuffix(string(p), "\n"), "\n")
	if len(lines) < 2 {
		return fmt.Errorf("a checkpoint file without version and count")
	}
	if v := strings.TrimSpace(lines[0]); v != "0" {
		return fmt.Errorf("a checkpoint file of version %.20q, only 0 is known", v)
	}
	count, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || count < 0 {
		return fmt.Errorf("a checkpoint file with a count of %.20q", lines[1])
	}
	if count != len(lines)-2 {
		return fmt.Errorf("a checkpoint file of %d lines says it has %d", len(lines)-2, count)
	}
	for _, line := range lines[2:] {
		parts := strings.Fields(line)
		if len(parts) != fields {
			return fmt.Errorf("a checkpoint line with %d fields, not %d", len(parts), fields)
		}
		if err := f(parts); err != nil {
			return err
		}
	}
	return nil
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// Names of the files in a data directory.
const (
	RecoveryPointFile  = "recovery-point-offset-checkpoint"
	LogStartOffsetFile = "log-start-offset-checkpoint"
	CleanerOffsetFile  = "cleaner-offset-checkpoint"
	CleanShutdownFile  = ".kafka_cleanshutdown"
	MetaPropertiesFile = "meta.properties"
)

// ReadCheckpoint reads one of a data directory's offset checkpoints, and compares it
// with the checksum that [WriteCheckpoint] has left beside it. A missing
// file is an empty one. A nil fsys is the operating system's, here and below.
func ReadCheckpoint(fsys vfs.FS, path string) (map[TopicPartition]int64, error) {
	p, err := vfs.ReadFile(orOS(fsys), path, maxCheckpointBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return map[TopicPartition]int64{}, nil
	}
	if err != nil {
		return nil, err
	}
	offsets, err := ParseCheckpoint(p)
	if err == nil {
		err = checkSum(orOS(fsys), path, p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return offsets, nil
}

// ParseCheckpoint reads the content of an offset checkpoint: version, count, and a
// line "topic partition offset" each.
func ParseCheckpoint(p []byte) (map[TopicPartition]int64, error) {
	offsets := map[TopicPartition]int64{}
	err := parseLines(p, 3, func(fields []string) error {
		partition, err1 := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return fmt.Errorf("partition %q of topic %q at offset %q", fields[1], fields[0], fields[2])
		}
		offsets[TopicPartition{fields[0], int32(partition)}] = offset
		return nil
	})
	return offsets, err
}

// WriteCheckpoint durably replaces an offset checkpoint and the checksum beside it.
func WriteCheckpoint(fsys vfs.FS, path string, offsets map[TopicPartition]int64) error {
	return writeSummed(orOS(fsys), path, FormatCheckpoint(offsets))
}

// FormatCheckpoint is the content of an offset checkpoint, sorted.
func FormatCheckpoint(offsets map[TopicPartition]int64) []byte {
	keys := make([]TopicPartition, 0, len(offsets))
	for k := range offsets {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b TopicPartition) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	p := fmt.Appendf(nil, "0\n%d\n", len(keys))
	for _, k := range keys {
		p = fmt.Appendf(p, "%s %d %d\n", k.Topic, k.Partition, offsets[k])
	}
	return p
}

// WriteCleanShutdown leaves the mark of a clean shutdown in a data directory, after
// all its logs were closed.
func WriteCleanShutdown(fsys vfs.FS, dataDir string) error {
	return writeFile(orOS(fsys), filepath.Join(dataDir, CleanShutdownFile), []byte(`{"version":0,"brokerEpoch":-1}`))
}

// TakeCleanShutdown reports whether the mark is there and durably removes it.
func TakeCleanShutdown(fsys vfs.FS, dataDir string) (bool, error) {
	fsys = orOS(fsys)
	err := fsys.Remove(filepath.Join(dataDir, CleanShutdownFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, fsys.SyncDir(dataDir)
}

// MetaProperties identifies a data directory: meta.properties, version 1.
type MetaProperties struct {
	ClusterID   string
	NodeID      int32
	DirectoryID string
}

// ReadMetaProperties reads meta.properties; a missing file is an error that
// satisfies errors.Is(err, fs.ErrNotExist).
func ReadMetaProperties(fsys vfs.FS, dataDir string) (MetaProperties, error) {
	path := filepath.Join(dataDir, MetaPropertiesFile)
	p, err := vfs.ReadFile(orOS(fsys), path, 1<<20)
	if err != nil {
		return MetaProperties{}, err
	}
	m, err := ParseMetaProperties(p)
	if err != nil {
		return m, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// ParseMetaProperties reads the content of meta.properties.
func ParseMetaProperties(p []byte) (MetaProperties, error) {
	var m MetaProperties
	version, node := "", ""
	for line := range bytes.Lines(p) {
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' || text[0] == '!' {
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		switch strings.TrimSpace(key) {
		case "version":
			version = strings.TrimSpace(value)
		case "cluster.id":
			m.ClusterID = strings.TrimSpace(value)
		case "node.id":
			node = strings.TrimSpace(value)
		case "directory.id":
			m.DirectoryID = strings.TrimSpace(value)
		}
	}
	if version != "1" {
		return m, fmt.Errorf("version %.20q, only 1 is known", version)
	}
	id, err := strconv.ParseInt(node, 10, 32)
	if err != nil || id < 0 {
		return m, fmt.Errorf("node.id %.20q", node)
	}
	m.NodeID = int32(id)
	return m, nil
}

// WriteMetaProperties durably replaces meta.properties.
func WriteMetaProperties(fsys vfs.FS, dataDir string, m MetaProperties) error {
	p := fmt.Appendf(nil, "#\ncluster.id=%s\ndirectory.id=%s\nnode.id=%d\nversion=1\n", m.ClusterID, m.DirectoryID, m.NodeID)
	return writeFile(orOS(fsys), filepath.Join(dataDir, MetaPropertiesFile), p)
}

// ReadTopicID reads partition.metadata in a partition's folder; a missing file is
// an error that satisfies errors.Is(err, fs.ErrNotExist).
func ReadTopicID(fsys vfs.FS, dir string) ([16]byte, error) {
	p, err := vfs.ReadFile(orOS(fsys), filepath.Join(dir, partitionFile), 1<<16)
	if err != nil {
		return [16]byte{}, err
	}
	return parsePartitionMetadata(p)
}

func formatPartitionMetadata(id [16]byte) []byte {
	return []byte("version: 0\ntopic_id: " + base64.RawURLEncoding.EncodeToString(id[:]))
}

func parsePartitionMetadata(p []byte) (id [16]byte, err error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(string(p)), "version: 0\ntopic_id: ")
	raw, decodeErr := base64.RawURLEncoding.DecodeString(strings.TrimSpace(text))
	if !ok || decodeErr != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%s: not a version 0 file with a topic ID", partitionFile)
	}
	return [16]byte(raw), nil
}

func orOS(fsys vfs.FS) vfs.FS {
	if fsys == nil {
		return vfs.OS
	}
	return fsys
}
