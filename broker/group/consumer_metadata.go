package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// updateFrom takes over what a request tells; null fields are unchanged.
func (m *memberMetadata) updateFrom(from Client, req *kmsg.ConsumerGroupHeartbeatRequest) {
	m.client = from
	m.classic = nil
	if req.InstanceID != nil {
		m.instanceID = req.InstanceID
	}
	if req.RackID != nil {
		m.rackID = req.RackID
	}
	if req.RebalanceTimeoutMillis != -1 {
		m.rebalanceMillis = req.RebalanceTimeoutMillis
	}
	if req.ServerAssignor != nil {
		m.assignor = req.ServerAssignor
		if *m.assignor == "" {
			m.assignor = nil
		}
	}
	if req.SubscribedTopicNames != nil {
		m.topics = sortedSet(req.SubscribedTopicNames)
	}
	if req.SubscribedTopicRegex != nil {
		m.regex = req.SubscribedTopicRegex
		if *m.regex == "" {
			m.regex = nil
		}
	}
}

func sortedSet(names []string) []string {
	out := slices.Clone(names)
	slices.Sort(out)
	return slices.Compact(out)
}

func (m memberMetadata) equal(o memberMetadata) bool {
	return sameString(m.instanceID, o.instanceID) && sameString(m.rackID, o.rackID) && m.client == o.client &&
		m.sameSubscription(o) && m.rebalanceMillis == o.rebalanceMillis && sameString(m.assignor, o.assignor) && m.classic.equal(o.classic)
}

func (m memberMetadata) sameSubscription(o memberMetadata) bool {
	return slices.Equal(m.topics, o.topics) && sameString(m.regex, o.regex)
}

func (p *classicProtocols) equal(o *classicProtocols) bool {
	return p == o || (p != nil && o != nil && p.sessionMillis == o.sessionMillis && sameProtocols(p.protocols, o.protocols))
}
