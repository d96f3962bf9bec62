package rest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/registry"
)

// call is one request being served. Endpoints append their answer to b.
type call struct {
	h      *handler
	reg    *registry.Registry
	ec     echo.Context
	r      *http.Request
	b      []byte
	status int // 0 is 200

	query url.Values // parsed on first use
}

// param returns a segment of the path, unescaped.
func (c *call) param(name string) string {
	s := c.ec.Param(name)
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

func (c *call) subject() schema.Subject { return schema.Subject(c.param("subject")).Canonical() }

// version reads a version from the path.
func (c *call) version() (schema.Version, error) { return registry.ParseVersion(c.param("version")) }

// id reads a schema ID from the path; what is no number is no route.
func (c *call) id() (schema.ID, error) {
	n, err := strconv.ParseInt(c.ec.Param("id"), 10, 32)
	if err != nil {
		return 0, notFound()
	}
	return schema.ID(n), nil
}

func (c *call) values() url.Values {
	if c.query == nil {
		c.query = c.r.URL.Query()
	}
	return c.query
}

func (c *call) has(name string) bool {
	return c.r.URL.RawQuery != "" && c.values().Has(name)
}

func (c *call) text(name string) string {
	if c.r.URL.RawQuery == "" {
		return ""
	}
	return c.values().Get(name)
}

func isTrue(s string) bool { return strings.EqualFold(s, "true") }

func (c *call) flag(name string) bool { return c.r.URL.RawQuery != "" && isTrue(c.values().Get(name)) }

// list returns all values of a repeatable parameter.
func (c *call) list(name string) []string {
	if c.r.URL.RawQuery == "" {
		return nil
	}
	return c.values()[name]
}

// findTags returns findTags, which some calls repeat and one joins by commas.
func (c *call) findTags() []string {
	var tags []string
	for _, v := range c.list("findTags") {
		for t := range strings.SplitSeq(v, ",") {
			if t != "" {
				tags = append(tags, t)
			}
		}
	}
	return tags
}

func (c *call) page() (registry.Page, error) {
	var p registry.Page
	for _, v := range []struct {
		name string
		to   *int
	}{{"offset", &p.Offset}, {"limit", &p.Limit}} {
		s := c.text(v.name)
		if s == "" {
			continue
		}
		n, err := strconv.ParseInt(s, 10, 32)
		if err != nil {
			return p, notFound()
		}
		*v.to = int(n)
	}
	return p, nil
}

// body reads the whole body within its bound.
func (c *call) body() ([]byte, error) {
	if c.r.Body == nil || c.r.Body == http.NoBody {
		return nil, nil
	}
	limit := c.h.opts.MaxBodyBytes
	var b []byte
	if n := c.r.ContentLength; n > 0 && n < 1<<20 {
		b = make([]byte, n)
		if _, err := io.ReadFull(c.r.Body, b); err != nil {
			return nil, badRequest("The request body ended early")
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case int64(len(b)) > limit, errors.As(err, &tooLarge):
		return nil, c.h.tooLarge()
	case err != nil:
		return nil, badRequest("The request body could not be read")
	}
	return b, nil
}

// put appends a string literal to the answer.
func (c *call) put(s string) { c.b = append(c.b, s...) }

func (c *call) putInt(n int64) { c.b = strconv.AppendInt(c.b, n, 10) }

func (c *call) putString(s string) { c.b = registry.AppendString(c.b, s) }

// list-shaped answers.

func putList[T any](c *call, list []T, item func(T)) {
	c.put("[")
	for i, x := range list {
		if i > 0 {
			c.put(",")
		}
		item(x)
	}
	c.put("]")
}

func putInts[T ~int32](c *call, list []T) {
	putList(c, list, func(n T) { c.putInt(int64(n)) })
}

func putStrings[T ~string](c *call, list []T) {
	putList(c, list, func(s T) { c.putString(string(s)) })
}
