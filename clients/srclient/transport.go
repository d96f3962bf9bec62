package srclient

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const mediaType = "application/vnd.schemaregistry.v1+json"

// request is one call of the API.
type request struct {
	method string
	path   string // escaped, with leading slash
	query  url.Values
	body   any // nil for none
	out    any // *string takes the body as it is; nil takes nothing
}

// do sends r until an address gives a final answer; see the package comment.
func (c *Client) do(ctx context.Context, r request) error {
	if before, empty := emptyName(r.path); empty {
		return fmt.Errorf("srclient: %s %s: %w: the one after %q", r.method, r.path, ErrEmptyName, before)
	}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("srclient: %s %s: %w", r.method, r.path, err)
		}
	}
	for round := 0; ; round++ {
		var wait time.Duration
		var err error
		var errs []error // of this round, one for each address
		first := c.active.Load()
		for i := range uint32(len(c.bases)) { //nolint:gosec // a handful of addresses
			at := (first + i) % uint32(len(c.bases)) //nolint:gosec
			var again bool
			again, wait, err = c.try(ctx, c.bases[at], r, body)
			if !again {
				if at != first && c.active.CompareAndSwap(first, at) {
					c.cfg.logger.InfoContext(ctx, "registry address changed", "url", c.bases[at])
				}
				return err
			}
			errs = append(errs, err)
			if ctx.Err() != nil {
				return roundError(errs)
			}
		}
		err = roundError(errs)
		if round >= c.cfg.retries {
			return err
		}
		if sleepErr := c.cfg.sleep(ctx, c.pause(round, wait)); sleepErr != nil {
			return errors.Join(err, sleepErr)
		}
	}
}

// roundError is the error of a round in which several addresses were tried. What
// the last one said decides for errors.As, as if it had been alone.
func roundError(errs []error) error {
	last := len(errs) - 1
	if last == 0 {
		return errs[0]
	}
	err := fmt.Errorf("%w", errs[last])
	for _, earlier := range errs[:last] {
		err = fmt.Errorf("%w; %w", err, earlier)
	}
	return err
}

// pause is the wait after a round: what the server asked for, or exponential
// back-off of which the second half is random.
func (c *Client) pause(round int, asked time.Duration) time.Duration {
	if asked > 0 {
		return min(asked, c.cfg.maxBackoff)
	}
	d := c.cfg.maxBackoff
	if round < 20 {
		d = min(c.cfg.backoff<<round, c.cfg.maxBackoff)
	}
	if d < 2 {
		return d
	}
	return d/2 + rand.N(d/2) //nolint:gosec // jitter
}

// try sends r to one address. again asks for another one, after wait if the
// server said so.
func (c *Client) try(ctx context.Context, base string, r request, body []byte) (again bool, wait time.Duration, err error) {
	where := base + r.path
	target := where
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	if c.cfg.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.timeout)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return false, 0, fmt.Errorf("srclient: %w", err)
	}
	for k, v := range c.cfg.header {
		req.Header[k] = v
	}
	req.Header.Set("Accept", mediaType+", application/vnd.schemaregistry+json; q=0.9, application/json; q=0.5")
	req.Header.Set("Confluent-Accept-Unknown-Properties", "true")
	if r.body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if c.cfg.authorize != nil {
		value, err := c.cfg.authorize(ctx)
		if err != nil {
			return false, 0, fmt.Errorf("srclient: credentials: %w", err)
		}
		req.Header.Set("Authorization", value)
	}
	res, err := c.cfg.http.Do(req)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err // the URL is in noAnswer, without its query
		}
		return true, 0, &noAnswer{r.method, where, err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, c.cfg.maxBytes+1))
	if err != nil {
		return true, 0, &noAnswer{r.method, where, err}
	}
	if int64(len(text)) > c.cfg.maxBytes {
		return false, 0, fmt.Errorf("srclient: %s %s: the answer exceeds %d bytes: raise WithMaxResponseBytes or page", r.method, where, c.cfg.maxBytes)
	}
	switch res.StatusCode {
	case http.StatusOK, http.StatusMultiStatus, http.StatusNoContent:
		return false, 0, decode(r, where, res.StatusCode, text)
	}
	return retryable(res.StatusCode), retryAfter(res.Header), answerError(r, where, res.StatusCode, text)
}

func decode(r request, where string, status int, text []byte) error {
	if r.out == nil || status == http.StatusNoContent {
		return nil
	}
	if raw, ok := r.out.(*string); ok {
		*raw = string(text)
		return nil
	}
	if err := json.Unmarshal(text, r.out); err != nil {
		return fmt.Errorf("srclient: %s %s: unreadable answer: %w", r.method, where, err)
	}
	return nil
}

func answerError(r request, where string, status int, text []byte) error {
	var body struct {
		Code    Code   `json:"error_code"`
		Message string `json:"message"`
	}
	e := &Error{Status: status, Method: r.method, URL: where}
	if err := json.Unmarshal(text, &body); err != nil || body.Code == 0 {
		e.Code = UnreadableAnswer
		e.Message = fmt.Sprintf("%s, with a body that is not a registry's: %.200q", http.StatusText(status), text)
		return e
	}
	e.Code, e.Message = body.Code, body.Message
	return e
}

func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > 3600 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// path joins segments, each escaped.
func path(segments ...string) string {
	var s strings.Builder
	for _, seg := range segments {
		s.WriteByte('/')
		if strings.Trim(seg, ".") == "" { // "." and ".." would be taken for directories
			s.WriteString(strings.ReplaceAll(seg, ".", "%2E"))
			continue
		}
		s.WriteString(url.PathEscape(seg))
	}
	return s.String()
}

// ErrEmptyName: a subject, a KEK, a context or a resource has no name, so that no
// path can name it. Nothing was sent.
var ErrEmptyName = errors.New("a name is empty, which no path can name")

// emptyName looks for a segment of p with nothing in it, and tells the one before
// it.
func emptyName(p string) (before string, empty bool) {
	if p == "/" {
		return "", false
	}
	head, _, found := strings.Cut(p, "//")
	if !found {
		if head, found = strings.CutSuffix(p, "/"); !found {
			return "", false
		}
	}
	return head[strings.LastIndexByte(head, '/')+1:], true
}

// query collects query values; those that are at their default are left out.
type query struct{ url.Values }

func newQuery() query { return query{url.Values{}} }

func (q query) flag(name string, on bool) query {
	if on {
		q.Set(name, "true")
	}
	return q
}

func (q query) text(name, value string) query {
	if value != "" {
		q.Set(name, value)
	}
	return q
}

func (q query) list(name string, values []string) query {
	for _, v := range values {
		q.Add(name, v)
	}
	return q
}

func (q query) page(p Page) query {
	if p.Offset > 0 {
		q.Set("offset", strconv.Itoa(p.Offset))
	}
	if p.Limit > 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	return q
}

// Page selects a part of a list. The zero value asks for what the server gives
// by default.
type Page struct {
	Offset int
	Limit  int // 0 for the server's default; too large a limit falls back to it as well
}

func (c *Client) get(ctx context.Context, p string, q query, out any) error {
	return c.do(ctx, request{method: http.MethodGet, path: p, query: q.Values, out: out})
}

func (c *Client) post(ctx context.Context, p string, q query, body, out any) error {
	return c.do(ctx, request{method: http.MethodPost, path: p, query: q.Values, body: body, out: out})
}

func (c *Client) put(ctx context.Context, p string, q query, body, out any) error {
	return c.do(ctx, request{method: http.MethodPut, path: p, query: q.Values, body: body, out: out})
}

func (c *Client) delete(ctx context.Context, p string, q query, out any) error {
	return c.do(ctx, request{method: http.MethodDelete, path: p, query: q.Values, out: out})
}
