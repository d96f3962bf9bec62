// Package srclient is a client of the Confluent Schema Registry REST API, as of
// the 8.x line and working with older servers: every endpoint, typed. It is a
// serde.Registry, and what consoles and tools use for the rest.
//
// # Several addresses
//
// A Client may know several base URLs of one registry. A request goes to the one
// that answered last. When there is no answer, or one of 408, 429, 500, 502, 503
// and 504, it goes on to the next; after a round over all of them it waits
// (exponentially longer, with jitter, or as Retry-After says) and starts another
// round, until WithRetries rounds are used up or the context ends. Any other
// answer is final. Writes are repeated like reads: a registration is idempotent;
// whoever repeats a delete may find that it has already happened.
//
// # Errors
//
// An answer that is no success is an *Error with the HTTP status and the
// registry's error code, for errors.Is with a Code and with serde.ErrNotFound,
// serde.ErrRejected and serde.ErrUnavailable. Without an answer the error is
// serde.ErrUnavailable and wraps the transport's. Answers are read up to
// WithMaxResponseBytes.
//
// A Client is safe for concurrent use and reuses its connections. It caches
// nothing: serde does.
package srclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dovetail-dev/dovetail/serde"
)

// Defaults.
const (
	DefaultRetries          = 3
	DefaultBackoff          = 100 * time.Millisecond
	DefaultMaxBackoff       = 5 * time.Second
	DefaultMaxResponseBytes = 64 << 20
)

// Client talks to one registry.
type Client struct {
	bases  []string // without trailing slash
	cfg    config
	active atomic.Uint32 // index into bases: the one that answered last
}

var _ serde.Registry = (*Client)(nil)

type config struct {
	http       *http.Client
	tls        *tls.Config
	header     http.Header
	authorize  func(ctx context.Context) (string, error)
	timeout    time.Duration
	retries    int
	backoff    time.Duration
	maxBackoff time.Duration
	maxBytes   int64
	logger     *slog.Logger
	sleep      func(ctx context.Context, d time.Duration) error
}

// Option configures a Client.
type Option func(*config)

// WithHTTPClient replaces the HTTP client. WithTLS is then ignored.
func WithHTTPClient(c *http.Client) Option { return func(cfg *config) { cfg.http = c } }

// WithTLS sets certificate authorities and, for mutual TLS, the client's own
// certificate.
func WithTLS(c *tls.Config) Option { return func(cfg *config) { cfg.tls = c } }

// WithBasicAuth sends user and password with every request. Without it, those in
// a base URL are used.
func WithBasicAuth(user, password string) Option {
	return func(cfg *config) {
		cfg.authorize = func(context.Context) (string, error) { return basic(user, password), nil }
	}
}

// WithBearer sends a token with every request. token is called for each one,
// may block, and should cache.
func WithBearer(token func(ctx context.Context) (string, error)) Option {
	return func(cfg *config) {
		cfg.authorize = func(ctx context.Context) (string, error) {
			t, err := token(ctx)
			return "Bearer " + t, err
		}
	}
}

// WithHeader sends a header with every request.
func WithHeader(name, value string) Option {
	return func(cfg *config) { cfg.header.Add(name, value) }
}

// WithRetries sets how many more rounds over all addresses follow the first one,
// and the shortest and longest wait between rounds. The defaults are
// DefaultRetries, DefaultBackoff and DefaultMaxBackoff.
func WithRetries(rounds int, backoff, maxBackoff time.Duration) Option {
	return func(cfg *config) { cfg.retries, cfg.backoff, cfg.maxBackoff = rounds, backoff, maxBackoff }
}

// WithTimeout bounds each request to one address, answer included: an address that
// takes longer counts as one that did not answer. Without it only the context
// bounds a request.
func WithTimeout(d time.Duration) Option { return func(cfg *config) { cfg.timeout = d } }

// WithMaxResponseBytes bounds an answer. The default is
// DefaultMaxResponseBytes.
func WithMaxResponseBytes(n int64) Option { return func(cfg *config) { cfg.maxBytes = n } }

// WithLogger tells logger about changes from one address to another. The
// default is silence.
func WithLogger(l *slog.Logger) Option { return func(cfg *config) { cfg.logger = l } }

// WithSleep replaces the wait between rounds, for tests.
func WithSleep(sleep func(ctx context.Context, d time.Duration) error) Option {
	return func(cfg *config) { cfg.sleep = sleep }
}

// New returns a client of the registry at these base URLs, each
// "http[s]://[user:password@]host[:port][/path]"; an element may also hold
// several, separated by commas. A path such as "/contexts/.staging" places
// everything into that context.
func New(urls []string, opts ...Option) (*Client, error) {
	cfg := config{
		header:     http.Header{},
		retries:    DefaultRetries,
		backoff:    DefaultBackoff,
		maxBackoff: DefaultMaxBackoff,
		maxBytes:   DefaultMaxResponseBytes,
		logger:     slog.New(slog.DiscardHandler),
		sleep:      sleep,
	}
	var faults []error
	for i, o := range opts {
		if o == nil {
			faults = append(faults, fmt.Errorf("srclient: option %d of %d is nil", i+1, len(opts)))
			continue
		}
		o(&cfg)
	}
	if cfg.logger == nil || cfg.sleep == nil {
		faults = append(faults, errors.New("srclient: the logger or the sleep function is nil"))
	}
	if len(urls) == 0 {
		faults = append(faults, errors.New("srclient: no registry address: want at least one, http://host:port or https://host:port"))
		return nil, errors.Join(faults...)
	}
	if cfg.retries < 0 || cfg.backoff < 0 || cfg.maxBackoff < cfg.backoff {
		faults = append(faults, fmt.Errorf("srclient: retries %d with back-off from %v to %v", cfg.retries, cfg.backoff, cfg.maxBackoff))
	}
	if cfg.timeout < 0 {
		faults = append(faults, fmt.Errorf("srclient: timeout of %v", cfg.timeout))
	}
	if cfg.maxBytes < 1 {
		faults = append(faults, fmt.Errorf("srclient: maximum answer of %d bytes, want at least 1", cfg.maxBytes))
	}
	c := &Client{}
	for _, u := range strings.Split(strings.Join(urls, ","), ",") {
		base, err := cfg.base(strings.TrimSpace(u))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		c.bases = append(c.bases, base)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if cfg.http == nil {
		cfg.http = newHTTPClient(cfg.tls)
	}
	c.cfg = cfg
	return c, nil
}

// base checks a base URL, and takes its credentials if none were given.
func (cfg *config) base(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The parser's message holds the address, which may hold a password.
		cause := err
		var parse *url.Error
		if errors.As(err, &parse) {
			cause = parse.Err
		}
		return "", fmt.Errorf("srclient: %q is not a registry address: want http://host:port or https://host:port: %w", raw[strings.LastIndexByte(raw, '@')+1:], cause)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", fmt.Errorf("srclient: %q is not a registry address: want http://host:port or https://host:port", u.Redacted())
	}
	if u.User != nil {
		if cfg.authorize == nil {
			password, _ := u.User.Password()
			WithBasicAuth(u.User.Username(), password)(cfg)
		}
		u.User = nil
	}
	u.RawQuery, u.Fragment = "", ""
	return strings.TrimRight(u.String(), "/"), nil
}

func newHTTPClient(tlsConfig *tls.Config) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	t.TLSClientConfig = tlsConfig
	return &http.Client{Transport: t}
}

// Close closes idle connections. The client may still be used.
func (c *Client) Close() { c.cfg.http.CloseIdleConnections() }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
