package group

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	typeShare     = "share"
	shareProtocol = "share"
	// shareAssignor is the only assignor of share groups.
	shareAssignor = "simple"
)

// DescribeShareGroup describes a share group.
func (c *Coordinator) DescribeShareGroup(id string) kmsg.ShareGroupDescribeResponseGroup {
	out := kmsg.NewShareGroupDescribeResponseGroup()
	out.GroupID = id
	g, r := c.shareGroupOf(id)
	if r != nil {
		out.ErrorCode, out.ErrorMessage, out.GroupState = r.code, &r.message, string(Dead)
		return out
	}
	sg := g.share
	out.GroupState, out.GroupEpoch, out.AssignmentEpoch, out.Assignor = string(sg.state()), sg.epoch, sg.targetEpoch, shareAssignor
	for _, m := range sg.sortedMembers() {
		dm := kmsg.NewShareGroupDescribeResponseGroupMember()
		dm.MemberID, dm.RackID, dm.MemberEpoch = m.id, m.rackID, m.epoch
		dm.ClientID, dm.ClientHost = m.client.ID, m.client.Host
		dm.SubscribedTopicNames = slices.Clone(m.topics)
		for _, id := range m.assigned.sortedTopics() {
			t, ok := c.topics.WithID(id)
			if !ok {
				continue
			}
			tp := kmsg.NewShareGroupDescribeResponseGroupMemberAssignmentTopicPartition()
			tp.TopicID, tp.Topic, tp.Partitions = id, t.Name, slices.Clone(m.assigned[id])
			dm.Assignment.TopicPartitions = append(dm.Assignment.TopicPartitions, tp)
		}
		out.Members = append(out.Members, dm)
	}
	return out
}

// ShareTopic is a topic of a share group whose partitions may have a state of
// delivery.
type ShareTopic struct {
	ID         TopicID
	Name       string
	Partitions []int32
}

// ShareTopics returns the topics of a share group, by name.
func (c *Coordinator) ShareTopics(id string) ([]ShareTopic, *kerr.Error) {
	g, r := c.shareGroupOf(id)
	if r != nil {
		return nil, kerr.GroupIDNotFound
	}
	var out []ShareTopic
	for _, id := range slices.SortedFunc(maps.Keys(g.share.known), func(x, y TopicID) int { return bytes.Compare(x[:], y[:]) }) {
		t := g.share.known[id]
		out = append(out, ShareTopic{ID: id, Name: t.name, Partitions: slices.Clone(t.partitions)})
	}
	slices.SortStableFunc(out, func(x, y ShareTopic) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	return out, nil
}

// SharesPartition says why records of a partition are not for a group, if they
// are not: it is a share group that was told of the partition.
func (c *Coordinator) SharesPartition(id string, topic TopicID, partition int32) *kerr.Error {
	g, r := c.shareGroupOf(id)
	if r != nil {
		return kerr.GroupIDNotFound
	}
	if !slices.Contains(g.share.known[topic].partitions, partition) {
		return kerr.UnknownTopicOrPartition
	}
	return nil
}

// EmptyShareGroup says whether the group is a share group without members.
func (c *Coordinator) EmptyShareGroup(id string) bool {
	g := c.groups[id]
	return g != nil && g.share != nil && len(g.share.members) == 0
}

// PrepareShareOffsets says whether the offsets of a share group may be set from
// outside, which they may while it has no members. With topics, those are noted
// as the group's, and a group that is not there is made.
func (c *Coordinator) PrepareShareOffsets(now time.Time, id string, topics []string) (*kerr.Error, string, Effects) {
	g := c.groups[id]
	switch {
	case g == nil && topics == nil:
		return kerr.GroupIDNotFound, fmt.Sprintf("Group %s not found.", id), Effects{}
	case g == nil:
		c.write(shareGroupRecord{group: id, set: &consumerEpoch{}})
		g = c.groups[id]
	case g.share == nil:
		return kerr.GroupIDNotFound, fmt.Sprintf("Group %s is not a share group.", id), Effects{}
	case len(g.share.members) > 0:
		return kerr.NonEmptyGroup, fmt.Sprintf("Group %s has members.", id), Effects{}
	}
	c.learnTopics(now, g, topics)
	return nil, "", c.take()
}

// ForgetShareTopics notes that topics no longer have a state of delivery.
func (c *Coordinator) ForgetShareTopics(id string, topics []TopicID) Effects {
	if g := c.groups[id]; g != nil && g.share != nil {
		c.forgetShareTopics(g, func(id TopicID) bool { return slices.Contains(topics, id) })
	}
	return c.take()
}
