package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/dovetail-dev/dovetail/clients/cluster"
	"github.com/dovetail-dev/dovetail/clients/srclient"
)

// connection are the flags by which the commands that are clients find their
// servers, Dovetail's or any other registry and Kafka cluster.
type connection struct {
	credentials
	registry string
	kafka    string
	timeout  time.Duration
}

// flags adds the flags to a noun's command, for all of its verbs. Each
// is a DOVETAIL_… variable, too.
func (c *connection) flags(cmd *cobra.Command, registry, kafka bool) {
	f := cmd.PersistentFlags()
	if registry {
		f.StringVar(&c.registry, "registry", "http://127.0.0.1:8081", "URLs of the registry, separated by commas; user:password@ before the host ($DOVETAIL_REGISTRY)")
	}
	if kafka {
		f.StringVar(&c.kafka, "kafka", "127.0.0.1:9092", "brokers to start from, host:port separated by commas ($DOVETAIL_KAFKA)")
	}
	f.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to wait for a server ($DOVETAIL_TIMEOUT)")
	c.credentials.flags(cmd, f)
	cmd.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if err := connectionEnv(cmd, os.LookupEnv); err != nil {
			return exitStatus{2, err}
		}
		return nil
	}
}

// connectionEnv fills the flags of a connection that the command line left out.
func connectionEnv(cmd *cobra.Command, lookupEnv func(string) (string, bool)) error {
	return fillFromEnv(cmd, connectionFlags, lookupEnv)
}

// connectionFlags are the names of the flags that are variables, too.
var connectionFlags = append([]string{"registry", "kafka", "timeout", "output"}, credentialFlags...)

func fillFromEnv(cmd *cobra.Command, names []string, lookupEnv func(string) (string, bool)) error {
	var faults []error
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if f == nil || f.Changed {
			continue
		}
		if v, ok := lookupEnv(envName(name)); ok {
			if err := cmd.Flags().Set(name, v); err != nil {
				faults = append(faults, fmt.Errorf("%s=%q: %w", envName(name), v, err))
			}
		}
	}
	return errors.Join(faults...)
}

// openRegistry returns a client of the registry.
func (c *connection) openRegistry() (*srclient.Client, error) {
	return c.credentials.registryAt(c.registry, srclient.WithRetries(1, 100*time.Millisecond, time.Second), srclient.WithTimeout(c.timeout))
}

// registryError adds to an error of the registry what to do about it.
func (c *connection) registryError(err error) error {
	var answered *srclient.Error
	switch {
	case err == nil:
		return nil
	case wantsCertificate(err):
		return fmt.Errorf("the registry at %s wants a certificate that it knows: give --cert and --cert-key (%w)", hideUser(c.registry), err)
	case !errors.As(err, &answered):
		return fmt.Errorf("no registry answers at %s: start one with `dovetail serve`, or name another with --registry or DOVETAIL_REGISTRY (%w)", hideUser(c.registry), err)
	case answered.Code == srclient.UnreadableAnswer:
		return fmt.Errorf("what answers at %s is no registry: name one with --registry or DOVETAIL_REGISTRY (%w)", hideUser(c.registry), err)
	case answered.Status == 401:
		return fmt.Errorf("the registry wants to know who you are: give --user and --password-file, or a token (%s)", answered.Message)
	}
	return fmt.Errorf("%s (%d)", answered.Message, int(answered.Code))
}

// hideUser takes credentials out of URLs for messages.
func hideUser(urls string) string {
	list := strings.Split(urls, ",")
	for i, u := range list {
		scheme, rest, ok := strings.Cut(u, "://")
		if at := strings.LastIndexByte(rest, '@'); ok && at >= 0 {
			list[i] = scheme + "://" + rest[at+1:]
		}
	}
	return strings.Join(list, ",")
}

// openKafka returns a client that has reached a broker.
func (c *connection) openKafka(ctx context.Context, opts ...kgo.Opt) (*kgo.Client, error) {
	own, err := c.credentials.kafka()
	if err != nil {
		return nil, err
	}
	opts = append(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(c.kafka, ",")...),
		kgo.ClientID("dovetail"),
		kgo.DialTimeout(c.timeout),
		kgo.RetryTimeout(c.timeout),
		kgo.RequestRetries(3),
	}, own...), opts...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("--kafka: %w", err)
	}
	began := ctx
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		client.Close()
		why := c.notLetIn(err)
		if why == nil || errors.Is(err, kerr.UnsupportedSaslMechanism) {
			why = cmp.Or(c.firstCause(began, err), why, c.noBroker(err))
		}
		return nil, why
	}
	return client, nil
}

// notLetIn says what to do about a broker that answers, but lets nobody in; nil
// if that is not what err is about.
func (c *connection) notLetIn(err error) error {
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed) && c.user == "":
		return fmt.Errorf("the broker at %s does not take this token (%w)", c.kafka, err)
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("the broker at %s does not take user %q with this password (%w)", c.kafka, c.user, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism) && c.user == "":
		return fmt.Errorf("the broker at %s takes no token, SASL/OAUTHBEARER (%w)", c.kafka, err)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("the broker at %s does not know --sasl-mechanism %s (%w)", c.kafka, c.mechanism, err)
	case wantsCertificate(err):
		return fmt.Errorf("the broker at %s wants a certificate that it knows: give --cert and --cert-key (%w)", c.kafka, err)
	case errors.As(err, &unknown):
		return fmt.Errorf("the certificate of the broker at %s is of an authority that is not known here: name it with --ca (%w)", c.kafka, err)
	}
	return nil
}

// wantsCertificate reports whether err is the alert of a server that was shown no
// certificate, or one that it does not trust.
func wantsCertificate(err error) bool {
	const (
		badCertificate      tls.AlertError = 42
		unknownAuthority    tls.AlertError = 48
		certificateRequired tls.AlertError = 116
	)
	var alert tls.AlertError
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" && op.Err != nil {
		for _, want := range []tls.AlertError{badCertificate, unknownAuthority, certificateRequired} {
			if op.Err.Error() == want.Error() {
				return true
			}
		}
	}
	return errors.As(err, &alert) && (alert == badCertificate || alert == unknownAuthority || alert == certificateRequired)
}

// admin runs one command of an administrator of the broker.
func (c *connection) admin(ctx context.Context, run func(context.Context, *kadm.Client) error) error {
	client, err := c.openKafka(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return kafkaError(run(ctx, kadm.NewClient(client)))
}

// look runs one command that shows what there is.
func (c *connection) look(ctx context.Context, run func(context.Context, *cluster.View) error) error {
	client, err := c.openKafka(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return kafkaError(run(ctx, cluster.New(client)))
}

// kafkaError says in words what the commonest errors of a broker ask for.
func kafkaError(err error) error {
	if errors.Is(err, cluster.ErrNoGroup) {
		return advised(err, "`dovetail group list` shows what there is")
	}
	var k *kerr.Error
	if !errors.As(err, &k) {
		return advertisedError(err)
	}
	switch k {
	case kerr.UnknownTopicOrPartition:
		return advised(err, "`dovetail topic list` shows what there is")
	case kerr.GroupIDNotFound:
		return advised(err, "`dovetail group list` shows what there is")
	case kerr.LeaderNotAvailable:
		return fmt.Errorf("a partition is offline, it has no leader: `dovetail doctor` says which and why (%w)", err)
	case kerr.NonEmptyGroup:
		return advised(err, "stop its members first")
	case kerr.SecurityDisabled:
		return advised(err, "this broker asks no rules; a Kafka does with an authorizer.class.name in its settings")
	case kerr.TopicAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.ClusterAuthorizationFailed:
		return advised(err, "ask an administrator for the permission")
	}
	return err
}

// advertisedError says of a broker that was reached, and sends clients where it is not
// reached, what is to be mended: it is no fault of the address that was given.
func advertisedError(err error) error {
	var dial *net.OpError
	var host x509.HostnameError
	if errors.As(err, &host) || errors.As(err, &dial) && dial.Op == "dial" {
		return advised(err, "the broker tells clients to connect there, see the --kafka-advertised of its `dovetail serve`, or the advertised.listeners of a Kafka")
	}
	return err
}

// advisedError is an error of a broker, whose sentence ends in a full stop, and
// what to do about it.
type advisedError struct {
	err    error
	advice string
}

func advised(err error, advice string) error { return &advisedError{err, advice} }

func (e *advisedError) Error() string { return strings.TrimRight(e.err.Error(), ".") + ": " + e.advice }

func (e *advisedError) Unwrap() error { return e.err }
