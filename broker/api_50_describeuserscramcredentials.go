package broker

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeUserScramCredentials (50), version 0.
//
// No users means all of them. Users of a listener's options are not listed:
// they are configuration, not state.
func (b *Broker) describeUserScramCredentials(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.DescribeUserSCRAMCredentialsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeUserSCRAMCredentialsResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationDescribe) {
		resp.ErrorCode, resp.ErrorMessage = kerr.ClusterAuthorizationFailed.Code, kmsg.StringPtr("not allowed to describe the cluster")
		return answer(resp)
	}
	infos := map[string][]kmsg.DescribeUserSCRAMCredentialsResponseResultCredentialInfo{}
	var users []string
	for _, f := range b.store.Facts(scramKind) {
		mechanism, user, _ := strings.Cut(f.Key, "/")
		var e scramEntry
		if err := json.Unmarshal(f.Value, &e); err != nil {
			resp.ErrorCode, resp.ErrorMessage = kerr.KafkaStorageError.Code, kmsg.StringPtr(err.Error())
			return answer(resp)
		}
		info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
		info.Iterations = int32(e.Iterations)
		for number, name := range scramNumbers {
			if name == mechanism {
				info.Mechanism = number
			}
		}
		infos[user] = append(infos[user], info)
		users = append(users, user)
	}
	if len(req.Users) > 0 {
		users = users[:0]
		for _, u := range req.Users {
			users = append(users, u.Name)
		}
	}
	slices.Sort(users)
	asked := map[string]int{}
	for _, u := range req.Users {
		asked[u.Name]++
	}
	for _, user := range slices.Compact(users) {
		res := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
		res.User, res.CredentialInfos = user, infos[user]
		if asked[user] > 1 {
			res.CredentialInfos = nil
			res.ErrorCode, res.ErrorMessage = kerr.DuplicateResource.Code, kmsg.StringPtr("the user is in the request more than once")
			resp.Results = append(resp.Results, res)
			continue
		}
		if len(res.CredentialInfos) == 0 {
			res.ErrorCode, res.ErrorMessage = kerr.ResourceNotFound.Code, kmsg.StringPtr("the user has no SCRAM credentials")
		}
		resp.Results = append(resp.Results, res)
	}
	return answer(resp)
}
