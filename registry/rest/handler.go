package rest

import (
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/dovetail-dev/dovetail/registry"
)

// Handler serves reg over HTTP.
func Handler(reg *registry.Registry, opts Options) http.Handler {
	h := &handler{reg: reg, opts: opts.withDefaults(), echo: echo.New()}
	h.echo.HideBanner, h.echo.HidePort = true, true
	h.echo.HTTPErrorHandler = func(err error, c echo.Context) { h.refuse(c.Response(), c.Request(), err) }
	for _, rt := range routes {
		h.echo.Add(rt.method, rt.path, h.serve(rt))
	}
	return h
}

type handler struct {
	reg  *registry.Registry
	opts Options
	echo *echo.Echo
}

const requestIDHeader = "X-Request-Id"

// ServeHTTP bounds, rewrites and routes a request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()[requestIDHeader] = []string{requestID(r.Header[requestIDHeader])}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.opts.Logger.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			h.refuse(w, r, &fault{http.StatusInternalServerError, "Internal Server Error"})
		}
	}()
	if r.ContentLength > h.opts.MaxBodyBytes {
		h.refuse(w, r, h.tooLarge())
		return
	}
	routed, err := h.rewrite(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if r.Method == http.MethodHead {
		if routed == r {
			routed = new(http.Request)
			*routed = *r
		}
		routed.Method = http.MethodGet
	}
	h.echo.ServeHTTP(w, routed)
}

func (h *handler) tooLarge() error {
	return &fault{http.StatusRequestEntityTooLarge, "The request body is larger than " + strconv.FormatInt(h.opts.MaxBodyBytes, 10) + " bytes"}
}

// requestID echoes the one ID that a client sent, or makes a random UUID.
func requestID(sent []string) string {
	if len(sent) == 1 && strings.TrimSpace(sent[0]) != "" {
		return sent[0]
	}
	a, b := rand.Uint64()&^0xf000|0x4000, rand.Uint64()&^(3<<62)|2<<62
	var id [36]byte
	at := 0
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 { // 8-4-4-4-12
			id[at] = '-'
			at++
		}
		n := a
		if i >= 16 {
			n = b
		}
		id[at] = hexDigits[n>>(60-4*(i%16))&0xf]
		at++
	}
	return string(id[:])
}

// refuse answers with an error.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, _, _ := describe(err)
	if status >= 500 {
		h.opts.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "status", status, "error", err)
	}
	typ := negotiate(r.Header["Accept"])
	if typ == "" {
		typ = typeV1
	}
	explain := r.URL.RawQuery != "" && isTrue(r.URL.Query().Get("explain"))
	writeBody(w, status, typ, appendError(nil, err, explain))
}

// contentTypes are header values that all answers share; nobody changes them.
var contentTypes = map[string][]string{typeV1: {typeV1}, typeAny: {typeAny}, typeJSON: {typeJSON}}

// lengthKnownBytes is how long an answer may be for net/http to find out its
// length by itself.
const lengthKnownBytes = 2048

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	header := w.Header()
	header["Content-Type"] = contentTypes[contentType]
	if len(body) > lengthKnownBytes {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; there is nobody to tell
}

// calls are reused together with the buffers in which answers are put together.
var calls = sync.Pool{New: func() any { return &call{b: make([]byte, 0, 4096)} }}

// maxPooledBytes keeps one large answer from staying for ever.
const maxPooledBytes = 1 << 20

// serve wraps an endpoint: content types in, answer or error out.
func (h *handler) serve(rt route) echo.HandlerFunc {
	return func(ec echo.Context) error {
		r := ec.Request()
		typ := negotiate(r.Header["Accept"])
		if typ == "" {
			return &fault{http.StatusNotAcceptable, "HTTP 406 Not Acceptable"}
		}
		if rt.body && !readable(r.Header.Get("Content-Type")) {
			return &fault{http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type"}
		}
		c := calls.Get().(*call)
		*c = call{h: h, reg: h.reg, ec: ec, r: r, b: c.b[:0]}
		err := rt.serve(c)
		if err == nil {
			if c.status == 0 {
				c.status = http.StatusOK
			}
			if c.status == http.StatusNoContent {
				ec.Response().WriteHeader(c.status)
			} else {
				writeBody(ec.Response(), c.status, typ, c.b)
			}
		}
		if cap(c.b) <= maxPooledBytes {
			*c = call{b: c.b}
			calls.Put(c)
		}
		return err
	}
}
