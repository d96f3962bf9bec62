package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup hands every member its part of the assignment that the leader
// made. Members that ask before the leader has sent it wait.
func (c *Coordinator) SyncGroup(now time.Time, to Waiter, req *kmsg.SyncGroupRequest) Effects {
	g := c.groups[req.Group]
	switch {
	case req.Group == "":
		c.answer(to, syncRefusal(req.Version, kerr.InvalidGroupID.Code))
	case g != nil && g.consumer != nil:
		c.classicSyncsConsumer(now, to, g, req)
	case g == nil || g.classic == nil:
		c.answer(to, syncRefusal(req.Version, kerr.UnknownMemberID.Code))
	default:
		c.syncClassic(now, to, g, req)
	}
	return c.take()
}

func syncRefusal(version, code int16) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version, resp.ErrorCode, resp.MemberAssignment = version, code, []byte{}
	return resp
}

func (c *Coordinator) syncClassic(now time.Time, to Waiter, g *group, req *kmsg.SyncGroupRequest) {
	cg := g.classic
	m, code := cg.member(req.MemberID, req.InstanceID)
	switch {
	case code != 0:
	case req.Generation != cg.generation:
		code = kerr.IllegalGeneration.Code
	case req.ProtocolType != nil && *req.ProtocolType != cg.protocolType,
		req.Protocol != nil && *req.Protocol != cg.protocol:
		code = kerr.InconsistentGroupProtocol.Code
	case cg.state == PreparingRebalance:
		code = kerr.RebalanceInProgress.Code
	case cg.state == Empty:
		code = kerr.UnknownMemberID.Code
	case m.id == cg.leader && cg.state == CompletingRebalance && c.tooLarge(req.GroupAssignment):
		code = kerr.InvalidRequest.Code
	}
	if code != 0 {
		c.answer(to, syncRefusal(req.Version, code))
		return
	}
	m.synced = true
	c.classicSession(now, g, m)
	if m.syncing != nil { // the client gave up on its first try
		c.answer(m.syncing.to, syncRefusal(m.syncing.version, kerr.RebalanceInProgress.Code))
		m.syncing = nil
	}
	if cg.state == Stable {
		c.answer(to, cg.assigned(m, req.Version))
		return
	}
	m.syncing = &waiting{to: to, version: req.Version}
	if m.id == cg.leader {
		c.stabilize(now, g, req.GroupAssignment)
	}
}

func (c *Coordinator) tooLarge(assignments []kmsg.SyncGroupRequestGroupAssignment) bool {
	return slices.ContainsFunc(assignments, func(a kmsg.SyncGroupRequestGroupAssignment) bool {
		return len(a.MemberAssignment) > c.opts.MaxMemberBytes
	})
}

// stabilize stores the generation with the leader's assignment and answers
// everybody who waits for it.
func (c *Coordinator) stabilize(now time.Time, g *group, assignments []kmsg.SyncGroupRequestGroupAssignment) {
	cg := g.classic
	for _, a := range assignments {
		if m := cg.members[a.MemberID]; m != nil {
			m.assignment = slices.Clone(a.MemberAssignment)
		}
	}
	cg.become(now, Stable)
	c.append(cg.record(g.id))
	for _, m := range cg.byOrder() {
		if m.syncing == nil {
			continue
		}
		w := m.syncing
		m.syncing = nil
		c.classicSession(now, g, m)
		c.answer(w.to, cg.assigned(m, w.version))
	}
	if cg.allSynced() {
		c.timers.cancel(timerKey{purpose: timerSync, group: g.id})
	}
}

func (g *classicGroup) allSynced() bool {
	for _, m := range g.members {
		if !m.synced {
			return false
		}
	}
	return true
}

func (g *classicGroup) assigned(m *classicMember, version int16) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.Version, resp.MemberAssignment = version, m.assignment
	resp.ProtocolType, resp.Protocol = kmsg.StringPtr(g.protocolType), kmsg.StringPtr(g.protocol)
	if resp.MemberAssignment == nil {
		resp.MemberAssignment = []byte{}
	}
	return resp
}

// syncTimeout removes who joined and then did not sync in time.
func (c *Coordinator) syncTimeout(now time.Time, g *group) {
	cg := g.classic
	if cg == nil || (cg.state != CompletingRebalance && cg.state != Stable) || cg.allSynced() {
		return
	}
	for _, m := range cg.byOrder() {
		if !m.synced {
			c.log.Info("member did not sync in time", "group", g.id, "member", m.id, "generation", cg.generation)
			c.timers.cancel(timerKey{timerSession, g.id, m.id})
			cg.remove(m)
		}
	}
	c.prepareRebalance(now, g)
}

// failSyncs answers everybody who waits for an assignment that will not come.
func (c *Coordinator) failSyncs(cg *classicGroup, code int16) {
	for _, m := range cg.byOrder() {
		if m.syncing != nil {
			c.answer(m.syncing.to, syncRefusal(m.syncing.version, code))
			m.syncing = nil
		}
	}
}

// classicSession gives a member a fresh session.
func (c *Coordinator) classicSession(now time.Time, g *group, m *classicMember) {
	d := m.session
	if m.isNew {
		d = max(d, newMemberTime)
	}
	c.timers.set(timerKey{timerSession, g.id, m.id}, now.Add(d), func(now time.Time) {
		if !m.isNew && (m.joining != nil || m.syncing != nil) {
			c.classicSession(now, g, m) // it waits for us
			return
		}
		c.log.Info("member's session timed out", "group", g.id, "member", m.id, "generation", g.classic.generation)
		c.removeClassic(now, g, m)
	})
}

// removeClassic takes a member out of its group and lets the others share
// what it had.
func (c *Coordinator) removeClassic(now time.Time, g *group, m *classicMember) {
	cg := g.classic
	c.timers.cancel(timerKey{timerSession, g.id, m.id})
	if m.joining != nil {
		c.answer(m.joining.to, joinRefusal(m.joining.version, m.id, kerr.UnknownMemberID.Code))
		m.joining = nil
	}
	if m.syncing != nil {
		c.answer(m.syncing.to, syncRefusal(m.syncing.version, kerr.UnknownMemberID.Code))
		m.syncing = nil
	}
	cg.remove(m)
	switch cg.state {
	case Stable, CompletingRebalance:
		c.prepareRebalance(now, g)
	case PreparingRebalance:
		c.maybeCompleteJoin(now, g)
	}
}

// Heartbeat keeps a member's session alive and tells it of a rebalance.
func (c *Coordinator) Heartbeat(now time.Time, req *kmsg.HeartbeatRequest) (*kmsg.HeartbeatResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	g := c.groups[req.Group]
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
	case g != nil && g.consumer != nil:
		resp.ErrorCode = c.classicBeatsConsumer(now, g, req)
	case g == nil || g.classic == nil:
		resp.ErrorCode = kerr.UnknownMemberID.Code
	default:
		m, code := g.classic.member(req.MemberID, req.InstanceID)
		switch {
		case code != 0:
			resp.ErrorCode = code
		case req.Generation != g.classic.generation:
			resp.ErrorCode = kerr.IllegalGeneration.Code
		case g.classic.state == PreparingRebalance:
			c.classicSession(now, g, m)
			resp.ErrorCode = kerr.RebalanceInProgress.Code
		default:
			c.classicSession(now, g, m)
		}
	}
	return resp, c.take()
}

// LeaveGroup removes members: the caller itself (to version 2), or any number
// of members by member or group instance ID.
func (c *Coordinator) LeaveGroup(now time.Time, req *kmsg.LeaveGroupRequest) (*kmsg.LeaveGroupResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	g := c.groups[req.Group]
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		return resp, Effects{}
	}
	leave := func(member string, instance *string) int16 {
		switch {
		case g != nil && g.consumer != nil:
			return c.classicLeavesConsumer(now, g, member, instance)
		case g != nil && g.classic != nil:
			return c.leaveClassic(now, g, member, instance)
		}
		return kerr.UnknownMemberID.Code
	}
	if req.Version < 3 {
		resp.ErrorCode = leave(req.MemberID, nil)
		return resp, c.take()
	}
	for _, m := range req.Members {
		rm := kmsg.NewLeaveGroupResponseMember()
		rm.MemberID, rm.InstanceID, rm.ErrorCode = m.MemberID, m.InstanceID, leave(m.MemberID, m.InstanceID)
		resp.Members = append(resp.Members, rm)
	}
	return resp, c.take()
}

func (c *Coordinator) leaveClassic(now time.Time, g *group, member string, instance *string) int16 {
	cg := g.classic
	if _, ok := cg.handedOut[member]; ok && instance == nil {
		delete(cg.handedOut, member)
		c.timers.cancel(timerKey{timerSession, g.id, member})
		c.maybeCompleteJoin(now, g)
		c.forgetIfUnused(g)
		return 0
	}
	if instance != nil && member == "" { // an admin removes a static member
		holder, ok := cg.statics[*instance]
		if !ok {
			return kerr.UnknownMemberID.Code
		}
		member = holder
	}
	m, code := cg.member(member, instance)
	if code != 0 {
		return code
	}
	c.removeClassic(now, g, m)
	return 0
}

// Abandoned says that nobody waits for the answer to a request any more: its
// connection is gone. A new member that has not been answered goes with it,
// since its client does not know its ID and will join as another.
func (c *Coordinator) Abandoned(now time.Time, groupID string, to Waiter) Effects {
	g := c.groups[groupID]
	if g == nil || g.classic == nil {
		return c.take()
	}
	for _, m := range g.classic.byOrder() {
		switch {
		case m.joining != nil && m.joining.to == to:
			m.joining = nil
			if m.isNew && m.instanceID == nil {
				c.removeClassic(now, g, m)
			}
			return c.take()
		case m.syncing != nil && m.syncing.to == to:
			m.syncing = nil
			return c.take()
		}
	}
	return c.take()
}

func (c *Coordinator) classicMayCommit(now time.Time, g *group, w committer) int16 {
	cg := g.classic
	if w.epoch < 0 && w.member == "" && w.instance == nil {
		if w.transactional || cg.state == Empty {
			return 0
		}
		return kerr.UnknownMemberID.Code
	}
	if cg.state == Empty && w.epoch < 0 {
		return 0
	}
	m, code := cg.member(w.member, w.instance)
	switch {
	case code != 0:
		return code
	case w.epoch != cg.generation:
		return kerr.IllegalGeneration.Code
	}
	c.classicSession(now, g, m)
	if cg.state == CompletingRebalance && !w.transactional {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}
