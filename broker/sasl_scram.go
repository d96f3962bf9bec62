package broker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/xdg-go/scram"
)

// scramExchange is the server's side of RFC 5802 without channel binding. The
// library that makes the credentials also has one, but wants the last nonce to
// be the one it sent; librdkafka before 2.6.1 puts its own in front of it once
// more, and Kafka, which only looks at how the nonce ends, lets it. What the
// proof is made over is what the client sent, so nothing is weaker for it: the
// server's random part is in it.
//
//	client  n,,n=user,r=C
//	server  r=CS,s=salt,i=iterations
//	client  c=biws,r=CS (or CCS),p=proof
//	server  v=signature
type scramExchange struct {
	mechanism string
	find      func(user string) (scram.StoredCredentials, error)

	user        string
	header      string // the first message's, which the last one repeats in base64
	first       string // client-first-message-bare
	server      string // server-first-message; empty before it
	nonce       string // client's and server's
	credentials scram.StoredCredentials
}

const scramNonceBytes = 18

func (e *scramExchange) step(_ context.Context, token []byte) ([]byte, string, error) {
	if e.server == "" {
		answer, err := e.begin(string(token))
		return []byte(answer), "", err
	}
	answer, err := e.finish(string(token))
	if err != nil {
		return nil, "", err
	}
	return []byte(answer), e.user, nil
}

var errScramMessage = errors.New("authentication failed: malformed SCRAM message")

// begin reads the client's first message and answers with salt and nonce.
func (e *scramExchange) begin(message string) (string, error) {
	binding, rest, ok1 := strings.Cut(message, ",")
	as, bare, ok2 := strings.Cut(rest, ",")
	if !ok1 || !ok2 {
		return "", errScramMessage
	}
	if binding != "n" && binding != "y" {
		return "", errors.New("authentication failed: channel binding is not offered")
	}
	name, rest, ok := strings.Cut(bare, ",")
	if !ok || !strings.HasPrefix(name, "n=") || !strings.HasPrefix(rest, "r=") {
		return "", errScramMessage
	}
	nonce, _, _ := strings.Cut(rest[2:], ",") // extensions, such as tokenauth, are passed over
	if nonce == "" || strings.ContainsFunc(nonce, func(r rune) bool { return r < '!' || r > '~' }) {
		return "", errScramMessage
	}
	var err error
	if e.user, err = scramName(name[2:]); err != nil {
		return "", err
	}
	if as != "" && as != "a="+name[2:] {
		return "", errors.New("authentication failed: the authorization ID must be empty or the user")
	}
	if e.credentials, err = e.find(e.user); err != nil {
		return "", errCredentials
	}
	random := make([]byte, scramNonceBytes)
	_, _ = rand.Read(random) // never fails
	e.header, e.first = message[:len(message)-len(bare)], bare
	e.nonce = nonce + base64.RawStdEncoding.EncodeToString(random)
	e.server = fmt.Sprintf("r=%s,s=%s,i=%d", e.nonce, base64.StdEncoding.EncodeToString([]byte(e.credentials.Salt)), e.credentials.Iters)
	return e.server, nil
}

// scramName undoes the escapes of a user name.
func scramName(escaped string) (string, error) {
	name := strings.NewReplacer("=2C", ",", "=3D", "=").Replace(escaped)
	if name == "" || strings.Count(escaped, "=") != strings.Count(escaped, "=2C")+strings.Count(escaped, "=3D") {
		return "", errScramMessage
	}
	return name, nil
}

// finish checks the proof and answers with the server's.
func (e *scramExchange) finish(message string) (string, error) {
	at := strings.LastIndex(message, ",p=")
	if at < 0 {
		return "", errScramMessage
	}
	without := message[:at]
	proof, err := base64.StdEncoding.DecodeString(message[at+3:])
	if err != nil {
		return "", errScramMessage
	}
	binding, rest, ok := strings.Cut(without, ",")
	if !ok || !strings.HasPrefix(rest, "r=") {
		return "", errScramMessage
	}
	nonce, _, _ := strings.Cut(rest[2:], ",")
	if binding != "c="+base64.StdEncoding.EncodeToString([]byte(e.header)) || !strings.HasSuffix(nonce, e.nonce) {
		return "", errCredentials
	}
	signed := []byte(e.first + "," + e.server + "," + without)
	key := e.mac(e.credentials.StoredKey, signed)
	if len(proof) != len(key) {
		return "", errCredentials
	}
	for i := range key {
		key[i] ^= proof[i]
	}
	h := scramHash(e.mechanism)()
	h.Write(key)
	if !hmac.Equal(h.Sum(nil), e.credentials.StoredKey) {
		return "", errCredentials
	}
	return "v=" + base64.StdEncoding.EncodeToString(e.mac(e.credentials.ServerKey, signed)), nil
}

func (e *scramExchange) mac(key, of []byte) []byte {
	m := hmac.New(scramHash(e.mechanism), key)
	m.Write(of)
	return m.Sum(nil)
}
