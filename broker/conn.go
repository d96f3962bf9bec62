package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// conn is one client's connection: a reader, which runs handlers, and a writer,
// which sends what they answer in the order of the requests.
type conn struct {
	b        *Broker
	listener *listener
	net      net.Conn
	log      *slog.Logger
	host     string // the client's address without its port

	// ctx ends when either side is done or the broker stops waiting.
	ctx    context.Context
	cancel context.CancelFunc

	replies chan pending
	// inFlight counts requests read and not yet answered.
	inFlight atomic.Int32
	// quiet gets a token whenever the last of them is answered.
	quiet chan struct{}
	// draining says that the broker closes: no further request is read.
	draining atomic.Bool
	// mutedUntil is when the next request may be read, by the broker's clock.
	mutedUntil atomic.Pointer[time.Time]

	// What follows belongs to the reader.
	auth     authentication
	software string // what ApiVersions said the client is

	whyOnce sync.Once
}

// pending is a reply on its way to the writer.
type pending struct {
	req   *request
	reply reply
}

// serve runs the connection until it ends.
func (c *conn) serve() {
	defer c.cancel()
	if t, ok := c.net.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(c.ctx, c.b.opts.Limits.FrameTime)
		err := t.HandshakeContext(ctx)
		cancel()
		if err != nil {
			c.end("TLS handshake: " + err.Error())
			_ = c.net.Close()
			return
		}
		if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 && !c.auth.required {
			c.auth.principal = "User:" + certs[0].Subject.String()
		}
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.guard(c.write)
		// Whatever stopped the writer ends the connection; the reader may
		// still want to hand over replies.
		c.cancel()
		_ = c.net.SetReadDeadline(aLongTimeAgo)
		for p := range c.replies {
			c.finished(p)
		}
	}()
	c.guard(c.read)
	if !c.draining.Load() {
		// The client is gone or unwelcome: nobody waits for what is waited for.
		c.cancel()
	}
	close(c.replies)
	<-written
	c.b.shareSessions.ended(c)
	_ = c.net.Close()
}

var aLongTimeAgo = time.Unix(1, 0)

// guard keeps a panic, which would be a mistake in the broker, from ending more
// than this connection.
func (c *conn) guard(run func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("connection closed by a panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.cancel()
		}
	}()
	run()
}

// end logs why the broker ends the connection, once. Many that end at the same time
// are one line per second, which says how many there were.
func (c *conn) end(why string) {
	c.whyOnce.Do(func() {
		c.b.metrics.closed()
		if silent, ok := c.b.closings.allow(c.b.opts.Now()); ok {
			c.log.Warn("connection closed", "reason", why, "more_before", silent)
		}
	})
}

// left notes that the client went away while something was going on, which no
// operator can do anything about.
func (c *conn) left(why string) {
	c.whyOnce.Do(func() { c.log.Debug("connection closed by the client", "during", why) })
}

// read reads requests and runs them until the connection ends.
func (c *conn) read() {
	limits := c.b.opts.Limits
	frames := frameReader{conn: c.net, in: bufio.NewReaderSize(c.net, 8<<10), memory: c.b.memory, buffers: c.b.buffers, step: limits.FrameTime}
	for c.ctx.Err() == nil && !c.draining.Load() {
		limit := limits.RequestBytes
		if !c.auth.done() {
			limit = limits.UnauthenticatedRequestBytes
		}
		c.muted()
		c.awaitRequest()
		f, err := frames.next(c.ctx, limit)
		if err != nil {
			if errors.Is(err, errIdle) && c.inFlight.Load() > 0 {
				continue // it is the client that waits
			}
			c.readFailed(err)
			return
		}
		if c.auth.bare && c.auth.exchange != nil {
			if !c.bareToken(&f) {
				return
			}
			continue
		}
		r, err := c.b.decode(c.ctx, &f, c.auth.barred(c.b.opts.Now()))
		if err != nil {
			f.release()
			if c.ctx.Err() == nil {
				c.end(err.Error())
			}
			return
		}
		c.muted() // by an answer that was sent while this was read
		if r.api.alone {
			c.awaitQuiet()
		}
		r.conn, r.as, r.received = c, c.auth.principal, time.Now()
		c.inFlight.Add(1)
		rep := r.api.handle(c.b, c.ctx, r)
		r.letGo()
		rep.mute = max(rep.mute, c.b.quotas.handled(r, time.Since(r.received)))
		c.throttle(&rep)
		c.replies <- pending{r, rep}
		if rep.close != "" {
			c.end(rep.close)
			return
		}
	}
}

// awaitQuiet waits until everything that was read is answered.
func (c *conn) awaitQuiet() {
	for c.inFlight.Load() > 0 {
		select {
		case <-c.quiet:
		case <-c.ctx.Done():
			return
		}
	}
}

// throttle keeps the next request unread for as long as a reply says, and tells the
// client.
func (c *conn) throttle(rep *reply) {
	if rep.mute <= 0 {
		return
	}
	rep.tellThrottle()
	until := c.b.opts.Now().Add(rep.mute)
	for {
		before := c.mutedUntil.Load()
		if before != nil && !before.Before(until) || c.mutedUntil.CompareAndSwap(before, &until) {
			return
		}
	}
}

// muted waits while the client is over a quota.
func (c *conn) muted() {
	until := c.mutedUntil.Swap(nil)
	if until == nil {
		return
	}
	if left := until.Sub(c.b.opts.Now()); left > 0 {
		c.b.opts.wait(c.ctx, left)
	}
}

// awaitRequest gives the client as long as it may be idle. The broker's Close
// sets a deadline of its own, which must not be undone.
func (c *conn) awaitRequest() {
	_ = c.net.SetReadDeadline(time.Now().Add(c.b.opts.Limits.Idle))
	if c.draining.Load() || c.ctx.Err() != nil {
		_ = c.net.SetReadDeadline(aLongTimeAgo)
	}
}

// readFailed logs what an operator may act upon. A client that goes away is
// none of it, and neither is one that has said nothing for long.
func (c *conn) readFailed(err error) {
	var tooLarge errFrameTooLarge
	var other errForeign
	switch {
	case errors.As(err, &other):
		c.end(err.Error())
		if other.what == "HTTP" {
			_ = c.net.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c.net, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks the Kafka protocol, not HTTP.\n")
		}
	case errors.As(err, &tooLarge), errors.Is(err, errFrameLength):
		c.end(err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF):
		c.left("a request")
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.draining.Load() && c.ctx.Err() == nil:
		c.end("the client stopped in the middle of a request")
	}
}

// write sends replies in order until there are no more or sending fails.
func (c *conn) write() {
	out := connWriter{conn: c.net, step: c.b.opts.Limits.FrameTime}
	for p := range c.replies {
		rep := p.reply
		if rep.later != nil {
			rep = rep.later(c.ctx)
			rep.mute = max(rep.mute, p.reply.mute)
			c.throttle(&rep)
		}
		err := c.send(&out, p.req, rep)
		c.finished(pending{p.req, rep})
		if err != nil {
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				c.end("the client takes its answers too slowly")
			case errors.Is(err, errShortFile):
				c.end(err.Error())
			}
			return
		}
		if rep.close != "" {
			if c.ctx.Err() != nil { // nobody is there to be told
				c.left(rep.close)
			} else {
				c.end(rep.close)
			}
			return
		}
	}
}

// finished gives back what a request and its reply hold.
func (c *conn) finished(p pending) {
	p.req.lease.release()
	if p.reply.body != nil && p.reply.body.release != nil {
		p.reply.body.release()
	}
	if c.inFlight.Add(-1) == 0 {
		select {
		case c.quiet <- struct{}{}:
		default:
		}
	}
}

// send encodes and writes one reply.
func (c *conn) send(out *connWriter, r *request, rep reply) error {
	sent := 0
	defer func() {
		if r.api != nil {
			c.b.metrics.request(r, sent)
		}
	}()
	switch {
	case rep.none:
		return nil
	case rep.body != nil:
		for i := range rep.body.parts {
			sent += rep.body.parts[i].size()
		}
		return out.writeParts(rep.body.parts)
	case rep.resp == nil:
		return fmt.Errorf("no answer to %s", kmsg.NameForKey(r.key))
	}
	out.buf = appendResponseHeader(out.buf[:0], r.correlation, taggedResponse(rep.resp))
	out.buf = rep.resp.AppendTo(out.buf)
	finishFrame(out.buf, len(out.buf))
	sent = len(out.buf)
	if r.api != nil && r.api.alone && sent > freeAnswerBytes { // the answer, and what it was made of
		r.lease.from = c.b.memory
		r.lease.force(2 * int64(sent))
	}
	err := out.writeBytes(out.buf)
	if cap(out.buf) > 64<<10 {
		out.buf = nil
	}
	return err
}

// drain lets the connection end once everything that was read is answered.
func (c *conn) drain() {
	c.draining.Store(true)
	_ = c.net.SetReadDeadline(aLongTimeAgo)
}

// kill ends the connection now.
func (c *conn) kill() {
	c.cancel()
	_ = c.net.Close()
}
