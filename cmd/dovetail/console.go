package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/dovetail-dev/dovetail/clients/cluster"
	"github.com/dovetail-dev/dovetail/clients/console"
	"github.com/dovetail-dev/dovetail/clients/srclient"
)

// consoles are the web console: one for each user that looks, because the broker
// is asked as that user and decides what each may see. They are made when they
// are first looked at.
type consoles struct {
	rest   http.Handler // of the registry
	broker net.Addr
	secure *security
	log    *slog.Logger

	mu     sync.Mutex
	open   map[string]http.Handler // by user, "" if nobody has to say who he is
	closes []func()
}

// ServeHTTP implements http.Handler. Who the user is has been checked before.
func (c *consoles) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	user := ""
	if c.secure.users != nil {
		user, _, _ = r.BasicAuth()
	}
	pages, err := c.of(user)
	if err != nil {
		c.log.Error("console", "err", err)
		http.Error(rw, "the console cannot be opened; the server's log says why", http.StatusInternalServerError)
		return
	}
	pages.ServeHTTP(rw, r)
}

func (c *consoles) of(user string) (http.Handler, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if pages := c.open[user]; pages != nil {
		return pages, nil
	}
	registry, err := srclient.New([]string{"http://registry"}, srclient.WithHTTPClient(&http.Client{Transport: inProcess{c.rest}}))
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(c.kafka(user)...)
	if err != nil {
		return nil, err
	}
	pages, err := console.Handler(console.Options{Registry: registry, Kafka: cluster.New(client), Version: versionString(), Logger: c.log})
	if err != nil {
		client.Close()
		return nil, err
	}
	if c.open == nil {
		c.open = map[string]http.Handler{}
	}
	c.open[user] = pages
	c.closes = append(c.closes, client.Close)
	return pages, nil
}

// kafka are the options of a client of the broker in this process. Whatever
// address clients are told to connect to, there is one broker and it is here.
func (c *consoles) kafka(user string) []kgo.Opt {
	here := reachable(c.broker)
	opts := []kgo.Opt{kgo.SeedBrokers(here), kgo.ClientID("dovetail-console"), kgo.RequestRetries(3)}
	if user != "" {
		opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: c.secure.users[user]}.AsMechanism()))
	}
	return append(opts, kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		if c.secure.tls == nil {
			return (&net.Dialer{}).DialContext(ctx, network, here)
		}
		return (&tls.Dialer{Config: c.itself()}).DialContext(ctx, network, here)
	}))
}

// itself trusts the very certificate that this process serves, whatever name is
// in it.
func (c *consoles) itself() *tls.Config {
	own := c.secure.tls.Certificates
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       own,
		InsecureSkipVerify: true, // VerifyConnection is stricter
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own[0].Certificate[0]) {
				return errors.New("the broker does not show this process's own certificate")
			}
			return nil
		},
	}
}

func (c *consoles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.closes {
		f()
	}
	c.closes, c.open = nil, nil
}

// reachable is the address by which this machine reaches a listener, which may
// listen on all of its addresses.
func reachable(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// inProcess is a transport whose server is a handler.
type inProcess struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	if served.Body == nil {
		served.Body = http.NoBody
	}
	served.RequestURI = r.URL.RequestURI()
	answer := &memoryAnswer{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(answer, served)
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return &http.Response{
		Status: http.StatusText(answer.status), StatusCode: answer.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.header, Body: io.NopCloser(&answer.body), ContentLength: int64(answer.body.Len()), Request: r,
	}, r.Context().Err()
}

// memoryAnswer keeps an answer.
type memoryAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *memoryAnswer) Header() http.Header         { return a.header }
func (a *memoryAnswer) WriteHeader(status int)      { a.status = status }
func (a *memoryAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }
