package broker

import (
	"cmp"
	"context"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ApiVersions (18), versions 0 to 4.
//
//	1  throttle time
//	3  flexible; the client says its name and version; features (KIP-584)
//	4  features whose lowest level is 0 are listed too
//
// The answer's header never has tagged fields, in any version. A version that
// is not known is answered in version 0 with UNSUPPORTED_VERSION and all keys,
// so that the client can choose again. Clients may ask before they have
// authenticated.
//
// What is offered is the table of dispatch.go, floors included: old clients
// take them as a sign of what the broker can do (Produce 0, JoinGroup 0). A
// request below what is served is refused like an unknown version.
//
// Left out: the cluster-link and zookeeper-migration fields.
func (b *Broker) apiVersions(_ context.Context, r *request) reply {
	req := r.body.(*kmsg.ApiVersionsRequest)
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	switch {
	case r.unsupported:
		resp.ErrorCode = kerr.UnsupportedVersion.Code
	case req.Version >= 3 && !(softwareName.MatchString(req.ClientSoftwareName) && softwareName.MatchString(req.ClientSoftwareVersion)):
		resp.ErrorCode = kerr.InvalidRequest.Code
		return answer(resp)
	case req.Version >= 3:
		r.conn.software = req.ClientSoftwareName + " " + req.ClientSoftwareVersion
	}
	for key, a := range b.apis {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = key, a.min, a.max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	slices.SortFunc(resp.ApiKeys, func(x, y kmsg.ApiVersionsResponseApiKey) int { return cmp.Compare(x.ApiKey, y.ApiKey) })
	for _, f := range features {
		if b.apis[f.needs.Int16()] == nil {
			continue
		}
		if req.Version >= 4 || f.min > 0 {
			s := kmsg.NewApiVersionsResponseSupportedFeature()
			s.Name, s.MinVersion, s.MaxVersion = f.name, f.min, f.max
			resp.SupportedFeatures = append(resp.SupportedFeatures, s)
		}
		z := kmsg.NewApiVersionsResponseFinalizedFeature()
		z.Name, z.MinVersionLevel, z.MaxVersionLevel = f.name, f.max, f.max
		resp.FinalizedFeatures = append(resp.FinalizedFeatures, z)
	}
	if len(resp.FinalizedFeatures) > 0 {
		resp.FinalizedFeaturesEpoch = 0
	}
	return answer(resp)
}

// feature is something that clients look for by name before they use an API in
// a new way.
type feature struct {
	name     string
	min, max int16
	needs    kmsg.Key // the feature is there if this API is
}

var features = []feature{
	{"group.version", 0, 1, kmsg.ConsumerGroupHeartbeat},
	{"share.version", 0, 1, kmsg.ShareFetch},
	{"transaction.version", 0, 2, kmsg.EndTxn},
}

var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)
