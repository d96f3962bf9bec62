package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/dovetail-dev/dovetail/broker"
)

// securitySettings are the flags of serve that say who may come in. The zero
// value lets everybody in, in the clear.
type securitySettings struct {
	tlsCert, tlsKey, tlsClientCA string
	usersFile                    string
	authorize                    bool
	superUsers                   []string
	sessionLifetime              time.Duration
}

func (s *securitySettings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.tlsCert, "tls-cert", "", "PEM file with the certificate chain; with --tls-key both addresses speak TLS only")
	f.StringVar(&s.tlsKey, "tls-key", "", "PEM file with the private key of --tls-cert")
	f.StringVar(&s.tlsClientCA, "tls-client-ca", "", "PEM file with authorities; clients must show a certificate of one of them")
	f.StringVar(&s.usersFile, "users-file", "", "YAML file of user: password; HTTP then asks for basic authentication, Kafka for SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)")
	f.BoolVar(&s.authorize, "authorize", false, "refuse Kafka operations that no ACL allows")
	f.StringArrayVar(&s.superUsers, "super-user", nil, "user of the users file, or principal, that every Kafka operation is allowed; of a certificate that is User: and its subject, such as User:CN=ann,O=example; may be repeated")
	f.DurationVar(&s.sessionLifetime, "session-lifetime", 0, "after how long Kafka clients of --users-file must authenticate again (connections.max.reauth.ms); 0 means never")
}

// security is the settings, read.
type security struct {
	tls        *tls.Config
	users      map[string]string
	authorize  bool
	principals []string // of the super users
	lifetime   time.Duration
}

// load reads the files that the settings name.
func (s *securitySettings) load() (*security, error) {
	out := &security{authorize: s.authorize, lifetime: s.sessionLifetime}
	if s.sessionLifetime < 0 {
		return nil, fmt.Errorf("--session-lifetime %s: want 0 or more", s.sessionLifetime)
	}
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return nil, errors.New("--tls-cert and --tls-key belong together")
	}
	if s.tlsClientCA != "" && s.tlsCert == "" {
		return nil, errors.New("--tls-client-ca needs --tls-cert and --tls-key")
	}
	if s.tlsCert != "" {
		cert, err := tls.LoadX509KeyPair(s.tlsCert, s.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
		}
		out.tls = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	if s.tlsClientCA != "" {
		pem, err := os.ReadFile(s.tlsClientCA)
		if err != nil {
			return nil, fmt.Errorf("--tls-client-ca: %w", err)
		}
		out.tls.ClientCAs = x509.NewCertPool()
		if !out.tls.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-client-ca: %s holds no PEM certificate", s.tlsClientCA)
		}
		out.tls.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if s.usersFile != "" {
		b, err := os.ReadFile(s.usersFile)
		if err != nil {
			return nil, fmt.Errorf("--users-file: %w", err)
		}
		if err := yaml.Unmarshal(b, &out.users); err != nil {
			return nil, fmt.Errorf("--users-file: %s: want lines of user: password: %w", s.usersFile, err)
		}
		if len(out.users) == 0 {
			return nil, fmt.Errorf("--users-file: %s names no user, so nobody could come in", s.usersFile)
		}
	}
	for _, u := range s.superUsers {
		principal, err := out.principal(u)
		if err != nil {
			return nil, fmt.Errorf("--super-user %w", err)
		}
		out.principals = append(out.principals, principal)
	}
	if s.authorize && len(s.superUsers) == 0 {
		return nil, errors.New("--authorize without a --super-user would lock everybody out: name one who may set ACLs")
	}
	return out, nil
}

// principal is who is meant by the name of a user of the users file, or by User: and
// the name that SCRAM users, certificates or nobody (User:ANONYMOUS) have.
func (s *security) principal(name string) (string, error) {
	if _, ok := s.users[name]; ok {
		return "User:" + name, nil
	}
	switch kind, rest, ok := strings.Cut(name, ":"); {
	case !ok:
		return "", fmt.Errorf("%s is not in the users file; a principal is named as User:%s", name, name)
	case kind != "User":
		return "", fmt.Errorf("%s: principals here are users, such as User:%s", name, rest)
	case rest == "" || rest == "*":
		return "", fmt.Errorf("%s names nobody: super users are named one by one", name)
	}
	return name, nil
}

// listener returns the Kafka listener of the settings.
func (s *security) listener(addr, advertised string) broker.Listener {
	l := broker.Listener{Addr: addr, Advertised: advertised, TLS: s.tls}
	if s.users != nil {
		l.SASL = broker.SASL{Mechanisms: []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}, Users: s.users, SessionLifetime: s.lifetime}
	}
	return l
}

// guard asks for basic authentication, but not where a probe looks.
func (s *security) guard(next http.Handler) http.Handler {
	if s.users == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || s.known(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="dovetail"`)
		w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error_code":401,"message":"Unauthorized"}`)
	})
}

// known compares in a time that tells nothing of what is right.
func (s *security) known(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		return false
	}
	want, exists := s.users[user]
	a, b := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && exists
}
