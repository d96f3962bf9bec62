package group

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRegexBytes bounds a subscribed expression.
const maxRegexBytes = 4096

// refusal is an error code with its sentence.
type refusal struct {
	code    int16
	message string
}

func refuse(err *kerr.Error, format string, args ...any) *refusal {
	return &refusal{err.Code, fmt.Sprintf(format, args...)}
}

// ConsumerGroupHeartbeat is the one request of a KIP-848 member: it joins
// (epoch 0), tells what changed and what it owns, learns its assignment, and
// leaves (−1, or −2 for a static member that will be back). In version 0 the
// coordinator makes the member ID, from version 1 the client does. An expression
// stands for those of the topics that it matches of which see says that the
// client may know of them; nil: all.
func (c *Coordinator) ConsumerGroupHeartbeat(now time.Time, from Client, see func(topic string) bool, req *kmsg.ConsumerGroupHeartbeatRequest) (*kmsg.ConsumerGroupHeartbeatResponse, Effects) {
	resp := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
	r := c.checkHeartbeat(req)
	if r == nil {
		if req.MemberEpoch < 0 {
			r = c.consumerLeaves(now, req, resp)
		} else {
			r = c.consumerBeats(now, from, see, req, resp)
		}
	}
	if r != nil {
		resp.ErrorCode, resp.ErrorMessage = r.code, &r.message
		resp.Assignment = nil
	}
	return resp, c.take()
}

func (c *Coordinator) checkHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	size := 0
	for _, t := range req.SubscribedTopicNames {
		size += len(t) + 16
	}
	for _, t := range req.Topics {
		size += len(t.Partitions)*4 + 16
	}
	joining := req.MemberEpoch == 0
	switch {
	case req.Group == "":
		return refuse(kerr.InvalidRequest, "GroupId can't be empty.")
	case req.MemberEpoch < leftStatically:
		return refuse(kerr.InvalidRequest, "MemberEpoch is %d, but must be -2 or greater.", req.MemberEpoch)
	case req.MemberID == "" && (!joining || req.Version >= 1):
		return refuse(kerr.InvalidRequest, "MemberId can't be empty.")
	case len(req.MemberID) > 255:
		return refuse(kerr.InvalidRequest, "MemberId has %d bytes, more than 255.", len(req.MemberID))
	case req.InstanceID != nil && *req.InstanceID == "":
		return refuse(kerr.InvalidRequest, "InstanceId can't be empty.")
	case req.MemberEpoch == leftStatically && req.InstanceID == nil && !c.knownAsStatic(req.Group, req.MemberID):
		return refuse(kerr.InvalidRequest, "InstanceId can't be null.")
	case joining && req.RebalanceTimeoutMillis <= 0:
		return refuse(kerr.InvalidRequest, "RebalanceTimeoutMs must be provided in first request.")
	case joining && len(req.Topics) > 0:
		return refuse(kerr.InvalidRequest, "TopicPartitions must be empty when (re-)joining.")
	case joining && len(req.SubscribedTopicNames) == 0 && (req.SubscribedTopicRegex == nil || *req.SubscribedTopicRegex == ""):
		return refuse(kerr.InvalidRequest, "Either SubscribedTopicNames or SubscribedTopicRegex must be set in first request.")
	case size > c.opts.MaxMemberBytes:
		return refuse(kerr.InvalidRequest, "The subscription and the owned partitions take %d bytes, more than %d.", size, c.opts.MaxMemberBytes)
	}
	if a := req.ServerAssignor; a != nil && *a != "" && assignors[*a] == nil {
		return refuse(kerr.UnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: %s, %s.", *a, assignorUniform, assignorRange)
	}
	if re := req.SubscribedTopicRegex; re != nil && *re != "" {
		if len(*re) > maxRegexBytes {
			return refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex has %d bytes, more than %d.", len(*re), maxRegexBytes)
		}
		if _, err := compile(*re); err != nil {
			return refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %v.", *re, err)
		}
	}
	return nil
}

// knownAsStatic says whether a member has told its instance ID before. There are
// clients that do not repeat it when they leave for a while (franz-go 1.22).
func (c *Coordinator) knownAsStatic(group, member string) bool {
	g := c.existing(group)
	return g != nil && g.members[member] != nil && g.members[member].instanceID != nil
}

func (c *Coordinator) consumerBeats(now time.Time, from Client, see func(topic string) bool, req *kmsg.ConsumerGroupHeartbeatRequest, resp *kmsg.ConsumerGroupHeartbeatResponse) *refusal {
	g, r := c.consumerGroupFor(now, req)
	if r != nil {
		return r
	}
	owned, told := ownedOf(req)
	id, r := c.admit(g, req, owned)
	if r != nil {
		if len(g.consumer.members) == 0 && g.consumer.epoch == 0 {
			g.consumer = nil // made for this request only
			c.forgetIfBlank(g)
		}
		return r
	}
	cg := g.consumer
	var before memberMetadata
	if m := cg.members[id]; m != nil {
		before = m.memberMetadata
	}
	after := before
	after.updateFrom(from, req)
	full := req.MemberEpoch == 0 || (told && req.RebalanceTimeoutMillis != -1 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil))
	was := assignment{}
	if m := cg.members[id]; m != nil {
		was = m.assigned
	}
	var by *resolver
	if after.regex != nil {
		by = &resolver{*after.regex, see}
	}
	c.updateConsumer(now, g, id, after, by)
	c.reconcile(g, id, owned, told)
	c.consumerTimers(now, g, id)

	m := cg.members[id]
	resp.MemberID, resp.MemberEpoch = kmsg.StringPtr(m.id), m.epoch
	_, interval := c.times(g)
	resp.HeartbeatIntervalMillis = int32(interval.Milliseconds())
	if full || !was.equal(m.assigned) {
		resp.Assignment = heartbeatAssignment(m.assigned)
	}
	return nil
}

func heartbeatAssignment(a assignment) *kmsg.ConsumerGroupHeartbeatResponseAssignment {
	out := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	for _, id := range a.sortedTopics() {
		t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
		t.TopicID, t.Partitions = id, slices.Clone(a[id])
		out.Topics = append(out.Topics, t)
	}
	return &out
}

// ownedOf returns what the member says it owns; told is false if it says nothing.
func ownedOf(req *kmsg.ConsumerGroupHeartbeatRequest) (owned assignment, told bool) {
	owned = assignment{}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			owned.add(t.TopicID, p)
		}
	}
	return owned, req.Topics != nil
}

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

// updateConsumer stores what a member told, bumps the group epoch if that or
// the topics changed, and assigns anew if the group epoch is ahead. by is nil for
// members without an expression.
func (c *Coordinator) updateConsumer(now time.Time, g *group, id string, after memberMetadata, by *resolver) {
	cg := g.consumer
	m := cg.members[id]
	isNew := m == nil
	bump := isNew || !m.sameSubscription(after) || !sameString(m.assignor, after.assignor)
	if isNew || !m.equal(after) {
		c.write(consumerMemberRecord{group: g.id, member: id, set: &after})
	}
	if isNew {
		c.write(currentRecord{group: g.id, member: id, set: &currentAssignment{assigned: assignment{}, revoking: assignment{}}})
	}
	c.refresh(now, g, bump, by)
	c.retarget(g)
}

// retarget runs the assignor if the group epoch is ahead of the assignment's.
func (c *Coordinator) retarget(g *group) {
	cg := g.consumer
	if cg.targetEpoch >= cg.epoch {
		return
	}
	partitions := make(map[TopicID]int32)
	var members []assignee
	for _, m := range cg.sortedMembers() {
		a := assignee{id: m.id, instance: m.instanceID, holds: cg.target[m.id]}
		for _, name := range cg.subscription(m) {
			if t, ok := c.topics.Named(name); ok {
				a.topics = append(a.topics, t.ID)
				partitions[t.ID] = t.Partitions
			}
		}
		slices.SortFunc(a.topics, compareTopicID)
		members = append(members, a)
	}
	next := assignors[cg.assignor()](members, partitions)
	for _, m := range members {
		target := next[m.id]
		if old, ok := cg.target[m.id]; !ok || !old.equal(target) {
			c.write(targetRecord{group: g.id, member: m.id, set: &target})
		}
	}
	epoch := cg.epoch
	c.write(targetEpochRecord{group: g.id, set: &epoch})
}

// consumerTimers gives the member a fresh session and, while it has partitions
// to give up, a time limit for that.
func (c *Coordinator) consumerTimers(now time.Time, g *group, id string) {
	c.consumerSession(now, g, id)
	key := timerKey{timerRebalance, g.id, id}
	if g.consumer.members[id].state != memberUnrevoked {
		c.timers.cancel(key)
	} else if _, running := c.timers.byKey[key]; !running {
		c.consumerRebalance(now, g, id)
	}
}

func (c *Coordinator) consumerSession(now time.Time, g *group, id string) {
	d, _ := c.times(g)
	if m := g.consumer.members[id]; m.classic != nil {
		d = millis(m.classic.sessionMillis)
	}
	c.timers.set(timerKey{timerSession, g.id, id}, now.Add(d), func(now time.Time) {
		c.log.Info("member's session timed out", "group", g.id, "member", id, "epoch", g.consumer.members[id].epoch)
		c.removeConsumer(now, g, g.consumer.members[id])
	})
}

func (c *Coordinator) consumerRebalance(now time.Time, g *group, id string) {
	d := max(millis(g.consumer.members[id].rebalanceMillis), time.Second)
	c.timers.set(timerKey{timerRebalance, g.id, id}, now.Add(d), func(now time.Time) {
		c.log.Info("member did not give up its partitions in time", "group", g.id, "member", id)
		c.removeConsumer(now, g, g.consumer.members[id])
	})
}

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

// mayFetchOffsets says whether a request may see the group's offsets: one that
// names no member may, a member must be where the group thinks it is.
func (g *consumerGroup) mayFetchOffsets(req kmsg.OffsetFetchRequestGroup) int16 {
	id := ""
	if req.MemberID != nil {
		id = *req.MemberID
	}
	if id == "" && req.MemberEpoch < 0 {
		return 0
	}
	m := g.members[id]
	switch {
	case m == nil || req.MemberEpoch < 0:
		return kerr.UnknownMemberID.Code
	case req.MemberEpoch == m.epoch:
		return 0
	case m.classic != nil:
		return kerr.IllegalGeneration.Code
	}
	return kerr.StaleMemberEpoch.Code
}

// late says whether a commit under an epoch that the member has left behind is
// still right for a partition.
func (c *Coordinator) late(w committer, topic string, partition int32) bool {
	g := c.groups[w.group]
	if g == nil || g.consumer == nil || w.epoch <= 0 {
		return false
	}
	m := g.consumer.members[w.member]
	t, ok := c.topics.Named(topic)
	if m == nil || m.classic != nil || !ok || w.epoch >= m.epoch {
		return false
	}
	since, holds := m.sinceOf(t.ID, partition)
	return holds && since <= w.epoch
}

func (c *Coordinator) consumerMayCommit(now time.Time, g *group, w committer) int16 {
	cg := g.consumer
	switch {
	case w.epoch < 0 && len(cg.members) == 0: // an admin's
		return 0
	case w.epoch < 0 && w.member == "" && w.instance == nil && w.transactional: // a producer need not say who consumes
		return 0
	}
	m := cg.members[w.member]
	if w.instance != nil {
		if holder, ok := cg.statics[*w.instance]; ok && holder != w.member {
			return kerr.FencedInstanceID.Code
		}
	}
	switch {
	case m == nil:
		return kerr.UnknownMemberID.Code
	case m.classic != nil && w.epoch != m.epoch:
		return kerr.IllegalGeneration.Code
	case m.classic == nil && !w.transactional && w.version < 9:
		return kerr.UnsupportedVersion.Code
	case m.classic == nil && w.epoch != m.epoch && w.transactional:
		return kerr.IllegalGeneration.Code
	case w.epoch != m.epoch:
		return kerr.StaleMemberEpoch.Code
	}
	if m.classic != nil {
		c.consumerSession(now, g, m.id)
	}
	return 0
}
