package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/cluster"
	"github.com/dovetail-dev/dovetail/clients/console"
	"github.com/dovetail-dev/dovetail/clients/srclient"
	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
)

// fakeRegistry knows the subject orders-value with two versions.
type fakeRegistry struct{ down error }

const orderText = `{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}`

func (f fakeRegistry) order(v schema.Version) serde.Registered {
	return serde.Registered{ID: schema.ID(v), Subject: "orders-value", Version: v, Definition: schema.Definition{Type: schema.Avro, Text: orderText}}
}

func (f fakeRegistry) SchemaByID(_ context.Context, id schema.ID, _ schema.Subject) (serde.Registered, error) {
	if id != 1 {
		return serde.Registered{}, serde.ErrNotFound
	}
	return f.order(1), f.down
}

func (f fakeRegistry) SchemaByGUID(context.Context, schema.GUID) (serde.Registered, error) {
	return serde.Registered{}, serde.ErrNotFound
}

func (f fakeRegistry) Version(_ context.Context, _ schema.Subject, v schema.Version, _ bool) (serde.Registered, error) {
	return f.order(v), f.down
}

func (f fakeRegistry) Summaries(context.Context, srclient.SubjectsOptions) ([]srclient.Summary, error) {
	if f.down != nil {
		return nil, f.down
	}
	return []srclient.Summary{{Subject: "orders-value", Version: 2, ID: 2, Type: schema.Avro, Versions: 2, Level: "BACKWARD", Mode: srclient.ReadWrite}}, nil
}

func (f fakeRegistry) Versions(_ context.Context, s schema.Subject, _ srclient.VersionsOptions) ([]schema.Version, error) {
	if s != "orders-value" {
		return nil, &srclient.Error{Status: 404, Code: srclient.SubjectNotFound, Message: "Subject not found."}
	}
	return []schema.Version{1, 2}, f.down
}

func (f fakeRegistry) SchemaVersion(_ context.Context, _ schema.Subject, v schema.Version, _ srclient.VersionOptions) (srclient.Schema, error) {
	return srclient.Schema{Registered: f.order(v), Timestamp: 1000 * int64(v)}, f.down
}

func (f fakeRegistry) ByID(_ context.Context, id schema.ID, _ srclient.IDOptions) (srclient.Schema, error) {
	return srclient.Schema{Registered: f.order(schema.Version(id))}, f.down
}

func (f fakeRegistry) Config(context.Context, schema.Subject, bool) (srclient.Config, error) {
	return srclient.Config{Level: "BACKWARD"}, f.down
}

func (f fakeRegistry) Mode(context.Context, schema.Subject, bool) (srclient.Mode, error) {
	return srclient.ReadWrite, f.down
}

func (f fakeRegistry) Diff(_ context.Context, _ schema.Subject, from, to schema.Version) ([]srclient.Difference, error) {
	if from == to {
		return nil, f.down
	}
	return []srclient.Difference{{Rule: "TYPE_MISMATCH", BackwardSafe: true, ForwardSafe: false}}, f.down
}

// fakeKafka knows the topic orders.
type fakeKafka struct {
	down    error
	records []*kgo.Record
}

func (f fakeKafka) Topics(_ context.Context, _ bool, names ...string) ([]cluster.Topic, error) {
	if len(names) > 0 && names[0] != "orders" {
		return nil, &cluster.TopicError{Topic: names[0], Err: errors.New("unknown")}
	}
	if f.down != nil {
		return nil, f.down
	}
	return []cluster.Topic{{Name: "orders", Records: 3, Bytes: 30, Skew: 1, Partitions: []cluster.Partition{{EndOffset: 3, Records: 3, RecordShare: 1}}}}, nil
}

func (f fakeKafka) Groups(_ context.Context, names ...string) ([]cluster.Group, error) {
	if len(names) > 0 && names[0] != "billing" {
		return nil, fmt.Errorf("group %s: %w", names[0], cluster.ErrNoGroup)
	}
	return []cluster.Group{{Group: "billing", State: "Stable", Lag: 2}}, f.down
}

func (f fakeKafka) Tail(_ context.Context, _ string, partition int32, n int) ([]*kgo.Record, error) {
	return f.records[:min(n, len(f.records))], f.down
}

func newConsole(t *testing.T, r console.Registry, k console.Kafka) func(path string) (*httptest.ResponseRecorder, map[string]any) {
	t.Helper()
	h, err := console.Handler(console.Options{Registry: r, Kafka: k, Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) (*httptest.ResponseRecorder, map[string]any) {
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, httptest.NewRequest(http.MethodGet, path, nil))
		var body map[string]any
		_ = json.Unmarshal(rw.Body.Bytes(), &body)
		return rw, body
	}
}

func TestPagesAreServedAndNeedNothingFromElsewhere(t *testing.T) {
	get, elsewhere := newConsole(t, fakeRegistry{}, fakeKafka{}), regexp.MustCompile(`(?i)(src|href|url|import|fetch)\s*[=(:]?\s*["'(]\s*(https?:)?//`)
	files, err := fs.ReadDir(os.DirFS("static"), ".")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		path := "/console/" + f.Name()
		if f.Name() == "index.html" {
			path = "/console/"
		}
		rw, _ := get(path)
		if rw.Code != 200 || rw.Body.Len() == 0 {
			t.Errorf("%s: %d", path, rw.Code)
		}
		if found := elsewhere.FindString(rw.Body.String()); found != "" {
			t.Errorf("%s loads something from elsewhere: %s", path, found)
		}
		if got := rw.Header().Get("Content-Security-Policy"); !strings.Contains(got, "default-src 'none'") {
			t.Errorf("%s: policy %q", path, got)
		}
		if strings.Contains(rw.Body.String(), "innerHTML") {
			t.Errorf("%s writes markup: data must stay text", path)
		}
	}
	if rw, _ := get("/console"); rw.Code != http.StatusMovedPermanently || rw.Header().Get("Location") != "/console/" {
		t.Errorf("/console: %d to %q", rw.Code, rw.Header().Get("Location"))
	}
}

func TestOverviewAddsUp(t *testing.T) {
	rw, body := newConsole(t, fakeRegistry{}, fakeKafka{})("/console/api/overview")
	for name, want := range map[string]any{"subjects": 1.0, "versions": 2.0, "records": 3.0, "bytes": 30.0, "lag": 2.0, "partitions": 1.0, "level": "BACKWARD", "version": "1.2.3"} {
		if body[name] != want {
			t.Errorf("%s: %v, want %v in %s", name, body[name], want, rw.Body)
		}
	}
}

func TestOneHalfDownLeavesTheOther(t *testing.T) {
	down := errors.New("nobody answers")
	if rw, body := newConsole(t, fakeRegistry{down: down}, fakeKafka{})("/console/api/overview"); rw.Code != 200 || body["records"] != 3.0 || len(body["faults"].([]any)) == 0 {
		t.Errorf("without registry: %d %s", rw.Code, rw.Body)
	}
	if rw, body := newConsole(t, fakeRegistry{}, fakeKafka{down: down})("/console/api/overview"); rw.Code != 200 || body["subjects"] != 1.0 || len(body["faults"].([]any)) == 0 {
		t.Errorf("without broker: %d %s", rw.Code, rw.Body)
	}
	if rw, body := newConsole(t, fakeRegistry{down: down}, fakeKafka{down: down})("/console/api/overview"); rw.Code != 502 || body["message"] == "" {
		t.Errorf("without both: %d %s", rw.Code, rw.Body)
	}
}

func TestSubjectPageSaysHowVersionsFit(t *testing.T) {
	_, body := newConsole(t, fakeRegistry{}, fakeKafka{})("/console/api/subject?name=orders-value")
	versions := body["versions"].([]any)
	if len(versions) != 2 || versions[0].(map[string]any)["joint"] != nil {
		t.Fatalf("%v", body)
	}
	joint := versions[1].(map[string]any)["joint"].(map[string]any)
	if joint["backwardSafe"] != true || joint["forwardSafe"] != false || joint["changes"] != 1.0 {
		t.Errorf("%v", joint)
	}
}

func TestRecordsAreDecodedThroughTheRegistry(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	long := strings.Repeat("x", 100_000)
	k := fakeKafka{records: []*kgo.Record{
		{Offset: 4, Timestamp: at, Key: []byte("k"), Value: []byte{0, 0, 0, 0, 1, 84}, Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte("<b>")}}},
		{Offset: 3, Value: []byte{0, 0, 0, 0, 9, 84}},
		{Offset: 2, Value: nil},
		{Offset: 1, Value: []byte(long)},
	}}
	rw, _ := newConsole(t, fakeRegistry{}, k)("/console/api/records?topic=orders")
	var list []struct {
		Offset   int64
		Key      any
		Value    any
		SchemaID int
		Fault    string
		Headers  []struct{ Name, Value string }
	}
	if err := json.Unmarshal(rw.Body.Bytes(), &list); err != nil || len(list) != 4 {
		t.Fatalf("%s: %v", rw.Body, err)
	}
	if r := list[0]; fmt.Sprint(r.Value) != "map[id:42]" || r.SchemaID != 1 || r.Key != "k" || r.Headers[0].Value != "<b>" {
		t.Errorf("decoded: %+v", r)
	}
	if r := list[1]; r.Fault == "" || r.SchemaID != 0 {
		t.Errorf("unknown schema: %+v", r)
	}
	if r := list[2]; r.Value != nil || r.Fault != "" {
		t.Errorf("tombstone: %+v", r)
	}
	if s, _ := list[3].Value.(string); len(s) > 70_000 || !strings.HasSuffix(s, "…") {
		t.Errorf("a long value is not cut: %d bytes", len(s))
	}
}

func TestFaultsHaveTheirStatus(t *testing.T) {
	get := newConsole(t, fakeRegistry{}, fakeKafka{})
	for path, want := range map[string]int{
		"/console/api/subject":                                    400,
		"/console/api/subject?name=nothing":                       404,
		"/console/api/schema?id=x":                                400,
		"/console/api/diff?name=orders-value&from=0&to=1":         400,
		"/console/api/diff?name=orders-value&from=1&to=1":         200,
		"/console/api/topic":                                      400,
		"/console/api/topic?name=nothing":                         404,
		"/console/api/topic?name=orders":                          200,
		"/console/api/records?topic=orders&n=100000":              400,
		"/console/api/records?topic=orders&partition=-2":          400,
		"/console/api/records":                                    400,
		"/console/api/group?name=nobody":                          404,
		"/console/api/group?name=billing":                         200,
		"/console/api/groups":                                     200,
		"/console/api/subjects":                                   200,
		"/console/api/schema?id=1":                                200,
		"/console/api/nothing":                                    404,
		"/console/nothing.js":                                     404,
		"/console/api/records?topic=orders&partition=99999999999": 400,
	} {
		rw, body := get(path)
		if rw.Code != want {
			t.Errorf("%s: %d, want %d: %s", path, rw.Code, want, rw.Body)
		}
		if want >= 400 && strings.Contains(path, "/api/") && body["message"] == nil {
			t.Errorf("%s: no message in %s", path, rw.Body)
		}
	}
}
