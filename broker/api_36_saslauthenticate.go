package broker

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SaslAuthenticate (36), versions 0 to 2.
//
//	1  session lifetime
//	2  flexible
//
// A client that fails is told so, a moment later, and its connection ends; what it
// sent behind is not looked at. A client is told for how long its session lasts, 0
// meaning for ever, and must authenticate again before that (KIP-368).
func (b *Broker) saslAuthenticate(ctx context.Context, r *request) reply {
	req := r.body.(*kmsg.SASLAuthenticateRequest)
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	resp.SASLAuthBytes = []byte{}
	auth := &r.conn.auth
	if auth.exchange == nil || auth.bare {
		resp.ErrorCode, resp.ErrorMessage = kerr.IllegalSaslState.Code, kmsg.StringPtr("SaslHandshake comes first, in version 1")
		return answer(resp)
	}
	token, err := b.authenticate(ctx, r.conn, req.SASLAuthBytes)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr(err.Error())
		b.opts.wait(ctx, failedAuthenticationDelay) // here, so that guesses cannot be queued
		rep := answer(resp)
		rep.close = err.Error()
		return rep
	}
	resp.SASLAuthBytes = token
	if auth.exchange == nil {
		resp.SessionLifetimeMillis = r.conn.listener.SASL.SessionLifetime.Milliseconds()
	}
	return answer(resp)
}

// failedAuthenticationDelay makes trying passwords slow.
const failedAuthenticationDelay = 100 * time.Millisecond

// authenticate takes a token of c's conversation. Once it succeeds, the
// connection speaks for the user.
func (b *Broker) authenticate(ctx context.Context, c *conn, token []byte) ([]byte, error) {
	reply, user, err := c.auth.exchange.step(ctx, token)
	if err != nil {
		c.auth.exchange, c.auth.principal = nil, ""
		return nil, err
	}
	if user == "" {
		return reply, nil
	}
	principal := "User:" + user
	if c.auth.principal != "" && c.auth.principal != principal {
		c.auth.exchange, c.auth.principal = nil, ""
		return nil, errOtherUser
	}
	c.auth.exchange, c.auth.principal, c.auth.bare = nil, principal, false
	if lifetime := c.listener.SASL.SessionLifetime; lifetime > 0 {
		c.auth.expires = b.opts.Now().Add(lifetime)
	}
	return reply, nil
}
