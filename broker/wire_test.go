package broker

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// startBroker starts a broker for a test and closes it at the end.
func startBroker(t *testing.T, change ...func(*Options)) *Broker {
	t.Helper()
	opts := Options{DataDir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	for _, c := range change {
		c(&opts)
	}
	b, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

// rawClient speaks frames.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	next int32
}

func dialRaw(t *testing.T, b *Broker) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr("").String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	t.Cleanup(func() { _ = conn.Close() })
	return rawOver(t, conn)
}

func rawOver(t *testing.T, conn net.Conn) *rawClient {
	return &rawClient{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// frameOf is req as a client would send it.
func frameOf(req kmsg.Request, correlation int32) []byte {
	f := []byte{0, 0, 0, 0}
	f = binary.BigEndian.AppendUint16(f, uint16(req.Key()))
	f = binary.BigEndian.AppendUint16(f, uint16(req.GetVersion()))
	f = binary.BigEndian.AppendUint32(f, uint32(correlation))
	f = append(f, 0, 4, 't', 'e', 's', 't')
	if req.IsFlexible() {
		f = append(f, 0)
	}
	f = req.AppendTo(f)
	binary.BigEndian.PutUint32(f, uint32(len(f)-4))
	return f
}

func (c *rawClient) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// read returns the next answer's correlation ID and what follows it.
func (c *rawClient) read() (correlation int32, rest []byte) {
	c.t.Helper()
	var head [8]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		c.t.Fatalf("read: %v", err)
	}
	rest = make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.in, rest); err != nil {
		c.t.Fatalf("read: %v", err)
	}
	return int32(binary.BigEndian.Uint32(head[4:])), rest
}

// ask sends req and decodes its answer.
func (c *rawClient) ask(req kmsg.Request) kmsg.Response {
	c.t.Helper()
	c.next++
	c.write(frameOf(req, c.next))
	return c.answerTo(req, c.next)
}

func (c *rawClient) answerTo(req kmsg.Request, correlation int32) kmsg.Response {
	c.t.Helper()
	got, rest := c.read()
	if got != correlation {
		c.t.Fatalf("answer to %d, want to %d", got, correlation)
	}
	resp := req.ResponseKind()
	if taggedResponse(resp) {
		rest = rest[1:]
	}
	if err := resp.ReadFrom(rest); err != nil {
		c.t.Fatalf("%T version %d: %v", resp, req.GetVersion(), err)
	}
	if again := resp.AppendTo(nil); string(again) != string(rest) {
		c.t.Fatalf("%T version %d: the answer has bytes that its version does not", resp, req.GetVersion())
	}
	return resp
}

// wantClosed checks that the broker closes the connection without an answer.
func (c *rawClient) wantClosed() {
	c.t.Helper()
	if n, err := c.in.Read(make([]byte, 1)); n != 0 || err == nil {
		c.t.Fatalf("got %d bytes and %v, want a closed connection", n, err)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection is still open")
	}
}
