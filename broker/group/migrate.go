package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Online migration (KIP-848): a classic group of consumers becomes a KIP-848
// group when its first KIP-848 member joins. Its classic members stay and go on
// with JoinGroup, SyncGroup and Heartbeat; each of them looks to the group like
// any other member, with its member epoch as generation and "rejoin" as the
// sign that there is something to reconcile. When the last KIP-848 member has
// left, the group becomes classic again.

// upgrade turns a classic group with members into a KIP-848 group. Members keep
// their partitions.
func (c *Coordinator) upgrade(now time.Time, g *group) *refusal {
	old := g.classic
	if !c.opts.Migration.up() {
		return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because online upgrades are disabled (group.consumer.migration.policy=%s).", g.id, c.opts.Migration)
	}
	if old.protocolType != consumerProtocol {
		return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because the group does not use the consumer embedded protocol.", g.id)
	}
	type read struct {
		m     *classicMember
		sub   subscription
		holds assignment
	}
	var members []read
	for _, m := range old.byOrder() {
		name := old.protocol
		if name == "" || m.metadata(name) == nil {
			name = m.protocols[0].name
		}
		sub, err := decodeSubscription(m.metadata(name))
		if err != nil {
			return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group: member %s: %v.", g.id, m.id, err)
		}
		holds := assignment{}
		topics, err := decodeAssignment(m.assignment)
		if err != nil {
			return refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group: member %s: %v.", g.id, m.id, err)
		}
		if old.state != Stable {
			topics = sub.owned // the assignment of a generation in the making is not there yet
		}
		for _, t := range topics {
			if topic, ok := c.topics.Named(t.topic); ok {
				for _, p := range t.partitions {
					holds.add(topic.ID, p)
				}
			}
		}
		members = append(members, read{m, sub, holds})
	}
	c.endRebalance(g)
	for _, r := range members {
		c.timers.cancel(timerKey{timerSession, g.id, r.m.id})
	}
	c.log.Info("classic group becomes a consumer group", "group", g.id, "members", len(members), "generation", old.generation)
	c.write(groupRecord{group: g.id})
	epoch := old.generation
	c.write(consumerGroupRecord{group: g.id, set: &consumerEpoch{epoch: epoch}})
	taken := map[TopicID]map[int32]bool{}
	for _, r := range members {
		meta := memberMetadata{instanceID: r.m.instanceID, rackID: r.sub.rack, client: r.m.client, topics: sortedSet(r.sub.topics),
			rebalanceMillis: int32(r.m.rebalanceTime.Milliseconds()),
			classic:         &classicProtocols{sessionMillis: int32(r.m.session.Milliseconds()), protocols: r.m.protocols}}
		holds := r.holds.filter(func(id TopicID, p int32) bool { // a leader may have given a partition twice
			if taken[id] == nil {
				taken[id] = map[int32]bool{}
			}
			first := !taken[id][p]
			taken[id][p] = true
			return first
		})
		c.write(consumerMemberRecord{group: g.id, member: r.m.id, set: &meta})
		c.write(targetRecord{group: g.id, member: r.m.id, set: &holds})
		c.write(currentRecord{group: g.id, member: r.m.id, set: &currentAssignment{epoch: epoch, previousEpoch: epoch, assigned: holds, revoking: assignment{}}})
	}
	c.write(targetEpochRecord{group: g.id, set: &epoch})
	g = c.groups[g.id]
	for _, r := range members {
		c.consumerSession(now, g, r.m.id)
	}
	return nil
}

// lets says why a KIP-848 member cannot join a classic group that would become a
// KIP-848 group for it. A group is not converted for who is not let in: its
// members would have to join again each time somebody asks in vain.
func (c *Coordinator) lets(old *classicGroup, req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	m, replaces := old.members[req.MemberID], false
	if req.InstanceID != nil {
		_, replaces = old.statics[*req.InstanceID]
	}
	switch {
	case m != nil && req.InstanceID != nil && !sameString(m.instanceID, req.InstanceID):
		return refuse(kerr.InvalidRequest, "Member %s already has another instance id.", req.MemberID)
	case m == nil && !replaces && len(old.members) >= c.opts.MaxMembers:
		return refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", c.opts.MaxMembers)
	}
	return nil
}

// endRebalance answers everybody who waits in a classic group with "join again".
func (c *Coordinator) endRebalance(g *group) {
	c.timers.cancel(timerKey{purpose: timerJoin, group: g.id})
	c.timers.cancel(timerKey{purpose: timerSync, group: g.id})
	for id := range g.classic.handedOut {
		c.timers.cancel(timerKey{timerSession, g.id, id})
	}
	for _, m := range g.classic.byOrder() {
		if m.joining != nil {
			c.answer(m.joining.to, joinRefusal(m.joining.version, m.id, kerr.RebalanceInProgress.Code))
			m.joining = nil
		}
	}
	c.failSyncs(g.classic, kerr.RebalanceInProgress.Code)
}

// mayDowngrade says whether only classic members are left, and the group may go
// back to their protocol. If it may not, they stay where they are.
func (c *Coordinator) mayDowngrade(g *consumerGroup) bool {
	if len(g.members) == 0 || !c.opts.Migration.down() {
		return false
	}
	for _, m := range g.members {
		if m.classic == nil {
			return false
		}
	}
	return true
}

// downgrade turns a KIP-848 group whose members are all classic into a classic
// group, and has them rebalance.
func (c *Coordinator) downgrade(now time.Time, g *group) {
	cg := g.consumer
	next := newClassicGroup(now)
	next.protocolType, next.generation, next.fromConsumer = consumerProtocol, cg.epoch, true
	members := cg.sortedMembers()
	for _, m := range members {
		topics := c.namedAssignment(m.assigned)
		version := int16(0)
		if sub, err := decodeSubscription(m.classic.protocols[0].metadata); err == nil {
			version = sub.version
		}
		next.add(&classicMember{id: m.id, instanceID: m.instanceID, client: m.client,
			session: millis(m.classic.sessionMillis), rebalanceTime: millis(m.rebalanceMillis),
			protocols: m.classic.protocols, assignment: encodeAssignment(version, topics), synced: true})
	}
	next.protocol = next.elect()
	next.become(now, Stable)
	c.log.Info("consumer group becomes a classic group", "group", g.id, "members", len(members), "generation", next.generation)
	c.dropConsumer(g)
	g.classic = next
	c.groups[g.id] = g
	c.append(next.record(g.id))
	for _, m := range next.byOrder() {
		c.classicSession(now, g, m)
	}
	c.prepareRebalance(now, g)
}

// namedAssignment translates topic IDs to names, leaving out topics that are gone.
func (c *Coordinator) namedAssignment(a assignment) []ownedTopic {
	var out []ownedTopic
	for _, id := range a.sortedTopics() {
		if t, ok := c.topics.WithID(id); ok {
			out = append(out, ownedTopic{topic: t.Name, partitions: a[id]})
		}
	}
	slices.SortFunc(out, func(x, y ownedTopic) int {
		if x.topic < y.topic {
			return -1
		}
		return 1
	})
	return out
}

// classicJoinsConsumer is a JoinGroup of a classic member in a KIP-848 group.
// It is answered at once.
func (c *Coordinator) classicJoinsConsumer(now time.Time, to Waiter, from Client, g *group, req *kmsg.JoinGroupRequest) {
	cg := g.consumer
	protocols := protocolsOf(req)
	if req.ProtocolType != consumerProtocol || len(protocols) == 0 || !cg.sharesProtocol(req.MemberID, protocols) {
		c.refuseJoin(to, req, req.MemberID, kerr.InconsistentGroupProtocol.Code)
		return
	}
	sub, err := decodeSubscription(protocols[0].metadata)
	if err != nil {
		c.refuseJoin(to, req, req.MemberID, kerr.InconsistentGroupProtocol.Code)
		return
	}
	id, code := c.admitClassic(now, from, g, req)
	if code != 0 {
		c.refuseJoin(to, req, id, code)
		return
	}
	meta := memberMetadata{instanceID: req.InstanceID, rackID: sub.rack, client: from, topics: sortedSet(sub.topics),
		rebalanceMillis: req.RebalanceTimeoutMillis,
		classic:         &classicProtocols{sessionMillis: req.SessionTimeoutMillis, protocols: protocols}}
	if req.Version == 0 {
		meta.rebalanceMillis = req.SessionTimeoutMillis
	}
	owned := assignment{}
	for _, t := range sub.owned {
		if topic, ok := c.topics.Named(t.topic); ok {
			for _, p := range t.partitions {
				owned.add(topic.ID, p)
			}
		}
	}
	c.updateConsumer(now, g, id, meta, nil)
	if c.mayDowngrade(cg) { // it took the place of the last KIP-848 member
		c.downgrade(now, g)
		again := *req
		again.MemberID = id
		c.joinClassic(now, to, from, g, &again)
		return
	}
	c.reconcile(g, id, owned, true)
	c.consumerTimers(now, g, id)
	m := cg.members[id]
	c.awaitClassic(now, g, id, millis(m.rebalanceMillis)) // its sync
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version, resp.MemberID, resp.Generation = req.Version, id, m.epoch
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(consumerProtocol), kmsg.StringPtr(protocols[0].name)
	c.answer(to, resp)
}

// sharesProtocol says whether the classic members and these protocols have one in common.
func (g *consumerGroup) sharesProtocol(joining string, protocols []protocol) bool {
	return slices.ContainsFunc(protocols, func(p protocol) bool {
		for id, m := range g.members {
			if m.classic == nil || id == joining {
				continue
			}
			if !slices.ContainsFunc(m.classic.protocols, func(o protocol) bool { return o.name == p.name }) {
				return false
			}
		}
		return true
	})
}

func (c *Coordinator) admitClassic(now time.Time, from Client, g *group, req *kmsg.JoinGroupRequest) (string, int16) {
	cg := g.consumer
	if req.InstanceID != nil {
		holder, ok := cg.statics[*req.InstanceID]
		switch {
		case ok && req.MemberID == "":
			id := c.newMemberID(joiner{from: from, req: req})
			c.replaceStaticConsumer(g, cg.members[holder], id)
			return id, 0
		case ok && holder != req.MemberID:
			return req.MemberID, kerr.FencedInstanceID.Code
		case !ok && req.MemberID != "":
			return req.MemberID, kerr.UnknownMemberID.Code
		}
	}
	if req.MemberID == "" {
		id := c.newMemberID(joiner{from: from, req: req})
		switch {
		case len(cg.members) >= c.opts.MaxMembers:
			return "", kerr.GroupMaxSizeReached.Code
		case req.InstanceID == nil && req.Version >= 4: // KIP-394; any ID that we would make is as good as another
			return id, kerr.MemberIDRequired.Code
		}
		return id, 0
	}
	if cg.members[req.MemberID] == nil {
		switch {
		case req.Version < 4 || req.InstanceID != nil:
			return req.MemberID, kerr.UnknownMemberID.Code
		case len(cg.members) >= c.opts.MaxMembers:
			return req.MemberID, kerr.GroupMaxSizeReached.Code
		}
		return req.MemberID, 0 // the second join of KIP-394
	}
	return req.MemberID, 0
}

// awaitClassic removes a classic member that does not go on within the time.
func (c *Coordinator) awaitClassic(now time.Time, g *group, id string, d time.Duration) {
	c.timers.set(timerKey{timerReconcile, g.id, id}, now.Add(max(d, time.Second)), func(now time.Time) {
		c.log.Info("classic member did not join or sync in time", "group", g.id, "member", id)
		c.removeConsumer(now, g, g.consumer.members[id])
	})
}

// classicMember finds the classic member that a request names.
func (g *consumerGroup) classicMember(id string, instance *string) (*consumerMember, int16) {
	if instance != nil {
		holder, ok := g.statics[*instance]
		switch {
		case !ok:
			return nil, kerr.UnknownMemberID.Code
		case holder != id:
			return nil, kerr.FencedInstanceID.Code
		}
	}
	m := g.members[id]
	if m == nil || m.classic == nil {
		return nil, kerr.UnknownMemberID.Code
	}
	return m, 0
}

// mustRejoin says whether a classic member has something to reconcile.
func (g *consumerGroup) mustRejoin(m *consumerMember) bool {
	switch {
	case m.epoch < g.epoch, m.state == memberUnrevoked:
		return true
	case m.state == memberUnreleased:
		return g.step(m, assignment{}, true).assigned.count() > m.assigned.count()
	}
	return false
}

// classicSyncsConsumer is a SyncGroup of a classic member in a KIP-848 group.
func (c *Coordinator) classicSyncsConsumer(now time.Time, to Waiter, g *group, req *kmsg.SyncGroupRequest) {
	cg := g.consumer
	m, code := cg.classicMember(req.MemberID, req.InstanceID)
	switch {
	case code != 0:
	case req.Generation != m.epoch:
		code = kerr.IllegalGeneration.Code
	case req.ProtocolType != nil && *req.ProtocolType != consumerProtocol,
		req.Protocol != nil && *req.Protocol != m.classic.protocols[0].name:
		code = kerr.InconsistentGroupProtocol.Code
	case m.epoch < cg.epoch && m.state != memberUnrevoked:
		c.awaitClassic(now, g, m.id, millis(m.rebalanceMillis))
		code = kerr.RebalanceInProgress.Code
	}
	if code != 0 {
		c.answer(to, syncRefusal(req.Version, code))
		return
	}
	c.timers.cancel(timerKey{timerReconcile, g.id, m.id})
	c.consumerSession(now, g, m.id)
	version := int16(0)
	if sub, err := decodeSubscription(m.classic.protocols[0].metadata); err == nil {
		version = sub.version
	}
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version, resp.ProtocolType, resp.Protocol = req.Version, kmsg.StringPtr(consumerProtocol), kmsg.StringPtr(m.classic.protocols[0].name)
	resp.MemberAssignment = encodeAssignment(version, c.namedAssignment(m.assigned))
	c.answer(to, resp)
}

// classicBeatsConsumer is a Heartbeat of a classic member in a KIP-848 group.
func (c *Coordinator) classicBeatsConsumer(now time.Time, g *group, req *kmsg.HeartbeatRequest) int16 {
	cg := g.consumer
	m, code := cg.classicMember(req.MemberID, req.InstanceID)
	switch {
	case code != 0:
		return code
	case req.Generation != m.epoch:
		return kerr.IllegalGeneration.Code
	}
	c.consumerSession(now, g, m.id)
	c.refresh(now, g, false, nil)
	c.retarget(g)
	if !cg.mustRejoin(m) {
		return 0
	}
	if _, running := c.timers.byKey[timerKey{timerReconcile, g.id, m.id}]; !running {
		c.awaitClassic(now, g, m.id, millis(m.rebalanceMillis))
	}
	return kerr.RebalanceInProgress.Code
}

// classicLeavesConsumer is one member of a LeaveGroup in a KIP-848 group. An
// admin may remove a static member of either protocol by its instance ID.
func (c *Coordinator) classicLeavesConsumer(now time.Time, g *group, member string, instance *string) int16 {
	cg := g.consumer
	if cg == nil {
		return c.leaveClassic(now, g, member, instance) // the group became classic half-way
	}
	if instance != nil && member == "" {
		holder, ok := cg.statics[*instance]
		if !ok {
			return kerr.UnknownMemberID.Code
		}
		c.removeConsumer(now, g, cg.members[holder])
		return 0
	}
	m, code := cg.classicMember(member, instance)
	if code != 0 {
		return code
	}
	c.removeConsumer(now, g, m)
	return 0
}
