package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Why a broker lets nobody in. A client that tries again and again ends in a timeout,
// which says nothing: here one connection is made by hand, a step at a time, and the
// first that fails is the cause.
//
//	TCP connect ─▶ TLS handshake ─▶ ApiVersions ─▶ SaslHandshake ─▶ Metadata
//	nobody there   certificate      no TLS there,   mechanism        wants to know
//	               unknown, no TLS  or TLS there    not offered      who one is

// firstCause looks at the first broker that accepts a connection. It returns nil if
// all steps work, or if what fails is not clear.
func (c *connection) firstCause(ctx context.Context, timeout error) error {
	own, err := c.credentials.load(os.LookupEnv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	refused := timeout
	for _, addr := range strings.Split(c.kafka, ",") {
		dialer := net.Dialer{}
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			refused = err
			continue
		}
		defer conn.Close()
		if deadline, ok := ctx.Deadline(); ok {
			_ = conn.SetDeadline(deadline)
		}
		return c.letIn(ctx, conn, addr, own)
	}
	return c.noBroker(refused)
}

// noBroker says that nobody is there.
func (c *connection) noBroker(err error) error {
	return fmt.Errorf("no broker answers at %s: start one with `dovetail serve`, or name another with --kafka or DOVETAIL_KAFKA (%w)", c.kafka, err)
}

func (c *connection) letIn(ctx context.Context, conn net.Conn, addr string, own *loaded) error {
	if own.tls != nil {
		config := own.tls.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(addr)
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return c.tlsFault(err)
		}
		conn = secured
	}
	versions := kmsg.NewPtrApiVersionsRequest()
	if _, err := askBroker(conn, versions); err != nil {
		switch {
		case own.tls != nil && wantsCertificate(err):
			return c.tlsFault(err)
		case own.tls == nil && (errors.Is(err, errSpeaksTLS) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
			return fmt.Errorf("the broker at %s hangs up on plain text: does it speak TLS? Give --tls, and --ca if its authority is its own (%w)", c.kafka, err)
		}
		return nil
	}
	mechanism := own.mechanism
	switch {
	case own.bearer != "":
		mechanism = "OAUTHBEARER"
	case own.user == "":
		mechanism = ""
	}
	if mechanism != "" {
		return c.mechanismFault(conn, mechanism)
	}
	meta := kmsg.NewPtrMetadataRequest()
	meta.SetVersion(1)
	meta.Topics = []kmsg.MetadataRequestTopic{}
	if _, err := askBroker(conn, meta); errors.Is(err, io.EOF) {
		return fmt.Errorf("the broker at %s wants to know who you are: give --user and --password-file, or a token", c.kafka)
	}
	return nil
}

func (c *connection) mechanismFault(conn net.Conn, mechanism string) error {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.SetVersion(1)
	req.Mechanism = mechanism
	resp, err := askBroker(conn, req)
	if err != nil {
		return nil
	}
	shaken := resp.(*kmsg.SASLHandshakeResponse)
	switch {
	case shaken.ErrorCode == kerr.IllegalSaslState.Code:
		return fmt.Errorf("the broker at %s asks nobody who he is: leave --user out", c.kafka)
	case shaken.ErrorCode == 0 || slices.Contains(shaken.SupportedMechanisms, mechanism):
		return nil
	case len(shaken.SupportedMechanisms) == 0:
		return fmt.Errorf("the broker at %s asks nobody who he is: leave --user and tokens out (%w)", c.kafka, kerr.ErrorForCode(shaken.ErrorCode))
	}
	return fmt.Errorf("the broker at %s does not take SASL %s, but %s: say so with --sasl-mechanism (%w)", c.kafka, mechanism,
		strings.Join(shaken.SupportedMechanisms, ", "), kerr.ErrorForCode(shaken.ErrorCode))
}

// tlsFault says what to do about a handshake that failed.
func (c *connection) tlsFault(err error) error {
	if why := c.notLetIn(err); why != nil {
		return why
	}
	var plain tls.RecordHeaderError
	if errors.As(err, &plain) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the broker at %s does not speak TLS: leave --tls, --ca and --cert out (%w)", c.kafka, err)
	}
	return fmt.Errorf("no TLS with the broker at %s (%w)", c.kafka, err)
}

// errSpeaksTLS is what plain text is answered with by who speaks TLS only.
var errSpeaksTLS = errors.New("the answer is a TLS alert")

// maxFirstAnswer bounds the answer to a first request, in bytes.
const maxFirstAnswer = 1 << 20

// askBroker sends one request and reads its answer.
func askBroker(conn net.Conn, req kmsg.Request) (kmsg.Response, error) {
	const correlation = 1
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("dovetail")).AppendRequest(nil, req, correlation)); err != nil {
		return nil, err
	}
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	if head[0] == 0x15 && head[1] == 3 {
		return nil, errSpeaksTLS
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > maxFirstAnswer {
		return nil, fmt.Errorf("an answer of %d bytes: what answers is no broker", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	return resp, resp.ReadFrom(body[4:])
}
