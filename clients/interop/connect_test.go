package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const connectJars = "connect/target/lib/*"

// Kafka Connect in distributed mode copies a file to a topic, exactly once, and
// the topic to another file. The worker is killed in between; another one finds
// connectors and positions in its topics and goes on.
func TestKafkaConnect(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.txt"), filepath.Join(dir, "out.txt")

	var text bytes.Buffer
	lineCount := 0
	// The source counts characters and goes on at that many bytes: ASCII only.
	appendLines := func(n int) {
		for range n {
			fmt.Fprintf(&text, "line %d of the file, %s\n", lineCount, strings.Repeat("-", lineCount%40))
			lineCount++
		}
		if err := os.WriteFile(in, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	appendLines(2000)
	w := startWorker(t, s)
	var about struct {
		Version string `json:"version"`
		Cluster string `json:"kafka_cluster_id"`
	}
	w.await(t, ctx, "the REST interface", func() error { return w.call(ctx, "GET", "/", nil, &about) })
	t.Logf("Kafka Connect %s on cluster %s", about.Version, about.Cluster)

	file := "org.apache.kafka.connect.file.FileStream"
	for name, config := range map[string]map[string]string{
		"source": {
			"connector.class": file + "SourceConnector", "tasks.max": "1", "file": in, "topic": "copied",
			"exactly.once.support": "required", "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "3",
		},
		"sink": {"connector.class": file + "SinkConnector", "tasks.max": "1", "file": out, "topics": "copied"},
	} {
		w.await(t, ctx, "PUT "+name, func() error { return w.call(ctx, "PUT", "/connectors/"+name+"/config", config, nil) })
	}
	w.awaitRunning(t, ctx, "source", "sink")
	awaitFile(t, ctx, w, out, text.Bytes())

	// What the sink has written counts only when its offset is committed; a kill
	// before that would have it write some lines again, as it should.
	awaitCommit(t, ctx, s, w, "connect-sink", "copied")
	w.kill()
	appendLines(1000)
	w = startWorker(t, s)
	w.await(t, ctx, "the REST interface", func() error { return w.call(ctx, "GET", "/", nil, &about) })
	awaitFile(t, ctx, w, out, text.Bytes())
	w.awaitRunning(t, ctx, "source", "sink")

	records := committed(t, s.kafka, "copied")
	for i, line := range strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n") {
		if i >= len(records) || string(records[i].Value) != line {
			t.Fatalf("record %d of %d is not line %q", i, len(records), line)
		}
	}
	if len(records) != lineCount {
		t.Errorf("%d records for %d lines", len(records), lineCount)
	}
	for _, name := range []string{"source", "sink"} {
		if err := w.call(ctx, "DELETE", "/connectors/"+name, nil, nil); err != nil {
			t.Error(err)
		}
	}
	var left []string
	w.await(t, ctx, "an empty list of connectors", func() error {
		if err := w.call(ctx, "GET", "/connectors", nil, &left); err != nil {
			return err
		}
		if len(left) > 0 {
			return fmt.Errorf("there are %v", left)
		}
		return nil
	})
	w.kill()
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

// worker is one of Kafka Connect.
type worker struct {
	*process
	url string
}

func startWorker(t *testing.T, s *server) *worker {
	t.Helper()
	addr := freeAddr(t)
	config := filepath.Join(t.TempDir(), "worker.properties")
	converter := "org.apache.kafka.connect.storage.StringConverter"
	err := os.WriteFile(config, []byte(strings.Join([]string{
		"bootstrap.servers=" + s.kafka, "group.id=connect", "listeners=http://" + addr,
		"config.storage.topic=connect-configs", "offset.storage.topic=connect-offsets", "status.storage.topic=connect-status",
		"key.converter=" + converter, "value.converter=" + converter,
		"exactly.once.source.support=enabled", "plugin.discovery=service_load",
		"consumer.isolation.level=read_committed",
		// What a killed worker leaves behind is taken over this soon.
		"offset.flush.interval.ms=500", "scheduled.rebalance.max.delay.ms=0", "session.timeout.ms=6000", "heartbeat.interval.ms=1000",
		"consumer.session.timeout.ms=20000",
	}, "\n")), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	return &worker{startJava(t, s.kafka, connectJars, "org.apache.kafka.connect.cli.ConnectDistributed", config), "http://" + addr}
}

// call sends a request to the REST interface and decodes the answer, if wanted.
func (w *worker) call(ctx context.Context, method, path string, body, answer any) error {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, &text)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s %s", method, path, response.Status, b)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(b, answer)
}

// await tries until it succeeds.
func (p *process) await(t *testing.T, ctx context.Context, what string, try func() error) {
	t.Helper()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (w *worker) awaitRunning(t *testing.T, ctx context.Context, connectors ...string) {
	t.Helper()
	for _, name := range connectors {
		w.await(t, ctx, name, func() error {
			type state struct{ State, Trace string }
			var status struct {
				Connector state
				Tasks     []state
			}
			if err := w.call(ctx, "GET", "/connectors/"+name+"/status", nil, &status); err != nil {
				return err
			}
			if len(status.Tasks) != 1 || status.Connector.State != "RUNNING" || status.Tasks[0].State != "RUNNING" {
				return fmt.Errorf("status %+v", status)
			}
			return nil
		})
	}
}

func awaitFile(t *testing.T, ctx context.Context, w *worker, path string, want []byte) {
	t.Helper()
	w.await(t, ctx, path, func() error {
		got, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(got, want) {
			if len(got) >= len(want) || !bytes.HasPrefix(want, got) {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				t.Fatalf("%d bytes, want %d; they differ from byte %d on:\n%.200s", len(got), len(want), at, got[at:])
			}
			err = fmt.Errorf("%d of %d bytes", len(got), len(want))
		}
		return err
	})
}

// awaitCommit waits until a group has committed all records of partition 0 of a
// topic.
func awaitCommit(t *testing.T, ctx context.Context, s *server, w *worker, group, topic string) {
	t.Helper()
	records := committed(t, s.kafka, topic)
	end := records[len(records)-1].Offset + 1
	admin := kadm.NewClient(newKgo(t, s.kafka))
	w.await(t, ctx, "the commit of "+group, func() error {
		commits, err := admin.FetchOffsets(ctx, group)
		if err != nil {
			return err
		}
		if c, ok := commits.Lookup(topic, 0); !ok || c.At < end {
			return fmt.Errorf("committed %d of %d", c.At, end)
		}
		return nil
	})
}
