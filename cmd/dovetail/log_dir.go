package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

const metadataLog = "metadata.log"

// dataDir is what the files of a data directory say about its logs.
type dataDir struct {
	path           string
	logs           []string // the folders of partitions
	missing        []string // those that the metadata log lists and that are not there
	topics         map[string]*topics.Topic
	torn           int64 // bytes at the end of the metadata log that are no entry
	err            error // why the metadata log says nothing
	clean          bool  // the broker was stopped, and did not crash
	points, starts map[commitlog.TopicPartition]int64
	damaged        map[string]error // checkpoints, by the name of the file
}

// readDataDir reads a data directory, and refuses one that is something else.
func readDataDir(dir string) (*dataDir, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	d := &dataDir{path: dir, topics: map[string]*topics.Topic{}, damaged: map[string]error{}}
	ours := false
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir():
			if _, ok := parsePartitionDir(name); ok {
				d.logs = append(d.logs, name)
			}
		case name == commitlog.CleanShutdownFile:
			ours, d.clean = true, true
		case name == metadataLog || name == commitlog.MetaPropertiesFile || name == commitlog.RecoveryPointFile || name == commitlog.LogStartOffsetFile:
			ours = true
		}
	}
	if !ours {
		return nil, fmt.Errorf("%s is no data directory of a broker: it has neither %s nor %s", dir, metadataLog, commitlog.MetaPropertiesFile)
	}
	if d.points, err = d.readCheckpoint(commitlog.RecoveryPointFile); err != nil {
		return nil, err
	}
	if d.starts, err = d.readCheckpoint(commitlog.LogStartOffsetFile); err != nil {
		return nil, err
	}
	found, torn, err := topics.Inspect(nil, dir)
	d.torn, d.err = torn, err
	for _, t := range found {
		d.topics[t.Name] = t
		for i := range t.Partitions {
			if name := fmt.Sprintf("%s-%d", t.Name, i); !slices.Contains(d.logs, name) {
				d.missing = append(d.missing, name)
			}
		}
	}
	return d, nil
}

// readCheckpoint reads a checkpoint; one that is damaged says nothing.
func (d *dataDir) readCheckpoint(name string) (map[commitlog.TopicPartition]int64, error) {
	offsets, err := commitlog.ReadCheckpoint(nil, filepath.Join(d.path, name))
	var access *fs.PathError
	if err == nil || errors.As(err, &access) {
		return offsets, err
	}
	d.damaged[name] = err
	return map[commitlog.TopicPartition]int64{}, nil
}

// inspect tells note what is wrong with the files beside the logs, and which folders
// of the logs that are named, or of any, are missing.
func (d *dataDir) inspect(names []string, note func(logFinding)) {
	f := commitlog.Finding{File: metadataLog, Pos: -1, Offset: -1}
	var damage *topics.DamageError
	switch {
	case errors.Is(d.err, fs.ErrNotExist):
		f.Fault = fmt.Sprintf("the file is missing: nothing says which topics there are, though there are the folders of %s", count(len(d.logs), "partition"))
		f.Remedy = "restore it from a copy; without it, the broker starts with no topics and leaves the folders alone"
	case errors.As(d.err, &damage):
		f.Pos, f.Fault, f.Remedy = damage.Pos, damage.Cause, "restore the file from a copy, or cut it there and lose the changes behind"
	case d.err != nil:
		f.Fault, f.Remedy = d.err.Error(), "restore the file from a copy"
	case d.torn > 0:
		f.Fault, f.Harmless = fmt.Sprintf("the last %d bytes are no whole entry", d.torn), !d.clean
		f.Remedy = "none needed if the broker has crashed: they are a change that was not acknowledged, and are cut off at the next start"
		if d.clean {
			f.Remedy = "restore the file from a copy: the broker was stopped cleanly, so a change that was acknowledged is damaged"
		}
	}
	if f.Fault != "" {
		note(logFinding{"", f})
	}
	d.inspectStrays(names, note)
	if _, err := commitlog.ReadMetaProperties(nil, d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		note(logFinding{"", commitlog.Finding{File: commitlog.MetaPropertiesFile, Pos: -1, Offset: -1, Fault: err.Error(),
			Remedy: "restore the file from a copy, or write it anew with the lines version=1, cluster.id, node.id and directory.id: the broker does not start with it"}})
	} else if err != nil {
		note(logFinding{"", commitlog.Finding{File: commitlog.MetaPropertiesFile, Pos: -1, Offset: -1, Fault: "the file with the cluster's ID is missing",
			Remedy: "restore it from a copy; without it, the next start makes a new cluster ID"}})
	}
	for _, name := range slices.Sorted(maps.Keys(d.damaged)) {
		note(logFinding{"", commitlog.Finding{File: name, Pos: -1, Offset: -1, Fault: d.damaged[name].Error(), Harmless: true,
			Remedy: "none needed: the next start sets it aside, and logs that the broker has written know what it said"}})
	}
	for _, name := range d.missing {
		key, _ := parsePartitionDir(name)
		if len(names) > 0 && !slices.Contains(names, name) || d.points[key] > d.starts[key] {
			continue // or its own inspection says more
		}
		note(logFinding{name, commitlog.Finding{Pos: -1, Offset: -1, Fault: "the folder is missing, though " + metadataLog + " lists the partition",
			Remedy: "restore it from a copy if there were records in it; the next start makes an empty one"}})
	}
}

// inspectStrays tells note of the folders of partitions, those that are named or any,
// that the metadata log does not list. A folder beyond a topic's partitions may be what
// a crash left of adding one, if there is nothing in it.
func (d *dataDir) inspectStrays(names []string, note func(logFinding)) {
	if d.err != nil {
		return // which says more
	}
	for _, name := range d.logs {
		key, _ := parsePartitionDir(name)
		t := d.topics[key.Topic]
		if len(names) > 0 && !slices.Contains(names, name) || t != nil && (key.Partition < t.Partitions || !d.hasRecords(name)) {
			continue
		}
		note(logFinding{name, commitlog.Finding{Pos: -1, Offset: -1, Fault: "no entry of " + metadataLog + " names the partition that this folder is of",
			Remedy: "restore " + metadataLog + " from a copy if topics are missing, or move the folder away if nobody needs it; the broker leaves it alone"}})
	}
}

func (d *dataDir) hasRecords(name string) bool {
	entries, _ := os.ReadDir(filepath.Join(d.path, name))
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		info, err := e.Info()
		return err == nil && strings.HasSuffix(e.Name(), ".log") && info.Size() > 0
	})
}

// mayCompact reports whether compaction may have taken records out of a topic's logs.
func (d *dataDir) mayCompact(topic string) bool {
	t, ok := d.topics[topic]
	return !ok || t.Internal || strings.Contains(t.Configs["cleanup.policy"], "compact")
}
