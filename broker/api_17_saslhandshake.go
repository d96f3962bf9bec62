package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SaslHandshake (17), versions 0 and 1.
//
//	0  the tokens that follow are bare frames, without a request header
//	1  they come in SaslAuthenticate requests
//
// Clients that are authenticated may do it again, as the same user (KIP-368).
func (b *Broker) saslHandshake(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.SASLHandshakeRequest)
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	auth, l := &r.conn.auth, r.conn.listener
	resp.SupportedMechanisms = l.SASL.Mechanisms
	switch {
	case !auth.required, auth.exchange != nil:
		resp.ErrorCode = kerr.IllegalSaslState.Code
		return answer(resp)
	case !slices.Contains(l.SASL.Mechanisms, req.Mechanism):
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		return answer(resp)
	}
	exchange, err := b.newExchange(l, req.Mechanism)
	if err != nil {
		return refused("SASL: " + err.Error())
	}
	auth.exchange, auth.bare = exchange, req.Version == 0
	return answer(resp)
}
