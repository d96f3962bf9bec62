package interop

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
)

// ports are those that freeAddr has given.
var ports = struct {
	sync.Mutex
	given map[int]bool
}{given: map[int]bool{}}

// freeAddr returns a loopback address that nobody listens on and nobody else is
// given. Its port is below those that the system gives to connections: one of
// them could be taken, by anything that dials, before a server listens on it.
func freeAddr(t *testing.T) string {
	t.Helper()
	const lowest = 10_000
	end := 32_768
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		var first int
		if _, err := fmt.Sscan(string(text), &first); err == nil && first > lowest+1000 {
			end = first
		}
	}
	ports.Lock()
	defer ports.Unlock()
	for range 10_000 {
		port := lowest + rand.IntN(end-lowest)
		if ports.given[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close()
		ports.given[port] = true
		return l.Addr().String()
	}
	t.Fatal("no port is free")
	return ""
}
