package group

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// shareGroup is a group in the protocol of KIP-932. Its members do not own
// partitions, they share them: the same partition may be assigned to several.
// What was delivered to whom is not known here; package share keeps it.
type shareGroup struct {
	epoch        int32
	metadataHash int64
	targetEpoch  int32
	members      map[string]*shareMember
	target       map[string]assignment
	known        map[TopicID]shareTopic
	seen         *Topics // for which metadataHash was last compared
}

// shareTopic is a topic whose records may have a state of delivery in the group.
type shareTopic struct {
	name       string
	partitions []int32 // sorted
	since      int64   // milliseconds
}

type shareMember struct {
	id string
	shareMetadata
	shareCurrent
}

// shareMetadata is what a member told about itself.
type shareMetadata struct {
	rackID *string
	client Client
	topics []string // sorted
}

// shareCurrent is what a member was last told.
type shareCurrent struct {
	epoch         int32
	previousEpoch int32
	assigned      assignment
}

func newShareGroup() *shareGroup {
	return &shareGroup{
		members: make(map[string]*shareMember),
		target:  make(map[string]assignment),
		known:   make(map[TopicID]shareTopic),
	}
}

// share returns the group, made if there is none.
func (c *Coordinator) share(id string) *shareGroup {
	g := c.ensure(id)
	if g.share == nil {
		g.share, g.classic, g.consumer = newShareGroup(), nil, nil
	}
	return g.share
}

// existingShare returns the group for a tombstone, which must not make one.
func (c *Coordinator) existingShare(id string) *shareGroup {
	if g := c.groups[id]; g != nil {
		return g.share
	}
	return nil
}

func (g *shareGroup) member(id string) *shareMember {
	m := g.members[id]
	if m == nil {
		m = &shareMember{id: id, shareCurrent: shareCurrent{assigned: assignment{}}}
		g.members[id] = m
	}
	return m
}

func (g *shareGroup) state() State {
	if len(g.members) == 0 {
		return Empty
	}
	return Stable
}

func (g *shareGroup) sortedMembers() []*shareMember {
	return slices.SortedFunc(maps.Values(g.members), func(a, b *shareMember) int { return cmp.Compare(a.id, b.id) })
}

// subscribed returns the names of the topics that any member wants.
func (g *shareGroup) subscribed() map[string]struct{} {
	out := make(map[string]struct{})
	for _, m := range g.members {
		for _, t := range m.topics {
			out[t] = struct{}{}
		}
	}
	return out
}

// refreshShare brings the group to a new epoch if members or their topics
// changed, and gives every member its target for it.
func (c *Coordinator) refreshShare(now time.Time, g *group, changed bool) {
	sg := g.share
	if changed || sg.seen != c.topics {
		sg.seen = c.topics
		hash := c.hashOf(sg.subscribed())
		if changed || hash != sg.metadataHash {
			c.write(shareGroupRecord{group: g.id, set: &consumerEpoch{epoch: sg.epoch + 1, metadataHash: hash}})
		}
	}
	if sg.targetEpoch >= sg.epoch {
		return
	}
	next := c.spread(sg)
	for _, m := range sg.sortedMembers() {
		if a := next[m.id]; !a.equal(sg.target[m.id]) || sg.target[m.id] == nil {
			c.write(shareTargetRecord{group: g.id, member: m.id, set: &a})
		}
	}
	epoch := sg.epoch
	c.write(shareTargetEpochRecord{group: g.id, set: &epoch})
	c.learnTopics(now, g, slices.Sorted(maps.Keys(sg.subscribed())))
}

// spread is the assignor "simple": the partitions that a member's topics have
// are dealt out to the members in turn until every partition has somebody and
// every member something. Members with the same topics are dealt to together.
func (c *Coordinator) spread(sg *shareGroup) map[string]assignment {
	out := make(map[string]assignment, len(sg.members))
	hands := map[string][]string{} // topic name → members
	same, first := true, []string(nil)
	for i, m := range sg.sortedMembers() {
		out[m.id] = assignment{}
		for _, t := range m.topics {
			hands[t] = append(hands[t], m.id)
		}
		if i == 0 {
			first = m.topics
		}
		same = same && slices.Equal(first, m.topics)
	}
	type partition struct {
		id TopicID
		n  int32
	}
	var deck []partition
	deal := func(members []string) {
		if len(members) == 0 || len(deck) == 0 {
			return
		}
		for i := range max(len(members), len(deck)) {
			p := deck[i%len(deck)]
			out[members[i%len(members)]].add(p.id, p.n)
		}
		deck = deck[:0]
	}
	for _, name := range slices.Sorted(maps.Keys(hands)) {
		t, ok := c.topics.Named(name)
		if !ok {
			continue
		}
		for n := range t.Partitions {
			deck = append(deck, partition{t.ID, n})
		}
		if !same {
			deal(hands[name])
		}
	}
	if same {
		deal(slices.Sorted(maps.Keys(out)))
	}
	return out
}

// learnTopics notes that the partitions of topics may have a state of delivery.
func (c *Coordinator) learnTopics(now time.Time, g *group, names []string) {
	known, changed := maps.Clone(g.share.known), false
	for _, name := range names {
		t, ok := c.topics.Named(name)
		if !ok || int(t.Partitions) == len(known[t.ID].partitions) {
			continue
		}
		all := make([]int32, t.Partitions)
		for i := range all {
			all[i] = int32(i)
		}
		known[t.ID], changed = shareTopic{name: name, partitions: all, since: now.UnixMilli()}, true
	}
	if changed {
		c.write(shareKnownRecord{group: g.id, set: &known})
	}
}

// forgetShareTopics notes that topics have no state of delivery any more.
func (c *Coordinator) forgetShareTopics(g *group, gone func(id TopicID) bool) {
	known := maps.Clone(g.share.known)
	maps.DeleteFunc(known, func(id TopicID, _ shareTopic) bool { return gone(id) })
	if len(known) != len(g.share.known) {
		c.write(shareKnownRecord{group: g.id, set: &known})
	}
}

// dropShareTopic forgets a topic that is gone in all share groups.
func (c *Coordinator) dropShareTopic(topic TopicID) {
	for _, id := range slices.Sorted(maps.Keys(c.groups)) {
		if g := c.groups[id]; g.share != nil {
			c.forgetShareTopics(g, func(id TopicID) bool { return id == topic })
		}
	}
}

func (c *Coordinator) shareLoaded(now time.Time, g *group) {
	for _, m := range g.share.sortedMembers() {
		c.shareSession(now, g, m.id)
	}
}

// dropShare writes tombstones for all that is stored of a share group.
func (c *Coordinator) dropShare(g *group) {
	for _, m := range g.share.sortedMembers() {
		c.dropShareMember(g, m)
	}
	c.write(shareKnownRecord{group: g.id})
	c.write(shareTargetEpochRecord{group: g.id})
	c.write(shareGroupRecord{group: g.id})
}

// dropShareMember writes tombstones for a member and stops its timer.
func (c *Coordinator) dropShareMember(g *group, m *shareMember) {
	c.timers.cancel(timerKey{timerSession, g.id, m.id})
	c.write(shareCurrentRecord{group: g.id, member: m.id})
	if _, ok := g.share.target[m.id]; ok {
		c.write(shareTargetRecord{group: g.id, member: m.id})
	}
	c.write(shareMemberRecord{group: g.id, member: m.id})
}
