package interop

import (
	"fmt"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Two registries behind one Redis are one registry: what is registered at one is
// at once at the other, no ID is given twice, and each goes on without the other.
func TestRegistriesShareOneRedis(t *testing.T) {
	t.Parallel()
	flag := "--journal=redis://" + startRedis(t)
	one, two := startServer(t, flag), startServer(t, flag)

	for i := range 20 {
		subject := fmt.Sprintf("s%02d-value", i)
		from, to := one, two
		if i%2 == 1 {
			from, to = two, one
		}
		want := fmt.Sprintf(`{"type":"fixed","name":"F","size":%d}`, i+1)
		id := from.register(t, subject, want)
		if got := to.get(t, fmt.Sprintf("/schemas/ids/%d/schema", id)); got != want {
			t.Fatalf("registered at one and read at the other: %s, want %s", got, want)
		}
	}

	var mu sync.Mutex
	owner := map[int]string{}
	var wg sync.WaitGroup
	for i := range 40 {
		s := []*server{one, two}[i%2]
		wg.Go(func() {
			// Half of the schemas are the same at both ends.
			schema := fmt.Sprintf(`{"type":"fixed","name":"G","size":%d}`, i/2+1)
			id := s.register(t, fmt.Sprintf("race-%d-value", i), schema)
			mu.Lock()
			defer mu.Unlock()
			if other, ok := owner[id]; ok && other != schema {
				t.Errorf("id %d is %s and %s", id, other, schema)
			}
			owner[id] = schema
		})
	}
	wg.Wait()
	if len(owner) != 20 {
		t.Errorf("20 schemas got %d ids", len(owner))
	}

	one.kill()
	two.register(t, "after-value", `"string"`)
	three := startServer(t, flag)
	if got, want := three.get(t, "/subjects"), two.get(t, "/subjects"); got != want {
		t.Errorf("a third instance knows %s, the second %s", got, want)
	}
}

// startRedis runs redis-server on a free port until the test ends, and returns
// its address.
func startRedis(t *testing.T) string {
	t.Helper()
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--appendonly", "yes", "--appendfsync", "always")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run make deps", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 2400 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("redis-server did not answer within 60 s")
	return ""
}
