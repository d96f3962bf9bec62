package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/dovetail-dev/dovetail/broker"
)

// limitSettings are the flags of serve that bound what Kafka clients may use. What is 0
// is the broker's default.
type limitSettings struct {
	connections      int
	connectionsPerIP int
	connectionsOfIP  []string
	idle             time.Duration
	requestBytes     int32
	memoryBytes      int64
}

func (s *limitSettings) flags(f *pflag.FlagSet) {
	f.IntVar(&s.connections, "max-connections", 0, "most connections of Kafka clients at a time; 0 means 10,000")
	f.IntVar(&s.connectionsPerIP, "max-connections-per-ip", 0, "the same from one address; 0 means no limit of its own")
	f.StringArrayVar(&s.connectionsOfIP, "max-connections-of", nil, "address=number instead of --max-connections-per-ip for that address; may be repeated")
	f.DurationVar(&s.idle, "max-idle", 0, "how long a Kafka client may say nothing before its connection is closed; 0 means 10m")
	f.Int32Var(&s.requestBytes, "max-request-bytes", 0, "largest request of a Kafka client; 0 means 100 MiB")
	f.Int64Var(&s.memoryBytes, "client-memory", 0, "bytes of memory for requests and answers of all Kafka clients together; 0 means 256 MiB")
}

// limits returns the broker's limits, or everything that is wrong with the settings.
func (s *limitSettings) limits() (broker.Limits, error) {
	l := broker.Limits{Connections: s.connections, ConnectionsPerIP: s.connectionsPerIP, Idle: s.idle, RequestBytes: s.requestBytes, MemoryBytes: s.memoryBytes}
	var faults []error
	for _, flag := range []struct {
		name         string
		value, least int64
	}{
		{"max-connections", int64(s.connections), 1}, {"max-connections-per-ip", int64(s.connectionsPerIP), 1}, {"max-idle", int64(s.idle), 1},
		{"max-request-bytes", int64(s.requestBytes), 1024}, {"client-memory", s.memoryBytes, 1 << 20},
	} {
		if flag.value != 0 && flag.value < flag.least {
			faults = append(faults, fmt.Errorf("--%s %d: want %d or more, or 0 for the default", flag.name, flag.value, flag.least))
		}
	}
	for _, text := range s.connectionsOfIP {
		host, number, _ := strings.Cut(text, "=")
		_, err1 := netip.ParseAddr(host)
		n, err2 := strconv.Atoi(number)
		if err1 != nil || err2 != nil || n < 0 {
			faults = append(faults, fmt.Errorf("--max-connections-of %q: want an IP address, =, and a number, such as 192.0.2.1=100", text))
			continue
		}
		if l.ConnectionsOfIP == nil {
			l.ConnectionsOfIP = map[string]int{}
		}
		l.ConnectionsOfIP[host] = n
	}
	return l, errors.Join(faults...)
}
