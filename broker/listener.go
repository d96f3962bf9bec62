package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/xdg-go/scram"
)

// listener accepts connections on one address.
type listener struct {
	Listener
	net        net.Listener
	advertised endpoint
	scramUsers map[string]scram.StoredCredentials // by scramKey
}

// listen opens an address. It accepts nothing yet.
func listen(l Listener) (*listener, error) {
	users, err := saltUsers(l.SASL)
	if err != nil {
		return nil, err
	}
	n, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return nil, err
	}
	at := l.Advertised
	if at == "" {
		at = reachable(n.Addr())
	}
	advertised, err := parseEndpoint(at)
	if err != nil {
		_ = n.Close()
		return nil, err
	}
	return &listener{Listener: l, net: n, advertised: advertised, scramUsers: users}, nil
}

// reachable is an address that a client may connect to: "all addresses" is none.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// accept hands every connection to a goroutine of its own until the listener
// is closed.
func (b *Broker) accept(l *listener) {
	for {
		nc, err := l.net.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of file descriptors, most likely: waiting is all there is.
			b.log.Error("cannot accept connections", "listener", l.Name, "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-b.stopping.Done():
				return
			}
		}
		b.admit(l, nc)
	}
}

// admit starts a connection if the limits leave room for it.
func (b *Broker) admit(l *listener, nc net.Conn) {
	host, _, err := net.SplitHostPort(nc.RemoteAddr().String())
	if err != nil {
		host = nc.RemoteAddr().String()
	}
	host = canonicalIP(host)
	if why := b.conns.reserve(host); why != "" {
		_ = nc.Close()
		b.refused(l, host, why)
		return
	}
	if wait := b.quotas.connected(host); wait > 0 {
		b.refused(l, host, "the quota "+quotaConnections+" of the address is used up")
		b.closeLater(nc, host, wait)
		return
	}
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(true)
	}
	if l.TLS != nil {
		nc = tls.Server(nc, l.TLS)
	}
	c := &conn{
		b: b, listener: l, net: nc, host: host,
		log:     b.log.With("listener", l.Name, "client", nc.RemoteAddr().String()),
		replies: make(chan pending, b.opts.Limits.InFlight), quiet: make(chan struct{}, 1),
	}
	c.auth.required = len(l.SASL.Mechanisms) > 0
	c.ctx, c.cancel = context.WithCancel(b.stopping)
	if !b.conns.add(c) {
		c.kill()
		b.conns.release(host, nil)
		return
	}
	go func() {
		defer b.conns.release(host, c)
		c.guard(c.serve)
	}()
}

// refused counts and logs that a connection may not be.
func (b *Broker) refused(l *listener, host, why string) {
	b.metrics.refused()
	if silent, ok := b.refusals.allow(b.opts.Now()); ok {
		b.log.Warn("connection refused", "listener", l.Name, "client", host, "reason", why, "more_before", silent)
	}
}

// heldRefusals is how many connections beyond a quota are kept waiting, and
// longestRefusal for how long at most: a client that is refused at once comes back at
// once. More are closed without a wait.
const (
	heldRefusals   = 100
	longestRefusal = time.Second
)

// closeLater closes a connection that was reserved, and never served, after a while.
func (b *Broker) closeLater(nc net.Conn, host string, wait time.Duration) {
	end := func() {
		_ = nc.Close()
		b.conns.release(host, nil)
	}
	select {
	case b.heldConns <- struct{}{}:
	default:
		end()
		return
	}
	go func() {
		defer func() { <-b.heldConns }()
		defer end()
		b.opts.wait(b.stopping, min(wait, longestRefusal))
	}()
}

// canonicalIP is an address as limits and quotas know it, whichever way it is written.
func canonicalIP(host string) string {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	return a.Unmap().String()
}

// connections counts connections and knows those that are open.
type connections struct {
	mu         sync.Mutex
	total, max int
	perIP      map[string]int
	maxPerIP   int
	maxOfIP    map[string]int // by canonical address
	open       map[*conn]struct{}
	closed     bool
	allDone    sync.WaitGroup
}

func newConnections(l Limits) *connections {
	of := map[string]int{}
	for host, n := range l.ConnectionsOfIP {
		of[canonicalIP(host)] = n
	}
	return &connections{max: l.Connections, maxPerIP: l.ConnectionsPerIP, maxOfIP: of, perIP: map[string]int{}, open: map[*conn]struct{}{}}
}

// reserve counts a connection from host, or says why there may be none.
func (cs *connections) reserve(host string) (why string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	most, own := cs.maxOfIP[host]
	if !own {
		most = cs.maxPerIP
	}
	switch {
	case cs.closed:
		return "the broker closes"
	case cs.total >= cs.max:
		return "the limit of " + strconv.Itoa(cs.max) + " connections is reached"
	case cs.perIP[host] >= most:
		return "the limit of " + strconv.Itoa(most) + " connections from one address is reached"
	}
	cs.total++
	cs.perIP[host]++
	cs.allDone.Add(1)
	return ""
}

// add makes a counted connection known. It reports false once the broker
// closes.
func (cs *connections) add(c *conn) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		return false
	}
	cs.open[c] = struct{}{}
	return true
}

func (cs *connections) release(host string, c *conn) {
	cs.mu.Lock()
	cs.total--
	if cs.perIP[host]--; cs.perIP[host] == 0 {
		delete(cs.perIP, host)
	}
	delete(cs.open, c)
	cs.mu.Unlock()
	cs.allDone.Done()
}

func (cs *connections) count() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.total
}

// close lets no further connection in and calls each on all that are open.
func (cs *connections) close(each func(*conn)) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.closed = true
	for c := range cs.open {
		each(c)
	}
}

// wait returns when the last connection is done or ctx ends.
func (cs *connections) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() { cs.allDone.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rarely lets one of many equal log lines through per second.
type rarely struct {
	mu     sync.Mutex
	last   time.Time
	silent int // since last
}

// allow says whether a line may be logged, and how many were not since the last.
func (r *rarely) allow(now time.Time) (silent int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last) < time.Second && !now.Before(r.last) {
		r.silent++
		return 0, false
	}
	silent, r.silent, r.last = r.silent, 0, now
	return silent, true
}
