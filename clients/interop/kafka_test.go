package interop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
	kafkajournal "github.com/dovetail-dev/dovetail/registry/journal/kafka"
)

// startKafka runs one node of Apache Kafka, broker and controller in one JVM, on
// free ports and with more settings, until the test ends. It returns the broker's
// address.
func startKafka(t *testing.T, more ...string) string {
	t.Helper()
	if jars, _ := filepath.Glob(kafkaJars + ".jar"); len(jars) == 0 {
		t.Fatal("Apache Kafka is not installed: run make deps")
	}
	dir := t.TempDir()
	broker, controller := freeAddr(t), freeAddr(t)
	config := filepath.Join(dir, "server.properties")
	err := os.WriteFile(config, []byte(strings.Join(append([]string{
		"process.roles=broker,controller", "node.id=1", "controller.quorum.voters=1@" + controller,
		"listeners=PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"controller.listener.names=CONTROLLER",
		"log.dirs=" + filepath.Join(dir, "data"),
		"offsets.topic.num.partitions=4", "offsets.topic.replication.factor=1",
		"transaction.state.log.num.partitions=4", "transaction.state.log.replication.factor=1", "transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"transaction.partition.verification.enable=true",
	}, more...), "\n")), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	format := java(kafkaJars, "kafka.tools.StorageTool", "format", "-t", "ZG92ZXRhaWwtaW50ZXJvcA", "-c", config)
	if out, err := exec.Command(format[0], format[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("format: %v\n%s", err, tail(out))
	}
	run := java(kafkaJars, "kafka.Kafka", config)
	cmd := exec.Command(run[0], run[1:]...)
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=-Xmx512m")
	var log logBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.keep(t, "kafka.Kafka")
	})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	admin := kadm.NewClient(newKgo(t, broker))
	for {
		if brokers, err := admin.ListBrokers(ctx); err == nil && len(brokers) == 1 {
			return broker
		}
		select {
		case <-ctx.Done():
			t.Fatal("Kafka did not answer within three minutes")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func newKgo(t *testing.T, broker string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(broker))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// What is built for Dovetail works on Apache Kafka too.
func TestApacheKafka(t *testing.T) {
	t.Parallel()
	broker := startKafka(t)
	t.Run("journal", func(t *testing.T) { testKafkaJournal(t, broker) })
	t.Run("registry", func(t *testing.T) { testRegistryOnKafka(t, broker) })
	t.Run("same code", func(t *testing.T) { testSameCode(t, broker) })
}

// A topic of a Kafka cluster keeps what package journal promises.
func testKafkaJournal(t *testing.T, broker string) {
	n := 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		n++
		j, err := kafkajournal.Open(t.Context(), kafkajournal.Options{Brokers: []string{broker}, Topic: fmt.Sprintf("journal-%d", n)})
		if err != nil {
			t.Fatal(err)
		}
		return j
	})
}

// A registry whose journal is a topic comes back with everything after a kill,
// on a machine that has nothing but the address of the cluster; and who took
// over fences who was there before.
func testRegistryOnKafka(t *testing.T, broker string) {
	flag := "--journal=kafka://" + broker + "/registry"
	first := startServer(t, flag)
	id := first.register(t, "orders-value", `"string"`)
	second := startServer(t, flag)
	if got := second.get(t, "/subjects/orders-value/versions/1"); !strings.Contains(got, fmt.Sprintf(`"id":%d`, id)) {
		t.Errorf("the second instance says %s, want id %d", got, id)
	}
	other := second.register(t, "payments-value", `"long"`)
	if other == id {
		t.Errorf("two schemas have id %d", id)
	}
	if status, body := first.post(t, "/subjects/late-value/versions", `{"schema":"\"int\""}`); status < 500 {
		t.Errorf("the instance that was fenced answered %d: %s", status, body)
	}
	first.kill()
	second.kill()
	third := startServer(t, flag)
	if got := third.get(t, "/subjects"); got != `["orders-value","payments-value"]` {
		t.Errorf("after both were killed the subjects are %s", got)
	}
	if again := third.register(t, "orders-value", `"string"`); again != id {
		t.Errorf("the same schema has id %d, it was %d", again, id)
	}
}

// register registers an Avro schema and returns its ID.
func (s *server) register(t *testing.T, subject, schema string) (id int) {
	t.Helper()
	status, body := s.post(t, "/subjects/"+subject+"/versions", fmt.Sprintf(`{"schema":%q}`, schema))
	if status != http.StatusOK {
		t.Fatalf("register %s: %d %s", subject, status, body)
	}
	if _, err := fmt.Sscanf(body, `{"id":%d`, &id); err != nil {
		t.Fatalf("register %s: %v in %s", subject, err, body)
	}
	return id
}

func (s *server) post(t *testing.T, path, body string) (status int, answer string) {
	t.Helper()
	r, err := http.Post("http://"+s.registry+path, "application/vnd.schemaregistry.v1+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, strings.TrimSpace(string(b))
}

func (s *server) get(t *testing.T, path string) string {
	t.Helper()
	r, err := http.Get("http://" + s.registry + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}
