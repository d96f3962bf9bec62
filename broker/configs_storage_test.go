package broker

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestFilesOfDeletedSegmentsStayForFileDeleteDelay(t *testing.T) {
	dir := t.TempDir()
	var ahead atomic.Int64 // of the clock
	b := startBroker(t, func(o *Options) {
		o.DataDir = dir
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	// Hours, so that no round in the background comes between.
	createTopic(t, b, "t", 1, map[string]string{"file.delete.delay.ms": "36000000"})
	client := newClient(t, b, kgo.DefaultProduceTopic("t"))
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.topics.byName("t").parts[0].log.DeleteRecordsBefore(1); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(8 * 24 * time.Hour)) // retention.ms is over
	b.retain()
	file := filepath.Join(dir, "t-0", "00000000000000000000.log.deleted")
	ahead.Add(int64(9 * time.Hour))
	b.removeDeleted()
	if _, err := os.Stat(file); err != nil {
		t.Fatal("an hour before its time:", err)
	}
	ahead.Add(int64(time.Hour))
	b.removeDeleted()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Fatal("it stays beyond its time:", err)
	}
}

// TestFoldersOfDeletedTopicsStayForFileDeleteDelay: renamed as Kafka renames them, so
// that a topic of the same name can be created at once, and at a start they go.
func TestFoldersOfDeletedTopicsStayForFileDeleteDelay(t *testing.T) {
	dir := t.TempDir()
	var ahead atomic.Int64 // of the clock
	change := func(o *Options) {
		o.DataDir = dir
		o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	}
	b := startBroker(t, change)
	folders := func() int {
		found, err := filepath.Glob(filepath.Join(dir, "t-0.????????????????????????????????-delete"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for range 2 {
		createTopic(t, b, "t", 1, map[string]string{"file.delete.delay.ms": "36000000"})
		if err := b.deleteTopic("t"); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(partitionDir(dir, "t", 0)); !os.IsNotExist(err) {
			t.Fatal("the folder has its name still:", err)
		}
	}
	ahead.Add(int64(9 * time.Hour))
	b.removeDeleted()
	if n := folders(); n != 2 {
		t.Fatalf("an hour before their time there are %d folders", n)
	}
	ahead.Add(int64(2 * time.Hour))
	b.removeDeleted()
	if n := folders(); n != 0 {
		t.Fatalf("%d folders stay beyond their time", n)
	}
	createTopic(t, b, "t", 1, map[string]string{"file.delete.delay.ms": "36000000"})
	if err := b.deleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if n := folders(); n != 1 {
		t.Fatalf("%d folders", n)
	}
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	startBroker(t, change)
	if n := folders(); n != 0 {
		t.Fatalf("a start leaves %d folders", n)
	}
}

func TestCompressionLevelsReachTheStoredBatches(t *testing.T) {
	b := startBroker(t)
	adm := kadm.NewClient(newClient(t, b))
	value := ""
	for i := range 3000 {
		value += "order " + strings.Repeat(string(rune('a'+i*i%23)), i%7) + " of customer " + strings.Repeat(string(rune('a'+i%19)), i%5)
	}
	for codec, levels := range map[string][2]string{"gzip": {"1", "9"}, "lz4": {"9", "17"}, "zstd": {"1", "22"}} {
		createTopic(t, b, codec, 1, map[string]string{"compression.type": codec})
		client := newClient(t, b, kgo.DefaultProduceTopic(codec), kgo.ProducerBatchCompression(kgo.NoCompression()))
		var sizes [2]int64
		for i, level := range levels {
			name := "compression." + codec + ".level"
			res, err := adm.AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &level}}, codec)
			if err != nil || res[0].Err != nil {
				t.Fatal(err, res)
			}
			log := b.topics.byName(codec).parts[0].log
			before := log.SizeBytes()
			if err := client.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			sizes[i] = log.SizeBytes() - before
		}
		if sizes[1] >= sizes[0] {
			t.Errorf("%s: %d bytes at level %s, %d at level %s", codec, sizes[0], levels[0], sizes[1], levels[1])
		}
	}
}
