package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UpdateFeatures (57), versions 0 to 2.
//
//	1  validate only, upgrade types
//	2  no result per feature
//
// Features are at their highest level and stay there: to ask for that level is
// nothing to do, and any other is refused.
func (b *Broker) updateFeatures(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.UpdateFeaturesRequest)
	resp := req.ResponseKind().(*kmsg.UpdateFeaturesResponse)
	if !b.allowedCluster(r, kmsg.ACLOperationAlter) {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
		return answer(resp)
	}
	for _, u := range req.FeatureUpdates {
		res := kmsg.NewUpdateFeaturesResponseResult()
		res.Feature = u.Feature
		if why := b.whyNotFeature(u.Feature, u.MaxVersionLevel); why != "" {
			resp.ErrorCode, resp.ErrorMessage, resp.Results = kerr.InvalidUpdateVersion.Code, kmsg.StringPtr(why), nil
			return answer(resp)
		}
		resp.Results = append(resp.Results, res)
	}
	return answer(resp)
}

func (b *Broker) whyNotFeature(name string, level int16) string {
	for _, f := range features {
		if f.name != name || b.apis[f.needs.Int16()] == nil {
			continue
		}
		if level == f.max {
			return ""
		}
		return fmt.Sprintf("feature %s stays at level %d", name, f.max)
	}
	return fmt.Sprintf("feature %s is not one of this broker", name)
}
