package broker

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/record"
)

// produceOne sends one record with acks=all to partition 0 of a topic.
func produceOne(c *rawClient, topic, value string) kmsg.ProduceResponseTopicPartition {
	c.t.Helper()
	b := record.NewBuilder(record.BatchOptions{})
	b.Add(1_700_000_000_000, nil, []byte(value))
	batch, err := b.Append(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(9)
	req.Acks, req.TimeoutMillis = -1, 60_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return c.ask(req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

// wantStorageError checks a code and that the message says what the system said.
func wantStorageError(t *testing.T, what string, code int16, message *string, cause error) {
	t.Helper()
	if code != kerr.KafkaStorageError.Code || message == nil || !strings.Contains(*message, cause.Error()) {
		text := ""
		if message != nil {
			text = *message
		}
		t.Errorf("%s: code %d (%v), message %q", what, code, kerr.ErrorForCode(code), text)
	}
}

func createOne(c *rawClient, topic string) kmsg.CreateTopicsResponseTopic {
	c.t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, 3, 1
	req.Topics = append(req.Topics, t)
	return c.ask(req).(*kmsg.CreateTopicsResponse).Topics[0]
}

// commitOne commits an offset of partition 0, and returns the code.
func commitOne(c *rawClient, group, topic string, offset int64) int16 {
	c.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.SetVersion(8)
	req.Group, req.Generation = group, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = topic
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return c.ask(req).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
}

// committedOne is the committed offset of partition 0, or the code instead.
func committedOne(c *rawClient, group, topic string) (offset int64, code int16) {
	c.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.SetVersion(7)
	req.Group = group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic, t.Partitions = topic, []int32{0}
	req.Topics = append(req.Topics, t)
	resp := c.ask(req).(*kmsg.OffsetFetchResponse)
	if resp.ErrorCode != 0 {
		return -1, resp.ErrorCode
	}
	return resp.Topics[0].Partitions[0].Offset, resp.Topics[0].Partitions[0].ErrorCode
}

// TestFullDiskRefusesWritesAndRecoversWithoutARestart fills the disk under a serving
// broker and makes room again.
func TestFullDiskRefusesWritesAndRecoversWithoutARestart(t *testing.T) {
	disk := &vfs.Faulty{FS: vfs.OS}
	dir := t.TempDir()
	b := startBroker(t, func(o *Options) { o.DataDir, o.fs = dir, disk })
	c := dialRaw(t, b)
	createTopic(t, b, "t", 1, nil)
	if p := produceOne(c, "t", "before"); p.ErrorCode != 0 || p.BaseOffset != 0 {
		t.Fatalf("%+v", p)
	}
	eventually(t, "a commit", func() bool { return commitOne(c, "g", "t", 1) == 0 })

	disk.Arm(vfs.OpWrite|vfs.OpCreate|vfs.OpMkdir, 1, true, syscall.ENOSPC)
	for range 2 {
		p := produceOne(c, "t", "refused")
		wantStorageError(t, "produce", p.ErrorCode, p.ErrorMessage, syscall.ENOSPC)
	}
	made := createOne(c, "new")
	wantStorageError(t, "create", made.ErrorCode, made.ErrorMessage, syscall.ENOSPC)
	if b.topics.byName("new") != nil {
		t.Error("the refused topic is there")
	}
	more := kmsg.NewPtrCreatePartitionsRequest()
	more.SetVersion(3)
	asked := kmsg.NewCreatePartitionsRequestTopic()
	asked.Topic, asked.Count = "t", 2
	more.Topics = append(more.Topics, asked)
	refused := c.ask(more).(*kmsg.CreatePartitionsResponse).Topics[0]
	wantStorageError(t, "more partitions", refused.ErrorCode, refused.ErrorMessage, syscall.ENOSPC)
	// Kafka's answer to a commit that cannot be stored: the client tries again.
	if code := commitOne(c, "g", "t", 0); code != kerr.NotCoordinator.Code {
		t.Errorf("commit: code %d (%v)", code, kerr.ErrorForCode(code))
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.SetVersion(4)
	find.CoordinatorType, find.CoordinatorKeys = 1, []string{"txn"}
	coordinator := func() int16 { return c.ask(find).(*kmsg.FindCoordinatorResponse).Coordinators[0].ErrorCode }
	if code := coordinator(); code != kerr.CoordinatorNotAvailable.Code {
		t.Errorf("a coordinator whose topic cannot be made: code %d (%v)", code, kerr.ErrorForCode(code))
	}
	// Reads go on.
	if got := consume(t, b, "t", 1); string(got[0].Value) != "before" {
		t.Errorf("read is %s", got[0].Value)
	}
	eventually(t, "the committed offset is read", func() bool {
		offset, code := committedOne(c, "g", "t")
		return code == 0 && offset == 1
	})

	disk.Arm(0, 0, false, nil)
	if p := produceOne(c, "t", "after"); p.ErrorCode != 0 || p.BaseOffset != 1 {
		t.Errorf("produce when there is room: %+v", p)
	}
	if made := createOne(c, "new"); made.ErrorCode != 0 {
		t.Errorf("create when there is room: code %d, %s", made.ErrorCode, *made.ErrorMessage)
	}
	if p := produceOne(c, "new", "first"); p.ErrorCode != 0 {
		t.Errorf("produce to the new topic: %+v", p)
	}
	eventually(t, "a commit when there is room", func() bool { return commitOne(c, "g", "t", 2) == 0 })
	eventually(t, "a transaction coordinator when there is room", func() bool { return coordinator() == 0 })

	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := startBroker(t, func(o *Options) { o.DataDir = dir })
	if got := consume(t, again, "t", 2); string(got[0].Value) != "before" || string(got[1].Value) != "after" {
		t.Errorf("after a restart %s, %s", got[0].Value, got[1].Value)
	}
	c = dialRaw(t, again)
	eventually(t, "the committed offset after a restart", func() bool {
		offset, code := committedOne(c, "g", "t")
		return code == 0 && offset == 2
	})
}

// TestFailedFsyncIsAnsweredAndTheRestartRecovers: of a file when records are made
// durable, and of the folder when a segment is rolled. The partition is offline for
// writing until a restart, is read, and no other is touched.
func TestFailedFsyncIsAnsweredAndTheRestartRecovers(t *testing.T) {
	for name, op := range map[string]vfs.Op{"append": vfs.OpSync, "roll": vfs.OpSyncDir} {
		t.Run(name, func(t *testing.T) {
			disk := &vfs.Faulty{FS: vfs.OS, Under: string(filepath.Separator) + "bad-0"}
			dir := t.TempDir()
			b := startBroker(t, func(o *Options) { o.DataDir, o.fs = dir, disk })
			c := dialRaw(t, b)
			createTopic(t, b, "bad", 1, map[string]string{"segment.bytes": "1048576"})
			createTopic(t, b, "good", 1, nil)
			large := string(bytes.Repeat([]byte("x"), 700_000)) // the next one is for another segment
			if p := produceOne(c, "bad", large); p.ErrorCode != 0 {
				t.Fatalf("%+v", p)
			}
			disk.Arm(op, 1, true, syscall.EIO)
			p := produceOne(c, "bad", large)
			wantStorageError(t, "produce", p.ErrorCode, p.ErrorMessage, syscall.EIO)
			disk.Arm(0, 0, false, nil) // as if nothing had been, but nothing is known
			p = produceOne(c, "bad", large)
			wantStorageError(t, "produce to an offline partition", p.ErrorCode, p.ErrorMessage, syscall.EIO)
			b.reopen()
			if b.topics.byName("bad").partition(0).offline() == nil {
				t.Error("the partition is online without a restart")
			}
			meta := kmsg.NewPtrMetadataRequest()
			meta.SetVersion(12)
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr("bad")
			meta.Topics = append(meta.Topics, topic)
			if m := c.ask(meta).(*kmsg.MetadataResponse).Topics[0].Partitions[0]; m.ErrorCode != kerr.LeaderNotAvailable.Code || len(m.OfflineReplicas) != 1 {
				t.Errorf("metadata says %+v", m)
			}
			records, _, err := b.topics.byName("bad").partition(0).ReadRecords(t.Context(), 0, 10)
			if err != nil || len(records) != 1 {
				t.Errorf("offline %d records are read, %v", len(records), err)
			}
			if p := produceOne(c, "good", "y"); p.ErrorCode != 0 {
				t.Errorf("another partition: %+v", p)
			}
			if err := b.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, ".kafka_cleanshutdown")); !os.IsNotExist(err) {
				t.Errorf("the next start is told that all is on the disk: %v", err)
			}
			again := startBroker(t, func(o *Options) { o.DataDir = dir })
			c = dialRaw(t, again)
			if p := produceOne(c, "bad", "z"); p.ErrorCode != 0 || p.BaseOffset < 1 {
				t.Errorf("after a restart: %+v", p)
			}
			records, _, err = again.topics.byName("bad").partition(0).ReadRecords(t.Context(), 0, 10)
			if err != nil || len(records) < 2 || string(records[0].Value) != large || string(records[len(records)-1].Value) != "z" {
				t.Errorf("after a restart %d records are read, %v", len(records), err)
			}
		})
	}
}
