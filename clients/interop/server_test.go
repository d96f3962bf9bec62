package interop

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// server is a running dovetail serve.
type server struct {
	kafka, registry string
	dir             string // data directory
	cmd             *exec.Cmd
	log             logBuffer
}

// startServer runs dovetail serve with a data directory of its own, and stops it
// when the test ends, if stop or kill has not done so before.
func startServer(t *testing.T, flags ...string) *server {
	t.Helper()
	binary, err := filepath.Abs("../../bin/dovetail")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run make build", err)
	}
	s := &server{kafka: freeAddr(t), registry: freeAddr(t), dir: t.TempDir()}
	args := []string{"serve", "--data-dir", s.dir, "--http-addr", s.registry, "--kafka-addr", s.kafka}
	s.cmd = exec.Command(binary, append(args, flags...)...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop(t)
		s.log.keep(t, "dovetail")
	})
	s.awaitReady(t)
	return s
}

// stop asks the server to end and waits until it has; what it had open is on
// the disk then.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if s.cmd.ProcessState != nil {
		return
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// kill ends the server as a crash would.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *server) awaitReady(t *testing.T) {
	t.Helper()
	client := http.Client{Timeout: 30 * time.Second}
	for range 3600 {
		r, err := client.Get("http://" + s.registry + "/readyz")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server was not ready within three minutes")
}

func (s *server) createTopic(t *testing.T, topic string, partitions int32) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.kafka))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 3, nil, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
}

// java is the command that runs a class, with the flags that make a JVM start
// soonest.
func java(classpath, class string, args ...string) []string {
	return append([]string{
		"java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath, class,
	}, args...)
}
