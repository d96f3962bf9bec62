package console

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/cluster"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/service"
)

// Registry is what the console asks of a registry. *srclient.Client is one.
type Registry interface {
	service.Registry
	Summaries(ctx context.Context, o srclient.SubjectsOptions) ([]srclient.Summary, error)
	Versions(ctx context.Context, s schema.Subject, o srclient.VersionsOptions) ([]schema.Version, error)
	SchemaVersion(ctx context.Context, s schema.Subject, v schema.Version, o srclient.VersionOptions) (srclient.Schema, error)
	ByID(ctx context.Context, id schema.ID, o srclient.IDOptions) (srclient.Schema, error)
	Config(ctx context.Context, s schema.Subject, inForce bool) (srclient.Config, error)
	Mode(ctx context.Context, s schema.Subject, inForce bool) (srclient.Mode, error)
	Diff(ctx context.Context, s schema.Subject, from, to schema.Version) ([]srclient.Difference, error)
}

// Kafka is what the console asks of a cluster. *cluster.View is one.
type Kafka interface {
	Topics(ctx context.Context, internal bool, names ...string) ([]cluster.Topic, error)
	Groups(ctx context.Context, names ...string) ([]cluster.Group, error)
	Tail(ctx context.Context, topic string, partition int32, n int) ([]*kgo.Record, error)
}

// Options of a Handler. Registry and Kafka are required.
type Options struct {
	Registry Registry
	Kafka    Kafka
	Version  string        // shown at the foot of each page
	Timeout  time.Duration // of a request to the servers; 0 is 10 s
	Logger   *slog.Logger  // nil discards
}

//go:embed static
var static embed.FS

// policy lets pages load what comes from here, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type handler struct {
	opts      Options
	converter *service.Converter
}

// Handler serves the console under /console/.
func Handler(opts Options) (http.Handler, error) {
	if opts.Registry == nil || opts.Kafka == nil {
		return nil, errors.New("console: a registry and a cluster are needed")
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	converter, err := service.New(opts.Registry, service.Options{})
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	h := &handler{opts, converter}
	mux := http.NewServeMux()
	mux.Handle("GET /console", http.RedirectHandler("/console/", http.StatusMovedPermanently))
	mux.Handle("GET /console/", http.StripPrefix("/console/", http.FileServerFS(files)))
	for path, answer := range map[string]func(context.Context, *http.Request) (any, error){
		"overview": h.overview,
		"subjects": h.subjects,
		"subject":  h.subject,
		"schema":   h.schema,
		"diff":     h.diff,
		"topics":   h.topics,
		"topic":    h.topic,
		"records":  h.records,
		"groups":   h.groups,
		"group":    h.group,
	} {
		mux.HandleFunc("GET /console/api/"+path, h.json(answer))
	}
	mux.HandleFunc("GET /console/api/", func(rw http.ResponseWriter, _ *http.Request) {
		writeJSON(rw, http.StatusNotFound, fault{"there is no such path"})
	})
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		header := rw.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cache-Control", "no-cache")
		mux.ServeHTTP(rw, r)
	}), nil
}

// fault is the body of an answer that is no success.
type fault struct {
	Message string `json:"message"`
}

// badRequest is a fault of the request, not of a server behind.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// json makes an HTTP handler of a question.
func (h *handler) json(answer func(context.Context, *http.Request) (any, error)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.opts.Timeout)
		defer cancel()
		v, err := answer(ctx, r)
		if err == nil {
			writeJSON(rw, http.StatusOK, v)
			return
		}
		status := statusOf(err)
		if status >= 500 && r.Context().Err() == nil {
			h.opts.Logger.Warn("console request failed", "path", r.URL.Path, "err", err)
		}
		writeJSON(rw, status, fault{err.Error()})
	}
}

func statusOf(err error) int {
	var bad badRequest
	var answered *srclient.Error
	var topic *cluster.TopicError
	switch {
	case errors.As(err, &bad):
		return http.StatusBadRequest
	case errors.As(err, &answered) && answered.Status < 500:
		return answered.Status
	case errors.As(err, &topic), errors.Is(err, cluster.ErrNoGroup):
		return http.StatusNotFound
	}
	return http.StatusBadGateway
}

func writeJSON(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.WriteHeader(status)
	encoder := json.NewEncoder(rw)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v)
}
