package group

import (
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"time"
)

// consumerGroup is a group in the protocol of KIP-848. Everything in it but
// the time fields is changed by records only.
type consumerGroup struct {
	epoch            int32
	metadataHash     int64
	targetEpoch      int32
	members          map[string]*consumerMember
	statics          map[string]string // group instance ID → member ID
	target           map[string]assignment
	owners           map[TopicID]map[int32]string
	regexes          map[string]resolvedRegex
	emptySinceMillis int64
	seen             *Topics               // for which metadataHash was last compared
	resolved         map[string]resolution // by expression
}

type consumerMember struct {
	id string
	memberMetadata
	currentAssignment
}

// memberMetadata is what a member told about itself.
type memberMetadata struct {
	instanceID      *string
	rackID          *string
	client          Client
	topics          []string // sorted
	regex           *string
	rebalanceMillis int32
	assignor        *string
	classic         *classicProtocols // a member that still speaks the classic protocol
}

type classicProtocols struct {
	sessionMillis int32
	protocols     []protocol
}

// currentAssignment is where a member is on its way to its target.
type currentAssignment struct {
	epoch         int32
	previousEpoch int32
	state         memberState
	assigned      assignment
	revoking      assignment // to be given up before the member's epoch can grow
	since         heldSince
}

// heldSince is the member epoch at which each partition came to a member. A
// commit that was sent before the member learnt its next epoch is right as long
// as the member has had the partition since (KIP-1251).
type heldSince map[TopicID]map[int32]int32

func (h heldSince) set(id TopicID, partition, epoch int32) {
	if h[id] == nil {
		h[id] = make(map[int32]int32)
	}
	h[id][partition] = epoch
}

// sinceOf returns the epoch since which the member has had the partition.
func (m *consumerMember) sinceOf(id TopicID, partition int32) (epoch int32, holds bool) {
	if epoch, ok := m.since[id][partition]; ok {
		return epoch, true
	}
	return m.epoch, m.assigned.has(id, partition)
}

type memberState int8

const (
	memberStable     memberState = 0 // has its target
	memberUnrevoked  memberState = 1 // must first give up what is not in its target
	memberUnreleased memberState = 2 // waits for others to give up what is
)

// leftStatically is the epoch of a static member that went away and may come back.
const leftStatically = -2

func newConsumerGroup() *consumerGroup {
	return &consumerGroup{
		members: make(map[string]*consumerMember),
		statics: make(map[string]string),
		target:  make(map[string]assignment),
		owners:  make(map[TopicID]map[int32]string),
		regexes: make(map[string]resolvedRegex),

		resolved: make(map[string]resolution),
	}
}

func (c *Coordinator) consumer(id string) *consumerGroup {
	g := c.ensure(id)
	if g.consumer == nil {
		g.consumer, g.classic = newConsumerGroup(), nil
	}
	return g.consumer
}

// existing returns the group for a tombstone, which must not make one.
func (c *Coordinator) existing(id string) *consumerGroup {
	if g := c.groups[id]; g != nil {
		return g.consumer
	}
	return nil
}

func (g *consumerGroup) member(id string) *consumerMember {
	m := g.members[id]
	if m == nil {
		m = &consumerMember{id: id, currentAssignment: currentAssignment{assigned: assignment{}, revoking: assignment{}}}
		g.members[id] = m
	}
	return m
}

func (r consumerGroupRecord) apply(c *Coordinator) {
	if r.set != nil {
		g := c.consumer(r.group)
		g.epoch, g.metadataHash = r.set.epoch, r.set.metadataHash
		// The last member's leaving is what the last epoch of an empty group is about.
		g.emptySinceMillis = r.writtenMillis
		return
	}
	if g := c.groups[r.group]; g != nil {
		g.consumer = nil
		c.forgetIfBlank(g)
	}
}

func (r consumerMemberRecord) apply(c *Coordinator) {
	if r.set == nil {
		g := c.existing(r.group)
		if g == nil || g.members[r.member] == nil {
			return
		}
		m := g.members[r.member]
		g.setOwner(m.assigned, m.id, false)
		g.setOwner(m.revoking, m.id, false)
		if m.instanceID != nil && g.statics[*m.instanceID] == m.id {
			delete(g.statics, *m.instanceID)
		}
		delete(g.members, r.member)
		return
	}
	g := c.consumer(r.group)
	m := g.member(r.member)
	if m.instanceID != nil && g.statics[*m.instanceID] == m.id {
		delete(g.statics, *m.instanceID)
	}
	m.memberMetadata = *r.set
	if m.instanceID != nil {
		g.statics[*m.instanceID] = m.id
	}
}

func (r targetEpochRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.consumer(r.group).targetEpoch = *r.set
	} else if g := c.existing(r.group); g != nil {
		g.targetEpoch = 0
	}
}

func (r targetRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.consumer(r.group).target[r.member] = *r.set
	} else if g := c.existing(r.group); g != nil {
		delete(g.target, r.member)
	}
}

func (r currentRecord) apply(c *Coordinator) {
	next := currentAssignment{assigned: assignment{}, revoking: assignment{}}
	var g *consumerGroup
	if r.set != nil {
		g, next = c.consumer(r.group), *r.set
	} else if g = c.existing(r.group); g == nil || g.members[r.member] == nil {
		return
	}
	m := g.member(r.member)
	g.setOwner(m.assigned, m.id, false)
	g.setOwner(m.revoking, m.id, false)
	m.currentAssignment = next
	g.setOwner(m.assigned, m.id, true)
	g.setOwner(m.revoking, m.id, true)
}

func (r regexRecord) apply(c *Coordinator) {
	if r.set != nil {
		c.consumer(r.group).regexes[r.regex] = *r.set
	} else if g := c.existing(r.group); g != nil {
		delete(g.regexes, r.regex)
	}
}

// setOwner notes a member as the owner of partitions, or no longer.
func (g *consumerGroup) setOwner(a assignment, member string, owns bool) {
	for id, list := range a {
		byPartition := g.owners[id]
		if byPartition == nil {
			if !owns {
				continue
			}
			byPartition = make(map[int32]string)
			g.owners[id] = byPartition
		}
		for _, p := range list {
			if owns {
				byPartition[p] = member
			} else if byPartition[p] == member {
				delete(byPartition, p)
			}
		}
		if len(byPartition) == 0 {
			delete(g.owners, id)
		}
	}
}

func (g *consumerGroup) sortedMembers() []*consumerMember {
	return slices.SortedFunc(maps.Values(g.members), func(a, b *consumerMember) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
}

func (g *consumerGroup) state() State {
	switch {
	case len(g.members) == 0:
		return Empty
	case g.epoch > g.targetEpoch:
		return Assigning
	}
	for _, m := range g.members {
		if m.epoch != g.targetEpoch || m.state != memberStable {
			return Reconciling
		}
	}
	return Stable
}

// subscription returns the names of the topics that a member is subscribed to.
func (g *consumerGroup) subscription(m *consumerMember) []string {
	if m.regex == nil || *m.regex == "" {
		return m.topics
	}
	all := append(slices.Clone(m.topics), g.regexes[*m.regex].topics...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (c *Coordinator) consumerSubscribedTopics(g *consumerGroup) map[string]struct{} {
	out := make(map[string]struct{})
	for _, m := range g.members {
		for _, t := range g.subscription(m) {
			out[t] = struct{}{}
		}
	}
	return out
}

// hash is a fingerprint of the subscribed topics as they are now: a change
// means that the group must be assigned anew.
func (c *Coordinator) hash(g *consumerGroup) int64 { return c.hashOf(c.consumerSubscribedTopics(g)) }

func (c *Coordinator) hashOf(names map[string]struct{}) int64 {
	h := fnv.New64a()
	found := false
	for _, name := range slices.Sorted(maps.Keys(names)) {
		t, ok := c.topics.Named(name)
		if !ok {
			continue
		}
		found = true
		_, _ = h.Write([]byte(name))
		_, _ = h.Write(t.ID[:])
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(t.Partitions)))
	}
	if !found {
		return 0
	}
	return int64(h.Sum64())
}

// assignor returns what most members asked for.
func (g *consumerGroup) assignor() string {
	votes := map[string]int{}
	for _, m := range g.members {
		if m.assignor != nil {
			votes[*m.assignor]++
		}
	}
	if votes[assignorRange] > votes[assignorUniform] {
		return assignorRange
	}
	return assignorUniform
}

func (c *Coordinator) consumerLoaded(now time.Time, g *group) {
	if len(g.consumer.members) == 0 && g.consumer.emptySinceMillis == 0 {
		g.consumer.emptySinceMillis = now.UnixMilli()
	}
	for _, m := range g.consumer.sortedMembers() {
		c.consumerSession(now, g, m.id)
		if m.state == memberUnrevoked {
			c.consumerRebalance(now, g, m.id)
		}
	}
}

// dropConsumer writes tombstones for all that is stored of a KIP-848 group
// apart from its offsets.
func (c *Coordinator) dropConsumer(g *group) {
	cg := g.consumer
	for _, m := range cg.sortedMembers() {
		c.dropMember(g, m)
	}
	for _, regex := range slices.Sorted(maps.Keys(cg.regexes)) {
		c.write(regexRecord{group: g.id, regex: regex})
	}
	c.write(targetEpochRecord{group: g.id})
	c.write(consumerGroupRecord{group: g.id})
}

// dropMember writes tombstones for a member and stops its timers.
func (c *Coordinator) dropMember(g *group, m *consumerMember) {
	for _, purpose := range []timerPurpose{timerSession, timerRebalance, timerReconcile} {
		c.timers.cancel(timerKey{purpose, g.id, m.id})
	}
	c.write(currentRecord{group: g.id, member: m.id})
	if _, ok := g.consumer.target[m.id]; ok {
		c.write(targetRecord{group: g.id, member: m.id})
	}
	c.write(consumerMemberRecord{group: g.id, member: m.id})
}
