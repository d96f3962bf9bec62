package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// consumerGroupFor returns the KIP-848 group, made or converted for who joins.
func (c *Coordinator) consumerGroupFor(now time.Time, req *kmsg.ConsumerGroupHeartbeatRequest) (*group, *refusal) {
	id, joining := req.Group, req.MemberEpoch == 0
	g := c.groups[id]
	switch {
	case g != nil && g.consumer != nil:
		return g, nil
	case g != nil && g.share != nil:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id)
	case g != nil && g.classic != nil && len(g.classic.members) > 0:
		if !joining {
			return nil, refuse(kerr.UnknownMemberID, "Group %s uses the classic protocol.", id)
		}
		if r := c.lets(g.classic, req); r != nil {
			return nil, r
		}
		if r := c.upgrade(now, g); r != nil {
			return nil, r
		}
		return c.groups[id], nil
	case !joining:
		return nil, refuse(kerr.GroupIDNotFound, "Group %s not found.", id)
	case g != nil && g.classic != nil:
		for handedOut := range g.classic.handedOut {
			c.timers.cancel(timerKey{timerSession, id, handedOut})
		}
		c.timers.cancel(timerKey{purpose: timerJoin, group: id})
		if generation := g.classic.generation; generation > 0 { // epochs go on where generations end
			c.write(groupRecord{group: id})
			c.write(consumerGroupRecord{group: id, set: &consumerEpoch{epoch: generation}})
			c.groups[id].consumer.emptySinceMillis = now.UnixMilli() // if it is not let in
			return c.groups[id], nil
		}
	}
	g = c.ensure(id)
	g.classic, g.consumer = nil, newConsumerGroup()
	return g, nil
}

// admit finds or makes room for the member of a heartbeat and returns its ID.
func (c *Coordinator) admit(g *group, req *kmsg.ConsumerGroupHeartbeatRequest, owned assignment) (string, *refusal) {
	cg := g.consumer
	id := req.MemberID
	if id == "" {
		id = c.opts.NewMemberID()
	}
	joining := req.MemberEpoch == 0
	if req.InstanceID != nil {
		if holder, ok := cg.statics[*req.InstanceID]; ok && holder != id {
			old := cg.members[holder]
			switch {
			case !joining:
				return "", refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", id, *req.InstanceID, holder)
			case old.classic == nil && old.epoch != leftStatically: // classic ones do not say that they go
				return "", refuse(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by another member %s.", id, *req.InstanceID, holder)
			case cg.members[id] != nil:
				return "", refuse(kerr.InvalidRequest, "Member %s already has another instance id.", id)
			}
			c.replaceStaticConsumer(g, old, id)
			return id, nil
		}
	}
	m := cg.members[id]
	switch {
	case m == nil && !joining:
		return "", refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.id)
	case m == nil && len(cg.members) >= c.opts.MaxMembers:
		return "", refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", c.opts.MaxMembers)
	case m == nil:
		return id, nil
	case m.instanceID != nil && req.InstanceID == nil && !joining:
		// The instance ID is only told in full requests.
	case !sameString(m.instanceID, req.InstanceID) && req.InstanceID != nil:
		return "", refuse(kerr.InvalidRequest, "Member %s already has another instance id.", id)
	}
	if joining {
		// It abandoned what it had; or its first answer was lost.
		if len(m.assigned) > 0 || len(m.revoking) > 0 || m.epoch == leftStatically {
			c.write(currentRecord{group: g.id, member: id, set: &currentAssignment{assigned: assignment{}, revoking: assignment{}}})
		}
		return id, nil
	}
	return id, checkEpoch(m, req.MemberEpoch, owned)
}

func sameString(a, b *string) bool { return a == b || (a != nil && b != nil && *a == *b) }

// checkEpoch fences a member that is not where the group thinks it is. One
// epoch behind is where a member is whose last answer was lost, if it owns
// nothing that it should not.
func checkEpoch(m *consumerMember, epoch int32, owned assignment) *refusal {
	switch {
	case epoch > m.epoch:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", epoch, m.epoch)
	case epoch < m.epoch && (epoch != m.previousEpoch || !owned.subset(m.assigned)):
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", epoch, m.epoch)
	}
	return nil
}

// replaceStaticConsumer gives a static member's place to its next incarnation.
func (c *Coordinator) replaceStaticConsumer(g *group, old *consumerMember, id string) {
	cg := g.consumer
	metadata := old.memberMetadata
	target, had := cg.target[old.id]
	c.dropMember(g, old)
	c.write(consumerMemberRecord{group: g.id, member: id, set: &metadata})
	if had {
		c.write(targetRecord{group: g.id, member: id, set: &target})
	}
	c.write(currentRecord{group: g.id, member: id, set: &currentAssignment{assigned: assignment{}, revoking: assignment{}}})
}
