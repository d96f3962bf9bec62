package service_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde"
	"github.com/dovetail-dev/dovetail/serde/frame"
	"github.com/dovetail-dev/dovetail/serde/service"
)

const (
	orderAvro = `{"type":"record","name":"Order","namespace":"shop","fields":[
		{"name":"id","type":"long"},
		{"name":"items","type":{"type":"array","items":{"type":"record","name":"Item","fields":[
			{"name":"sku","type":"string"},{"name":"price","type":"double"}]}}},
		{"name":"note","type":["null","string"],"default":null}]}`
	orderProto = `syntax = "proto3"; package shop; import "money.proto";
		message Order { int64 id = 1; repeated Item items = 2; message Item { string sku = 1; shop.Money price = 2; } }
		message Refund { int64 order = 1; }`
	moneyProto = `syntax = "proto3"; package shop; message Money { int64 cents = 1; }`
)

// memory is a registry of a few versions.
type memory struct {
	versions map[schema.Subject][]serde.Registered
	asked    int
}

func newMemory() *memory {
	m := &memory{versions: map[schema.Subject][]serde.Registered{}}
	m.add("orders-value", 7, schema.Definition{Type: schema.Avro, Text: `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"}]}`})
	m.add("orders-value", 8, schema.Definition{Type: schema.Avro, Text: orderAvro})
	m.add("money", 9, schema.Definition{Type: schema.Protobuf, Text: moneyProto})
	m.add("orders/eu", 10, schema.Definition{Type: schema.Protobuf, Text: orderProto,
		References: []schema.Reference{{Name: "money.proto", Subject: "money", Version: 1}}})
	m.add("form", 11, schema.Definition{Type: schema.JSON, Text: `{"properties":{"items":{"items":{"properties":{"price":{"type":"number"}}}}}}`})
	return m
}

func (m *memory) add(s schema.Subject, id schema.ID, d schema.Definition) {
	m.versions[s] = append(m.versions[s], serde.Registered{ID: id, GUID: schema.GUID{15: byte(id)}, Subject: s, Version: schema.Version(len(m.versions[s]) + 1), Definition: d})
}

func (m *memory) Version(_ context.Context, s schema.Subject, v schema.Version, _ bool) (serde.Registered, error) {
	m.asked++
	list := m.versions[s]
	if v == schema.Latest {
		v = schema.Version(len(list))
	}
	if v < 1 || int(v) > len(list) {
		return serde.Registered{}, fmt.Errorf("%w: subject %q", serde.ErrNotFound, s)
	}
	return list[v-1], nil
}

func (m *memory) find(match func(serde.Registered) bool) (serde.Registered, error) {
	m.asked++
	for _, list := range m.versions {
		for _, r := range list {
			if match(r) {
				return r, nil
			}
		}
	}
	return serde.Registered{}, serde.ErrNotFound
}

func (m *memory) SchemaByID(_ context.Context, id schema.ID, _ schema.Subject) (serde.Registered, error) {
	return m.find(func(r serde.Registered) bool { return r.ID == id })
}

func (m *memory) SchemaByGUID(_ context.Context, g schema.GUID) (serde.Registered, error) {
	return m.find(func(r serde.Registered) bool { return r.GUID == g })
}

func newConverter(t testing.TB) (*service.Converter, *memory) {
	t.Helper()
	m := newMemory()
	c, err := service.New(m, service.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c, m
}

type answer struct {
	status int
	body   []byte
	header http.Header
}

func post(h http.Handler, path, media, body string, headers ...string) answer {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, r)
	body2, _ := io.ReadAll(rw.Result().Body)
	return answer{rw.Code, body2, rw.Header()}
}

func TestDocumentsGoThereAndBack(t *testing.T) {
	c, _ := newConverter(t)
	h := service.Handler(c, service.HandlerOptions{})
	for name, tc := range map[string]struct {
		encode, decode, in, out string
		prefix                  []byte
	}{
		"avro, latest":      {"/serde/orders-value/encode", "/serde/orders-value/decode", `{"id": 1, "items": [{"price": 2.5, "sku": "a"}]}`, `{"id":1,"items":[{"sku":"a","price":2.5}],"note":null}`, []byte{0, 0, 0, 0, 8}},
		"avro, version 1":   {"/serde/orders-value/encode?version=1", "/serde/ids/7/decode", `{"id":1}`, `{"id":1}`, []byte{0, 0, 0, 0, 7, 2}},
		"avro by ID":        {"/serde/ids/7/encode", "/serde/orders-value/decode", `{"id":1}`, `{"id":1}`, []byte{0, 0, 0, 0, 7, 2}},
		"protobuf":          {"/serde/orders%2Feu/encode", "/serde/orders%2Feu/decode", `{"id":"1","items":[{"sku":"a","price":{"cents":"5"}}]}`, `{"id":"1","items":[{"sku":"a","price":{"cents":"5"}}]}`, []byte{0, 0, 0, 0, 10, 0}},
		"protobuf, message": {"/serde/orders%2Feu/encode?message=shop.Order.Item", "/serde/ids/10/decode", `{"sku":"a"}`, `{"sku":"a"}`, []byte{0, 0, 0, 0, 10, 4, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			encoded := post(h, tc.encode, "application/json", tc.in)
			if encoded.status != 200 || !bytes.HasPrefix(encoded.body, tc.prefix) {
				t.Fatalf("encode: %d %q, want %x first", encoded.status, encoded.body, tc.prefix)
			}
			if got, want := encoded.header.Get(service.SchemaIDHeader), fmt.Sprint(tc.prefix[4]); got != want {
				t.Errorf("%s: %s, want %s", service.SchemaIDHeader, got, want)
			}
			decoded := post(h, tc.decode, "application/octet-stream", string(encoded.body))
			if decoded.status != 200 || string(decoded.body) != tc.out {
				t.Fatalf("decode: %d %s, want %s", decoded.status, decoded.body, tc.out)
			}
			based := post(h, tc.encode, "application/json", tc.in, "Accept", "application/json")
			if again := post(h, tc.decode, "application/json", string(based.body)); string(again.body) != tc.out {
				t.Errorf("through base64: %s, want %s", again.body, tc.out)
			}
		})
	}
}

func TestFaultsNameThePlace(t *testing.T) {
	c, _ := newConverter(t)
	h := service.Handler(c, service.HandlerOptions{MaxBodyBytes: 1000, MaxLines: 3})
	for name, tc := range map[string]struct {
		path, media, body string
		status            int
		want              string // part of the body
	}{
		"wrong type, Avro":      {"/serde/orders-value/encode", "", `{"id":1,"items":[{"sku":"a","price":1},{"sku":"b","price":"dear"}]}`, 422, `"path":"items[1].price"`},
		"missing field, Avro":   {"/serde/orders-value/encode", "", `{"items":[]}`, 422, `id`},
		"wrong type, Protobuf":  {"/serde/orders%2Feu/encode", "", "{\"id\":1,\n \"items\":[{\"sku\":\"a\"},{\"price\":{\"cents\":\"dear\"}}]}", 422, `"path":"items[1].price.cents"`},
		"no such field":         {"/serde/orders%2Feu/encode", "", `{"id":1,"items":[{"sku":"a","colour":"red"}]}`, 422, `"path":"items[0].colour"`},
		"not JSON":              {"/serde/orders-value/encode", "", `{"id":1`, 422, `not JSON`},
		"cut payload":           {"/serde/orders-value/decode", "application/octet-stream", "\x00\x00\x00\x00\x08\x02\x02\x02a", 422, `"path":"items"`},
		"cut payload, Protobuf": {"/serde/orders%2Feu/decode", "application/octet-stream", "\x00\x00\x00\x00\x0a\x00\x12\x05\x0a", 422, `"path":"items`},
		"no frame":              {"/serde/orders-value/decode", "application/octet-stream", "hello", 422, `magic`},
		"no bytes":              {"/serde/orders-value/decode", "application/octet-stream", "", 422, `error_code`},
		"another schema's":      {"/serde/ids/8/decode", "application/octet-stream", "\x00\x00\x00\x00\x07\x02", 422, `written with schema 7, not 8`},
		"unknown ID":            {"/serde/x/decode", "application/octet-stream", "\x00\x00\x00\x01\x00\x02", 404, `not found`},
		"unknown subject":       {"/serde/nothing/encode", "", `{}`, 404, `nothing`},
		"unknown message":       {"/serde/orders%2Feu/encode?message=Order", "", `{}`, 422, `no such message`},
		"message of Avro":       {"/serde/orders-value/encode?message=Order", "", `{}`, 422, `only Protobuf`},
		"wrong type, JSON":      {"/serde/form/encode", "", `{"items":[{},{"price":"dear"}]}`, 422, `"path":"items[1].price"`},
		"no such path":          {"/serde/a/b/encode", "", `{}`, 404, `%2F`},
		"no operation":          {"/serde/a", "", `{}`, 404, `want /serde/`},
		"no ID":                 {"/serde/ids/0/encode", "", `{}`, 400, `no schema ID`},
		"no version":            {"/serde/orders-value/encode?version=zero", "", `{}`, 400, `version`},
		"no base64":             {"/serde/orders-value/decode", "application/json", `{"base64":7}`, 400, `base64`},
		"misspelt parameter":    {"/serde/orders-value/encode?versoin=1", "", `{"id":1}`, 400, `query parameter \"versoin\" is not known here: want version or message`},
		"version of an ID":      {"/serde/ids/7/encode?version=1", "", `{"id":1}`, 400, `want subject or message`},
		"version of bytes":      {"/serde/orders-value/decode?version=1", "application/octet-stream", "\x00\x00\x00\x00\x07\x02", 400, `takes none`},
		"no query":              {"/serde/orders-value/encode?version=%zz", "", `{"id":1}`, 400, `query: `},
		"bare base64":           {"/serde/orders-value/decode", "application/json", `AAAAAAcC`, 400, `{\"base64\":\"…\"} or \"…\", a JSON string`},
		"extra member, Avro":    {"/serde/orders-value/encode", "", `{"id":1,"items":[{"sku":"a","price":1,"colour":"red"}]}`, 422, `"path":"items[0].colour"`},
		"large body":            {"/serde/orders-value/encode", "", strings.Repeat(" ", 1001), 413, `1000 bytes`},
		"long batch":            {"/serde/orders-value/encode", "application/x-ndjson", "{}\n{}\n{}\n{}\n", 413, `at most 3`},
	} {
		t.Run(name, func(t *testing.T) {
			got := post(h, tc.path, tc.media, tc.body)
			if got.status != tc.status || !strings.Contains(string(got.body), tc.want) {
				t.Errorf("%d %s, want %d and %s", got.status, got.body, tc.status, tc.want)
			}
			var b struct {
				Code int `json:"error_code"`
			}
			if err := json.Unmarshal(got.body, &b); err != nil || b.Code != tc.status {
				t.Errorf("body %s: %v", got.body, err)
			}
		})
	}
	r := httptest.NewRequest(http.MethodGet, "/serde/orders-value/encode", nil)
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, r)
	if rw.Code != 405 || rw.Header().Get("Allow") != "POST" {
		t.Errorf("GET: %d, Allow %q", rw.Code, rw.Header().Get("Allow"))
	}
}

func TestABadLineDoesNotStopABatch(t *testing.T) {
	c, _ := newConverter(t)
	h := service.Handler(c, service.HandlerOptions{})
	encoded := post(h, "/serde/orders-value/encode?version=1", "application/x-ndjson", "{\"id\":1}\n\n{\"id\":\"x\"}\n{\"id\":3}\n")
	lines := strings.Split(strings.TrimSpace(string(encoded.body)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], `"path":"id"`) {
		t.Fatalf("%s", encoded.body)
	}
	if !strings.Contains(lines[1], `"line":3`) {
		t.Errorf("the third line, after a blank one: %s", lines[1])
	}
	bare := post(h, "/serde/orders-value/decode", "application/x-ndjson", "\n\"AAAAAAcC\"\nAAAAAAcC\n")
	if got := strings.Split(string(bare.body), "\n"); got[0] != `{"value":{"id":1},"id":7}` || !strings.Contains(got[1], `{"error":{`) || !strings.Contains(got[1], `"line":3`) {
		t.Errorf("base64 as a string, and without quotes: %s", bare.body)
	}
	decoded := post(h, "/serde/orders-value/decode", "application/x-ndjson", lines[0]+"\n7\n"+lines[2])
	want := `^{"value":{"id":1},"id":7}` + "\n"
	if got := "^" + string(decoded.body); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, `{"value":{"id":3},"id":7}`+"\n") || !strings.Contains(got, `"error"`) {
		t.Errorf("%s", got)
	}
}

func TestSchemaHeadersAreRead(t *testing.T) {
	c, _ := newConverter(t)
	header := frame.AppendGUID(nil, schema.GUID{15: 7})
	document, p, err := c.Decode(t.Context(), "", header, []byte{2})
	if err != nil || string(document) != `{"id":1}` || p.Type != schema.Avro {
		t.Errorf("avro: %s %v", document, err)
	}
	header = frame.AppendIndexes(frame.AppendGUID(nil, schema.GUID{15: 10}), []int{1})
	document, _, err = c.Decode(t.Context(), "", header, []byte{8, 5})
	if err != nil || string(document) != `{"order":"5"}` {
		t.Errorf("protobuf: %s %v", document, err)
	}
}

func TestTheRegistryIsAskedOnce(t *testing.T) {
	m := newMemory()
	now := time.Unix(0, 0)
	c, err := service.New(m, service.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	value := []byte{0, 0, 0, 0, 7, 2}
	for range 5 {
		if _, _, err := c.Decode(t.Context(), "", nil, value); err != nil {
			t.Fatal(err)
		}
		if _, err := c.BySubject(t.Context(), "orders-value", schema.Latest); err != nil {
			t.Fatal(err)
		}
	}
	if m.asked != 2 {
		t.Errorf("%d questions, want 2: one ID and one latest", m.asked)
	}
	m.add("orders-value", 12, schema.Definition{Type: schema.Avro, Text: `"long"`})
	now = now.Add(service.DefaultLatestTTL)
	if p, err := c.BySubject(t.Context(), "orders-value", schema.Latest); err != nil || p.ID != 12 {
		t.Errorf("a new latest is not seen: %v %v", p, err)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add("/serde/orders-value/encode", "application/json", []byte(`{"id":1,"items":[{"sku":"a","price":"x"}]}`))
	f.Add("/serde/orders%2Feu/encode", "application/json", []byte(`{"id":1,"items":[{"sku":1}]}`))
	f.Add("/serde/orders%2Feu/decode", "application/octet-stream", []byte("\x00\x00\x00\x00\x0a\x04\x00\x00\x0a\x01a"))
	f.Add("/serde/x/decode", "application/x-ndjson", []byte(base64.StdEncoding.EncodeToString([]byte{0, 0, 0, 0, 8})))
	c, _ := newConverter(f)
	h := service.Handler(c, service.HandlerOptions{MaxBodyBytes: 1 << 16})
	f.Fuzz(func(t *testing.T, path, media string, body []byte) {
		r := &http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(bytes.NewReader(body))}
		u, err := httptest.NewRequest("POST", "/", nil).URL.Parse(path)
		if err != nil {
			return
		}
		r.URL = u
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, r)
		if rw.Code == 500 {
			t.Errorf("%s %q: %s", path, body, rw.Body)
		}
		if ct := rw.Header().Get("Content-Type"); ct == "application/json" && !json.Valid(rw.Body.Bytes()) {
			t.Errorf("%s %q: not JSON: %s", path, body, rw.Body)
		}
	})
}
