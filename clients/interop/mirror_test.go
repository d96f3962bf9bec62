package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// MirrorMaker copies a topic of Apache Kafka to Dovetail and one of Dovetail to
// Apache Kafka: its records, its configuration, and where its groups stand, so that a
// reader who changes over sees what it has not seen yet.
func TestMirrorMaker(t *testing.T) {
	t.Parallel()
	jars, _ := filepath.Glob("connect/target/lib/connect-mirror-[0-9]*.jar")
	if len(jars) != 1 {
		t.Fatal("MirrorMaker is not installed: run make deps")
	}
	t.Log(filepath.Base(jars[0]))
	s := startServer(t)
	kafka := startKafka(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	sides := []mirrored{
		{name: "kafka", source: kafka, target: s.kafka},
		{name: "dovetail", source: s.kafka, target: kafka},
	}
	for _, m := range sides {
		m.create(t, ctx)
		m.produce(t, ctx, 0, 600) // before MirrorMaker runs
		m.read(t, ctx, m.source, m.topic(), "moving", 200, true)
	}
	config := filepath.Join(t.TempDir(), "mirror.properties")
	err := os.WriteFile(config, []byte(strings.Join([]string{
		"clusters=kafka,dovetail", "kafka.bootstrap.servers=" + kafka, "dovetail.bootstrap.servers=" + s.kafka,
		"kafka->dovetail.enabled=true", "kafka->dovetail.topics=of-kafka",
		"dovetail->kafka.enabled=true", "dovetail->kafka.topics=of-dovetail",
		"groups=moving", "sync.group.offsets.enabled=true", "offset.lag.max=0",
		"refresh.topics.interval.seconds=1", "refresh.groups.interval.seconds=1", "sync.topic.configs.interval.seconds=1",
		"emit.checkpoints.interval.seconds=1", "sync.group.offsets.interval.seconds=1",
		"replication.factor=1", "checkpoints.topic.replication.factor=1", "heartbeats.topic.replication.factor=1", "offset-syncs.topic.replication.factor=1",
		"offset.storage.replication.factor=1", "status.storage.replication.factor=1", "config.storage.replication.factor=1",
		"plugin.discovery=service_load", "offset.flush.interval.ms=1000",
	}, "\n")), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	maker := startJava(t, s.kafka, connectJars, "org.apache.kafka.connect.mirror.MirrorMaker", config)
	for _, m := range sides {
		t.Run("from "+m.name, func(t *testing.T) {
			m.awaitTopic(t, ctx, maker)
			m.produce(t, ctx, 600, 1000) // while it runs
			m.checkRecords(t, ctx)
			m.checkGroup(t, ctx, maker)
		})
	}
	maker.kill()
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

// mirrored is one direction.
type mirrored struct {
	name           string // of the cluster the topic is in
	source, target string
}

func (m mirrored) topic() string  { return "of-" + m.name }
func (m mirrored) mirror() string { return m.name + ".of-" + m.name }

const mirrorRetention = "7654321000"

func (m mirrored) create(t *testing.T, ctx context.Context) {
	t.Helper()
	retention := mirrorRetention
	_, err := kadm.NewClient(newKgo(t, m.source)).CreateTopic(ctx, 2, 1, map[string]*string{"retention.ms": &retention}, m.topic())
	if err != nil {
		t.Fatal(err)
	}
}

// produce writes records from to to, even ones to partition 0.
func (m mirrored) produce(t *testing.T, ctx context.Context, from, to int) {
	t.Helper()
	cl := newKgo(t, m.source, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	var records []*kgo.Record
	for i := from; i < to; i++ {
		r := &kgo.Record{
			Topic: m.topic(), Partition: int32(i % 2), Key: fmt.Appendf(nil, "k-%d", i), Value: fmt.Appendf(nil, "%s-%d", m.name, i),
			Timestamp: time.UnixMilli(time.Now().UnixMilli() - int64(to-i)), Headers: []kgo.RecordHeader{{Key: "n", Value: fmt.Append(nil, i)}, {Key: "null"}},
		}
		if i%10 == 9 {
			r.Value = nil
		}
		records = append(records, r)
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// read reads count records of a topic, or of each partition at most count, and
// commits them.
func (m mirrored) read(t *testing.T, ctx context.Context, broker, topic, group string, count int, perPartition bool) (keys []string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	seen := map[int32]int{}
	for len(keys) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("group %s has %d of %d records of %s: %v", group, len(keys), count, topic, err)
		}
		var take []*kgo.Record
		fetches.EachRecord(func(r *kgo.Record) {
			if len(keys) == count || perPartition && seen[r.Partition] == count/2 {
				return
			}
			seen[r.Partition]++
			keys = append(keys, string(r.Key))
			take = append(take, r)
		})
		if err := cl.CommitRecords(ctx, take...); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

func (m mirrored) awaitTopic(t *testing.T, ctx context.Context, maker *process) {
	t.Helper()
	admin := kadm.NewClient(newKgo(t, m.target))
	maker.await(t, ctx, m.mirror(), func() error {
		topics, err := admin.ListTopics(ctx, m.mirror())
		if err != nil {
			return err
		}
		if err := topics.Error(); err != nil {
			return err
		}
		if n := len(topics[m.mirror()].Partitions); n != 2 {
			return fmt.Errorf("%d partitions", n)
		}
		configs, err := admin.DescribeTopicConfigs(ctx, m.mirror())
		if err != nil {
			return err
		}
		for _, c := range configs[0].Configs {
			if c.Key == "retention.ms" && c.MaybeValue() == mirrorRetention {
				return nil
			}
		}
		return errors.New("retention.ms is not " + mirrorRetention)
	})
}

// checkRecords compares source and mirror, record by record.
func (m mirrored) checkRecords(t *testing.T, ctx context.Context) {
	t.Helper()
	all := func(broker, topic string) map[int32][]*kgo.Record {
		cl := newKgo(t, broker, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		byPartition := map[int32][]*kgo.Record{}
		for n := 0; n < 1000; {
			fetches := cl.PollFetches(ctx)
			if err := fetches.Err(); err != nil {
				t.Fatalf("%s: %d of 1000 records: %v", topic, n, err)
			}
			fetches.EachRecord(func(r *kgo.Record) { n++; byPartition[r.Partition] = append(byPartition[r.Partition], r) })
		}
		return byPartition
	}
	source, mirror := all(m.source, m.topic()), all(m.target, m.mirror())
	for _, partition := range slices.Sorted(maps.Keys(source)) {
		if len(source[partition]) != len(mirror[partition]) {
			t.Fatalf("partition %d has %d records, its mirror %d", partition, len(source[partition]), len(mirror[partition]))
		}
		for i, a := range source[partition] {
			b := mirror[partition][i]
			if a.Offset != b.Offset || string(a.Key) != string(b.Key) || string(a.Value) != string(b.Value) || (a.Value == nil) != (b.Value == nil) || !a.Timestamp.Equal(b.Timestamp) {
				t.Fatalf("partition %d: %d %s=%q %v became %d %s=%q %v", partition, a.Offset, a.Key, a.Value, a.Timestamp, b.Offset, b.Key, b.Value, b.Timestamp)
			}
			if !slices.EqualFunc(a.Headers, b.Headers, func(x, y kgo.RecordHeader) bool { return x.Key == y.Key && string(x.Value) == string(y.Value) }) {
				t.Fatalf("partition %d offset %d: headers %v became %v", partition, a.Offset, a.Headers, b.Headers)
			}
		}
	}
}

// checkGroup: the group that had read the first hundred of each partition before
// MirrorMaker ran stands there, or before, in the mirror; when it has read all,
// it has nothing left there either.
func (m mirrored) checkGroup(t *testing.T, ctx context.Context, maker *process) {
	t.Helper()
	admin := kadm.NewClient(newKgo(t, m.target))
	// A translated offset is never ahead of the original; MirrorMaker gives none
	// for a position that it has not seen copied.
	early, err := admin.FetchOffsets(ctx, "moving")
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		t.Fatal(err)
	}
	early.Each(func(o kadm.OffsetResponse) {
		if o.Topic == m.mirror() && o.At > 100 {
			t.Errorf("partition %d: offset 100 of the group became %d", o.Partition, o.At)
		}
	})
	m.read(t, ctx, m.source, m.topic(), "moving", 800, false)
	maker.await(t, ctx, "offsets of the group on the mirror", func() error {
		commits, err := admin.FetchOffsets(ctx, "moving")
		if err != nil {
			return err
		}
		for partition := range int32(2) {
			if c, found := commits.Lookup(m.mirror(), partition); !found || c.At != 500 {
				return fmt.Errorf("partition %d: found %t, offset %d, want 500", partition, found, c.At)
			}
		}
		return nil
	})
}
