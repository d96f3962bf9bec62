package producer

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

// dials is a hook of the Kafka client that remembers which brokers cannot be
// connected to, so that whoever waited in vain learns why. It has an entry for
// each broker at most.
type dials struct {
	mu     sync.Mutex
	failed map[string]error // by host:port
}

var _ kgo.HookBrokerConnect = (*dials)(nil)

// OnBrokerConnect is called after each attempt at a connection.
func (d *dials) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
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

// text continues an error message with the brokers that cannot be reached; it is
// empty if there are none.
func (d *dials) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var s strings.Builder
	for _, address := range slices.Sorted(maps.Keys(d.failed)) {
		fmt.Fprintf(&s, "; no connection to %s: %v", address, d.failed[address])
	}
	return s.String()
}
