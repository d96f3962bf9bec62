package service

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/frame"
)

// Defaults of HandlerOptions.
const (
	DefaultMaxBodyBytes = 16 << 20
	DefaultMaxLines     = 10_000
)

// SchemaIDHeader is the response header with the ID of the schema that was used.
const SchemaIDHeader = "Schema-Id"

// HandlerOptions bound what a Handler takes. The zero value works.
type HandlerOptions struct {
	MaxBodyBytes int64 // of a request; 0 is DefaultMaxBodyBytes
	MaxLines     int   // of a batch; 0 is DefaultMaxLines
}

// Handler serves c over HTTP, see the package comment; paths begin with /serde/.
//
// Query parameters of encode: version of the subject (a number or latest, the
// default) and message (full name of a Protobuf message, default the first one);
// of a path with an ID: subject, in whose context the ID is looked up. Any other
// is refused. A single encode answers with the bytes, or with {"base64":…,"id":…}
// if only application/json is accepted. A single decode takes bytes, or, as
// application/json, {"base64":"…"} or the base64 as a JSON string.
func Handler(c *Converter, opts HandlerOptions) http.Handler {
	if opts.MaxBodyBytes <= 0 {
		opts.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if opts.MaxLines <= 0 {
		opts.MaxLines = DefaultMaxLines
	}
	return &handler{c, opts}
}

type handler struct {
	converter *Converter
	opts      HandlerOptions
}

const (
	mediaJSON   = "application/json"
	mediaNDJSON = "application/x-ndjson"
	mediaBytes  = "application/octet-stream"
)

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	t, err := parseTarget(r)
	if err != nil {
		writeFault(rw, err)
		return
	}
	if r.Method != http.MethodPost {
		rw.Header().Set("Allow", http.MethodPost)
		writeFault(rw, fault(http.StatusMethodNotAllowed, "want POST, got %s", r.Method))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, h.opts.MaxBodyBytes))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeFault(rw, fault(http.StatusRequestEntityTooLarge, "the body exceeds %d bytes: send smaller batches", tooLarge.Limit))
		return
	}
	if err != nil {
		writeFault(rw, fault(http.StatusBadRequest, "body: %v", err))
		return
	}
	convert, err := h.conversion(r, t)
	if err != nil {
		writeFault(rw, err)
		return
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == mediaNDJSON {
		h.batch(rw, body, convert)
		return
	}
	convert.single(rw, r, media, body)
}

// target is what the path and the query ask for.
type target struct {
	subject schema.Subject
	id      schema.ID // by ID if not 0
	decode  bool
	version schema.Version
	message string
}

func parseTarget(r *http.Request) (target, error) {
	t := target{version: schema.Latest}
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/serde/"), "/")
	notFound := fault(http.StatusNotFound, "no such path: want /serde/{subject}/encode, /serde/ids/{id}/encode, or decode; write %%2F for a slash in a subject")
	op := segments[len(segments)-1]
	if op != "encode" && op != "decode" {
		return t, notFound
	}
	t.decode = op == "decode"
	switch {
	case len(segments) == 2 && segments[0] != "":
		name, err := url.PathUnescape(segments[0])
		if err != nil {
			return t, fault(http.StatusBadRequest, "subject: %v", err)
		}
		t.subject = schema.Subject(name)
	case len(segments) == 3 && segments[0] == "ids":
		n, err := strconv.ParseInt(segments[1], 10, 32)
		if err != nil || n < 1 {
			return t, fault(http.StatusBadRequest, "%q is no schema ID: want a number from 1", segments[1])
		}
		t.id = schema.ID(n)
	default:
		return t, notFound
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return t, fault(http.StatusBadRequest, "query: %v", err)
	}
	if err := t.knows(query); err != nil {
		return t, err
	}
	t.message = query.Get("message")
	if t.id != 0 {
		t.subject = schema.Subject(query.Get("subject"))
	}
	if v := query.Get("version"); v != "" && v != "latest" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 1 {
			return t, fault(http.StatusBadRequest, "version %q: want a number from 1, or latest", v)
		}
		t.version = schema.Version(n)
	}
	return t, nil
}

// knows refuses the query parameters that have no meaning here: a version that is
// misspelt must not stand for the newest one.
func (t target) knows(query url.Values) error {
	var known []string
	if t.id != 0 {
		known = append(known, "subject")
	} else if !t.decode {
		known = append(known, "version")
	}
	if !t.decode {
		known = append(known, "message")
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		switch {
		case slices.Contains(known, name):
		case len(known) == 0:
			return fault(http.StatusBadRequest, "query parameter %q: decoding by subject takes none", name)
		default:
			return fault(http.StatusBadRequest, "query parameter %q is not known here: want %s", name, strings.Join(known, " or "))
		}
	}
	return nil
}

// conversion turns one document, or one framed value, of a request.
type conversion struct {
	decode bool
	run    func(in []byte) (out []byte, p *Program, err error)
}

func (h *handler) conversion(r *http.Request, t target) (conversion, error) {
	ctx := r.Context()
	if t.decode {
		return conversion{decode: true, run: func(in []byte) ([]byte, *Program, error) {
			if t.id != 0 {
				if id, _, err := frame.Split(in); err == nil && id != t.id {
					return nil, nil, fault(http.StatusUnprocessableEntity, "the value was written with schema %d, not %d", id, t.id)
				}
			}
			return h.converter.Decode(ctx, t.subject, nil, in)
		}}, nil
	}
	var p *Program
	var err error
	if t.id != 0 {
		p, err = h.converter.ByID(ctx, t.id, t.subject)
	} else {
		p, err = h.converter.BySubject(ctx, t.subject, t.version)
	}
	if err != nil {
		return conversion{}, err
	}
	indexes, err := p.Message(t.message)
	return conversion{run: func(in []byte) ([]byte, *Program, error) {
		out, err := p.Append(nil, indexes, in)
		return out, p, err
	}}, err
}

// based is a framed value as JSON.
type based struct {
	Base64 *[]byte `json:"base64"`
}

// framedOf reads {"base64":"…"} or the base64 as a JSON string.
func framedOf(text []byte) ([]byte, error) {
	var b based
	err := json.Unmarshal(text, &b)
	if err == nil && b.Base64 != nil {
		return *b.Base64, nil
	}
	var bare []byte
	if json.Unmarshal(text, &bare) == nil && bare != nil {
		return bare, nil
	}
	return nil, fault(http.StatusBadRequest, `want {"base64":"…"} or "…", a JSON string: the framed value in standard base64`)
}

// single answers one document or one value.
func (c conversion) single(rw http.ResponseWriter, r *http.Request, media string, body []byte) {
	var err error
	if c.decode && media == mediaJSON {
		body, err = framedOf(body)
	}
	var out []byte
	var p *Program
	if err == nil {
		out, p, err = c.run(body)
	}
	if err != nil {
		writeFault(rw, err)
		return
	}
	header := rw.Header()
	header.Set(SchemaIDHeader, strconv.Itoa(int(p.ID)))
	switch {
	case c.decode:
		header.Set("Content-Type", mediaJSON)
	case r.Header.Get("Accept") == mediaJSON:
		header.Set("Content-Type", mediaJSON)
		out = appendBased(nil, out, p)
	default:
		header.Set("Content-Type", mediaBytes)
	}
	header.Set("Content-Length", strconv.Itoa(len(out)))
	_, _ = rw.Write(out)
}

// appendBased writes {"base64":…,"id":…}.
func appendBased(dst, value []byte, p *Program) []byte {
	dst = append(dst, `{"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, value)
	dst = append(dst, `","id":`...)
	return append(strconv.AppendInt(dst, int64(p.ID), 10), '}')
}

// batch answers line for line, but not to blank lines, which count all the same.
// A line that fails does not stop the others.
func (h *handler) batch(rw http.ResponseWriter, body []byte, c conversion) {
	lines := bytes.Split(bytes.TrimRight(body, "\n"), []byte("\n"))
	if len(lines) > h.opts.MaxLines {
		writeFault(rw, fault(http.StatusRequestEntityTooLarge, "the batch has %d lines: at most %d are taken", len(lines), h.opts.MaxLines))
		return
	}
	rw.Header().Set("Content-Type", mediaNDJSON)
	var out []byte
	for i, line := range lines {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		out = append(c.line(out[:0], i+1, line), '\n')
		if _, err := rw.Write(out); err != nil {
			return
		}
	}
}

func (c conversion) line(dst []byte, number int, line []byte) []byte {
	in, err := line, error(nil)
	if c.decode {
		in, err = framedOf(line)
	}
	var out []byte
	var p *Program
	if err == nil {
		out, p, err = c.run(in)
	}
	switch {
	case err != nil:
		body := describe(err)
		body.Line = number
		text, _ := json.Marshal(map[string]faultBody{"error": body})
		return append(dst, text...)
	case c.decode:
		dst = append(append(dst, `{"value":`...), out...)
		return append(strconv.AppendInt(append(dst, `,"id":`...), int64(p.ID), 10), '}')
	}
	return appendBased(dst, out, p)
}

func fault(status int, format string, args ...any) *requestError {
	return &requestError{status, fmt.Sprintf(format, args...)}
}
