package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestBearerTokensReachRegistryAndBrokers has a registry and a broker that take
// one token: in the header Authorization, and by SASL/OAUTHBEARER.
func TestBearerTokensReachRegistryAndBrokers(t *testing.T) {
	const token = "header.payload.signature"
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"error_code":401,"message":"Unauthorized"}`))
			return
		}
		_, _ = w.Write([]byte(`["orders-value"]`))
	}))
	defer registry.Close()
	cluster := bearerCluster(t, token)

	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(t.TempDir(), "stale")
	if err := os.WriteFile(stale, []byte("stale\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	kafka := strings.Join(cluster.ListenAddrs(), ",")
	for _, c := range []struct {
		name, env, want string
		args            []string
	}{
		{"a file for the registry", "", "orders-value", []string{"schema", "list", "--bearer-token-file", file}},
		{"a variable for the registry", token, "orders-value", []string{"schema", "list"}},
		{"a stale one for the registry", "", "the registry wants to know who you are", []string{"schema", "list", "--bearer-token-file", stale}},
		{"a file for brokers", "", "words", []string{"topic", "list", "--bearer-token-file", file}},
		{"a variable for brokers", token, "words", []string{"topic", "list"}},
		{"a stale one for brokers", "", "does not take this token", []string{"topic", "list", "--bearer-token-file", stale}},
		{"none for brokers", "", "wants to know who you are", []string{"topic", "list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(bearerEnv, c.env)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			root := newRoot()
			var out strings.Builder
			root.SetOut(&out)
			root.SetArgs(append(c.args, "--registry", registry.URL))
			if c.args[0] == "topic" {
				root.SetArgs(append(c.args, "--kafka", kafka, "--timeout", "30s"))
			}
			said := ""
			if err := root.ExecuteContext(ctx); err != nil {
				said = err.Error()
			}
			if !strings.Contains(out.String()+said, c.want) {
				t.Errorf("got %q and %q, want %q", out.String(), said, c.want)
			}
		})
	}
}

// bearerCluster takes nothing but one token.
func bearerCluster(t *testing.T, token string) *kfake.Cluster {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "words"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	var mu sync.Mutex
	known := false
	cluster.ControlKey(int16(kmsg.SASLHandshake), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
		answer.SupportedMechanisms = []string{"OAUTHBEARER"}
		if r.(*kmsg.SASLHandshakeRequest).Mechanism != "OAUTHBEARER" {
			answer.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		}
		return answer, nil, true
	})
	cluster.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		answer := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		first := string(r.(*kmsg.SASLAuthenticateRequest).SASLAuthBytes) // RFC 7628, section 3.1
		mu.Lock()
		defer mu.Unlock()
		if known = strings.Contains(first, "\x01auth=Bearer "+token+"\x01"); !known {
			answer.ErrorCode = kerr.SaslAuthenticationFailed.Code
		}
		return answer, nil, true
	})
	cluster.ControlKey(int16(kmsg.Metadata), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if !known {
			return nil, kerr.SaslAuthenticationFailed, true // which closes the connection
		}
		return nil, nil, false
	})
	return cluster
}
