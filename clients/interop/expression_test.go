package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A Java consumer that subscribes by an expression gets the topics that there
// are and those that come later, and no other; it knows them by their IDs.
func TestSubscriptionByExpression(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.createTopic(t, "trips-north", 2)
	s.createTopic(t, "other", 1)
	command := java(javaJars, "dev.dovetail.interop.Expression", "trips-.*", "watchers")
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "BOOTSTRAP="+s.kafka)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			lines <- in.Text()
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	client := newKgo(t, s.kafka)
	read := func(topic string) {
		t.Helper()
		missing := map[string]bool{}
		for i := range 20 {
			value := fmt.Sprintf("%s-%d", topic, i)
			missing[fmt.Sprintf("%s %s %s", topic, topic, value)] = true
			if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}, &kgo.Record{Topic: "other", Value: []byte("x")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		for len(missing) > 0 {
			select {
			case line, ok := <-lines:
				if !ok || !missing[line] {
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
					t.Fatalf("read %q, open: %v, waiting for %d records of %s\n%s", line, ok, len(missing), topic, tail(stderr.Bytes()))
				}
				delete(missing, line)
			case <-ctx.Done():
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				t.Fatalf("%d records of %s never came\n%s", len(missing), topic, tail(stderr.Bytes()))
			}
		}
	}
	read("trips-north")
	s.createTopic(t, "trips-south", 3)
	read("trips-south")
	_ = stdin.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, tail(stderr.Bytes()))
	}
	s.stop(t)
}
