package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// oldClientGates are the versions that librdkafka to 2.11 looks for, exactly,
// before it believes in a feature: compression, groups, transactions.
var oldClientGates = map[kmsg.Key][]int16{
	kmsg.Produce: {0, 3, 7}, kmsg.Fetch: {4, 10}, kmsg.ListOffsets: {1}, kmsg.ApiVersions: {0},
	kmsg.OffsetCommit: {1}, kmsg.OffsetFetch: {1}, kmsg.FindCoordinator: {0}, kmsg.JoinGroup: {0},
	kmsg.SyncGroup: {0}, kmsg.Heartbeat: {0}, kmsg.LeaveGroup: {0}, kmsg.SASLHandshake: {0, 1},
	kmsg.SASLAuthenticate: {0}, kmsg.InitProducerID: {0},
}

func TestWhatOldClientsLookForIsOffered(t *testing.T) {
	b := startBroker(t)
	offered := map[int16]kmsg.ApiVersionsResponseApiKey{}
	for _, k := range askVersions(t, b, 0).ApiKeys {
		offered[k.ApiKey] = k
	}
	for key, versions := range oldClientGates {
		for _, v := range versions {
			if k, ok := offered[key.Int16()]; !ok || v < k.MinVersion || v > k.MaxVersion {
				t.Errorf("%s version %d is not offered", key.Name(), v)
			}
		}
	}
}
