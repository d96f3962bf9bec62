package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dovetail-dev/dovetail/registry"
	"github.com/dovetail-dev/dovetail/registry/journal"
)

// FuzzRequests sends any body to any path: the answer is always one of the
// API's, never a server error.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/subjects/s/versions", []byte(`{"schema":"\"int\"","version":-1,"metadata":{"properties":{"a":"b"}}}`))
	f.Add("POST", "/subjects/s", []byte(`{"schema":"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\"]}","references":[{"name":"n","subject":"s","version":1}]}`))
	f.Add("POST", "/compatibility/subjects/s/versions/latest?verbose=true", []byte(`{"schema":"{\"type\":\"array\"}"}`))
	f.Add("PUT", "/config/s", []byte(`{"compatibility":"FULL","defaultRuleSet":{"domainRules":[{"name":"d","type":"CEL"}]},"alias":null}`))
	f.Add("PUT", "/mode/s?force=true", []byte(`{"mode":"IMPORT"}`))
	f.Add("POST", "/associations", []byte(`{"resourceName":"n","resourceNamespace":"ns","resourceId":"i","associations":[{"subject":"s","schema":{"schema":"\"int\""}}]}`))
	f.Add("POST", "/associations:batchMutate", []byte(`{"requests":[{"operation":"DELETE","resourceId":"i"},null,3]}`))
	f.Add("GET", "/contexts/x/subjects/a%2Fb/versions/1?format=resolved&findTags=*", []byte(nil))
	f.Add("DELETE", "/contexts/.x", []byte(nil))
	f.Add("POST", "/subjects/s/versions/1/tags", []byte(`{"tagsToAdd":[{"schemaEntity":{"entityPath":"E","entityType":"sr_record"},"tags":["T"]}]}`))
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		if !strings.HasPrefix(target, "/") || !headerName.MatchString(method) {
			return
		}
		r, err := http.NewRequest(method, target, strings.NewReader(string(body)))
		if err != nil {
			return
		}
		reg, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{}})
		if err != nil {
			t.Fatal(err)
		}
		defer reg.Close()
		if _, err := reg.Register(context.Background(), "s", registerBody{Schema: `{"type":"enum","name":"E","symbols":["A"]}`}.request(false, false)); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		Handler(reg, Options{}).ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%s %s %q: %d %s", method, target, body, w.Code, w.Body)
		}
		if typ := w.Header().Get("Content-Type"); w.Code >= 400 && (typ == "" || !json.Valid(w.Body.Bytes())) {
			t.Fatalf("%s %s %q: %s %s", method, target, body, typ, w.Body)
		}
	})
}

func TestBodyBound(t *testing.T) {
	reg, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	h := Handler(reg, Options{MaxBodyBytes: 100})
	for _, known := range []bool{true, false} {
		r := httptest.NewRequest(http.MethodPost, "/subjects/s/versions", strings.NewReader(`{"schema":"`+strings.Repeat("x", 200)+`"}`))
		if !known {
			r.ContentLength = -1
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusRequestEntityTooLarge || !strings.Contains(w.Body.String(), `"error_code":413`) {
			t.Errorf("length known %t: %d %s", known, w.Code, w.Body)
		}
	}
}

func TestRequestID(t *testing.T) {
	reg, err := registry.Open(context.Background(), registry.Options{Journal: &journal.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	h := Handler(reg, Options{})
	ask := func(ids ...string) string {
		r := httptest.NewRequest(http.MethodGet, "/nothing", nil)
		r.Header["X-Request-Id"] = ids
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Header().Get("X-Request-ID")
	}
	if got := ask("mine"); got != "mine" {
		t.Errorf("got %q", got)
	}
	for _, sent := range [][]string{nil, {" "}, {"a", "b"}} {
		a, b := ask(sent...), ask(sent...)
		if len(a) != 36 || a == b || a[14] != '4' || !strings.ContainsRune("89ab", rune(a[19])) {
			t.Errorf("sent %q: %q and %q are no two random UUIDs", sent, a, b)
		}
	}
}
