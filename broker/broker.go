package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/dovetail-dev/dovetail/broker/commitlog"
	"github.com/dovetail-dev/dovetail/broker/topics"
)

// Broker is a running or startable broker. All methods may be called
// concurrently.
type Broker struct {
	opts      Options
	log       *slog.Logger
	apis      map[int16]*api
	memory    *budget     // for requests and answers
	buffers   *bufferPool // that requests are read into
	unpacking *budget     // for compressed batches being checked
	conns     *connections
	heldConns chan struct{} // a place for each refused connection that is kept waiting
	metrics   *metrics
	topics    *catalog
	// self is the list of replicas of every partition.
	self     []int32
	sessions *fetchSessions
	// groupConfigs is what groups have set for themselves.
	groupConfigs  groupConfigs
	shareSessions *shareSessions
	keys          keySkews
	rejections    rejections
	troubles      troubles

	// What Start opens.
	lock      *os.File
	store     *topics.Store
	auth      *authorizer
	quotas    *quotas
	committer *commitlog.GroupCommitter
	clusterID string
	found     found
	// checkpointing guards found after Start, and the files of the checkpoints.
	checkpointing sync.Mutex
	discards      discards
	// nobody is the secret that credentials of unknown users are made up from.
	nobody [32]byte

	coordinators
	background sync.WaitGroup

	// stopping ends when the broker no longer waits for anything on behalf of
	// its clients.
	stopping context.Context
	stop     context.CancelFunc

	mu        sync.Mutex
	state     state
	listeners []*listener
	accepting sync.WaitGroup
	refusals  rarely
	closings  rarely
}

type state int

const (
	created state = iota
	running
	closed
)

// ErrClosed is returned by what is asked of a broker that is closed, or not
// started yet.
var ErrClosed = errors.New("broker: closed")

// New checks opts and makes a broker of them. Nothing is opened before Start.
func New(opts Options) (*Broker, error) {
	if err := opts.Validate(); err != nil {
		return nil, fmt.Errorf("broker options: %w", err)
	}
	opts = opts.withDefaults()
	b := &Broker{
		opts:      opts,
		log:       opts.Logger,
		apis:      byKey(),
		memory:    newRequestBudget(opts.Limits.MemoryBytes),
		buffers:   newBufferPool(requestMemory(opts.Limits.MemoryBytes)),
		unpacking: newBudget(opts.Limits.MemoryBytes / unpackPart),
		conns:     newConnections(opts.Limits),
		heldConns: make(chan struct{}, heldRefusals),

		topics:   newCatalog(),
		self:     []int32{opts.NodeID},
		sessions: newFetchSessions(opts.Limits),
	}
	b.shares = newShareCoordinators(b, opts.Coordinators.Shares.Defaulted())
	b.shares.opts.Of = b.groupConfigs.delivery
	b.shareSessions = newShareSessions(b.shares, opts.Limits)
	_, _ = rand.Read(b.nobody[:]) // never fails
	b.stopping, b.stop = context.WithCancel(context.Background())
	var err error
	if b.metrics, err = newMetrics(opts.Metrics, b); err != nil {
		return nil, err
	}
	return b, nil
}

// Start opens the data directory and the listeners and returns when clients
// are served. ctx bounds the start only.
func (b *Broker) Start(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != created {
		return errors.New("broker: started before")
	}
	if err := b.startLocked(ctx); err != nil {
		b.state = closed
		b.stop()
		return errors.Join(err, b.closeParts(false))
	}
	b.state = running
	return nil
}

func (b *Broker) startLocked(ctx context.Context) error {
	if err := b.openData(ctx); err != nil {
		return err
	}
	if err := b.startCoordinators(ctx); err != nil {
		return err
	}
	b.startBackground()
	for _, l := range b.opts.Listeners {
		open, err := listen(l)
		if err != nil {
			return fmt.Errorf("listener %s: %w", l.Name, err)
		}
		b.listeners = append(b.listeners, open)
	}
	for _, l := range b.listeners {
		b.accepting.Go(func() { b.accept(l) })
		b.log.Info("listening", "listener", l.Name, "addr", l.net.Addr().String(),
			"advertised", net.JoinHostPort(l.advertised.host, fmt.Sprint(l.advertised.port)))
	}
	return nil
}

// Serve starts the broker, serves until ctx ends, and closes it.
func (b *Broker) Serve(ctx context.Context) error {
	if err := b.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return b.Close(context.WithoutCancel(ctx))
}

// Close stops the broker: no new connections and requests, answers to what was
// asked, everything on the disk, the clean-shutdown mark set. Connections that
// are not done when ctx ends are cut. It may be called more than once.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == closed {
		return nil
	}
	b.state = closed
	for _, l := range b.listeners {
		_ = l.net.Close()
	}
	b.accepting.Wait()
	b.conns.close((*conn).drain)
	b.stop()
	if err := b.conns.wait(ctx); err != nil {
		b.conns.close((*conn).kill)
		_ = b.conns.wait(context.WithoutCancel(ctx))
	}
	return b.closeParts(true)
}

// closeParts closes what Start opened, in reverse.
func (b *Broker) closeParts(clean bool) error {
	for _, l := range b.listeners {
		_ = l.net.Close()
	}
	b.accepting.Wait()
	b.stopCoordinators()
	b.background.Wait()
	return b.closeData(clean)
}

// isRunning says whether Start has finished and Close has not begun.
func (b *Broker) isRunning() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state == running
}

// Addr is the address that a listener accepts on; an empty name means the
// first. It is nil before Start and for names that do not exist.
func (b *Broker) Addr(name string) net.Addr {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		if name == "" || l.Name == name {
			return l.net.Addr()
		}
	}
	return nil
}
