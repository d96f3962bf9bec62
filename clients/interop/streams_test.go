package interop

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const streamsClasspath = "streams/target/classes:streams/target/lib/*"

// Kafka Streams counts words exactly once, although it is killed twice at work
// and goes on from an empty disk: for each word there is one committed record of
// every count from 1 to what the test itself counted, in order.
func TestKafkaStreams(t *testing.T) {
	t.Parallel()
	printVersion(t, streamsClasspath, "dev.dovetail.interop.WordCount", "version")
	s := startServer(t)
	const (
		input, output = "lines", "counts"
		lineCount     = 3000
		ahead         = 300 // lines that the application may lag behind
	)
	s.createTopic(t, input, 3)
	s.createTopic(t, output, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	lines := newLines(seed)
	writer := newKgo(t, s.kafka)
	reader := newKgo(t, s.kafka, kgo.ConsumeTopics(output), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))

	want, got := map[string]int64{}, map[string]int64{}
	words, counted, written := 0, 0, 0
	app, kills := startWordCount(t, s, input, output), 0
	for written < lineCount || counted < words {
		// More lines only when most of the last ones are counted, so that the kills
		// come in the middle of the work.
		if written < lineCount && words-counted < ahead {
			batch := make([]*kgo.Record, 100)
			for i := range batch {
				line := lines.next()
				batch[i] = &kgo.Record{Topic: input, Value: []byte(strings.Join(line, " "))}
				for _, w := range line {
					want[w]++
				}
				words += len(line)
			}
			if err := writer.ProduceSync(ctx, batch...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			written += len(batch)
			if kills < 2 && written == lineCount*(kills+1)/3 {
				app.kill()
				app = startWordCount(t, s, input, output)
				kills++
			}
		}
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d words are counted after %d kills: %v", counted, words, kills, err)
		}
		for it := fetches.RecordIter(); !it.Done(); counted++ {
			r := it.Next()
			word, count := string(r.Key), int64(binary.BigEndian.Uint64(r.Value))
			if count != got[word]+1 {
				t.Fatalf("partition %d offset %d counts %q as %d after %d", r.Partition, r.Offset, word, count, got[word])
			}
			got[word] = count
		}
	}
	if kills != 2 {
		t.Fatalf("%d kills, want 2", kills)
	}
	for word, n := range want {
		if got[word] != n {
			t.Errorf("%q is counted %d times, want %d", word, got[word], n)
		}
	}
	t.Logf("%d words of %d kinds in %d lines, %d kills", counted, len(got), written, kills)

	admin := kadm.NewClient(writer)
	t.Run("changelog", func(t *testing.T) {
		changelog := "wordcount-counts-changelog"
		configs, err := admin.DescribeTopicConfigs(ctx, changelog)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs[0].Configs {
			if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
				t.Errorf("cleanup.policy is %s, want compact", c.MaybeValue())
			}
		}
		last := map[string]int64{}
		for _, r := range committed(t, s.kafka, changelog) {
			last[string(r.Key)] = int64(binary.BigEndian.Uint64(r.Value))
		}
		for word, n := range want {
			if last[word] != n {
				t.Errorf("the changelog ends with %d for %q, want %d", last[word], word, n)
			}
		}
	})
	// What has been counted is of no use any more in the repartition topic; Streams
	// deletes it.
	t.Run("repartition topic is purged", func(t *testing.T) {
		for {
			starts, err := admin.ListStartOffsets(ctx, "wordcount-words-repartition")
			if err != nil {
				t.Fatal(err)
			}
			purged := int64(0)
			starts.Each(func(o kadm.ListedOffset) { purged += o.Offset })
			if purged > 0 {
				t.Logf("%d records of the repartition topic are deleted", purged)
				return
			}
			select {
			case <-ctx.Done():
				t.Fatal("nothing was deleted")
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	app.kill()
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

// lines are sentences of words some of which are much more frequent than others.
type lines struct {
	rand *rand.Rand
	zipf *rand.Zipf
}

func newLines(seed uint64) *lines {
	r := rand.New(rand.NewPCG(seed, 1))
	return &lines{rand: r, zipf: rand.NewZipf(r, 1.2, 4, 199)}
}

func (l *lines) next() []string {
	words := make([]string, 1+l.rand.IntN(8))
	for i := range words {
		words[i] = fmt.Sprintf("word-%d", l.zipf.Uint64())
	}
	return words
}

func startWordCount(t *testing.T, s *server, input, output string) *process {
	t.Helper()
	return startJava(t, s.kafka, streamsClasspath, "dev.dovetail.interop.WordCount",
		"run", "wordcount", input, output, filepath.Join(t.TempDir(), "state"))
}

// committed is what a topic holds for a consumer that reads committed records.
func committed(t *testing.T, broker, topic string) (records []*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cl := newKgo(t, broker, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	admin := kadm.NewClient(cl)
	ends, err := admin.ListCommittedOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	// A partition is at its end when its last record is seen, if only a marker.
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if start, ok := starts.Lookup(topic, o.Partition); ok && o.Offset > start.Offset {
			left[o.Partition] = o.Offset
		}
	})
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%s: %v; not at the end: %v", topic, err, left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
		})
	}
	return records
}
