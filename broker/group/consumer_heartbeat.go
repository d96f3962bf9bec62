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
