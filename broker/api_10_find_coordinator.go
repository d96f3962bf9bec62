package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FindCoordinator (10), versions 0 to 6.
//
//	1  groups and transactional IDs; error message
//	3  flexible
//	4  several keys
//	6  keys of share partitions, which only brokers ask for: they are refused
//
// The coordinator is always this broker, at the address that the listener of the
// request advertises. Asking makes the internal topic, so that the requests
// that follow find it.
func (b *Broker) findCoordinator(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.FindCoordinatorRequest)
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	keys := req.CoordinatorKeys
	if req.Version < 4 {
		keys = []string{req.CoordinatorKey}
	}
	for _, key := range keys {
		c := kmsg.NewFindCoordinatorResponseCoordinator()
		c.Key, c.NodeID, c.Port = key, -1, -1
		if err, why := b.coordinates(r, req.CoordinatorType, key); err != nil {
			c.ErrorCode, c.ErrorMessage = err.Code, kmsg.StringPtr(why)
		} else {
			c.NodeID, c.Host, c.Port = b.opts.NodeID, r.conn.listener.advertised.host, r.conn.listener.advertised.port
		}
		resp.Coordinators = append(resp.Coordinators, c)
	}
	if req.Version < 4 {
		c := resp.Coordinators[0]
		resp.ErrorCode, resp.ErrorMessage, resp.NodeID, resp.Host, resp.Port = c.ErrorCode, c.ErrorMessage, c.NodeID, c.Host, c.Port
		resp.Coordinators = nil
	}
	return answer(resp)
}

// Kinds of keys that have a coordinator.
const (
	coordinatorOfGroup = 0
	coordinatorOfTxn   = 1
)

// coordinates says why this broker cannot be the coordinator of a key, if it cannot.
func (b *Broker) coordinates(r *request, kind int8, key string) (*kerr.Error, string) {
	switch kind {
	case coordinatorOfGroup:
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, key) {
			return kerr.GroupAuthorizationFailed, kerr.GroupAuthorizationFailed.Description
		}
		if _, err := b.groups.open(true); err != nil {
			return kerr.CoordinatorNotAvailable, err.Error()
		}
	case coordinatorOfTxn:
		if !b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeTransactionalId, key) {
			return kerr.TransactionalIDAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed.Description
		}
		if _, err := b.transactions.open(true); err != nil {
			return kerr.CoordinatorNotAvailable, err.Error()
		}
	default:
		return kerr.InvalidRequest, fmt.Sprintf("coordinators of key type %d are not served: 0 is groups, 1 is transactional IDs", kind)
	}
	return nil, ""
}
