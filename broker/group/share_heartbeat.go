package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ShareGroupHeartbeat is the one request of a member of a share group: it joins
// (epoch 0), says what it is subscribed to, learns its assignment, and leaves
// (−1). The client makes the member ID.
func (c *Coordinator) ShareGroupHeartbeat(now time.Time, from Client, req *kmsg.ShareGroupHeartbeatRequest) (*kmsg.ShareGroupHeartbeatResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.ShareGroupHeartbeatResponse)
	r := c.checkShareHeartbeat(req)
	if r == nil {
		if req.MemberEpoch < 0 {
			r = c.shareLeaves(now, req, resp)
		} else {
			r = c.shareBeats(now, from, req, resp)
		}
	}
	if r != nil {
		resp.ErrorCode, resp.ErrorMessage = r.code, &r.message
		resp.Assignment = nil
	}
	return resp, c.take()
}

func (c *Coordinator) checkShareHeartbeat(req *kmsg.ShareGroupHeartbeatRequest) *refusal {
	size := 0
	for _, t := range req.SubscribedTopicNames {
		size += len(t) + 16
	}
	switch {
	case req.GroupID == "":
		return refuse(kerr.InvalidRequest, "GroupId can't be empty.")
	case req.MemberID == "":
		return refuse(kerr.InvalidRequest, "MemberId can't be empty.")
	case len(req.MemberID) > 255:
		return refuse(kerr.InvalidRequest, "MemberId has %d bytes, more than 255.", len(req.MemberID))
	case req.RackID != nil && *req.RackID == "":
		return refuse(kerr.InvalidRequest, "RackId can't be empty.")
	case req.MemberEpoch < -1:
		return refuse(kerr.InvalidRequest, "MemberEpoch is %d, but must be -1 or greater.", req.MemberEpoch)
	case req.MemberEpoch == 0 && len(req.SubscribedTopicNames) == 0:
		return refuse(kerr.InvalidRequest, "SubscribedTopicNames must be set in first request.")
	case size > c.opts.MaxMemberBytes:
		return refuse(kerr.InvalidRequest, "The subscription takes %d bytes, more than %d.", size, c.opts.MaxMemberBytes)
	}
	return nil
}

// shareGroupOf finds a share group.
func (c *Coordinator) shareGroupOf(id string) (*group, *refusal) {
	g := c.groups[id]
	switch {
	case g == nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", id)
	case g.share == nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a share group.", id)
	}
	return g, nil
}

func (c *Coordinator) shareBeats(now time.Time, from Client, req *kmsg.ShareGroupHeartbeatRequest, resp *kmsg.ShareGroupHeartbeatResponse) *refusal {
	joining := req.MemberEpoch == 0
	g, r := c.shareGroupOf(req.GroupID)
	if r != nil && (!joining || c.groups[req.GroupID] != nil) {
		return r
	}
	var m *shareMember
	if g != nil {
		m = g.share.members[req.MemberID]
	}
	switch {
	case m == nil && !joining:
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.GroupID)
	case m == nil && g != nil && len(g.share.members) >= c.opts.ShareMaxMembers:
		return refuse(kerr.GroupMaxSizeReached, "The share group has reached its maximum capacity of %d members.", c.opts.ShareMaxMembers)
	case m != nil && !joining && req.MemberEpoch != m.epoch && req.MemberEpoch != m.previousEpoch:
		return refuse(kerr.FencedMemberEpoch, "The share group member has epoch %d, and not the received epoch %d. The member must abandon all its partitions and rejoin.", m.epoch, req.MemberEpoch)
	}
	if g == nil {
		c.write(shareGroupRecord{group: req.GroupID, set: &consumerEpoch{}})
		g = c.groups[req.GroupID]
	}
	var before shareMetadata
	var was assignment
	if m != nil {
		before, was = m.shareMetadata, m.assigned
	}
	after := shareMetadata{rackID: before.rackID, client: from, topics: before.topics}
	if req.RackID != nil || joining {
		after.rackID = req.RackID
	}
	if req.SubscribedTopicNames != nil {
		after.topics = slices.Clone(req.SubscribedTopicNames)
		slices.Sort(after.topics)
		after.topics = slices.Compact(after.topics)
	}
	subscription := m == nil || !slices.Equal(before.topics, after.topics)
	if subscription || before.client != after.client || !sameString(before.rackID, after.rackID) {
		c.write(shareMemberRecord{group: g.id, member: req.MemberID, set: &after})
	}
	c.refreshShare(now, g, subscription)
	m = g.share.members[req.MemberID]
	if target := g.share.target[m.id]; m.epoch != g.share.targetEpoch || !m.assigned.equal(target) {
		c.write(shareCurrentRecord{group: g.id, member: m.id, set: &shareCurrent{epoch: g.share.targetEpoch, previousEpoch: m.epoch, assigned: target}})
	}
	c.shareSession(now, g, m.id)

	resp.MemberID, resp.MemberEpoch = kmsg.StringPtr(m.id), m.epoch
	_, interval := c.times(g)
	resp.HeartbeatIntervalMillis = int32(interval.Milliseconds())
	if joining || req.SubscribedTopicNames != nil || req.MemberEpoch != m.epoch || !was.equal(m.assigned) {
		resp.Assignment = shareAssignment(m.assigned)
	}
	return nil
}

func shareAssignment(a assignment) *kmsg.ShareGroupHeartbeatResponseAssignment {
	out := kmsg.NewShareGroupHeartbeatResponseAssignment()
	for _, id := range a.sortedTopics() {
		t := kmsg.NewShareGroupHeartbeatResponseAssignmentTopicPartition()
		t.TopicID, t.Partitions = id, slices.Clone(a[id])
		out.TopicPartitions = append(out.TopicPartitions, t)
	}
	return &out
}

// shareLeaves lets a member go.
func (c *Coordinator) shareLeaves(now time.Time, req *kmsg.ShareGroupHeartbeatRequest, resp *kmsg.ShareGroupHeartbeatResponse) *refusal {
	g, r := c.shareGroupOf(req.GroupID)
	if r != nil {
		return r
	}
	m := g.share.members[req.MemberID]
	if m == nil {
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.GroupID)
	}
	c.dropShareMember(g, m)
	c.refreshShare(now, g, true)
	resp.MemberID, resp.MemberEpoch = kmsg.StringPtr(m.id), -1
	return nil
}

// shareSession gives a member its time anew. One that does not use it is out,
// and what it has acquired goes back.
func (c *Coordinator) shareSession(now time.Time, g *group, id string) {
	session, _ := c.times(g)
	c.timers.set(timerKey{timerSession, g.id, id}, now.Add(session), func(now time.Time) {
		m := g.share.members[id]
		c.log.Info("member of a share group sent no heartbeat in time", "group", g.id, "member", id)
		c.dropShareMember(g, m)
		c.refreshShare(now, g, true)
		c.effects.Fenced = append(c.effects.Fenced, Member{Group: g.id, ID: id})
	})
}

// times are the session timeout and the heartbeat interval of a group.
func (c *Coordinator) times(g *group) (session, interval time.Duration) {
	session, interval = c.opts.SessionTimeout, c.opts.HeartbeatInterval
	if g.share != nil {
		session, interval = c.opts.ShareSessionTimeout, c.opts.ShareHeartbeatInterval
	}
	if c.opts.Times == nil {
		return session, interval
	}
	if s, i := c.opts.Times(g.id, g.share != nil); s > 0 || i > 0 {
		if s > 0 {
			session = s
		}
		if i > 0 {
			interval = i
		}
	}
	return session, interval
}
