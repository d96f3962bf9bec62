package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dovetail-dev/dovetail/broker/internal/vfs"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Options configures a Broker. The zero value works: one plaintext listener on
// a free port of 127.0.0.1, data in "dovetail-data", every acknowledgement
// after an fsync.
type Options struct {
	// DataDir holds everything that the broker keeps. It is created if need be
	// and locked against a second process.
	DataDir string
	// Listeners are the addresses to accept on, at least one.
	Listeners []Listener
	// NodeID is what clients know this broker by. Zero means 1.
	NodeID int32
	// ClusterID is kept in the data directory from the first start on; empty
	// means a random one.
	ClusterID string
	// Durability says what an acknowledgement promises.
	Durability Durability
	// FlushInterval is the longest time between two syncs with DurabilityInterval.
	// Zero means 50 ms.
	FlushInterval time.Duration
	// Limits bounds what clients may use.
	Limits Limits
	// Coordinators are the settings of groups and transactions.
	Coordinators CoordinatorOptions
	// DefaultPartitions is the number of partitions of topics created without
	// one. Zero means 1.
	DefaultPartitions int32
	// NoAutoCreateTopics refuses topics that nobody has created, whatever a
	// client asks for.
	NoAutoCreateTopics bool
	// TopicDefaults are topic configurations that apply where a topic has none
	// of its own, by their Kafka names.
	TopicDefaults map[string]string
	// SuperUsers are principals ("User:admin") that every operation is allowed.
	SuperUsers []string
	// Authorize switches access control on: what no ACL allows is refused. With
	// false, everybody may do everything.
	Authorize bool
	// Validator is asked about every batch of a topic whose configuration wants
	// records checked against schemas. Without one such topics refuse records.
	Validator Validator
	// Logger receives one line per event that an operator would act on. Nil
	// means none.
	Logger *slog.Logger
	// Metrics receives the broker's metrics. Nil means none.
	Metrics prometheus.Registerer
	// Now is the clock of everything that is stored or compared with what is
	// stored. Nil means time.Now.
	Now func() time.Time

	fs vfs.FS // of the data directory; nil: the operating system's
	// wait keeps a client waiting, until ctx ends; nil: a timer.
	wait func(ctx context.Context, d time.Duration)
}

// Listener is an address to accept connections on.
type Listener struct {
	// Name is the listener's name in logs and configurations, as "PLAINTEXT".
	// Empty means a name made from TLS and SASL.
	Name string
	// Addr is host:port; port 0 means any free one.
	Addr string
	// Advertised is the host:port that clients are told. Empty means the
	// address that the listener really has.
	Advertised string
	// TLS, if not nil, is spoken on the listener.
	TLS *tls.Config
	// SASL asks clients to authenticate before anything else.
	SASL SASL
}

// SASL says how clients of a listener authenticate. The zero value asks for
// nothing.
type SASL struct {
	// Mechanisms are those offered: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512. None
	// means that the listener does not authenticate.
	Mechanisms []string
	// Plain decides about a user and password of PLAIN. Nil means that PLAIN
	// accepts Users.
	Plain func(ctx context.Context, user, password string) bool
	// Users are users and passwords in plain text, for PLAIN and to start with
	// for SCRAM. Users added by AlterUserScramCredentials are kept in the data
	// directory.
	Users map[string]string
	// SessionLifetime is how long clients may go on before they have to authenticate
	// again (connections.max.reauth.ms). The connection of one that asks for anything
	// else after that ends. Zero means for ever.
	SessionLifetime time.Duration
}

// Durability says what an acknowledgement with acks=all promises.
type Durability int

const (
	// DurabilityFsync answers after the records are synced to the disk.
	DurabilityFsync Durability = iota
	// DurabilityInterval answers after the write; a sync follows within
	// Options.FlushInterval.
	DurabilityInterval
	// DurabilityOS answers after the write; the operating system syncs when it
	// likes.
	DurabilityOS
)

// ParseDurability reads "fsync", "interval" or "os".
func ParseDurability(s string) (Durability, error) {
	for _, d := range []Durability{DurabilityFsync, DurabilityInterval, DurabilityOS} {
		if d.String() == s {
			return d, nil
		}
	}
	return 0, fmt.Errorf("durability %q is none of fsync, interval, os", s)
}

func (d Durability) String() string {
	switch d {
	case DurabilityFsync:
		return "fsync"
	case DurabilityInterval:
		return "interval"
	case DurabilityOS:
		return "os"
	}
	return "Durability(" + strconv.Itoa(int(d)) + ")"
}

// Limits bounds what clients may use. Zero fields mean the defaults named.
type Limits struct {
	// RequestBytes is the largest request, in bytes; default 100 MiB.
	RequestBytes int32
	// UnauthenticatedRequestBytes is the same until a client has
	// authenticated; default 512 KiB.
	UnauthenticatedRequestBytes int32
	// MemoryBytes is the budget for what clients make the broker hold, over all
	// connections; default 256 MiB. Three quarters are for requests being read or
	// carried out and for their answers, an eighth of that for small answers only,
	// one quarter for compressed batches while
	// they are checked. Whoever finds no room waits. So that no setting can stop the
	// broker for good, one request above its part may be in flight, and one
	// batch above the other part be open.
	//
	// Large buffers are collected as soon as a sixteenth of the budget is garbage, 8 MiB
	// at least: the resident memory is bounded by the budget, that, one request, and what the
	// process needs without clients. Outside the budget are 64 KiB for each
	// connection, whose number Connections bounds.
	MemoryBytes int64
	// FetchBytes is the most that one Fetch answers with; default 55 MiB. A
	// single larger batch is still answered.
	FetchBytes int32
	// Connections is the most connections at a time; default 10,000.
	Connections int
	// ConnectionsPerIP is the most connections from one address; default: no
	// own limit.
	ConnectionsPerIP int
	// ConnectionsOfIP is the same for addresses with a number of their own, which may
	// be 0, and is not bound by ConnectionsPerIP.
	ConnectionsOfIP map[string]int
	// InFlight is how many requests of one connection may wait for their
	// answers; default 64. The next one is not read before one is answered.
	InFlight int
	// Idle closes connections that say nothing; default 10 minutes.
	Idle time.Duration
	// FrameTime is how long a client may take for the next part of a request
	// it has begun, and for taking the next part of an answer; default 30
	// seconds.
	FrameTime time.Duration
	// FetchSessions is how many incremental fetch sessions are kept; default
	// 1,000. Fetches beyond it work without one. All sessions together remember eight
	// times Partitions.
	FetchSessions int
	// ShareSessions is how many share sessions there may be, one for each member
	// of a share group (group.share.max.share.sessions); default 2000.
	ShareSessions int
	// Partitions is the most partitions of all topics; default 20,000.
	Partitions int
}

func (l Limits) withDefaults() Limits {
	setDefault(&l.RequestBytes, 100<<20)
	setDefault(&l.UnauthenticatedRequestBytes, 512<<10)
	setDefault(&l.MemoryBytes, 256<<20)
	setDefault(&l.FetchBytes, 55<<20)
	setDefault(&l.Connections, 10_000)
	setDefault(&l.ConnectionsPerIP, l.Connections)
	setDefault(&l.InFlight, 64)
	setDefault(&l.Idle, 10*time.Minute)
	setDefault(&l.FrameTime, 30*time.Second)
	setDefault(&l.FetchSessions, 1000)
	setDefault(&l.ShareSessions, 2000)
	setDefault(&l.Partitions, 20_000)
	return l
}

func (o Options) withDefaults() Options {
	setDefault(&o.DataDir, "dovetail-data")
	setDefault(&o.NodeID, 1)
	setDefault(&o.DefaultPartitions, 1)
	setDefault(&o.FlushInterval, 50*time.Millisecond)
	if len(o.Listeners) == 0 {
		o.Listeners = []Listener{{Addr: "127.0.0.1:0"}}
	}
	o.Listeners = append([]Listener(nil), o.Listeners...)
	for i := range o.Listeners {
		setDefault(&o.Listeners[i].Name, o.Listeners[i].protocol())
	}
	o.Limits = o.Limits.withDefaults()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.fs == nil {
		o.fs = vfs.OS
	}
	if o.wait == nil {
		o.wait = pause
	}
	return o
}

// Validate reports everything that is wrong with o at once.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if o.NodeID < 0 {
		fault("node ID %d is negative", o.NodeID)
	}
	if o.DefaultPartitions < 0 {
		fault("default number of partitions %d is negative", o.DefaultPartitions)
	}
	if int(o.DefaultPartitions) > o.Limits.Partitions {
		fault("default number of partitions %d: all topics together may have %d", o.DefaultPartitions, o.Limits.Partitions)
	}
	if o.Durability < DurabilityFsync || o.Durability > DurabilityOS {
		fault("durability %s is none of fsync, interval, os", o.Durability)
	}
	if o.FlushInterval < 0 {
		fault("flush interval %s is negative", o.FlushInterval)
	}
	names := map[string]bool{}
	for _, l := range o.Listeners {
		if names[l.Name] {
			fault("two listeners are named %s", l.Name)
		}
		names[l.Name] = true
		if !listenerName.MatchString(l.Name) {
			fault("listener name %q: only letters, digits, '_' and '-'", l.Name)
		}
		if _, _, err := net.SplitHostPort(l.Addr); err != nil {
			fault("listener %s: address %q: %w", l.Name, l.Addr, err)
		}
		if l.Advertised != "" {
			if _, err := parseEndpoint(l.Advertised); err != nil {
				fault("listener %s: advertised address: %w", l.Name, err)
			}
		}
		if l.SASL.SessionLifetime < 0 {
			fault("listener %s: session lifetime %s is negative", l.Name, l.SASL.SessionLifetime)
		}
		for _, m := range l.SASL.Mechanisms {
			if !knownMechanism(m) {
				fault("listener %s: SASL mechanism %q is none of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512", l.Name, m)
			}
		}
	}
	if err := topics.CheckConfigs(o.TopicDefaults); err != nil {
		fault("topic defaults: %w", err)
	}
	if err := o.Coordinators.validate(); err != nil {
		fault("coordinators: %w", err)
	}
	if o.Limits.RequestBytes < 1024 || o.Limits.UnauthenticatedRequestBytes < 1024 {
		fault("request limits of %d and %d bytes: at least 1024", o.Limits.RequestBytes, o.Limits.UnauthenticatedRequestBytes)
	}
	if o.Limits.MemoryBytes < 1<<20 {
		fault("memory budget of %d bytes: at least 1 MiB", o.Limits.MemoryBytes)
	}
	if o.Limits.Connections < 1 || o.Limits.ConnectionsPerIP < 1 || o.Limits.InFlight < 1 || o.Limits.Partitions < 1 {
		fault("limits of connections, requests in flight and partitions must be positive")
	}
	for _, host := range slices.Sorted(maps.Keys(o.Limits.ConnectionsOfIP)) {
		if _, err := netip.ParseAddr(host); err != nil || o.Limits.ConnectionsOfIP[host] < 0 {
			fault("limit of %d connections from %q: it takes an IP address and a number from 0", o.Limits.ConnectionsOfIP[host], host)
		}
	}
	if o.Limits.Idle < 0 || o.Limits.FrameTime < 0 {
		fault("time limits must be positive")
	}
	return errors.Join(faults...)
}

var listenerName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// protocol is Kafka's name for how the listener is spoken to.
func (l Listener) protocol() string {
	switch {
	case l.TLS != nil && len(l.SASL.Mechanisms) > 0:
		return "SASL_SSL"
	case l.TLS != nil:
		return "SSL"
	case len(l.SASL.Mechanisms) > 0:
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}

// endpoint is what clients are told to connect to.
type endpoint struct {
	host string
	port int32
}

func parseEndpoint(s string) (endpoint, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return endpoint{}, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return endpoint{}, fmt.Errorf("%q: the port must be a number from 1 to 65535", s)
	}
	if host == "" {
		return endpoint{}, fmt.Errorf("%q: clients need a host name or address", s)
	}
	return endpoint{host, int32(n)}, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
