package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(ts *testscript.TestScript, name string) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	ts.Check(err)
	cert, err := x509.ParseCertificate(der)
	ts.Check(err)
	return &authority{cert, key}
}

// writeCertificates is the script command "certificates": it writes ca.pem, an
// authority; server.pem, for 127.0.0.1, and client.pem, which it has signed;
// other.pem, another authority, and stranger.pem, which that one has signed. The
// private keys are in server-key.pem and so on.
func writeCertificates(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: certificates")
	}
	ca, other := newAuthority(ts, "the authority"), newAuthority(ts, "another authority")
	writePEM(ts, "ca.pem", "CERTIFICATE", ca.cert.Raw)
	writePEM(ts, "other.pem", "CERTIFICATE", other.cert.Raw)
	ca.sign(ts, "server", x509.ExtKeyUsageServerAuth)
	ca.sign(ts, "client", x509.ExtKeyUsageClientAuth)
	other.sign(ts, "stranger", x509.ExtKeyUsageClientAuth)
}

func writePEM(ts *testscript.TestScript, file, kind string, der []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

// sign writes a certificate and its private key.
func (a *authority) sign(ts *testscript.TestScript, name string, usage x509.ExtKeyUsage) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	ts.Check(err)
	writePEM(ts, name+".pem", "CERTIFICATE", der)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	writePEM(ts, name+"-key.pem", "PRIVATE KEY", private)
}

// waitReadyTLS is the script command "readytls": ready, for a server with the
// certificates.
func waitReadyTLS(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: readytls")
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(ts.ReadFile("ca.pem")))
	pair, err := tls.LoadX509KeyPair(ts.MkAbs("client.pem"), ts.MkAbs("client-key.pem"))
	ts.Check(err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}}
	defer client.CloseIdleConnections()
	waitFor(ts, client, "https://"+ts.Getenv("HTTP")+"/readyz")
}
