package rules_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dovetail-dev/dovetail/compat/schema"
	"github.com/dovetail-dev/dovetail/serde/rules"
)

// transit answers as the transit engine of Vault does, with a key of its own for
// each name, and refuses the names that do not begin with "k".
func transit(t *testing.T, calls *atomic.Int32) *httptest.Server {
	t.Helper()
	refuse := func(w http.ResponseWriter, status int, why string) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(map[string][]string{"errors": {why}}); err != nil {
			t.Error(err)
		}
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/transit/"), "/")
		if r.Header.Get("X-Vault-Token") != "s.token" {
			refuse(w, http.StatusForbidden, "permission denied")
			return
		}
		if len(parts) != 2 || !strings.HasPrefix(parts[1], "k") {
			refuse(w, http.StatusBadRequest, "encryption key not found")
			return
		}
		block, err := aes.NewCipher([]byte((parts[1] + strings.Repeat("#", 32))[:32]))
		if err != nil {
			t.Error(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Error(err)
		}
		nonce := make([]byte, aead.NonceSize())
		var in struct{ Plaintext, Ciphertext string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		data := map[string]string{}
		switch parts[0] {
		case "encrypt":
			b, err := base64.StdEncoding.DecodeString(in.Plaintext)
			if err != nil {
				refuse(w, http.StatusBadRequest, "failed to base64-decode plaintext")
				return
			}
			data["ciphertext"] = "vault:v1:" + base64.StdEncoding.EncodeToString(aead.Seal(nil, nonce, b, nil))
		case "decrypt":
			b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(in.Ciphertext, "vault:v1:"))
			if err == nil {
				b, err = aead.Open(nil, nonce, b, nil)
			}
			if err != nil {
				refuse(w, http.StatusBadRequest, "invalid ciphertext: unable to decrypt")
				return
			}
			data["plaintext"] = base64.StdEncoding.EncodeToString(b)
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"data": data}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func vaultRule(typ, keyID string, params map[string]string) schema.Rule {
	r := encryptRule(map[string]string{"encrypt.kms.type": "hcvault", "encrypt.kms.key.id": keyID})
	for k, v := range params {
		r.Params[k] = v
	}
	if r.Type = typ; typ == "ENCRYPT_PAYLOAD" {
		r.Tags = nil
	}
	return r
}

// vaultSet puts a rule into the list where it belongs.
func vaultSet(r schema.Rule) *schema.RuleSet {
	if r.Type == "ENCRYPT_PAYLOAD" {
		return &schema.RuleSet{EncodingRules: []schema.Rule{r}}
	}
	return domain(r)
}

// Vault wraps the key once; what is written and read after that does not ask it.
func TestVaultWrapsTheKeysOfRules(t *testing.T) {
	for _, typ := range []string{"ENCRYPT", "ENCRYPT_PAYLOAD"} {
		for _, scheme := range []string{"", "hcvault://"} {
			var calls atomic.Int32
			vault := transit(t, &calls)
			w := newWorld(t)
			o := rules.Options{Params: map[string]string{"token.id": "s.token"}}
			rule := vaultRule(typ, scheme+vault.URL+"/transit/keys/k1", nil)
			s, d := w.avro(t, w.engine(t, o), vaultSet(rule), nil)
			for range 3 {
				b, err := s.Append(ctx, nil, "users", user())
				if err != nil {
					t.Fatal(err)
				}
				if bytes.Contains(b, []byte("123")) {
					t.Errorf("%s: in clear", typ)
				}
				var got User
				if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
					t.Errorf("%s: %+v, %v", typ, got, err)
				}
				_, other := w.avro(t, w.engine(t, o), vaultSet(rule), nil)
				before := calls.Load()
				if err := other.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) || calls.Load() != before+1 {
					t.Errorf("%s by another process: %+v, %v, %d calls", typ, got, err, calls.Load()-before)
				}
			}
			if n := calls.Load(); n > 8 {
				t.Errorf("%s: Vault was called %d times", typ, n)
			}
			stored, err := w.DEKVersion(ctx, "kek1", "users-value", 1, schema.DEKOptions{})
			wrapped, _ := base64.StdEncoding.DecodeString(stored.EncryptedKeyMaterial)
			if err != nil || !bytes.HasPrefix(wrapped, []byte("vault:v1:")) || stored.KeyMaterial != "" {
				t.Errorf("stored %+v, %v", stored, err)
			}
		}
	}
}

func TestVaultSaysWhatIsWrong(t *testing.T) {
	var calls atomic.Int32
	vault := transit(t, &calls)
	for want, c := range map[string]struct {
		token, keyID string
		params       map[string]string
	}{
		`ENCRYPT rule "encrypt" of subject "users-value" version 1, WRITE: x.User.ssn: wrapping a DEK by KEK "kek1": kms: Vault refused to encrypt: 403 Forbidden: permission denied`: {
			"wrong", vault.URL + "/transit/keys/k1", nil},
		"encryption key not found":   {"s.token", vault.URL + "/transit/keys/other", nil},
		"is not the URL of a Vault":  {"s.token", "k1", nil},
		"kms: asking Vault":          {"s.token", "http://127.0.0.1:1/transit/keys/k1", nil},
		"not a number of days":       {"s.token", vault.URL + "/transit/keys/k1", map[string]string{"encrypt.dek.expiry.days": "soon"}},
		`is "AES"; want AES128_GCM,`: {"s.token", vault.URL + "/transit/keys/k1", map[string]string{"encrypt.dek.algorithm": "AES"}},
	} {
		w := newWorld(t)
		s, _ := w.avro(t, w.engine(t, rules.Options{Params: map[string]string{"token.id": c.token}}), domain(vaultRule("ENCRYPT", c.keyID, c.params)), nil)
		if _, err := s.Append(ctx, nil, "users", user()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		} else if strings.Contains(err.Error(), "s.token") || strings.Contains(err.Error(), "wrong") {
			t.Errorf("the token is in the error: %v", err)
		}
	}
}

// If the first key cannot be used the alternates are tried in their order.
func TestAlternateKeys(t *testing.T) {
	var calls atomic.Int32
	vault := transit(t, &calls)
	w := newWorld(t)
	o := rules.Options{Params: map[string]string{"token.id": "s.token"}}
	rule := vaultRule("ENCRYPT", vault.URL+"/transit/keys/broken", map[string]string{
		"encrypt.alternate.kms.key.ids": vault.URL + "/transit/keys/also-broken, " + vault.URL + "/transit/keys/k2"})
	s, d := w.avro(t, w.engine(t, o), domain(rule), nil)
	b, err := s.Append(ctx, nil, "users", user())
	if err != nil {
		t.Fatal(err)
	}
	var got User
	if err := d.Decode(ctx, "users", b, &got); err != nil || !reflect.DeepEqual(got, user()) {
		t.Errorf("%+v, %v", got, err)
	}
}

// A call that is given up leaves no key behind, and the next one makes it.
func TestVaultCallsEndWithTheirContext(t *testing.T) {
	var calls atomic.Int32
	vault := transit(t, &calls)
	w := newWorld(t)
	s, _ := w.avro(t, w.engine(t, rules.Options{Params: map[string]string{"token.id": "s.token"}}), domain(vaultRule("ENCRYPT", vault.URL+"/transit/keys/k1", nil)), nil)
	if _, err := s.Schema(ctx, "users", user()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Append(ended, nil, "users", user()); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Append(ctx, nil, "users", user()); err != nil {
		t.Error(err)
	}
}
