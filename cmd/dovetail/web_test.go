package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
	"github.com/dovetail-dev/dovetail/registry/rest"
)

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Code, string(body)
}

// brokenJournal is a memory journal whose end cannot be read for a while.
type brokenJournal struct {
	*journal.Memory
	err error
}

func (j *brokenJournal) End(ctx context.Context) (journal.Offset, error) {
	if j.err != nil {
		return 0, j.err
	}
	return j.Memory.End(ctx)
}

func TestProbesTellTheTruth(t *testing.T) {
	w := newWeb(prometheus.NewRegistry())
	if code, _ := get(t, w, "/healthz"); code != http.StatusOK {
		t.Errorf("healthz while starting: %d", code)
	}
	if code, body := get(t, w, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "starting") {
		t.Errorf("readyz while starting: %d %q", code, body)
	}
	if code, body := get(t, w, "/subjects"); code != http.StatusServiceUnavailable || !strings.Contains(body, "error_code") {
		t.Errorf("subjects while starting: %d %q", code, body)
	}

	j := &brokenJournal{Memory: &journal.Memory{}}
	reg, err := registry.Open(context.Background(), registry.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	w.open(reg, j, rest.Handler(reg, rest.Options{}), nil)
	if code, _ := get(t, w, "/readyz"); code != http.StatusOK {
		t.Errorf("readyz: %d", code)
	}
	if code, body := get(t, w, "/subjects"); code != http.StatusOK || body != "[]" {
		t.Errorf("subjects: %d %q", code, body)
	}
	j.err = errors.New("the journal is away")
	if code, body := get(t, w, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "the journal is away") {
		t.Errorf("readyz without a journal: %d %q", code, body)
	}
	if code, _ := get(t, w, "/healthz"); code != http.StatusOK {
		t.Errorf("healthz without a journal: %d: a restart would not help", code)
	}
	if err := w.closeRegistry(); err != nil {
		t.Fatal(err)
	}
}

// fencedJournal can be read, and says itself that it cannot be written.
type fencedJournal struct{ *journal.Memory }

func (fencedJournal) Ready(context.Context) error { return errors.New("another instance writes") }

func TestReadyAsksTheJournalItself(t *testing.T) {
	j := fencedJournal{&journal.Memory{}}
	reg, err := registry.Open(context.Background(), registry.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	w := newWeb(prometheus.NewRegistry())
	w.open(reg, j, rest.Handler(reg, rest.Options{}), nil)
	defer w.closeRegistry() //nolint:errcheck // nothing to close but memory
	if code, body := get(t, w, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "another instance writes") {
		t.Errorf("readyz: %d %q", code, body)
	}
}

func TestMetricsHaveFewLabels(t *testing.T) {
	j := &journal.Memory{}
	reg, err := registry.Open(context.Background(), registry.Options{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	w := newWeb(prometheus.NewRegistry())
	w.open(reg, j, rest.Handler(reg, rest.Options{}), nil)
	defer w.closeRegistry() //nolint:errcheck // nothing to close but memory
	for _, path := range []string{"/subjects", "/subjects/a/versions", "/nonsense/1", "/nonsense/2"} {
		get(t, w, path)
	}
	_, body := get(t, w, "/metrics")
	for _, want := range []string{
		`dovetail_registry_requests_total{method="GET",resource="subjects",status="200"} 1`,
		`dovetail_registry_requests_total{method="GET",resource="subjects",status="404"} 1`,
		`dovetail_registry_requests_total{method="GET",resource="other",status="404"} 2`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no line %s", want)
		}
	}
}
