package kms

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

var ctx = context.Background()

func TestLocalRoundTrip(t *testing.T) {
	l := Local{Secret: "own"}
	w, err := l.Wrap(ctx, "any", nil, []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	if key, err := l.Unwrap(ctx, "other", nil, w); err != nil || string(key) != "key" {
		t.Errorf("%q, %v", key, err)
	}
	if key, err := (Local{}).Unwrap(ctx, "", map[string]string{SecretProperty: "own"}, w); err != nil || string(key) != "key" {
		t.Errorf("by property: %q, %v", key, err)
	}
	if _, err := l.Unwrap(ctx, "", map[string]string{SecretProperty: "other"}, w); err == nil {
		t.Error("another secret opens it")
	}
	for i := range w {
		bad := bytes.Clone(w)
		bad[i] ^= 1
		if _, err := l.Unwrap(ctx, "", nil, bad); err == nil {
			t.Errorf("byte %d was changed and nobody noticed", i)
		}
		if _, err := l.Unwrap(ctx, "", nil, w[:i]); err == nil {
			t.Errorf("a prefix of %d bytes opens", i)
		}
	}
	if _, err := (Local{}).Wrap(ctx, "", nil, []byte("key")); err == nil {
		t.Error("wrapped without a secret")
	}
}

// vault is the two endpoints of a transit engine, with the API's own shapes.
func vault(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, why string) {
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(map[string][]string{"errors": {why}})
		}
		if r.Method != http.MethodPost || r.Header.Get("X-Vault-Token") != "tok" || r.Header.Get("X-Vault-Namespace") != "team" {
			refuse(403, "permission denied")
			return
		}
		var in struct{ Plaintext, Ciphertext string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(400, "no body")
			return
		}
		switch r.URL.Path {
		case "/v1/my/transit/encrypt/k1":
			b, err := base64.StdEncoding.DecodeString(in.Plaintext)
			if err != nil {
				refuse(400, "plaintext is not base64")
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{"ciphertext": "vault:v1:" + hex.EncodeToString(b)}})
		case "/v1/my/transit/decrypt/k1":
			b, err := hex.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
			if err != nil {
				refuse(400, "invalid ciphertext")
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]string{"plaintext": base64.StdEncoding.EncodeToString(b)}})
		default:
			refuse(404, "no handler for route")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestVault(t *testing.T) {
	s := vault(t)
	props := map[string]string{TokenProperty: "tok", NamespaceProperty: "team"}
	id := s.URL + "/my/transit/keys/k1"
	w, err := Vault{}.Wrap(ctx, id, props, []byte("key"))
	if err != nil || string(w) != "vault:v1:6b6579" {
		t.Fatalf("%q, %v", w, err)
	}
	own := Vault{Address: s.URL, Token: "tok", Namespace: "team"}
	if key, err := own.Unwrap(ctx, "hcvault://"+id, nil, w); err != nil || string(key) != "key" {
		t.Errorf("%q, %v", key, err)
	}
	for want, call := range map[string]func() error{
		"permission denied":    func() error { _, err := Vault{}.Wrap(ctx, id, nil, nil); return err },
		"invalid ciphertext":   func() error { _, err := own.Unwrap(ctx, id, nil, []byte("vault:v1:x")); return err },
		"no handler for route": func() error { _, err := own.Wrap(ctx, s.URL+"/my/transit/keys/k2", nil, nil); return err },
		"only those of the":    func() error { _, err := own.Wrap(ctx, "http://127.0.0.2:1/transit/keys/k1", nil, nil); return err },
		"is not mount/keys":    func() error { _, err := own.Wrap(ctx, s.URL+"/transit/k1", nil, nil); return err },
		"not the URL":          func() error { _, err := own.Wrap(ctx, "file:///transit/keys/k1", nil, nil); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, bad := range []string{"/transit/keys/../../sys/keys/k1", "/transit/keys/a/b", "//keys/", ""} {
		if _, err := own.Wrap(ctx, s.URL+bad, nil, nil); err == nil {
			t.Errorf("path %q is called", bad)
		}
	}
}
