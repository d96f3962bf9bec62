package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerLeaves lets a member go; a static one may say that it will be back.
func (c *Coordinator) consumerLeaves(now time.Time, req *kmsg.ConsumerGroupHeartbeatRequest, resp *kmsg.ConsumerGroupHeartbeatResponse) *refusal {
	g := c.groups[req.Group]
	if g == nil || g.consumer == nil {
		return refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", req.Group)
	}
	m := g.consumer.members[req.MemberID]
	if req.InstanceID != nil {
		holder, ok := g.consumer.statics[*req.InstanceID]
		if ok && holder != req.MemberID {
			return refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, holder)
		}
	}
	if m == nil {
		return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, req.Group)
	}
	resp.MemberID, resp.MemberEpoch = kmsg.StringPtr(m.id), req.MemberEpoch
	if req.MemberEpoch == leftStatically {
		if m.epoch == leftStatically {
			return nil // it is away already
		}
		c.timers.cancel(timerKey{timerRebalance, g.id, m.id})
		c.write(currentRecord{group: g.id, member: m.id, set: &currentAssignment{
			epoch: leftStatically, previousEpoch: m.epoch, assigned: m.assigned, revoking: assignment{}, since: m.since}})
		return nil
	}
	c.removeConsumer(now, g, m)
	return nil
}

// removeConsumer takes a member out of its group.
func (c *Coordinator) removeConsumer(now time.Time, g *group, m *consumerMember) {
	cg := g.consumer
	c.dropMember(g, m)
	if c.mayDowngrade(cg) {
		c.downgrade(now, g)
		return
	}
	c.refresh(now, g, true, nil)
	if len(cg.members) == 0 {
		cg.emptySinceMillis = now.UnixMilli()
		c.retarget(g)
	}
}
