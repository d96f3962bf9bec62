// Package interop runs clients that other people wrote against a real, listening
// Dovetail, and against each other: what one writes, each must read.
//
// A client is a command with the verbs list, produce and consume, and, where it
// has a serializer, produce-avro, consume-avro, produce-protobuf and
// consume-protobuf; produce-csfle and consume-csfle, if it can encrypt, are the same
// with the newest schema of the registry and its rules. The scenarios are the same for all of them, and the result is
// a table of client × scenario with the version of each client.
package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type client struct {
	name    string
	command []string
	codecs  []string // that it can write
	serdes  bool     // has the avro and protobuf verbs
	csfle   bool     // has the csfle verbs
	only    bool     // has nothing but the serdes
}

func clients() []client {
	all := []string{"none", "gzip", "snappy", "lz4", "zstd"}
	return []client{
		{name: "kcat", command: []string{"kcat/client.sh"}, codecs: all},
		{name: "franz", command: []string{"build/franz"}, codecs: all},
		{name: "node", command: []string{"node", "node/client.mjs"}, codecs: []string{"none", "gzip", "snappy", "lz4"}, serdes: true, csfle: true},
		{name: "python", command: []string{".venv/bin/python", "python/client.py"}, codecs: all, serdes: true, csfle: true},
		{name: "java", command: java("java/target/classes:java/target/lib/*", "dev.dovetail.interop.Client"), codecs: all},
		{name: "sarama", command: []string{"build/sarama"}, codecs: all},
		{name: "platformatic", command: []string{"platformatic/client.sh"}, codecs: all},
		{name: "aiokafka", command: []string{".venv/bin/python", "python/aio.py"}, codecs: all},
		{name: "dovetail", command: []string{"build/ours"}, serdes: true, csfle: true, only: true},
	}
}

const perCodec = 100 // records per codec and writer

func TestInterop(t *testing.T) {
	for _, tool := range []string{"kcat", "node", "java", "protoc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is not installed: run make deps", tool)
		}
	}
	t.Parallel()
	buildClients(t)
	s := startServer(t)
	table := newTable()
	t.Cleanup(func() { t.Log("\n" + table.String()) })

	for _, c := range clients() {
		out, err := s.run(c, "version")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		table.version(c.name, strings.TrimSpace(string(out)))
	}
	t.Run("records", func(t *testing.T) { s.records(t, table) })
	t.Run("resume", func(t *testing.T) { s.resume(t, table) })
	t.Run("list", func(t *testing.T) { s.list(t, table) })
	for _, format := range []string{"avro", "protobuf", "csfle"} {
		t.Run(format, func(t *testing.T) { s.serdes(t, table, format) })
	}
	s.stop(t)
	t.Run("files", func(t *testing.T) { judgeFiles(t, s.dir) })
}

// records: what each client wrote, in each of its codecs, each client reads in a
// group of its own, in order within the partitions, one partition per key.
func (s *server) records(t *testing.T, table *table) {
	for _, w := range clients() {
		if w.only {
			continue
		}
		topic := "records-" + w.name
		s.createTopic(t, topic, 3)
		for _, codec := range w.codecs {
			if out, err := s.run(w, "produce", topic, fmt.Sprint(perCodec), codec); err != nil {
				t.Errorf("%s writes %s: %v\n%s", w.name, codec, err, out)
			}
		}
		want := perCodec * len(w.codecs)
		for _, r := range clients() {
			if r.only {
				continue
			}
			t.Run(w.name+"→"+r.name, func(t *testing.T) {
				defer table.set(r.name, "reads "+w.name, t)
				got := s.consume(t, r, "consume", topic, "g-"+r.name, want)
				checkOrder(t, got)
				counts := map[string]int{}
				for _, rec := range got {
					var value string
					if err := json.Unmarshal(rec.Value, &value); err != nil {
						t.Fatalf("value %s: %v", rec.Value, err)
					}
					if number, ok := strings.CutPrefix(value, w.name+"-"); !ok || rec.Key != "k-"+number {
						t.Fatalf("key %q came with value %q", rec.Key, value)
					}
					counts[rec.Key]++
				}
				if len(counts) != perCodec {
					t.Errorf("%d keys, want %d", len(counts), perCodec)
				}
				for key, n := range counts {
					if n != len(w.codecs) {
						t.Errorf("key %s came %d times, want %d", key, n, len(w.codecs))
					}
				}
			})
		}
	}
}

// resume: a group that comes back goes on where it had committed.
func (s *server) resume(t *testing.T, table *table) {
	for _, c := range clients() {
		if c.only {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			defer table.set(c.name, "resumes", t)
			topic, group := "resume-"+c.name, "resume-"+c.name
			s.createTopic(t, topic, 2)
			if out, err := s.run(c, "produce", topic, "40", "none"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			first := s.consume(t, c, "consume", topic, group, 40)
			if out, err := s.run(c, "produce", topic, "10", "none"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			second := s.consume(t, c, "consume", topic, group, 10)
			seen := map[[2]int64]bool{}
			for _, r := range first {
				seen[[2]int64{r.Partition, r.Offset}] = true
			}
			for _, r := range second {
				if seen[[2]int64{r.Partition, r.Offset}] {
					t.Errorf("partition %d offset %d came again after its commit", r.Partition, r.Offset)
				}
			}
		})
	}
}

func (s *server) list(t *testing.T, table *table) {
	for _, c := range clients() {
		if c.only {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			defer table.set(c.name, "lists", t)
			out, err := s.run(c, "list")
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			topics := strings.Fields(string(out))
			for _, w := range clients() {
				if topic := "records-" + w.name; !w.only && !slices.Contains(topics, topic) {
					t.Errorf("topic %s is not in the list %v", topic, topics)
				}
			}
		})
	}
}

// serdes: what each serializer wrote, each deserializer reads.
func (s *server) serdes(t *testing.T, table *table, format string) {
	const count = 50
	writes := func(c client) bool { return c.serdes && (format != "csfle" || c.csfle) }
	for _, w := range clients() {
		if !writes(w) {
			continue
		}
		topic := format + "-" + w.name
		s.createTopic(t, topic, 2)
		if format == "csfle" {
			s.registerContract(t, topic)
		}
		if out, err := s.run(w, "produce-"+format, topic, fmt.Sprint(count)); err != nil {
			t.Errorf("%s writes %s: %v\n%s", w.name, format, err, out)
			continue
		}
		if format == "csfle" {
			s.checkEncrypted(t, topic, w.name+"-", count)
		}
		for _, r := range clients() {
			if !writes(r) {
				continue
			}
			t.Run(w.name+"→"+r.name, func(t *testing.T) {
				defer table.set(r.name, "reads "+format+" of "+w.name, t)
				got := s.consume(t, r, "consume-"+format, topic, "g-"+format+r.name, count)
				checkOrder(t, got)
				for _, rec := range got {
					var o struct {
						ID       int
						Customer string
						Total    float64
						Note     *string
					}
					if err := json.Unmarshal(rec.Value, &o); err != nil {
						t.Fatalf("value %s: %v", rec.Value, err)
					}
					note := "none"
					if o.Note != nil {
						note = *o.Note
					}
					wantNote := "none"
					if o.ID%2 == 0 {
						wantNote = fmt.Sprintf("note %d", o.ID)
					}
					if rec.Key != fmt.Sprintf("k-%d", o.ID) || o.Customer != fmt.Sprintf("%s-%d", w.name, o.ID) || o.Total != float64(o.ID)*1.5 || note != wantNote {
						t.Fatalf("key %s came with %s", rec.Key, rec.Value)
					}
				}
			})
		}
	}
}

type received struct {
	Partition int64
	Offset    int64
	Key       string
	Value     json.RawMessage
}

func (s *server) consume(t *testing.T, c client, verb, topic, group string, want int) []received {
	t.Helper()
	out, err := s.run(c, verb, topic, group, fmt.Sprint(want))
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(out))
	}
	var got []received
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var r received
		if err := d.Decode(&r); err != nil {
			t.Fatalf("%v in %s", err, tail(out))
		}
		got = append(got, r)
	}
	if len(got) != want {
		t.Fatalf("%d records, want %d", len(got), want)
	}
	return got
}

// checkOrder fails unless offsets grow by one within each partition and a key
// stays in its partition.
func checkOrder(t *testing.T, got []received) {
	t.Helper()
	next, home := map[int64]int64{}, map[string]int64{}
	for _, r := range got {
		if want, ok := next[r.Partition]; ok && r.Offset != want {
			t.Errorf("partition %d: offset %d came when %d was due", r.Partition, r.Offset, want)
		}
		next[r.Partition] = r.Offset + 1
		if p, ok := home[r.Key]; ok && p != r.Partition {
			t.Errorf("key %s is in partitions %d and %d", r.Key, p, r.Partition)
		}
		home[r.Key] = r.Partition
	}
}

func tail(b []byte) string {
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return string(b)
}

// buildClients builds the clients that are written in Go, once.
func buildClients(t *testing.T) {
	t.Helper()
	if err := goClients(); err != nil {
		t.Fatal(err)
	}
}

var goClients = sync.OnceValue(func() error {
	for _, name := range []string{"franz", "sarama", "ours"} {
		if b, err := exec.Command("go", "build", "-o", "build/"+name, "./"+name).CombinedOutput(); err != nil {
			return fmt.Errorf("go build ./%s: %w\n%s", name, err, b)
		}
	}
	return nil
})

func (s *server) run(c client, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.command[0], append(slices.Clone(c.command[1:]), args...)...)
	cmd.Env = append(os.Environ(), "BOOTSTRAP="+s.kafka, "REGISTRY=http://"+s.registry)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("%s %s: %w\n%s", c.name, strings.Join(args, " "), err, tail(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}

// table is the client × scenario table.
type table struct {
	mu       sync.Mutex
	versions [][2]string
	rows     []string // scenarios
	cells    map[[2]string]string
}

func newTable() *table { return &table{cells: map[[2]string]string{}} }

func (tb *table) version(client, v string) { tb.versions = append(tb.versions, [2]string{client, v}) }

func (tb *table) set(client, scenario string, t *testing.T) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if !slices.Contains(tb.rows, scenario) {
		tb.rows = append(tb.rows, scenario)
	}
	tb.cells[[2]string{client, scenario}] = map[bool]string{true: "FAIL", false: "ok"}[t.Failed()]
}

func (tb *table) String() string {
	var b strings.Builder
	for _, v := range tb.versions {
		fmt.Fprintf(&b, "%-13s %s\n", v[0], v[1])
	}
	fmt.Fprintf(&b, "\n%-26s", "")
	for _, v := range tb.versions {
		fmt.Fprintf(&b, "%-13s", v[0])
	}
	for _, row := range tb.rows {
		fmt.Fprintf(&b, "\n%-26s", row)
		for _, v := range tb.versions {
			cell := tb.cells[[2]string{v[0], row}]
			if cell == "" {
				cell = "–"
			}
			fmt.Fprintf(&b, "%-13s", cell)
		}
	}
	return b.String()
}
