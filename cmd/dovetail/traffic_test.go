package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dovetail-dev/dovetail/broker"
)

func TestTrafficAnswersWhatIsThere(t *testing.T) {
	b, err := broker.New(broker.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	h := trafficHandler{broker: b, secure: &security{}}
	ask := func(method, path string) int {
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, httptest.NewRequest(method, path, nil))
		return rw.Code
	}
	if got := ask(http.MethodGet, "/broker/groups"); got != http.StatusServiceUnavailable {
		t.Errorf("before the broker is there: %d", got)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	for path, want := range map[string]int{
		"/broker/topics": 200, "/broker/groups": 200, "/broker/topics/none": 404, "/broker/groups/a/b": 404, "/broker": 404, "/broker/faults": 200, "/broker/x": 404,
	} {
		if got := ask(http.MethodGet, path); got != want {
			t.Errorf("GET %s: %d, want %d", path, got, want)
		}
	}
	if got := ask(http.MethodPost, "/broker/topics"); got != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", got)
	}
}

func TestKeysAreShownAsTextOrAsDigits(t *testing.T) {
	for _, c := range []struct {
		key  string
		cut  bool
		want string
	}{
		{"acme", false, "acme"}, {"\x00\x01", false, "0x0001"}, {"", false, "0x"}, {"grüße", false, "grüße"},
		{"gr\xc3", true, "gr…"}, {"gr\xc3", false, "0x6772c3"}, {"a\nb", false, "0x610a62"},
	} {
		traffic := trafficJSON(broker.TopicTraffic{HotKeys: []broker.HotKey{{Key: []byte(c.key), Truncated: c.cut}}})
		if got := traffic.HotKeys[0].String(); got != c.want {
			t.Errorf("%q is shown as %q, want %q", c.key, got, c.want)
		}
	}
}
