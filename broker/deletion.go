package broker

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// A topic is deleted in steps, each of which a crash may interrupt:
//
//  1. the metadata log says that it is gone, and remembers its ID
//  2. its folders are renamed as Kafka does, to
//     <topic>-<partition>.<topic ID in hex>-delete, and the data directory synced
//  3. the checkpoints of the data directory are written without it, since a later
//     topic may have its name
//  4. the metadata log forgets the ID
//  5. after file.delete.delay.ms the folders are removed
//
// A start does steps 2 to 4 for every ID that is remembered and removes what bears
// the suffix.

const discardedSuffix = "-delete"

var discardedName = regexp.MustCompile(`-[0-9]+\.[0-9a-f]{32}` + discardedSuffix + `$`)

// maxNameBytes is the longest name of a file that every system allows.
const maxNameBytes = 255

// discardedDir is the folder of a partition whose topic was deleted.
func discardedDir(dataDir string, t *topics.Topic, index int32) string {
	rest := fmt.Sprintf("-%d.%s%s", index, hex.EncodeToString(t.ID[:]), discardedSuffix)
	return filepath.Join(dataDir, t.Name[:min(len(t.Name), maxNameBytes-len(rest))]+rest)
}

// discards are the folders that wait for their removal.
type discards struct {
	mu  sync.Mutex
	due map[string]time.Time // by path
}

func (d *discards) add(dir string, due time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.due == nil {
		d.due = map[string]time.Time{}
	}
	d.due[dir] = due
}

// remove removes the folders whose time has come. What cannot be removed is tried
// again by the next call.
func (d *discards) remove(fsys vfs.FS, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, dir := range slices.Sorted(maps.Keys(d.due)) {
		if now.Before(d.due[dir]) {
			continue
		}
		if err := vfs.RemoveAll(fsys, dir); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(d.due, dir)
	}
	return errors.Join(errs...)
}

// deleteTopic deletes a topic for good.
func (b *Broker) deleteTopic(name string) error {
	b.topics.mu.Lock()
	defer b.topics.mu.Unlock()
	t := b.topics.byName(name)
	if t == nil {
		return &topics.Error{Code: topics.Unknown, Reason: fmt.Sprintf("there is no topic %q", name)}
	}
	if _, err := b.store.Delete(name); err != nil {
		return err
	}
	b.topics.drop(t)
	b.topicsChanged()
	b.log.Info("topic deleted", "topic", name)
	b.metrics.forget(t.Name)
	b.rejections.forget(t.ID)
	b.keys.forget(t.Name)
	b.troubles.forget(t.Name)
	b.discard(t, t.values.FileDeleteDelay)
	return nil
}

// discard closes the logs of a topic that the store has deleted and does what is
// left to do about its folders. If something goes wrong the topic is deleted all the
// same, and the next start does the rest.
func (b *Broker) discard(t *topic, delay time.Duration) {
	var errs []error
	for _, p := range t.parts {
		if p != nil {
			errs = append(errs, p.retire())
		}
	}
	errs = append(errs, b.discardFolders(t.Topic, b.opts.Now().Add(delay)))
	b.forgetOffsets(t.Name)
	errs = append(errs, b.checkpoint())
	err := errors.Join(errs...)
	if err == nil {
		err = b.store.Forget(t.ID)
	}
	if err == nil {
		err = b.discards.remove(b.opts.fs, b.opts.Now())
	}
	if err != nil {
		b.log.Error("the folders of a deleted topic are not all gone; the next start removes them", "topic", t.Name, "err", err)
	}
}

// discardFolders renames the folders of a deleted topic, to be removed when they are
// due. A topic of the same name may have been created since: its folders stay.
func (b *Broker) discardFolders(t *topics.Topic, due time.Time) error {
	names, err := b.opts.fs.List(b.opts.DataDir)
	if err != nil {
		return err
	}
	_, again := b.store.Topic(t.Name)
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, t.Name+"-")
		if !ok {
			continue
		}
		index, err := strconv.ParseInt(digits, 10, 32)
		dir := filepath.Join(b.opts.DataDir, name)
		if err != nil || dir != partitionDir(b.opts.DataDir, t.Name, int32(index)) {
			continue
		}
		id, err := commitlog.ReadTopicID(b.opts.fs, dir)
		if known := err == nil; known && topics.ID(id) != t.ID || !known && again {
			continue
		}
		aside := discardedDir(b.opts.DataDir, t, int32(index))
		if err := b.opts.fs.Rename(dir, aside); err != nil {
			return err
		}
		b.discards.add(aside, due)
	}
	return b.opts.fs.SyncDir(b.opts.DataDir)
}

// finishDeletions does at a start what deletions of the last run have left to do.
func (b *Broker) finishDeletions() error {
	gone, err := b.store.Deleted()
	if err != nil {
		return err
	}
	if err := b.finishDiscards(gone); err != nil {
		b.log.Error("the folders of deleted topics are not all gone; the next start tries again", "err", err)
	}
	names, err := b.opts.fs.List(b.opts.DataDir)
	if err != nil {
		return err
	}
	now := b.opts.Now()
	var strays []string
	for _, name := range names {
		if discardedName.MatchString(name) {
			b.discards.add(filepath.Join(b.opts.DataDir, name), now)
		} else if b.isStray(name) {
			strays = append(strays, name)
		}
	}
	if len(strays) > 0 {
		b.log.Error("there are folders of topics that the metadata log does not know; they are left alone", "folders", len(strays), "first", strays[0],
			"remedy", "restore metadata.log from a copy if topics are missing; move the folders away if nobody needs them")
	}
	if err := b.discards.remove(b.opts.fs, now); err != nil {
		b.log.Warn("folders of deleted topics cannot be removed yet", "err", err)
	}
	return nil
}

// isStray says whether a folder looks like that of a partition whose topic there is not.
func (b *Broker) isStray(name string) bool {
	at := strings.LastIndexByte(name, '-')
	if at < 1 {
		return false
	}
	if _, err := strconv.ParseUint(name[at+1:], 10, 31); err != nil {
		return false
	}
	if _, known := b.store.Topic(name[:at]); known {
		return false
	}
	info, err := b.opts.fs.Stat(filepath.Join(b.opts.DataDir, name))
	return err == nil && info.IsDir
}

// finishDiscards does steps 2 to 4 for topics that the last run deleted.
func (b *Broker) finishDiscards(gone []*topics.Topic) error {
	if len(gone) == 0 {
		return nil
	}
	for _, t := range gone {
		b.forgetOffsets(t.Name)
		if err := b.discardFolders(t, b.opts.Now()); err != nil {
			return err
		}
	}
	if err := b.writeCheckpoints(b.found.recovery, b.found.starts); err != nil {
		return err
	}
	for _, t := range gone {
		if err := b.store.Forget(t.ID); err != nil {
			return err
		}
	}
	return nil
}

// forgetOffsets drops what the last run's checkpoints say about a topic that is gone.
func (b *Broker) forgetOffsets(name string) {
	b.checkpointing.Lock()
	defer b.checkpointing.Unlock()
	for _, offsets := range []map[commitlog.TopicPartition]int64{b.found.recovery, b.found.starts} {
		for key := range offsets {
			if key.Topic == name {
				delete(offsets, key)
			}
		}
	}
}

// unmake closes the logs of partitions that do not come to be and removes their
// folders, unless there are records in them.
func (b *Broker) unmake(t *topics.Topic, parts []*Partition) {
	for _, p := range parts {
		if p == nil || p.log == nil {
			continue // a folder with the right topic ID is used by the next try
		}
		err := p.retire()
		if err == nil && p.log.EndOffset() == 0 {
			aside := discardedDir(b.opts.DataDir, t, p.index)
			if err = b.opts.fs.Rename(p.dir, aside); err == nil {
				b.discards.add(aside, b.opts.Now())
			}
		}
		if err != nil {
			b.log.Warn("the folder of a partition that could not be made is left behind, for the next try", "dir", p.dir, "err", err)
		}
	}
	if err := b.discards.remove(b.opts.fs, b.opts.Now()); err != nil {
		b.log.Warn("folders of partitions that could not be made are removed later", "topic", t.Name, "err", err)
	}
}
