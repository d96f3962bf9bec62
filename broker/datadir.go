package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// The data directory, which but for four files is a Kafka log directory:
//
//	.lock                               held by the one process that may write
//	meta.properties                     cluster and node ID
//	metadata.log                        topics and more, see package topics
//	<topic>-<partition>/                logs, see package commitlog
//	<topic>-<partition>.<ID>-delete/    of deleted topics, about to be removed
//	recovery-point-offset-checkpoint    what need not be scanned at a start
//	log-start-offset-checkpoint         what DeleteRecords has deleted
//	*-checkpoint.crc32c                 checksums of these two
//	.kafka_cleanshutdown                left by a clean stop, taken by the next start

// found is what the last run has left in the data directory.
type found struct {
	clean            bool
	recovery, starts map[commitlog.TopicPartition]int64
}

// foundOffsets is what the last run's checkpoints say about one log.
type foundOffsets struct {
	recovery, start int64
}

func (b *Broker) foundOffsets(topic string, index int32) foundOffsets {
	b.checkpointing.Lock()
	defer b.checkpointing.Unlock()
	key := commitlog.TopicPartition{Topic: topic, Partition: index}
	return foundOffsets{b.found.recovery[key], b.found.starts[key]}
}

// openData opens the data directory and everything in it.
func (b *Broker) openData(ctx context.Context) (err error) {
	dir := b.opts.DataDir
	if err := vfs.MakeFolder(b.opts.fs, dir); err != nil {
		return err
	}
	// The lock is the operating system's, also where the files are not.
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if b.lock, err = lockFile(filepath.Join(dir, ".lock")); err != nil {
		return fmt.Errorf("data directory %s: %w", dir, err)
	}
	if err := b.identify(); err != nil {
		return err
	}
	if b.store, err = topics.Open(dir, topics.Options{FS: b.opts.fs, MaxPartitions: b.opts.Limits.Partitions, Now: b.opts.Now, Logger: b.log}); err != nil {
		return err
	}
	b.rememberCluster()
	if b.auth, err = newAuthorizer(b.opts.Authorize, b.opts.SuperUsers, b.store); err != nil {
		return err
	}
	if b.quotas, err = newQuotas(b.store, b.opts.Now); err != nil {
		return err
	}
	if b.found.recovery, err = b.readCheckpoint(commitlog.RecoveryPointFile); err != nil {
		return err
	}
	if b.found.starts, err = b.readCheckpoint(commitlog.LogStartOffsetFile); err != nil {
		return err
	}
	if b.found.clean, err = commitlog.TakeCleanShutdown(b.opts.fs, dir); err != nil {
		return err
	}
	b.committer = commitlog.NewGroupCommitter(commitlog.CommitterOptions{
		Policy: commitlog.Policy(b.opts.Durability), Interval: b.opts.FlushInterval,
	})
	return b.openTopics(ctx)
}

// partitionName is what the folder of a partition is called.
var partitionName = regexp.MustCompile(`^[a-zA-Z0-9._-]+-[0-9]+$`)

// identify reads the cluster's ID, or gives it one.
func (b *Broker) identify() error {
	dir := b.opts.DataDir
	meta, err := commitlog.ReadMetaProperties(b.opts.fs, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		meta = commitlog.MetaProperties{ClusterID: b.opts.ClusterID, NodeID: b.opts.NodeID, DirectoryID: topics.NewID().String()}
		if meta.ClusterID == "" {
			meta.ClusterID = randomID()
		}
		// The folder may be what a start left that could not sync its name.
		if err := b.opts.fs.SyncDir(filepath.Dir(filepath.Clean(dir))); err != nil {
			return err
		}
		names, err := b.opts.fs.List(dir)
		if err != nil {
			return err
		}
		if err := commitlog.WriteMetaProperties(b.opts.fs, dir, meta); err != nil {
			return err
		}
		if slices.Contains(names, "metadata.log") || slices.ContainsFunc(names, partitionName.MatchString) {
			b.log.Warn("meta.properties was missing though the data directory is not new: the cluster has an ID of its own again, which clients and tools may not know", "dir", dir, "cluster_id", meta.ClusterID,
				"remedy", "stop, and restore meta.properties from a copy, or set cluster.id in it to what it was")
		}
	case err != nil:
		return fmt.Errorf("%w; restore the file from a copy, or write it anew with the lines version=1, cluster.id, node.id=%d and directory.id", err, b.opts.NodeID)
	case b.opts.ClusterID != "" && meta.ClusterID != b.opts.ClusterID:
		return fmt.Errorf("data directory %s belongs to cluster %s, not to %s", dir, meta.ClusterID, b.opts.ClusterID)
	case meta.NodeID != b.opts.NodeID:
		return fmt.Errorf("data directory %s belongs to node %d, not to %d", dir, meta.NodeID, b.opts.NodeID)
	}
	b.clusterID = meta.ClusterID
	return nil
}

// clusterKind is the kind of facts about the cluster; its one key is "id".
const clusterKind = "cluster"

// rememberCluster compares the cluster's ID with the one that metadata.log knows, whose
// records have checksums: a changed character in meta.properties makes another cluster of
// this one. It is said once; from then on the new ID is the one to compare with.
func (b *Broker) rememberCluster() {
	var before string
	raw := b.store.Fact(clusterKind, "id")
	if raw != nil {
		_ = json.Unmarshal(raw, &before) // what is no string is another ID
		if before == b.clusterID {
			return
		}
		b.log.Error("the cluster ID in meta.properties is another than before; clients and tools may take this for another cluster", "dir", b.opts.DataDir, "cluster_id", b.clusterID, "cluster_id_before", before,
			"remedy", "if nobody meant to change it, stop, and set cluster.id in meta.properties to what it was")
	}
	is, err := json.Marshal(b.clusterID)
	if err == nil {
		err = b.store.SetFacts(clusterKind, []topics.Fact{{Key: "id", Value: is}})
	}
	if err != nil { // a full disk may have no room
		b.log.Warn("the cluster ID could not be noted in metadata.log; the next start tries again", "dir", b.opts.DataDir, "err", err)
	}
}

func randomID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// readCheckpoint reads a checkpoint. One that is damaged is set aside: what it says
// the logs know, too, unless they come from Kafka.
func (b *Broker) readCheckpoint(name string) (map[commitlog.TopicPartition]int64, error) {
	path := filepath.Join(b.opts.DataDir, name)
	offsets, err := commitlog.ReadCheckpoint(b.opts.fs, path)
	var access *fs.PathError
	if err == nil || errors.As(err, &access) {
		return offsets, err
	}
	aside := fmt.Sprintf("%s.damaged-%s", path, b.opts.Now().UTC().Format("20060102T150405.000"))
	if err := errors.Join(b.opts.fs.Rename(path, aside), b.opts.fs.SyncDir(b.opts.DataDir)); err != nil {
		return nil, err
	}
	b.log.Error("a checkpoint is damaged and was set aside; logs that this broker has written know what it said", "file", path, "kept_as", aside, "err", err)
	return map[commitlog.TopicPartition]int64{}, nil
}

// closeData closes what openData opened. With clean set, and if everything is on
// the disk, the next start need not look for damage. It has to look again at what
// was damaged, and at what a failed fsync may have lost.
func (b *Broker) closeData(clean bool) error {
	var errs []error
	var mu sync.Mutex
	all := b.topics.all()
	parallel(len(all), func(i int) {
		for _, p := range all[i].parts {
			if err := p.close(); err != nil {
				mu.Lock()
				errs = append(errs, fmt.Errorf("%s-%d: %w", p.topic, p.index, err))
				mu.Unlock()
			}
		}
	})
	if b.committer != nil {
		errs = append(errs, b.checkpoint())
		b.committer.Close()
	}
	if b.store != nil {
		errs = append(errs, b.store.Close())
	}
	if clean && errors.Join(errs...) == nil && !slices.ContainsFunc(all, (*topic).isOffline) {
		errs = append(errs, commitlog.WriteCleanShutdown(b.opts.fs, b.opts.DataDir))
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// checkpoint writes what need not be scanned at the next start, and where logs
// begin.
func (b *Broker) checkpoint() error {
	recovery, starts := map[commitlog.TopicPartition]int64{}, map[commitlog.TopicPartition]int64{}
	b.checkpointing.Lock()
	defer b.checkpointing.Unlock()
	for _, t := range b.topics.all() {
		for _, p := range t.parts {
			key := commitlog.TopicPartition{Topic: t.Name, Partition: p.index}
			if p.log == nil {
				// It stays as it is until somebody has repaired the log.
				if v, ok := b.found.recovery[key]; ok {
					recovery[key] = v
				}
				if v, ok := b.found.starts[key]; ok {
					starts[key] = v
				}
				continue
			}
			recovery[key] = p.log.DurableOffset()
			if start := p.log.StartOffset(); start > 0 {
				starts[key] = start
			}
		}
	}
	return b.writeCheckpoints(recovery, starts)
}

// writeCheckpoints requires checkpointing, or that nothing else runs yet.
func (b *Broker) writeCheckpoints(recovery, starts map[commitlog.TopicPartition]int64) error {
	return errors.Join(
		commitlog.WriteCheckpoint(b.opts.fs, filepath.Join(b.opts.DataDir, commitlog.RecoveryPointFile), recovery),
		commitlog.WriteCheckpoint(b.opts.fs, filepath.Join(b.opts.DataDir, commitlog.LogStartOffsetFile), starts),
	)
}

// parallel calls f for 0 to n-1, a few at a time, and waits.
func parallel(n int, f func(i int)) {
	workers := min(n, 4*runtime.GOMAXPROCS(0))
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
