package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/dovetail-dev/dovetail/clients/srclient"
)

// credentials are the flags by which a command shows servers who it is, and knows
// them: the registry and the brokers alike. The zero value speaks in the clear
// and as nobody.
type credentials struct {
	tls           bool
	ca, cert, key string // names of PEM files
	user          string
	passwordFile  string
	mechanism     string // of SASL
	bearerFile    string
}

// Secrets have no flag, since everybody on a machine can read command lines.
const (
	passwordEnv = envPrefix + "PASSWORD"
	bearerEnv   = envPrefix + "BEARER_TOKEN"
)

// credentialFlags are the names of the flags.
var credentialFlags = []string{"tls", "ca", "cert", "cert-key", "user", "password-file", "sasl-mechanism", "bearer-token-file"}

func (c *credentials) flags(cmd *cobra.Command, f *pflag.FlagSet) {
	f.BoolVar(&c.tls, "tls", false, "brokers speak TLS; --ca and --cert say so, too ($DOVETAIL_TLS)")
	f.StringVar(&c.ca, "ca", "", "PEM file with the authorities that servers are known by; the machine's otherwise ($DOVETAIL_CA)")
	f.StringVar(&c.cert, "cert", "", "PEM file with the certificate to show servers ($DOVETAIL_CERT)")
	f.StringVar(&c.key, "cert-key", "", "PEM file with the private key of --cert ($DOVETAIL_CERT_KEY)")
	f.StringVar(&c.user, "user", "", "who to be: SASL to brokers, basic authentication to the registry ($DOVETAIL_USER)")
	f.StringVar(&c.passwordFile, "password-file", "", "file with the password of --user; or give it as $DOVETAIL_PASSWORD ($DOVETAIL_PASSWORD_FILE)")
	f.StringVar(&c.mechanism, "sasl-mechanism", "SCRAM-SHA-512", "how to prove it to brokers: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN ($DOVETAIL_SASL_MECHANISM)")
	f.StringVar(&c.bearerFile, "bearer-token-file", "", "file with a token for the registry, and for brokers that take OAUTHBEARER; or give it as $DOVETAIL_BEARER_TOKEN ($DOVETAIL_BEARER_TOKEN_FILE)")
	oneOf(cmd, "sasl-mechanism", "SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
	for _, name := range []string{"ca", "cert", "cert-key"} {
		complete(cmd, name, cobra.FixedCompletions([]string{"pem", "crt", "key"}, cobra.ShellCompDirectiveFilterFileExt))
	}
}

// loaded are credentials that have been read.
type loaded struct {
	tls            *tls.Config // nil if nothing was said about it
	user, password string
	mechanism      string
	bearer         string
}

// load reads the files and variables that the flags name.
func (c *credentials) load(lookupEnv func(string) (string, bool)) (*loaded, error) {
	out := &loaded{user: c.user, mechanism: strings.ToUpper(c.mechanism)}
	var err error
	if out.tls, err = c.config(); err != nil {
		return nil, err
	}
	if out.bearer, err = secret("--bearer-token-file", c.bearerFile, bearerEnv, lookupEnv); err != nil {
		return nil, err
	}
	if out.user == "" {
		if c.passwordFile != "" {
			return nil, errors.New("--password-file needs --user")
		}
		return out, nil
	}
	if out.bearer != "" {
		return nil, errors.New("--user and a bearer token exclude each other")
	}
	if out.password, err = secret("--password-file", c.passwordFile, passwordEnv, lookupEnv); err != nil {
		return nil, err
	}
	if out.password == "" {
		return nil, fmt.Errorf("--user %s needs a password: give --password-file or %s", c.user, passwordEnv)
	}
	switch out.mechanism {
	case "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512":
		return out, nil
	}
	return nil, fmt.Errorf("--sasl-mechanism %q: want SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", c.mechanism)
}

// secret reads a secret from a file, whose last line end does not count, or from
// a variable.
func secret(flag, file, env string, lookupEnv func(string) (string, bool)) (string, error) {
	if file == "" {
		v, _ := lookupEnv(env)
		return v, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	s := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if s == "" {
		return "", fmt.Errorf("%s: %s is empty", flag, file)
	}
	return s, nil
}

// config returns how TLS is to be spoken, nil if no flag says anything.
func (c *credentials) config() (*tls.Config, error) {
	if (c.cert == "") != (c.key == "") {
		return nil, errors.New("--cert and --cert-key belong together")
	}
	if !c.tls && c.ca == "" && c.cert == "" {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca: %s holds no PEM certificate", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, fmt.Errorf("--cert, --cert-key: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// registryAt returns a client of the registry at URLs separated by commas.
// Credentials in a URL stand back behind those of flags.
func (c *credentials) registryAt(urls string, opts ...srclient.Option) (*srclient.Client, error) {
	l, err := c.load(os.LookupEnv)
	if err != nil {
		return nil, exitStatus{2, err}
	}
	if l.tls != nil {
		opts = append(opts, srclient.WithTLS(l.tls))
	}
	switch {
	case l.bearer != "":
		opts = append(opts, srclient.WithBearer(func(context.Context) (string, error) { return l.bearer, nil }))
	case l.user != "":
		opts = append(opts, srclient.WithBasicAuth(l.user, l.password))
	}
	client, err := srclient.New(strings.Split(urls, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("--registry: %w", err)
	}
	return client, nil
}

// kafka returns the options for a client of brokers.
func (c *credentials) kafka() ([]kgo.Opt, error) {
	l, err := c.load(os.LookupEnv)
	if err != nil {
		return nil, exitStatus{2, err}
	}
	var opts []kgo.Opt
	if l.tls != nil {
		opts = append(opts, kgo.DialTLSConfig(l.tls))
	}
	switch {
	case l.bearer != "":
		opts = append(opts, kgo.SASL(oauth.Auth{Token: l.bearer}.AsMechanism()))
	case l.user == "":
	case l.mechanism == "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: l.user, Pass: l.password}.AsMechanism()))
	case l.mechanism == "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: l.user, Pass: l.password}.AsSha256Mechanism()))
	default:
		opts = append(opts, kgo.SASL(scram.Auth{User: l.user, Pass: l.password}.AsSha512Mechanism()))
	}
	return opts, nil
}
