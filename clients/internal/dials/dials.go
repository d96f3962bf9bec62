// Package dials remembers which Kafka brokers cannot be connected to, so that a
// producer or consumer that waited in vain can say why.
package dials

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Failures is a hook of the Kafka client. It has an entry for each broker at most.
// The zero value is ready; it is safe for concurrent use.
type Failures struct {
	mu     sync.Mutex
	failed map[string]error // by host:port
}

var _ kgo.HookBrokerConnect = (*Failures)(nil)

// OnBrokerConnect is called after each attempt at a connection.
func (d *Failures) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) {
		return // given up by this side
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	address := net.JoinHostPort(meta.Host, strconv.Itoa(int(meta.Port)))
	if err == nil {
		delete(d.failed, address)
		return
	}
	if d.failed == nil {
		d.failed = map[string]error{}
	}
	d.failed[address] = err
}

// String continues an error message with the brokers that cannot be reached; it is
// empty if there are none.
func (d *Failures) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s strings.Builder
	for _, address := range slices.Sorted(maps.Keys(d.failed)) {
		fmt.Fprintf(&s, "; no connection to %s: %v", address, d.failed[address])
	}
	return s.String()
}
