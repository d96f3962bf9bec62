package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newMemberTime is how long a member that has not been answered yet is kept.
// Its client may have gone and come back under another ID; it cannot heartbeat.
const newMemberTime = 5 * time.Minute

// JoinGroup adds a member to a group, or brings one into the next generation.
// The answer may be long in coming: when all members have joined, or when the
// rebalance timeout has passed.
func (c *Coordinator) JoinGroup(now time.Time, to Waiter, from Client, req *kmsg.JoinGroupRequest) Effects {
	if code := c.checkJoin(req); code != 0 {
		c.refuseJoin(to, req, req.MemberID, code)
		return c.take()
	}
	g := c.groups[req.Group]
	switch {
	case g != nil && g.share != nil:
		c.refuseJoin(to, req, req.MemberID, kerr.InconsistentGroupProtocol.Code)
		return c.take()
	case g != nil && g.consumer != nil && len(g.consumer.members) > 0:
		c.classicJoinsConsumer(now, to, from, g, req)
		return c.take()
	case g == nil || g.classic == nil:
		if req.MemberID != "" {
			c.refuseJoin(to, req, req.MemberID, kerr.UnknownMemberID.Code)
			return c.take()
		}
		generation := int32(0)
		if g != nil && g.consumer != nil {
			generation = g.consumer.epoch // generations go on where epochs end
			c.dropConsumer(g)
		}
		g = c.ensure(req.Group)
		g.classic = newClassicGroup(now)
		if g.classic.generation = generation; generation > 0 {
			c.append(g.classic.record(g.id))
		}
	}
	c.joinClassic(now, to, from, g, req)
	return c.take()
}

func (c *Coordinator) checkJoin(req *kmsg.JoinGroupRequest) int16 {
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	size := 0
	for _, p := range req.Protocols {
		size += len(p.Name) + len(p.Metadata)
	}
	switch {
	case req.Group == "":
		return kerr.InvalidGroupID.Code
	case session < c.opts.MinSessionTimeout || session > c.opts.MaxSessionTimeout:
		return kerr.InvalidSessionTimeout.Code
	case size > c.opts.MaxMemberBytes:
		return kerr.InvalidRequest.Code
	}
	return 0
}

func (c *Coordinator) refuseJoin(to Waiter, req *kmsg.JoinGroupRequest, member string, code int16) {
	c.answer(to, joinRefusal(req.Version, member, code))
}

func joinRefusal(version int16, member string, code int16) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version, resp.ErrorCode, resp.MemberID, resp.Generation = version, code, member, -1
	if version < 7 {
		resp.Protocol = kmsg.StringPtr("") // not nullable before
	}
	return resp
}

func (c *Coordinator) joinClassic(now time.Time, to Waiter, from Client, g *group, req *kmsg.JoinGroupRequest) {
	cg := g.classic
	protocols := protocolsOf(req)
	if !cg.supports(req.ProtocolType, protocols) {
		// A rejoining member may change what it speaks as long as the others can
		// follow, but not the type of the group.
		if m := cg.members[req.MemberID]; m == nil || req.ProtocolType != cg.protocolType || !cg.supportsWithout(m, req.ProtocolType, protocols) {
			c.refuseJoin(to, req, req.MemberID, kerr.InconsistentGroupProtocol.Code)
			return
		}
	}
	if !c.hasRoom(cg, req.MemberID) {
		c.refuseJoin(to, req, "", kerr.GroupMaxSizeReached.Code)
		return
	}
	j := joiner{to: to, from: from, req: req, protocols: protocols}
	if req.MemberID == "" {
		c.joinUnknown(now, g, j)
	} else {
		c.joinKnown(now, g, j)
	}
}

func (g *classicGroup) supportsWithout(m *classicMember, protocolType string, protocols []protocol) bool {
	delete(g.members, m.id)
	defer func() { g.members[m.id] = m }()
	return g.supports(protocolType, protocols)
}

// joiner is a JoinGroup on its way.
type joiner struct {
	to        Waiter
	from      Client
	req       *kmsg.JoinGroupRequest
	protocols []protocol
}

func protocolsOf(req *kmsg.JoinGroupRequest) []protocol {
	out := make([]protocol, len(req.Protocols))
	for i, p := range req.Protocols {
		out[i] = protocol{name: p.Name, metadata: slices.Clone(p.Metadata)}
	}
	return out
}

// hasRoom says whether a member may join. While a group rebalances, who has
// rejoined counts, and those who come first stay.
func (c *Coordinator) hasRoom(cg *classicGroup, member string) bool {
	m := cg.members[member]
	switch cg.state {
	case Empty:
		return len(cg.members) < c.opts.MaxMembers
	case PreparingRebalance:
		return (m != nil && m.joining != nil) || cg.awaitingJoin() < c.opts.MaxMembers
	default:
		return m != nil || len(cg.members) < c.opts.MaxMembers
	}
}

func (c *Coordinator) joinUnknown(now time.Time, g *group, j joiner) {
	cg := g.classic
	id := c.newMemberID(j)
	switch {
	case j.req.InstanceID != nil:
		if old, ok := cg.statics[*j.req.InstanceID]; ok {
			c.replaceStatic(now, g, cg.members[old], id, j)
			return
		}
	case j.req.Version >= 4: // KIP-394
		if len(cg.handedOut) >= c.opts.MaxMembers {
			c.refuseJoin(j.to, j.req, "", kerr.GroupMaxSizeReached.Code)
			return
		}
		cg.handedOut[id] = struct{}{}
		c.timers.set(timerKey{timerSession, g.id, id}, now.Add(millis(j.req.SessionTimeoutMillis)), func(now time.Time) {
			delete(cg.handedOut, id)
			c.maybeCompleteJoin(now, g)
			c.forgetIfUnused(g)
		})
		c.refuseJoin(j.to, j.req, id, kerr.MemberIDRequired.Code)
		return
	}
	c.addMember(now, g, id, j)
}

// newMemberID makes an ID that tells people which client it is. Client IDs are
// the client's choice, so only a part of them is taken.
func (c *Coordinator) newMemberID(j joiner) string {
	prefix := j.from.ID
	if j.req.InstanceID != nil {
		prefix = *j.req.InstanceID
	}
	if len(prefix) > 255 {
		prefix = prefix[:255]
	}
	return prefix + "-" + c.opts.NewMemberID()
}

// forgetIfUnused drops a group that was made for a join that never came.
func (c *Coordinator) forgetIfUnused(g *group) {
	cg := g.classic
	if cg != nil && cg.state == Empty && cg.generation == 0 && len(cg.handedOut) == 0 && !cg.fromConsumer {
		g.classic = nil
		c.forgetIfBlank(g)
	}
}

func (c *Coordinator) joinKnown(now time.Time, g *group, j joiner) {
	cg, req := g.classic, j.req
	if _, ok := cg.handedOut[req.MemberID]; ok && req.InstanceID == nil {
		c.addMember(now, g, req.MemberID, j)
		return
	}
	m, code := cg.member(req.MemberID, req.InstanceID)
	if code != 0 {
		c.refuseJoin(j.to, req, req.MemberID, code)
		return
	}
	same := sameProtocols(m.protocols, j.protocols)
	switch cg.state {
	case PreparingRebalance:
		c.rejoin(now, g, m, j)
	case CompletingRebalance:
		if same { // its answer was lost
			c.classicSession(now, g, m)
			c.answer(j.to, cg.joined(m, req.Version))
			return
		}
		c.rejoin(now, g, m, j)
	case Stable:
		if m.id == cg.leader || !same {
			c.rejoin(now, g, m, j)
			return
		}
		c.classicSession(now, g, m)
		c.answer(j.to, cg.joined(m, req.Version))
	default:
		c.refuseJoin(j.to, req, req.MemberID, kerr.UnknownMemberID.Code)
	}
}

// member finds the member that a request names: by its ID, which must be the
// one that holds the instance ID, if it names one.
func (g *classicGroup) member(id string, instance *string) (*classicMember, int16) {
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
	if m == nil {
		return nil, kerr.UnknownMemberID.Code
	}
	return m, 0
}

func (c *Coordinator) addMember(now time.Time, g *group, id string, j joiner) {
	cg := g.classic
	m := &classicMember{id: id, instanceID: j.req.InstanceID, isNew: true}
	c.takeJoin(m, j)
	cg.protocolType = j.req.ProtocolType
	cg.add(m)
	cg.rebalance.grown = true
	c.classicSession(now, g, m)
	c.prepareRebalance(now, g)
}

func (c *Coordinator) rejoin(now time.Time, g *group, m *classicMember, j joiner) {
	if m.joining != nil { // the client gave up on its first try
		c.answer(m.joining.to, joinRefusal(m.joining.version, m.id, kerr.RebalanceInProgress.Code))
	}
	c.takeJoin(m, j)
	c.classicSession(now, g, m)
	c.prepareRebalance(now, g)
}

func (c *Coordinator) takeJoin(m *classicMember, j joiner) {
	m.client = j.from
	m.session = millis(j.req.SessionTimeoutMillis)
	m.rebalanceTime = millis(j.req.RebalanceTimeoutMillis)
	if j.req.Version == 0 || m.rebalanceTime < 0 {
		m.rebalanceTime = m.session
	}
	m.protocols = j.protocols
	m.joining = &waiting{to: j.to, version: j.req.Version}
}

func millis(n int32) time.Duration { return time.Duration(n) * time.Millisecond }

// replaceStatic lets a static member come back under a new member ID (KIP-345).
// The old ID is fenced. A stable group whose choice of protocol does not change
// keeps its generation and its assignments.
func (c *Coordinator) replaceStatic(now time.Time, g *group, old *classicMember, id string, j joiner) {
	cg := g.classic
	wasLeader := cg.leader == old.id
	if old.joining != nil {
		c.answer(old.joining.to, joinRefusal(old.joining.version, old.id, kerr.FencedInstanceID.Code))
	}
	if old.syncing != nil {
		c.answer(old.syncing.to, syncRefusal(old.syncing.version, kerr.FencedInstanceID.Code))
	}
	c.timers.cancel(timerKey{timerSession, g.id, old.id})
	delete(cg.members, old.id)
	m := &classicMember{id: id, instanceID: old.instanceID, order: old.order, assignment: old.assignment, synced: old.synced}
	before := *old
	c.takeJoin(m, j)
	cg.members[id] = m
	cg.statics[*m.instanceID] = id
	if wasLeader {
		cg.leader = id
	}
	c.classicSession(now, g, m)
	switch cg.state {
	case Stable:
		if cg.elect() != cg.protocol || !sameTopics(before.metadata(cg.protocol), m.metadata(cg.protocol), cg.protocolType) {
			c.prepareRebalance(now, g)
			return
		}
		m.joining = nil
		c.append(cg.record(g.id))
		resp := cg.joined(m, j.req.Version)
		if wasLeader && j.req.Version < 9 {
			// Told that it leads it would compute an assignment that nobody
			// waits for; so it is told that its former self does (KIP-345).
			resp.LeaderID, resp.Members = before.id, nil
		}
		resp.SkipAssignment = wasLeader && j.req.Version >= 9
		c.answer(j.to, resp)
	case CompletingRebalance:
		c.prepareRebalance(now, g)
	case PreparingRebalance:
		c.maybeCompleteJoin(now, g)
	default:
		c.prepareRebalance(now, g)
	}
}

// sameTopics says whether two subscriptions of one consumer ask for the same
// topics. What else is in them differs after every restart: what it owned, in
// which generation, and what its assignor remembers. Of other protocols than the
// consumers' we can read nothing, and Kafka asks for no more than the same
// protocol.
func sameTopics(before, after []byte, protocolType string) bool {
	if protocolType != consumerProtocol || string(before) == string(after) {
		return true
	}
	x, err := decodeSubscription(before)
	if err != nil {
		return false
	}
	y, err := decodeSubscription(after)
	return err == nil && slices.Equal(sortedSet(x.topics), sortedSet(y.topics))
}

// prepareRebalance calls the members to a new generation, or looks whether all
// have come.
func (c *Coordinator) prepareRebalance(now time.Time, g *group) {
	cg := g.classic
	switch cg.state {
	case PreparingRebalance:
		c.maybeCompleteJoin(now, g)
		return
	case CompletingRebalance:
		c.failSyncs(cg, kerr.RebalanceInProgress.Code)
	}
	c.timers.cancel(timerKey{purpose: timerSync, group: g.id})
	cg.rebalance.initial = cg.state == Empty && c.opts.InitialRebalanceDelay > 0
	cg.rebalance.deadline = now.Add(cg.rebalanceTimeout())
	cg.rebalance.grown = false
	cg.become(now, PreparingRebalance)
	for _, m := range cg.members {
		m.synced = false
	}
	delay := cg.rebalanceTimeout()
	if cg.rebalance.initial {
		delay = min(delay, c.opts.InitialRebalanceDelay)
	}
	c.timers.set(timerKey{purpose: timerJoin, group: g.id}, now.Add(delay), func(now time.Time) { c.joinTimeout(now, g) })
	c.maybeCompleteJoin(now, g)
}

func (c *Coordinator) joinTimeout(now time.Time, g *group) {
	cg := g.classic
	if cg.rebalance.initial && cg.rebalance.grown && now.Before(cg.rebalance.deadline) {
		cg.rebalance.grown = false
		at := now.Add(c.opts.InitialRebalanceDelay)
		if at.After(cg.rebalance.deadline) {
			at = cg.rebalance.deadline
		}
		c.timers.set(timerKey{purpose: timerJoin, group: g.id}, at, func(now time.Time) { c.joinTimeout(now, g) })
		return
	}
	c.completeJoin(now, g)
}

func (c *Coordinator) maybeCompleteJoin(now time.Time, g *group) {
	cg := g.classic
	if cg == nil || cg.state != PreparingRebalance || cg.rebalance.initial {
		return
	}
	if len(cg.handedOut) == 0 && cg.awaitingJoin() == len(cg.members) {
		c.completeJoin(now, g)
	}
}

// completeJoin begins the next generation with those who have joined.
func (c *Coordinator) completeJoin(now time.Time, g *group) {
	cg := g.classic
	c.timers.cancel(timerKey{purpose: timerJoin, group: g.id})
	for _, m := range cg.byOrder() {
		if m.joining == nil && m.instanceID == nil {
			c.timers.cancel(timerKey{timerSession, g.id, m.id})
			cg.remove(m)
		}
	}
	if len(cg.members) > 0 && !cg.electLeader() {
		// Only static members that have not come back: their sessions decide.
		c.timers.set(timerKey{purpose: timerJoin, group: g.id}, now.Add(max(cg.rebalanceTimeout(), time.Second)), func(now time.Time) { c.joinTimeout(now, g) })
		return
	}
	cg.rebalance.initial = false
	cg.generation++
	cg.protocol = cg.elect()
	if len(cg.members) == 0 {
		cg.leader = ""
		cg.become(now, Empty)
		c.append(cg.record(g.id))
		return
	}
	cg.become(now, CompletingRebalance)
	for _, m := range cg.byOrder() {
		m.assignment, m.synced = nil, m.joining == nil // an absent static member is not waited for
		if m.joining == nil {
			continue
		}
		w := m.joining
		m.joining, m.isNew = nil, false
		c.classicSession(now, g, m)
		c.answer(w.to, cg.joined(m, w.version))
	}
	c.timers.set(timerKey{purpose: timerSync, group: g.id}, now.Add(cg.rebalanceTimeout()), func(now time.Time) { c.syncTimeout(now, g) })
}

// electLeader makes sure that the leader is a member that has joined, and
// returns false if none has.
func (g *classicGroup) electLeader() bool {
	if m := g.members[g.leader]; m != nil && m.joining != nil {
		return true
	}
	for _, m := range g.byOrder() {
		if m.joining != nil {
			g.leader = m.id
			return true
		}
	}
	return false
}

// joined is the answer to a JoinGroup: the leader learns who is in the group.
func (g *classicGroup) joined(m *classicMember, version int16) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Version, resp.Generation, resp.MemberID, resp.LeaderID = version, g.generation, m.id, g.leader
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(g.protocolType), kmsg.StringPtr(g.protocol)
	if m.id != g.leader {
		return resp
	}
	for _, other := range g.byOrder() {
		rm := kmsg.NewJoinGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ProtocolMetadata = other.id, other.instanceID, other.metadata(g.protocol)
		resp.Members = append(resp.Members, rm)
	}
	return resp
}
