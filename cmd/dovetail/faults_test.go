package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/broker"
)

// TestProduceSaysWhatKeepsTheBrokerFromAnswering: a client only sees that nothing comes.
func TestProduceSaysWhatKeepsTheBrokerFromAnswering(t *testing.T) {
	faults := []faultView{{Kind: "disk-full", What: "no space left on device", Remedy: "make room"}}
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/broker/faults" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		answerJSON(rw, http.StatusOK, faultsAnswer{Faults: faults})
	}))
	defer web.Close()
	p := &produceCommand{connection: connection{registry: web.URL, timeout: time.Minute}}
	if got := p.silence(t.Context()).Error(); !strings.Contains(got, "disk-full: no space left on device. What to do: make room") {
		t.Errorf("%s", got)
	}
	faults = nil
	if got := p.silence(t.Context()).Error(); !strings.Contains(got, "is the broker running, and reachable") {
		t.Errorf("%s", got)
	}
}

// TestARegistryThatIsNotReadyIsAFault: with those of the broker, in one answer.
func TestARegistryThatIsNotReadyIsAFault(t *testing.T) {
	b, err := broker.New(broker.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	h := trafficHandler{broker: b, secure: &security{}, ready: func(context.Context) error { return errors.New("the journal is away") }}
	ask := func() (int, string) {
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, httptest.NewRequest(http.MethodGet, "/broker/faults", nil))
		return rw.Code, rw.Body.String()
	}
	if code, _ := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("before the broker is there: %d", code)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	if code, body := ask(); code != http.StatusOK || !strings.Contains(body, `"kind":"registry","what":"the journal is away"`) {
		t.Errorf("%d %s", code, body)
	}
	h.ready = nil
	if code, body := ask(); code != http.StatusOK || !strings.Contains(body, `"faults":[]`) {
		t.Errorf("%d %s", code, body)
	}
}
