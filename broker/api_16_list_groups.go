package broker

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/dovetail-dev/dovetail/broker/group"
)

// ListGroups (16), versions 0 to 5.
//
//	3  flexible
//	4  states, and a filter for them
//	5  types (classic, consumer, share), and a filter for them
//
// Groups that the client may not describe are left out of the list.
func (b *Broker) listGroups(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ListGroupsRequest)
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	shards, err := b.groups.open(false)
	if err != nil {
		resp.ErrorCode = kerr.CoordinatorNotAvailable.Code
		return answer(resp)
	}
	lists := make([][]kmsg.ListGroupsResponseGroup, len(shards))
	codes := make([]int16, len(shards))
	var all sync.WaitGroup
	all.Add(len(shards))
	for i, s := range shards {
		s.do(func(time.Time) group.Effects {
			lists[i] = s.c.ListGroups(req.StatesFilter, req.TypesFilter)
			return group.Effects{}
		}, func(code int16) {
			codes[i] = code
			all.Done()
		})
	}
	return later(func(context.Context) reply {
		all.Wait()
		for i, list := range lists {
			if codes[i] != 0 {
				resp.ErrorCode = codes[i]
				resp.Groups = nil
				return answer(resp)
			}
			for _, g := range list {
				if b.allowedCluster(r, kmsg.ACLOperationDescribe) || b.allowed(r, kmsg.ACLOperationDescribe, kmsg.ACLResourceTypeGroup, g.Group) {
					resp.Groups = append(resp.Groups, g)
				}
			}
		}
		slices.SortFunc(resp.Groups, func(x, y kmsg.ListGroupsResponseGroup) int { return cmp.Compare(x.Group, y.Group) })
		return answer(resp)
	})
}
