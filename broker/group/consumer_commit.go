package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

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
