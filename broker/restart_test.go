package broker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copyDir is what a process that was killed at this moment leaves behind: the
// files as the system has them, no clean shutdown.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// TestWhatWasAcknowledgedSurvivesAKill copies the data directory in the middle
// of producing, as a kill would leave it, and starts a broker on the copy.
func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, func(o *Options) { o.DataDir, o.DefaultPartitions = dir, 3 })
	client := newClient(t, b, kgo.DefaultProduceTopic("kept"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerLinger(0))
	acked := map[string]bool{}
	for i := range 50 {
		r := &kgo.Record{Value: fmt.Appendf(nil, "v%d", i)}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
		acked[fmt.Sprintf("%d/%d/%s", r.Partition, r.Offset, r.Value)] = true
	}
	more := make(chan struct{})
	go func() {
		defer close(more)
		for i := range 500 {
			client.Produce(context.Background(), &kgo.Record{Value: fmt.Appendf(nil, "more%d", i)}, nil)
		}
		_ = client.Flush(context.Background())
	}()
	killed := copyDir(t, dir)
	<-more

	again := startBroker(t, func(o *Options) { o.DataDir = killed })
	for _, r := range consume(t, again, "kept", len(acked)) {
		delete(acked, fmt.Sprintf("%d/%d/%s", r.Partition, r.Offset, r.Value))
	}
	// Unacknowledged ones may stand in between; read on until all are found.
	if len(acked) > 0 {
		for _, p := range again.topics.byName("kept").parts {
			records, _, err := p.ReadRecords(t.Context(), 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				delete(acked, fmt.Sprintf("%d/%d/%s", p.index, r.Offset, r.Value))
			}
		}
	}
	for lost := range acked {
		t.Errorf("lost %s", lost)
	}
}

func TestACleanStopLeavesTheMarkAndAStartTakesIt(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, ".kafka_cleanshutdown")
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	createTopic(t, b, "t", 2, map[string]string{"retention.ms": "1000"})
	if err := b.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, func(o *Options) { o.DataDir = dir })
	if _, err := os.Stat(mark); err == nil {
		t.Error("the mark is still there")
	}
	if got := b.topics.byName("t"); got == nil || len(got.parts) != 2 || got.values.RetentionTime != time.Second {
		t.Errorf("got %+v", got)
	}
}

func TestOneDirectoryServesOneBroker(t *testing.T) {
	dir := t.TempDir()
	startBroker(t, func(o *Options) { o.DataDir = dir })
	b, err := New(Options{DataDir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err == nil {
		t.Fatal("a second broker started on the same directory")
	}
}

func TestADeletedTopicIsGoneAndItsSuccessorEmpty(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, func(o *Options) { o.DataDir = dir })
	client := newClient(t, b, kgo.DefaultProduceTopic("t"))
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("old")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := b.deleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(partitionDir(dir, "t", 0)); err == nil {
		t.Error("the files are still there")
	}
	createTopic(t, b, "t", 1, nil)
	if p, err := b.Partition("t", 0); err != nil || p.EndOffset() != 0 {
		t.Errorf("%v", err)
	}
}
