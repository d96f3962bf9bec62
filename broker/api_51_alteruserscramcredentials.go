package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterUserScramCredentials (51), version 0.
//
// Each user's changes happen all or none. Passwords arrive salted.
func (b *Broker) alterUserScramCredentials(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.AlterUserSCRAMCredentialsRequest)
	resp := req.ResponseKind().(*kmsg.AlterUserSCRAMCredentialsResponse)
	allowed := b.allowedCluster(r, kmsg.ACLOperationAlter)
	changes, faults := map[string]map[string]*scramEntry{}, map[string]*scramFault{}
	var users []string
	change := func(user, mechanism string, e *scramEntry, fault *scramFault) {
		if changes[user] == nil {
			changes[user] = map[string]*scramEntry{}
			users = append(users, user)
		}
		key := scramKey(mechanism, user)
		if _, twice := changes[user][key]; twice && fault == nil {
			fault = &scramFault{kerr.DuplicateResource, "a credential is changed twice"}
		}
		changes[user][key] = e
		if faults[user] == nil {
			faults[user] = fault
		}
	}
	for _, d := range req.Deletions {
		mechanism, fault := checkScramUser(d.Name, d.Mechanism)
		if fault == nil && b.store.Fact(scramKind, scramKey(mechanism, d.Name)) == nil {
			fault = &scramFault{kerr.ResourceNotFound, "the user has no such credential"}
		}
		change(d.Name, mechanism, nil, fault)
	}
	for _, u := range req.Upsertions {
		mechanism, fault := checkScramUser(u.Name, u.Mechanism)
		switch {
		case fault != nil:
		case u.Iterations < minScramIterations || u.Iterations > maxScramIterations:
			fault = &scramFault{kerr.UnacceptableCredential, fmt.Sprintf("%d iterations: from %d to %d are accepted", u.Iterations, minScramIterations, maxScramIterations)}
		case len(u.Salt) == 0 || len(u.SaltedPassword) == 0:
			fault = &scramFault{kerr.UnacceptableCredential, "salt or salted password is empty"}
		}
		var e scramEntry
		if fault == nil {
			e = newScramEntry(mechanism, u.Salt, u.SaltedPassword, int(u.Iterations))
		}
		change(u.Name, mechanism, &e, fault)
	}
	for _, user := range users {
		res := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		res.User = user
		fault := faults[user]
		if !allowed {
			fault = &scramFault{kerr.ClusterAuthorizationFailed, "not allowed to alter the cluster"}
		} else if fault == nil {
			if err := b.setScram(changes[user]); err != nil {
				fault = &scramFault{kerr.KafkaStorageError, err.Error()}
			}
		}
		if fault != nil {
			res.ErrorCode, res.ErrorMessage = fault.code.Code, kmsg.StringPtr(fault.why)
		}
		resp.Results = append(resp.Results, res)
	}
	return answer(resp)
}

// scramFault is why a user's credentials are not changed.
type scramFault struct {
	code *kerr.Error
	why  string
}

func checkScramUser(name string, number int8) (mechanism string, fault *scramFault) {
	if name == "" {
		return "", &scramFault{kerr.UnacceptableCredential, "the user has no name"}
	}
	mechanism, ok := scramNumbers[number]
	if !ok {
		return "", &scramFault{kerr.UnsupportedSaslMechanism, fmt.Sprintf("mechanism %d is neither 1, SCRAM-SHA-256, nor 2, SCRAM-SHA-512", number)}
	}
	return mechanism, nil
}
