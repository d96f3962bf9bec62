package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// web is what the HTTP address serves: the probes and metrics from the first
// moment, the registry once it is open.
type web struct {
	mux     *http.ServeMux
	metrics *webMetrics

	mu       sync.RWMutex
	registry *registry.Registry
	journal  journal.Journal
	rest     http.Handler
	others   map[string]http.Handler // by the first segment of the path
}

func newWeb(metrics *prometheus.Registry) *web {
	w := &web{mux: http.NewServeMux(), metrics: newWebMetrics(metrics)}
	w.mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok\n") })
	w.mux.HandleFunc("GET /readyz", w.readyz)
	w.mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return w
}

// probes are the paths that are not the registry's.
var probes = map[string]bool{"/healthz": true, "/readyz": true, "/metrics": true}

// ServeHTTP keeps the registry's own paths away from the mux, which would clean
// them: a subject may hold slashes.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if probes[r.URL.Path] {
		w.mux.ServeHTTP(rw, r)
		return
	}
	w.mu.RLock()
	rest := w.rest
	first, _, below := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if other := w.others[first]; other != nil && (below || r.URL.Path == "/"+first) {
		rest = other
	}
	w.mu.RUnlock()
	if rest == nil {
		rw.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		rw.Header().Set("Retry-After", "1")
		rw.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(rw, `{"error_code":50003,"message":"The registry is starting."}`)
		return
	}
	w.metrics.serve(rest, rw, r)
}

// open lets requests in. The registry has every path but those whose first
// segment is one of others; none of its own begins so.
func (w *web) open(reg *registry.Registry, j journal.Journal, rest http.Handler, others map[string]http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.registry, w.journal, w.rest, w.others = reg, j, rest, others
}

// readyz says whether requests can be served, and if not why.
func (w *web) readyz(rw http.ResponseWriter, r *http.Request) {
	if err := w.ready(r.Context()); err != nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(rw, "not ready: %v\n", err)
		return
	}
	_, _ = io.WriteString(rw, "ready\n")
}

func (w *web) ready(ctx context.Context) error {
	w.mu.RLock()
	reg, j := w.registry, w.journal
	w.mu.RUnlock()
	if reg == nil {
		return errors.New("the registry is starting")
	}
	if err := reg.Ready(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if says, ok := j.(interface{ Ready(context.Context) error }); ok {
		return says.Ready(ctx)
	}
	_, err := j.End(ctx)
	return err
}

func (w *web) closeRegistry() error {
	w.mu.Lock()
	reg, j := w.registry, w.journal
	w.registry, w.journal = nil, nil
	w.mu.Unlock()
	if reg == nil {
		return nil
	}
	return errors.Join(reg.Close(), j.Close())
}
