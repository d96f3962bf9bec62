package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/journal/journaltest"
)

// server is a real redis-server of a test's own.
type server struct {
	t    *testing.T
	port int
	dir  string
	args []string
	cmd  *exec.Cmd
}

// startRedis runs redis-server on a free port of the loopback interface. It is
// installed by `make deps`; where it is missing the test is skipped, and CI,
// which installs it, runs it.
func startRedis(t *testing.T, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server on PATH: make deps installs it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, port: l.Addr().(*net.TCPAddr).Port, dir: t.TempDir(), args: args}
	_ = l.Close()
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "always", "--enable-debug-command", "yes"}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	var out bytes.Buffer
	s.cmd.Stdout = &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	c := s.client()
	defer c.Close()
	for range 200 {
		if c.Ping(context.Background()).Err() == nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.t.Fatalf("redis-server does not answer: %s", out.String())
}

func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) url() string { return fmt.Sprintf("redis://127.0.0.1:%d", s.port) }

func (s *server) client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", s.port), DisableIdentity: true})
}

// do runs a command as an operator would, by redis-cli.
func (s *server) do(args ...any) {
	s.t.Helper()
	c := s.client()
	defer c.Close()
	if err := c.Do(context.Background(), args...).Err(); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

func (s *server) open(opts Options) *Journal {
	s.t.Helper()
	opts.URL = s.url()
	j, err := Open(context.Background(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = j.Close() })
	return j
}

func rec(key string) []journal.Record {
	return []journal.Record{{Key: []byte(key), Value: []byte("value of " + key)}}
}

func mustAppend(t *testing.T, j *Journal, at journal.Offset, key string) journal.Offset {
	t.Helper()
	end, err := j.Append(context.Background(), at, rec(key))
	if err != nil {
		t.Fatalf("append %s at %d: %v", key, at, err)
	}
	return end
}

func readAll(t *testing.T, j *Journal) []string {
	t.Helper()
	var got []string
	for from := journal.Offset(0); ; {
		records, next, err := j.Read(context.Background(), from, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return got
		}
		for _, r := range records {
			got = append(got, string(r.Key))
		}
		from = next
	}
}

func TestJournal(t *testing.T) {
	s, n := startRedis(t), 0
	journaltest.Run(t, func(t *testing.T) journal.Journal {
		n++
		j, err := Open(t.Context(), Options{URL: s.url(), Key: fmt.Sprintf("journal-%d", n)})
		if err != nil {
			t.Fatal(err)
		}
		return j
	})
}

func TestInstancesShareOneHistory(t *testing.T) {
	s := startRedis(t)
	const instances, each = 4, 40
	var wg sync.WaitGroup
	for i := range instances {
		j := s.open(Options{})
		wg.Go(func() {
			at := journal.Offset(0)
			for n := 0; n < each; {
				end, err := j.Append(context.Background(), at, rec(fmt.Sprintf("%d-%d", i, n)))
				if err == nil {
					at, n = end, n+1
					continue
				}
				if !errors.Is(err, journal.ErrMoved) {
					t.Error(err)
					return
				}
				_, next, err := j.Read(context.Background(), at, 1000)
				if err != nil {
					t.Error(err)
					return
				}
				at = next
			}
		})
	}
	wg.Wait()
	got := readAll(t, s.open(Options{}))
	if len(got) != instances*each {
		t.Fatalf("%d records, want %d", len(got), instances*each)
	}
	next := map[string]int{}
	for _, key := range got {
		instance, n, _ := strings.Cut(key, "-")
		if n != strconv.Itoa(next[instance]) {
			t.Fatalf("instance %s: record %s came when %d was due", instance, n, next[instance])
		}
		next[instance]++
	}
}

func TestAcknowledgedSurvivesKill(t *testing.T) {
	s := startRedis(t)
	j := s.open(Options{})
	end := mustAppend(t, j, 0, "a")
	end = mustAppend(t, j, end, "b")
	s.kill()
	if _, err := j.Append(context.Background(), end, rec("c")); err == nil || errors.Is(err, journal.ErrMoved) {
		t.Fatalf("append without a server: %v", err)
	}
	s.start()
	mustAppend(t, j, end, "c")
	if got := strings.Join(readAll(t, s.open(Options{})), " "); got != "a b c" {
		t.Fatalf("got %q", got)
	}
}

func TestLostDataIsNotPassedOver(t *testing.T) {
	lose := map[string]func(*server){
		"everything": func(s *server) { s.do("FLUSHALL") },
		"the tail":   func(s *server) { s.do("XDEL", "dovetail:_schemas", "3-0") },
		"the tail, and somebody wrote on": func(s *server) {
			s.do("DEL", "dovetail:_schemas")
			j := s.open(Options{})
			end := journal.Offset(0)
			for _, key := range []string{"x", "y", "z", "ä"} {
				end = mustAppend(s.t, j, end, key)
			}
		},
	}
	for name, damage := range lose {
		t.Run(name, func(t *testing.T) {
			s := startRedis(t)
			writer, reader, waiter := s.open(Options{}), s.open(Options{}), s.open(Options{})
			end := journal.Offset(0)
			for _, key := range []string{"a", "b", "c"} {
				end = mustAppend(t, writer, end, key)
			}
			readAll(t, reader)
			readAll(t, waiter)
			damage(s)

			if _, _, err := reader.Read(context.Background(), end, 10); !errors.Is(err, journal.ErrLost) {
				t.Errorf("read: %v, want ErrLost", err)
			}
			_, err := writer.Append(context.Background(), end, rec("d"))
			if errors.Is(err, journal.ErrMoved) { // then reading on tells
				_, _, err = writer.Read(context.Background(), end, 10)
			}
			if !errors.Is(err, journal.ErrLost) {
				t.Errorf("append: %v, want ErrLost", err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			err = waiter.Wait(ctx, end)
			if err == nil {
				_, _, err = waiter.Read(ctx, end, 10)
			}
			if !errors.Is(err, journal.ErrLost) {
				t.Errorf("wait: %v, want ErrLost", err)
			}
			if _, err := reader.End(context.Background()); !errors.Is(err, journal.ErrLost) {
				t.Errorf("end after a loss: %v, want ErrLost for good", err)
			}
		})
	}
}

func TestFullRedisRefusesAndSaysWhy(t *testing.T) {
	s := startRedis(t)
	j := s.open(Options{})
	end := mustAppend(t, j, 0, "a")
	s.do("CONFIG", "SET", "maxmemory", "1", "maxmemory-policy", "noeviction")
	_, err := j.Append(context.Background(), end, rec("b"))
	if err == nil || !strings.Contains(err.Error(), "maxmemory") {
		t.Fatalf("got %v, want advice about maxmemory", err)
	}
	s.do("CONFIG", "SET", "maxmemory", "0")
	mustAppend(t, j, end, "b")
}

func TestReplicaRefusesAndSaysWhy(t *testing.T) {
	primary := startRedis(t)
	replica := startRedis(t, "--replicaof", fmt.Sprintf("127.0.0.1 %d", primary.port))
	j := replica.open(Options{})
	_, err := j.Append(context.Background(), 0, rec("a"))
	if err == nil || !strings.Contains(err.Error(), "primary") {
		t.Fatalf("got %v, want advice to name the primary", err)
	}
}

func TestSlowRedisTimesOutAndTheOutcomeIsFoundByReading(t *testing.T) {
	s := startRedis(t)
	j := s.open(Options{Timeout: 100 * time.Millisecond})
	end := mustAppend(t, j, 0, "a")
	asleep := make(chan struct{})
	go func() { defer close(asleep); s.do("DEBUG", "SLEEP", "1") }()
	var err error
	for err == nil { // until the sleep has begun
		var next journal.Offset
		if next, err = j.Append(context.Background(), end, rec("b")); err == nil {
			end = next
		}
	}
	if errors.Is(err, journal.ErrMoved) || errors.Is(err, journal.ErrLost) {
		t.Fatalf("a slow answer is neither: %v", err)
	}
	<-asleep
	_, next, err := j.Read(context.Background(), end, 10)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, next, "c")
}

func TestOpenRefusesWhatIsNoJournal(t *testing.T) {
	s := startRedis(t)
	s.do("SET", "dovetail:_schemas", "mine")
	if _, err := Open(context.Background(), Options{URL: s.url()}); err == nil || !strings.Contains(err.Error(), "choose another key") {
		t.Fatalf("got %v", err)
	}
	s.do("DEL", "dovetail:_schemas")
	s.do("XADD", "dovetail:_schemas", "7-0", "field", "of somebody else")
	j := s.open(Options{})
	if _, _, err := j.Read(context.Background(), 0, 10); err == nil || !strings.Contains(err.Error(), "not written by a registry") {
		t.Fatalf("got %v", err)
	}
	if _, err := Open(context.Background(), Options{URL: "redis://127.0.0.1:1"}); err == nil {
		t.Fatal("opened a Redis that is not there")
	}
}
