package broker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logLines is a log that tests read.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

func withLog(l *logLines) func(*Options) {
	return func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
}

// certificate is a new certificate for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ann"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestTLSListener(t *testing.T) {
	cert, pool := certificate(t)
	var lines logLines
	b := startBroker(t, withLog(&lines), func(o *Options) {
		o.Listeners = []Listener{{Addr: "127.0.0.1:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}}}
		o.Authorize, o.SuperUsers = true, []string{"User:CN=ann"}
	})
	client := newClient(t, b, kgo.DefaultProduceTopic("t"), kgo.DialTLSConfig(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}))
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr(); err != nil {
		t.Fatalf("the owner of the certificate: %v", err)
	}
	dialRaw(t, b).ended(frameOf(kmsg.NewPtrApiVersionsRequest(), 1))
	eventually(t, "plain text is named", func() bool { return lines.count("first record does not look like a TLS handshake") == 1 })
	nobody, err := tls.Dial("tcp", b.Addr("").String(), &tls.Config{RootCAs: pool})
	if err == nil { // TLS 1.3 tells the client later
		_, err = nobody.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a client without a certificate was let in")
	}
}

// ended writes and waits for the end of the connection; it returns what was
// answered.
func (c *rawClient) ended(p []byte) string {
	c.t.Helper()
	_, _ = c.conn.Write(p)
	got, _ := io.ReadAll(c.in)
	return string(got)
}

func TestOtherProtocolsAreNamed(t *testing.T) {
	for first, what := range map[string]string{
		"GET /subjects HTTP/1.1\r\nHost: localhost\r\n\r\n":              "HTTP",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03":                   "TLS",
		"PROXY TCP4 192.0.2.1 192.0.2.2 4711 9092\r\n":                   "the PROXY protocol",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00": "the PROXY protocol",
	} {
		var lines logLines
		b := startBroker(t, withLog(&lines))
		got := dialRaw(t, b).ended([]byte(first))
		eventually(t, what+" is named", func() bool { return lines.count("speaks "+what+" to a listener of the Kafka protocol") == 1 })
		if what == "HTTP" && !strings.Contains(got, "not HTTP") {
			t.Errorf("an HTTP client reads %q", got)
		}
	}
}

// TestManyClientsThatFailAreFewLines breaks the rules on many connections at once,
// and goes away from as many.
func TestManyClientsThatFailAreFewLines(t *testing.T) {
	var lines logLines
	now := time.Now()
	b := startBroker(t, withLog(&lines), func(o *Options) { o.Now = func() time.Time { return now } })
	for range 100 {
		c := dialRaw(t, b)
		c.write([]byte{0, 0, 1, 0, 1}) // a part of a request
		_ = c.conn.Close()
	}
	for range 100 {
		dialRaw(t, b).ended([]byte{0xff, 0, 0, 0})
	}
	eventually(t, "all are gone", func() bool { return b.conns.count() == 0 })
	if n := lines.count("connection closed"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestIdleClientsAreClosed(t *testing.T) {
	b := startBroker(t, func(o *Options) { o.Limits.Idle = 50 * time.Millisecond })
	dialRaw(t, b).wantClosed()
}

func TestDefaultPartitionsAreBounded(t *testing.T) {
	_, err := New(Options{DataDir: t.TempDir(), DefaultPartitions: 2_000_000_000})
	if err == nil || !strings.Contains(err.Error(), "default number of partitions 2000000000: all topics together may have 20000") {
		t.Errorf("got %v", err)
	}
}
