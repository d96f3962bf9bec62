package group

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Types of groups, as listed from version 5 on.
const (
	typeClassic  = "classic"
	typeConsumer = "consumer"
)

// DescribeGroup describes a classic group, for a request of that version: from
// version 6 on a group that is not there is an error, before it is Dead. While the
// group rebalances its members have what they had; what they ask for is told once
// the group has settled on a protocol.
func (c *Coordinator) DescribeGroup(id string, version int16) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.State = id, string(Dead)
	g := c.groups[id]
	if g == nil || g.classic == nil {
		switch {
		case g != nil && g.consumer == nil && g.share == nil && len(g.offsets)+len(g.pending) > 0: // offsets without a group protocol
			out.State = string(Empty)
		case version >= 6:
			out.ErrorCode = kerr.GroupIDNotFound.Code
			out.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Group %s is not a classic group.", id))
			if g == nil {
				out.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Group %s not found.", id))
			}
		}
		return out
	}
	cg := g.classic
	out.State, out.ProtocolType = string(cg.state), cg.protocolType
	if cg.state == Stable {
		out.Protocol = cg.protocol
	}
	for _, m := range cg.byOrder() {
		dm := kmsg.NewDescribeGroupsResponseGroupMember()
		dm.MemberID, dm.InstanceID, dm.ClientID, dm.ClientHost = m.id, m.instanceID, m.client.ID, m.client.Host
		dm.ProtocolMetadata, dm.MemberAssignment = []byte{}, append([]byte{}, m.assignment...)
		if cg.state == Stable {
			dm.ProtocolMetadata = append(dm.ProtocolMetadata, m.metadata(cg.protocol)...)
		}
		out.Members = append(out.Members, dm)
	}
	return out
}

// DescribeConsumerGroup describes a KIP-848 group.
func (c *Coordinator) DescribeConsumerGroup(id string) kmsg.ConsumerGroupDescribeResponseGroup {
	out := kmsg.NewConsumerGroupDescribeResponseGroup()
	out.Group = id
	g := c.groups[id]
	if g == nil || g.consumer == nil {
		out.ErrorCode = kerr.GroupIDNotFound.Code
		out.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Group %s is not a consumer group.", id))
		if g == nil {
			out.ErrorMessage = kmsg.StringPtr(fmt.Sprintf("Group %s not found.", id))
		}
		return out
	}
	cg := g.consumer
	out.State, out.Epoch, out.AssignmentEpoch, out.AssignorName = string(cg.state()), cg.epoch, cg.targetEpoch, cg.assignor()
	for _, m := range cg.sortedMembers() {
		dm := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		dm.MemberID, dm.InstanceID, dm.RackID, dm.MemberEpoch = m.id, m.instanceID, m.rackID, m.epoch
		dm.ClientID, dm.ClientHost = m.client.ID, m.client.Host
		dm.SubscribedTopics, dm.SubscribedTopicRegex = m.topics, m.regex
		dm.Assignment, dm.TargetAssignment = c.describeAssignment(m.assigned), c.describeAssignment(cg.target[m.id])
		dm.MemberType = 1
		if m.classic != nil {
			dm.MemberType = 0
		}
		out.Members = append(out.Members, dm)
	}
	return out
}

func (c *Coordinator) describeAssignment(a assignment) kmsg.Assignment {
	out := kmsg.NewAssignment()
	for _, id := range a.sortedTopics() {
		t, ok := c.topics.WithID(id)
		if !ok {
			continue
		}
		tp := kmsg.NewAssignmentTopicPartition()
		tp.TopicID, tp.Topic, tp.Partitions = id, t.Name, slices.Clone(a[id])
		out.TopicPartitions = append(out.TopicPartitions, tp)
	}
	return out
}

// ListGroups lists groups, of those states and types if there are any given.
func (c *Coordinator) ListGroups(states, types []string) []kmsg.ListGroupsResponseGroup {
	wanted := func(filter []string, v string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, v) })
	}
	var out []kmsg.ListGroupsResponseGroup
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[id]
		lg := kmsg.NewListGroupsResponseGroup()
		lg.Group, lg.GroupState, lg.GroupType = id, string(Empty), typeClassic
		switch {
		case g.classic != nil:
			lg.ProtocolType, lg.GroupState = g.classic.protocolType, string(g.classic.state)
		case g.consumer != nil:
			lg.ProtocolType, lg.GroupState, lg.GroupType = consumerProtocol, string(g.consumer.state()), typeConsumer
		case g.share != nil:
			lg.ProtocolType, lg.GroupState, lg.GroupType = shareProtocol, string(g.share.state()), typeShare
		}
		if wanted(states, lg.GroupState) && wanted(types, lg.GroupType) {
			out = append(out, lg)
		}
	}
	return out
}

// DeleteGroup removes a group without members, and its offsets.
func (c *Coordinator) DeleteGroup(id string) (kmsg.DeleteGroupsResponseGroup, Effects) {
	out := kmsg.NewDeleteGroupsResponseGroup()
	out.Group = id
	g := c.groups[id]
	if g == nil {
		out.ErrorCode = kerr.GroupIDNotFound.Code
		return out, Effects{}
	}
	if _, empty := g.emptySince(); !empty && (g.classic != nil || g.consumer != nil) || g.share != nil && len(g.share.members) > 0 {
		out.ErrorCode = kerr.NonEmptyGroup.Code
		return out, Effects{}
	}
	c.dropGroup(g)
	return out, c.take()
}

// Has says whether the group is kept here.
func (c *Coordinator) Has(id string) bool { return c.groups[id] != nil }

// Epoch returns the generation of a classic group or the group epoch of another,
// 0 if there is no such group.
func (c *Coordinator) Epoch(id string) int32 {
	g := c.groups[id]
	switch {
	case g == nil:
	case g.classic != nil:
		return g.classic.generation
	case g.consumer != nil:
		return g.consumer.epoch
	case g.share != nil:
		return g.share.epoch
	}
	return 0
}
