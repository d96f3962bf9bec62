package main

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// webMetrics counts what the registry's HTTP address is asked. Labels are few:
// the resource is the first segment of the path if it is one of the API's.
type webMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newWebMetrics(r prometheus.Registerer) *webMetrics {
	m := &webMetrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dovetail_registry_requests_total", Help: "Requests to the registry by method, resource and status.",
		}, []string{"method", "resource", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dovetail_registry_request_seconds", Help: "Time from a request's headers to the end of its answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"method", "resource"}),
	}
	r.MustRegister(m.requests, m.seconds)
	return m
}

var resources = map[string]bool{
	"subjects": true, "schemas": true, "config": true, "mode": true, "compatibility": true,
	"contexts": true, "associations": true, "dek-registry": true, "v1": true, "serde": true, "console": true, "broker": true,
}

// serve passes a request on and notes how it went.
func (m *webMetrics) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	resource, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if !resources[resource] {
		resource = "other"
	}
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		method = "other"
	}
	noted := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(noted, r)
	m.requests.WithLabelValues(method, resource, strconv.Itoa(noted.status)).Inc()
	m.seconds.WithLabelValues(method, resource).Observe(time.Since(began).Seconds())
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
