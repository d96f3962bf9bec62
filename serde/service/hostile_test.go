package service_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/avro/avrohostile"
	"github.com/dovetail-dev/dovetail/serde/frame"
	"github.com/dovetail-dev/dovetail/serde/service"
)

// decodeRequest posts framed bytes to /serde/{subject}/decode.
func decodeRequest(t *testing.T, h http.Handler, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/serde/s/decode", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/octet-stream")
	rw := httptest.NewRecorder()
	h.ServeHTTP(rw, r)
	return rw
}

// refused fails unless the answer is an error of the caller, in JSON.
func refused(t *testing.T, what string, rw *httptest.ResponseRecorder) {
	t.Helper()
	body, _ := io.ReadAll(rw.Body)
	var fault struct {
		Message string `json:"message"`
	}
	if rw.Code < 400 || rw.Code >= 500 || json.Unmarshal(body, &fault) != nil || fault.Message == "" {
		t.Errorf("%s: %d %.300s", what, rw.Code, body)
	}
}

func TestHostilePayloadsAreRefused(t *testing.T) {
	for i, c := range avrohostile.Payloads() {
		if c.Schema == `"bytes"` { // of which frames hold the bytes themselves, without their length
			continue
		}
		m := newMemory()
		id := schema.ID(100 + i)
		m.add("s", id, schema.Definition{Type: schema.Avro, Text: c.Schema})
		converter, err := service.New(m, service.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := service.Handler(converter, service.HandlerOptions{MaxBodyBytes: 32 << 20})
		refused(t, c.Name, decodeRequest(t, h, append(frame.AppendID(nil, id), c.Data...)))
	}
}

// TestEveryPrefixIsRefused decodes what was encoded, and nothing that ends
// before it, in all three formats. A prefix of a Protobuf message that ends
// between two fields is a message, so there it is cut inside the only one.
func TestEveryPrefixIsRefused(t *testing.T) {
	for _, c := range []struct {
		kind           schema.Type
		text, document string
	}{
		{schema.Avro, orderAvro, `{"id":1,"items":[{"sku":"a","price":1.5}],"note":{"string":"n"}}`},
		{schema.Protobuf, `syntax = "proto3"; message M { message In { string a = 1; } In in = 1; }`, `{"in":{"a":"some text"}}`},
		{schema.JSON, `{"type":"object","required":["a"]}`, `{"a":[1,"b"]}`},
	} {
		m := newMemory()
		m.add("s", 100, schema.Definition{Type: c.kind, Text: c.text})
		converter, err := service.New(m, service.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := service.Handler(converter, service.HandlerOptions{})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/serde/s/encode", bytes.NewReader([]byte(c.document)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/octet-stream")
		rw := httptest.NewRecorder()
		h.ServeHTTP(rw, r)
		framed := rw.Body.Bytes()
		if rw.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", c.kind, rw.Code, framed)
		}
		if rw := decodeRequest(t, h, framed); rw.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", c.kind, rw.Code, rw.Body)
		}
		for n := range framed {
			if c.kind == schema.Protobuf && n == frame.IDBytes+1 {
				continue // a message without fields
			}
			refused(t, string(c.kind), decodeRequest(t, h, framed[:n]))
		}
	}
}
